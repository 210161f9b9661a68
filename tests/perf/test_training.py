"""What the callback makes of step times, and the data that are trained on."""

from types import SimpleNamespace

import pytest
import torch

from perf import training
from perf.training import StepTimes, make_data
from tasks.asc.datamodule import SceneDataModule

MODULE = SimpleNamespace(device=torch.device("cpu"))


def test_waiting_is_the_share_between_the_steps_after_the_warm_up(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(training.time, "perf_counter", lambda: now[0])
    times = StepTimes(warm=1)
    times.setup(None, MODULE, "fit")
    for begins, ends in ((2.0, 7.0), (8.0, 10.0), (13.0, 17.0)):
        now[0] = begins
        times.on_train_batch_start(None, MODULE)
        now[0] = ends
        times.on_train_batch_end(None, MODULE)
    times.on_train_end(None, MODULE)
    assert times.start == 2
    assert times.seconds == 10  # from 7, when the warm-up ended
    assert times.waiting == pytest.approx((1 + 3) / 10)


def test_the_clips_are_in_the_official_layout(tmp_path):
    inventory = SceneDataModule.take_stock(make_data(tmp_path, 2, 1), "stop", "official-fold1")
    train, test = inventory.parts["1"]
    assert (len(train), len(test), len(inventory.examples)) == (2, 1, 3)
