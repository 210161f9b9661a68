"""Runs of `esc` on disk, with predictions that give their scores."""

import dataclasses

import numpy as np
import pytest
from helpers import make_record

from benchmark.metrics.measures import all_once
from benchmark.predictions import Predictions
from benchmark.records import write_json
from benchmark.registry import get_task

ESC = get_task("esc")
PROTOCOL = "esc10-5-fold"


def esc_predictions(right, order=None, cluster=None):
    """Ten clips of each class; where `right` is not, the next class is decided for."""
    right = np.asarray(right, dtype=bool)
    target = np.arange(len(right)) % 10
    found = Predictions(
        clip_id=np.array([f"clip-{n:03}" for n in range(len(right))]),
        group=np.full(len(right), "1"),
        target=np.eye(10, dtype=np.float32)[target],
        probabilities=np.full((len(right), 10), 0.1),
        decision=np.where(right, target, (target + 1) % 10),
        cluster=cluster,
    )
    return found if order is None else found.take(order)


@pytest.fixture
def runs(tmp_path):
    """A function that leaves a run of `esc` with its predictions, and gives its folder."""

    def put(group, right, seed=0, fold="1", order=None, cluster=None, **changes):
        found = esc_predictions(right, order, cluster)
        scores = all_once(ESC.load("rescorer")(found, ESC.classes_of(PROTOCOL)), len(found.clip_id))
        name = changes.pop("id", f"{group}-{fold}-s{seed}")
        fields = {"task": "esc", "protocol": PROTOCOL, "scores": scores, "group": group, "system": f"system-{group}"}
        record = make_record(**(fields | {"id": name, "seed": seed, "fold": fold} | changes))
        folder = tmp_path / "runs" / "esc" / record.system / name
        write_json(folder / "record.json", dataclasses.asdict(record))
        found.write(folder)
        return folder

    put.root = tmp_path / "runs"
    return put
