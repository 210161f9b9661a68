"""Schedules that follow validations, within a training; losses that look at the training labels first."""

import numpy as np
import pytest
import pytorch_lightning as pl
import tiny_systems as tiny
from helpers import mini_data, read_records

from benchmark.losses.positive_weights import PositiveWeightBCE
from benchmark.paths import runs_root
from benchmark.recipe import load_recipe
from benchmark.registry import get_task
from benchmark.training import callbacks

pytestmark = pytest.mark.slow

PLATEAU = {
    "class_path": "benchmark.training.restarts.ReduceOnPlateau",
    # A rate at which the loss goes up and down.
    "init_args": {"monitor": "loss", "mode": "min", "factor": 0.5, "patience": 0},
}
FOLLOWING = {
    "optimizer": {"init_args": {"lr": 3.0}},
    "scheduler": PLATEAU,
    "data": {"valid_fraction": 0.2},
    "selection": {"monitor": "loss", "mode": "min"},
    "trainer": {"max_steps": 8, "val_every": 1, "checkpoint_every": 1},
    "stages": [{"name": "one"}],
}


@pytest.fixture
def seen(monkeypatch):
    """A list that fills with the rate of each step, and what its validation found."""
    rates, original = [], callbacks.RunKeeper.on_validation_end

    def watched(self, trainer, module):
        rates.append((trainer.global_step, rate_of(trainer), float(trainer.callback_metrics["val/loss"])))
        original(self, trainer, module)

    monkeypatch.setattr(callbacks.RunKeeper, "on_validation_end", watched)
    return rates


def rate_of(trainer):
    return trainer.optimizers[0].param_groups[0]["lr"]


def test_a_schedule_is_told_each_validation_before_the_checkpoint_is_saved(write, seen):
    """The rate is halved with each validation that is no gain, by the rule done by hand."""
    write(**FOLLOWING)
    assert tiny.run() == 0
    best, rate, expected = np.inf, 3.0, []
    for _, _, loss in seen:
        best, rate = (loss, rate) if loss < best else (best, rate / 2)
        expected.append(rate)
    assert [rate for _, rate, _ in seen] == pytest.approx(expected)
    assert [step for step, _, _ in seen] == list(range(1, 9)) and 3.0 > seen[-1][1] > 0


@pytest.mark.parametrize("step", [3, 5])
def test_a_stopped_training_goes_on_with_its_schedule(write, seen, step):
    write(**FOLLOWING)
    assert tiny.run("--resume", "no") == 0
    whole = list(seen)
    seen.clear()
    for path in runs_root().glob("*/*/*/artifacts/*"):  # or they would be taken over
        path.unlink()
    assert tiny.stop("one", step) == 3
    assert len(seen) == step
    assert tiny.run() == 0
    np.testing.assert_allclose(seen, whole, atol=1e-5)  # steps, rates, losses
    first, second = read_records(runs_root())
    assert first.scores == pytest.approx(second.scores, abs=1e-5)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"selection": {"monitor": None, "mode": "max"}}, "the schedule follows validations, and there are none"),
        ({"scheduler": {"init_args": {"monitor": "acu"}}}, "did you mean 'auc'"),
    ],
)
def test_a_schedule_without_what_it_follows_is_one_clear_error(write, capsys, keys, message):
    for key, value in keys.items():
        keys[key] = FOLLOWING[key] | value
        if key == "scheduler":
            keys[key]["init_args"] = PLATEAU["init_args"] | value["init_args"]
    write(**FOLLOWING | keys)
    assert tiny.run() == 2
    error = capsys.readouterr().err
    assert message in " ".join(error.split()) and "Traceback" not in error


# Losses


WEIGHTED = {"class_path": "benchmark.losses.positive_weights.PositiveWeightBCE", "init_args": {"exponent": 1.0}}


def test_a_loss_is_fitted_on_the_labels_of_the_training_clips_alone(write):
    write(loss=WEIGHTED, data={"valid_fraction": 0.2})
    recipe = load_recipe(get_task("bad"), "tiny", mini=True).build()
    data = mini_data(tiny.BAD, recipe.data, "leave-one-dataset-out", "warblrb10k")
    pl.seed_everything(0, verbose=False)
    module = tiny.BAD.load("module")(recipe, tiny.BAD.classes)
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = pl.Trainer(max_steps=1, limit_val_batches=0, accelerator="cpu", enable_model_summary=False, **quiet)
    trainer.fit(module, datamodule=data)
    birds = data.given.targets[data.given.train, 0]
    expected = float((birds == 0).sum() / (birds == 1).sum())
    assert module.loss.positive_weight.tolist() == pytest.approx([expected])
    whole = data.given.targets[:, 0]
    assert expected != pytest.approx(float((whole == 0).sum() / (whole == 1).sum()))


def test_a_fitted_loss_works_in_a_system_that_resumes_and_in_its_estimate(write, monkeypatch, capsys):
    fitted, original = [], PositiveWeightBCE.fit

    def watched(self, target):
        original(self, target)
        fitted.append(self.positive_weight.tolist())

    monkeypatch.setattr(PositiveWeightBCE, "fit", watched)
    write(loss=WEIGHTED, stages=[{"name": "one"}, {"name": "two", "start": "previous"}])
    assert tiny.run("--dry-run") == 0
    assert len(fitted) == 2 and "2 trainings" in capsys.readouterr().out
    fitted.clear()
    assert tiny.stop("two", 1) == 3 and tiny.run() == 0
    assert len(fitted) == 3 and fitted[0] == fitted[1] == fitted[2] != []
    assert not any("positive_weight" in name for name in tiny.newest().weights["two"])
