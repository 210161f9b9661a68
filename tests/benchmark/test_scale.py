"""`--scale` and `--dry-run`: a system done in small, and not at all."""

from pathlib import Path

import pytest
import tiny_systems as tiny
from helpers import read_records

from benchmark.paths import runs_root
from benchmark.recipe import load_recipe
from benchmark.registry import get_task
from benchmark.training import callbacks
from leaderboard import Run
from leaderboard.results import group_results

pytestmark = pytest.mark.slow

TAGS = {"class_path": "tiny_systems.HeldOutTags"}


def linear(steps):
    """A schedule that ends at 0 after so many steps."""
    return {
        "class_path": "torch.optim.lr_scheduler.LinearLR",
        "init_args": {"start_factor": 1.0, "end_factor": 0.0, "total_iters": steps},
    }


LONG = {
    "trainer": {"max_steps": 100, "val_every": 20, "checkpoint_every": 50},
    "selection": {"monitor": "auc", "start": 60},
    "scheduler": linear(100),
    "data": {"valid_fraction": 0.2},
    "members": tiny.MEMBERS,
    "stages": [{"name": "one", "folds": 5}, {"name": "two", "folds": 5, "repeat": 10, "labels": TAGS}],
}


@pytest.mark.parametrize(
    ("scale", "steps", "val_every", "start", "folds", "turns"),
    [(1.0, 100, 20, 60, 5, 10), (0.5, 50, 10, 30, 2, 5), (0.08, 8, 2, 4, 2, 1), (1e-6, 2, 1, 0, 2, 1)],
)
def test_a_scale_shrinks_all_that_takes_time(write, scale, steps, val_every, start, folds, turns):
    write(**LONG)
    trainings = load_recipe(get_task("bad"), "tiny", overrides=["--trainer.scale", str(scale)]).trainings()
    assert len(trainings) == 2 * folds * (1 + turns)
    assert {training.member for training in trainings} == {"near", "far"}
    for training in trainings:
        recipe = training.config.as_dict()
        assert (recipe["trainer"]["max_steps"], recipe["trainer"]["val_every"]) == (steps, val_every)
        assert recipe["selection"]["start"] == start and training.stage.folds == folds
    assert len({training.name for training in trainings}) == len(trainings)


@pytest.mark.parametrize("max_steps", [1, 2, 3])
def test_what_is_short_already_stays_so(write, max_steps):
    write(trainer={"max_steps": max_steps, "val_every": 1})
    for training in load_recipe(get_task("bad"), "tiny", overrides=["--trainer.scale", "0.01"]).trainings():
        assert training.config.build().trainer.max_steps == min(max_steps, 2)


@pytest.mark.parametrize("scale", [0.03, 0.05, 0.07, 0.11, 0.5, 0.77])
def test_a_scaled_run_still_validates_where_the_whole_one_does(write, scale):
    """Also where the last validation alone chooses, and rounding would have put it before the start."""
    write(**LONG | {"trainer": {"max_steps": 100, "val_every": 50}, "selection": {"monitor": "auc", "start": 100}})
    for training in load_recipe(get_task("bad"), "tiny", overrides=["--trainer.scale", str(scale)]).trainings():
        recipe = training.config.build()
        every = min(recipe.trainer.val_every, recipe.trainer.max_steps)
        assert recipe.selection.start <= recipe.trainer.max_steps // every * every


def test_a_schedule_ends_at_its_end_in_a_scaled_run_too(write, monkeypatch):
    rates, original = [], callbacks.RunKeeper.on_train_batch_end

    def watched(self, trainer, *args):
        rates.append(trainer.optimizers[0].param_groups[0]["lr"])
        original(self, trainer, *args)

    monkeypatch.setattr(callbacks.RunKeeper, "on_train_batch_end", watched)
    keys = {"scheduler": linear(40), "stages": [], "members": {"a": {}}, "fusion": None}
    write(trainer={"max_steps": 40, "val_every": 10}, optimizer={"init_args": {"lr": 1.0}}, **keys)
    assert tiny.run("--scale", "0.1") == 0
    assert rates == pytest.approx([0.75, 0.5, 0.25, 0.0], abs=1e-6)
    (record,) = read_records(runs_root())
    assert (record.steps, record.scale) == (4, 0.1)


def test_scaled_runs_stand_in_a_table_of_their_own(write, trained):
    write(members={"a": {}, "b": {"data": {"batch_size": 2}}}, trainer={"max_steps": 4})
    for words in ([], ["--scale", "0.5"]):
        assert tiny.run(*words) == 0
    records = read_records(runs_root())
    assert [(record.steps, record.scale) for record in records] == [(8, 1), (4, 0.5)] and len(trained) == 12
    assert len({record.group for record in records}) == 2
    tables = group_results(tiny.BAD, [Run(record, record.id, Path()) for record in records])
    assert len(tables) == 2 and all(len(rows) == 1 for rows in tables.values())


def test_a_dry_run_counts_the_trainings_and_leaves_nothing(write, capsys, trained):
    write(
        members={"a": {}, "b": {}, "c": {"data": {"batch_size": 8}}},
        stages=[
            {"name": "given", "folds": 4},
            {"name": "verified", "folds": 4, "repeat": 10, "start": "previous", "labels": TAGS},
        ],
        fusion=None,
    )
    assert tiny.run("--dry-run") == 0
    out = capsys.readouterr().out
    assert "132 trainings;" in out and "verified-10" in out and "HeldOutTags" in out and "previous" in out
    assert not trained and not list(runs_root().iterdir())
