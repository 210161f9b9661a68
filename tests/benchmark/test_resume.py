"""A training that was stopped goes on as if it had not been: step for step, wherever and however it was stopped."""

import json
import os
import signal
from itertools import cycle
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tiny_systems as tiny
import torch
from helpers import read_records

from benchmark.data.datamodule import ClipDataModule
from benchmark.paths import runs_root
from benchmark.training import callbacks
from benchmark.training.module import TaskModule

STEPS, POINTS = 30, 10
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


class Dropped(torch.nn.Module):
    """A backbone with weights, a dropout and running statistics."""

    input = "features"

    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(120, 6), torch.nn.BatchNorm1d(6), torch.nn.ReLU(), torch.nn.Dropout(0.3)
        )

    def forward(self, x):
        return self.layers(x.mean((1, 2)))


# Everything that has a state: draws of augmentation and dropout, averages of the optimiser, a rate that follows steps,
# the best validation and how long nothing was better. A pass over the data is 12 steps, a validation comes every 4.
KEYS = {
    "data": {"batch_size": 4, "valid_fraction": 0.2},
    "augmentations": [{"class_path": "benchmark.augmentations.mixup.Mixup", "init_args": {"per": "example"}}],
    "backbone": {"class_path": "test_resume.Dropped"},
    "optimizer": {"class_path": "torch.optim.Adam", "init_args": {"lr": 0.003}},
    "scheduler": {"class_path": "torch.optim.lr_scheduler.ExponentialLR", "init_args": {"gamma": 0.97}},
    "selection": {"monitor": "loss", "mode": "min", "patience": 5},
    "trainer": {"max_steps": STEPS, "val_every": 4, "checkpoint_every": 7},
}


@pytest.fixture
def watched(monkeypatch):
    """What trainings say: loss and rate of each step, score of each validation, waits of the early stopping."""
    seen = SimpleNamespace(losses=[], rates=[], scores=[], waits=[], stop=None)
    step_end, validation_end = callbacks.RunKeeper.on_train_batch_end, callbacks.Patience.on_validation_end

    def watch_step(self, trainer, module, outputs, *args):
        seen.losses.append((trainer.global_step, float(outputs["loss"])))
        seen.rates.append(trainer.optimizers[0].param_groups[0]["lr"])
        if seen.stop is not None and trainer.global_step == seen.stop[0]:
            os.kill(os.getpid(), seen.stop[1])
        step_end(self, trainer, module, outputs, *args)

    def watch_validation(self, trainer, module):
        validation_end(self, trainer, module)
        seen.scores.append((trainer.global_step, float(trainer.callback_metrics["val/loss"])))
        seen.waits.append(self.wait_count)

    monkeypatch.setattr(callbacks.RunKeeper, "on_train_batch_end", watch_step)
    monkeypatch.setattr(callbacks.Patience, "on_validation_end", watch_validation)
    monkeypatch.syspath_prepend(Path(__file__).parent)
    return seen


@pytest.mark.parametrize(
    ("what", "where", "number"),
    [(ClipDataModule, "prepare_data", signal.SIGTERM), (TaskModule, "test_step", signal.SIGUSR1)],
)
def test_a_run_that_is_stopped_outside_of_its_training_goes_on_too(write, trained, monkeypatch, what, where, number):
    """While it prepares its data, and while it scores."""
    write()
    before = signal.getsignal(number)
    with monkeypatch.context() as patch:
        patch.setattr(what, where, lambda *_: os.kill(os.getpid(), number))
        assert tiny.run() == 3
    assert signal.getsignal(number) == before
    (state,) = runs_root().glob("*/*/*/state.json")
    assert json.loads(state.read_text())["status"] == "interrupted"
    assert tiny.run() == 0
    assert len(trained) == 3, "nothing is trained twice"


@pytest.mark.slow
def test_a_training_stopped_at_ten_random_steps_is_the_undisturbed_one(write, watched, monkeypatch):
    """Also in the middle of a pass over the data, by each of the signals, and at steps that are validated."""
    write(**KEYS)
    assert tiny.run() == 0
    expected = {name: list(values) for name, values in vars(watched).items() if name != "stop"}
    last = expected["losses"][-1][0]
    assert 20 < last < STEPS, "patience ends it"
    assert len(expected["losses"]) == last and len(set(expected["waits"])) > 1
    points = np.sort(1 + np.random.default_rng(0).choice(last - 1, POINTS, replace=False)).tolist()
    assert any(point % 12 for point in points) and any(point % 4 == 0 for point in points)
    for values in (watched.losses, watched.rates, watched.scores, watched.waits):
        values.clear()
    for point, number in zip(points, cycle(SIGNALS), strict=False):
        watched.stop = (point, number)
        assert tiny.run(*(() if point != points[0] else ("--resume", "no"))) == 3
        assert watched.losses[-1][0] == point
    watched.stop = None
    assert tiny.run() == 0
    for name, values in expected.items():
        np.testing.assert_allclose(getattr(watched, name), values, atol=1e-5, rtol=0, err_msg=name)
    undisturbed, resumed = read_records(runs_root())
    assert resumed.steps == undisturbed.steps and resumed.scores == pytest.approx(undisturbed.scores, abs=1e-5)
