"""Every official score as a metric: batches, order, repetitions and two processes give what one table gives."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.data.inventory import Event
from benchmark.metrics import (
    TagGroup,
    average_precision_at_k,
    binary_scores,
    classwise_accuracy,
    macro_f1,
    taxonomy_scores,
    top_k,
)
from benchmark.metrics.clips import ClipTable
from benchmark.metrics.events import event_based_scores, segment_based_scores
from benchmark.metrics.scores import ClipScores

CLIPS, FRAMES = 60, 8
CLASSES = ("a", "b", "c", "d")
GROUPS = (TagGroup("1", 0, (1, 2), 3),)


def events_of(target):
    return [Event(1.0, 3.0, name) for name, value in zip(CLASSES, target, strict=True) if value]


def decoded(frames):
    """One event a class, from the first to the last frame above a half; a frame lasts half a second."""
    found = []
    for name, curve in zip(CLASSES, frames.T, strict=True):
        above = np.flatnonzero(curve > 0.5)
        if len(above):
            found.append(Event(above[0] / 2, (above[-1] + 1) / 2, name))
    return found


def detection(score):
    def of_table(table):
        reference = {str(clip): events_of(target) for clip, target in zip(table.clip, table.target, strict=True)}
        found = {str(clip): decoded(frames) for clip, frames in zip(table.clip, table.frames, strict=True)}
        return score(reference, found, CLASSES)

    return of_table


def mean_average_precision(table):
    ranked = top_k(table.probability, 3)
    return {"map@3": float(average_precision_at_k(table.target.argmax(1), ranked).mean())}


SCORES = {
    "class-wise accuracy": lambda t: classwise_accuracy(t.target.argmax(1), t.probability.argmax(1), CLASSES),
    "MAP@3": mean_average_precision,
    "macro F1": lambda t: macro_f1(t.target.argmax(1), t.probability.argmax(1), CLASSES),
    "AUC per data set": lambda t: binary_scores(t.target[:, 0], t.probability[:, 0], [str(c % 3) for c in t.clip]),
    "AUPRC of tags": lambda t: taxonomy_scores(t.target, t.probability, GROUPS),
    "events": detection(event_based_scores),
    "segments": detection(segment_based_scores),
}


def everything():
    """All clips: index, window, probability, target, first frame, valid frames and frames."""
    rng = np.random.default_rng(11)
    probability = torch.from_numpy(rng.random((CLIPS, len(CLASSES)), dtype=np.float32))
    target = torch.from_numpy(rng.integers(0, 2, (CLIPS, len(CLASSES))).astype(np.float32))
    frames = torch.from_numpy(rng.random((CLIPS, FRAMES, len(CLASSES)), dtype=np.float32))
    zeros = torch.zeros(CLIPS, dtype=torch.long)
    return torch.arange(CLIPS), zeros, probability, target, zeros, torch.full((CLIPS,), FRAMES), frames


def fill(metric, rows, batch):
    parts = everything()
    for chosen in torch.as_tensor(rows).split(batch):
        metric.update(*(part[chosen] for part in parts[:4]))
        metric.update_frames(*(part[chosen] for part in parts[4:]))
    return metric


def directly(score):
    clip, _, probability, target, _, _, frames = (part.numpy() for part in everything())
    return score(ClipTable(clip, probability.astype(np.float64), target, list(frames)))


def shares():
    """Rows of two processes, uneven, shuffled, some repeated."""
    rows = torch.randperm(CLIPS, generator=torch.Generator().manual_seed(2)).tolist()
    return [rows[:41], rows[41:] + rows[:5]]


@pytest.mark.parametrize("name", SCORES)
def test_batches_order_and_repetitions_do_not_matter(name):
    expected = directly(SCORES[name])
    assert any(value is not None and 0 < value < 1 for value in expected.values())
    for rows, batch in ((list(range(CLIPS)), CLIPS), (shares()[1] + shares()[0], 7)):
        assert fill(ClipScores(SCORES[name]), rows, batch).compute() == expected


@pytest.fixture(scope="module")
def gathered(tmp_path_factory):
    """The scores that two gloo processes end up with: this one and another, whose program is this file."""
    folder = tmp_path_factory.mktemp("gloo")
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen([sys.executable, __file__, str(folder)], env=env) as other:
        gather(0, folder)
    assert other.returncode == 0
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.slow
@pytest.mark.parametrize("name", SCORES)
def test_two_processes_equal_one(gathered, name):
    assert gathered[0][name] == gathered[1][name] == directly(SCORES[name])


def gather(rank, folder):
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2, timeout=timedelta(seconds=120)
    )
    try:
        scores = {name: fill(ClipScores(score), shares()[rank], 7).compute() for name, score in SCORES.items()}
        (folder / f"{rank}.json").write_text(json.dumps(scores))
    finally:
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    gather(1, Path(sys.argv[1]))
