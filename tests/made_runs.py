"""Folders of finished runs that nobody trained, with whatever predictions a test needs."""

import json
from dataclasses import asdict

import numpy as np
from helpers import make_record

from benchmark.data.inventory import Event
from benchmark.data.store_index import Clip, Row, Writer, make_plan, store_folder
from benchmark.metrics.measures import all_once
from benchmark.paths import cache_root
from benchmark.predictions import Predictions
from benchmark.registry import get_task

RATE = 8000


def made_predictions(task, protocol, clips=40, seed=0, **changes):
    """Predictions of random clips under a task's protocol, right more often than not."""
    classes, generator = task.classes_of(protocol), np.random.default_rng(seed)
    single = task.name in ("asc", "asc-mobile", "tagging", "domestic", "esc")
    if single:
        target = np.eye(len(classes))[generator.integers(len(classes), size=clips)]
        probabilities = generator.dirichlet(np.full(len(classes), 0.2), size=clips) + 0.5 * target
        probabilities /= probabilities.sum(1, keepdims=True)
    else:
        target = (generator.uniform(size=(clips, len(classes))) < 0.3).astype(float)
        probabilities = np.clip(0.3 * generator.uniform(size=target.shape) + 0.6 * target, 0, 1)
    groups = {"bad": "ff1010bird", "asc-mobile": "a", "sed": "test", "tagging": "public", "ust": "validate"}
    fields = {
        "clip_id": np.array([f"clip{number:03d}" for number in range(clips)]),
        "group": np.array([groups.get(task.name, "1")] * clips),
        "target": target.astype(np.float32),
        "probabilities": probabilities,
        "cluster": np.array([f"place{number // 2}" for number in range(clips)]),
        "conditions": {"city": np.array(["Wien", "Rom"] * (clips // 2))},
    }
    if single:
        fields["decision"] = probabilities.argmax(1)
    if task.name == "sed":
        truth = [[Event(0.2, 0.8, classes[place]) for place in np.flatnonzero(row)] for row in target]
        fields |= {"events": [events[:1] for events in truth], "reference_events": truth}
    return Predictions(**(fields | changes))


def made_run(root, task="esc", found=None, fold=None, seed=0, **changes):
    """A run's folder with its record, config.yaml, metrics.csv and, unless `found` is False, predictions."""
    task = get_task(task)
    protocol = changes.get("protocol", next(iter(task.protocols)))
    fold = fold or task.protocols[protocol][0]
    found = made_predictions(task, protocol) if found is None else found
    name = f"20260101-000000-{fold}-s{seed}"
    folder = root / task.name / changes.get("system", "cnn8").replace("/", "-") / name
    folder.mkdir(parents=True)
    scores = {task.main_score: 0.5}
    if found:
        found.write(folder)
        scores = all_once(task.load("rescorer")(found, task.classes_of(protocol)), len(found.clip_id))
    fields = {"task": task.name, "id": name, "protocol": protocol, "fold": fold, "seed": seed, "scores": scores}
    record = make_record(**(fields | changes))
    (folder / "record.json").write_text(json.dumps(asdict(record)))
    header = f"# task: {task.name}\n# data: {root / 'data'}\ntitle: a recipe <b>\n"
    (folder / "config.yaml").write_text(header)
    (folder / "metrics.csv").write_text("epoch,step,train/loss,val/loss\n0,9,0.5,\n0,19,0.25,0.75\n")
    return folder


def made_store(root, task, sounds):
    """The waveform store of the runs' data, with some clips: name to samples in [-1, 1] at 8 kHz."""
    folder = store_folder(cache_root(), task, root / "data", RATE, True)
    folder.mkdir(parents=True)
    writer = Writer(folder, make_plan(folder, [Clip(name, root) for name in sounds], RATE, True, "stop"))
    rows = []
    for name, sound in sounds.items():
        samples = np.round(np.asarray(sound) * 32767).astype(np.int16)
        row = Row(name, 0, len(samples), 1, RATE, 1 / 32767, 0, 0, 0, "")
        rows.append(writer.append(row, samples))
    writer.finish(rows)
    writer.close()
