"""Runs on disk that a site is made of, without training."""

import json

import numpy as np
from pages import put

from benchmark.data.inventory import Event
from benchmark.predictions import Predictions

HOSTILE = "<img src=x onerror=alert(1)>'\"</script><script>alert(2)</script>"
CONFIG = """\
# task: {task}
# data: {data}
title: a made-up recipe
trainer:
  max_steps: 30
"""


def write_curves(folder, steps=30, name="metrics.csv"):
    """A table of metrics: a loss that halves, and a validation score every tenth step."""
    lines = ["epoch,step,train/loss,val/loss,val/accuracy,val/auc,val/event_f1"]
    for step in range(steps):
        lines.append(f"0,{step},{0.5**step},,,,")
        if step % 10 == 9:
            lines.append(f"0,{step},,{0.5**step},{step / steps},{step / steps},{step / steps}")
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("\n".join(lines) + "\n")


def put_run(root, data="/nowhere", **changes):
    """A record with a config and learning curves; returns its folder."""
    folder = put(root, **changes).parent
    (folder / "config.yaml").write_text(CONFIG.format(task=changes.get("task", "bad"), data=data))
    write_curves(folder)
    return folder


def put_bad(root, clips=60, **changes):
    """A run of `bad`, whose scores are right more often than not."""
    folder = put_run(root, **changes)
    random = np.random.default_rng(0)
    target = np.arange(clips) % 2
    score = np.clip(0.3 * target + 0.7 * random.random(clips), 0, 1)
    names = np.array([f"clip-{clip:03}" for clip in range(clips)])
    groups = np.where(np.arange(clips) < clips // 2, "north", "south")
    Predictions(names, groups, target[:, np.newaxis], score[:, np.newaxis]).write(folder)
    return folder


def put_sed(root, data, events, **changes):
    """A run of `sed` whose found events are the annotated ones, each half as long; `events` is clip to events."""
    fields = {"task": "sed", "protocol": "test", "fold": "test", "variant": "mini", "system": "cnn8", "id": "s-1"}
    folder = put_run(root, data, scores={"event_f1": 0.5, "event_f1/Cat": 0.25}, **(fields | changes))
    found = [[Event(e.onset, (e.onset + e.offset) / 2, e.label) for e in of_clip] for of_clip in events.values()]
    target = np.zeros((len(events), 10))
    frames, seconds = 20, 0.1
    Predictions(
        clip_id=np.array(list(events)),
        group=np.full(len(events), "test"),
        target=target,
        probabilities=np.full((len(events), 10), 0.1),
        events=found,
        reference_events=list(events.values()),
    ).write(
        folder,
        frames=np.tile(np.linspace(0, 1, frames)[:, np.newaxis], (len(events), 10)),
        frame_counts=np.full(len(events), frames),
        frame_seconds=np.float64(seconds),
    )
    return folder


def put_hostile(root):
    """A run whose every field of free text is html."""
    names = ("group", "engine", "precision", "device", "commit", "created", "dataset_fingerprint")
    text = dict.fromkeys(names, HOSTILE)
    folder = put_bad(
        root, id="hostile", system="cnn8", versions={HOSTILE: HOSTILE}, skipped={HOSTILE: HOSTILE},
        scores={"auc": 0.5, HOSTILE: 0.5}, overrides=[HOSTILE], fast_path=[HOSTILE], variant=f"custom:{HOSTILE}",
        seconds={"train": 1.0, HOSTILE: 1.0}, **text,
    )  # fmt: skip
    record = folder / "record.json"
    record.write_text(
        record.read_text().replace('"hostile"', '"<b>hostile</b>"').replace('"cnn8"', json.dumps(HOSTILE))
    )
    (folder / "config.yaml").write_text(f"# data: {HOSTILE}\n{HOSTILE}\n")
    (folder / "metrics.csv").write_text(f"step,train/loss,{HOSTILE}/loss\n1,0.5,0.5\n")
    return folder
