"""Every recipe of the repository: build, parameter count, one training step, one scored step on mini data."""

import pytest
import pytorch_lightning as pl
import torch
import yaml
from helpers import mini_data, read_records

from benchmark.cli import main
from benchmark.metrics.measures import all_once
from benchmark.paths import runs_root
from benchmark.predictions import read_predictions
from benchmark.recipe import load_recipe
from benchmark.registry import all_tasks
from benchmark.weights import random_weights_allowed

LARGE = 100_000_000  # parameters, from which on building a network takes its time


def _takes_time(config):
    return (config.as_dict()["parameters"] or 0) > LARGE


def _marked(takes_time):
    """All recipes, those that take their time in slow tests."""
    found = []
    for task in all_tasks().values():
        for system in task.systems:
            marks = [pytest.mark.slow] if takes_time(load_recipe(task, system)) else []
            found.append(pytest.param(task, system, marks=marks))
    return found


WALKED = _marked(lambda config: _takes_time(config) or len(config.trainings()) > 1)
COUNTED = _marked(_takes_time)


@pytest.fixture(autouse=True)
def without_pretrained_weights():
    with random_weights_allowed():
        yield


def walk(task, config):
    """Train for a step on mini data and score a batch."""
    protocol, folds = next(iter(task.protocols.items()))
    (training,) = config.trainings()
    pl.seed_everything(0, verbose=False)
    recipe = training.config.build()
    data = mini_data(task, recipe.data, protocol, folds[0])
    data.prepare_data()
    module = task.load("module")(recipe, task.classes_of(protocol))
    before = {name: value.clone() for name, value in module.named_parameters()}
    trainer = pl.Trainer(
        max_steps=1,
        limit_val_batches=0,
        limit_test_batches=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, datamodule=data)
    assert all(torch.isfinite(value).all() for value in module.parameters())
    assert any(not torch.equal(before[name], value) for name, value in module.named_parameters())
    trainer.test(module, datamodule=data, verbose=False)
    assert module.scores[task.main_score] is None or 0 <= module.scores[task.main_score] <= 1
    assert set(module.table.clip) == set(data.test.clip[: recipe.data.eval_batch_size])
    module.stored(module.table, [data.examples[clip] for clip in module.table.clip]).write(runs_root())
    kept = read_predictions(runs_root())
    assert all_once(task.load("rescorer")(kept, module.classes), len(kept.clip_id)) == module.scores


@pytest.mark.parametrize(("task", "system"), WALKED, ids=lambda value: getattr(value, "name", value))
def test_recipe_builds_trains_a_step_and_scores(task, system):
    config = load_recipe(task, system, mini=True)
    if not config.trainings()[0].turn:
        walk(task, config)
        return
    words = ["--system", system, "--data", "mini", "--scale", "1e-6", "--allow-random-weights"]
    assert main(["run", "--task", task.name, *words]) == 0
    (record,) = read_records(runs_root())
    assert record.scores[task.main_score] is None or 0 <= record.scores[task.main_score] <= 1
    assert record.scale < 1


OUTSIDE = """
import torch

class Features(torch.nn.Module):
    input = "features"

    def __init__(self):
        super().__init__()
        self.gru = torch.nn.GRU(64, 12, batch_first=True)

    def forward(self, x):
        return self.gru(x[:, 0])[0]

class Waveform(torch.nn.Module):
    input = "waveform"

    def __init__(self):
        super().__init__()
        self.convolution = torch.nn.Conv1d(1, 6, 400, stride=160)

    def forward(self, x):
        return self.convolution(x).relu().mean(2)
"""


@pytest.mark.parametrize("model", ["Features", "Waveform"])
@pytest.mark.parametrize("task", all_tasks().values(), ids=lambda task: task.name)
def test_a_model_from_outside_trains_and_scores_on_every_task(task, model, tmp_path, monkeypatch):
    (tmp_path / "outside_of_this_project.py").write_text(OUTSIDE)
    monkeypatch.syspath_prepend(tmp_path)
    walk(task, load_recipe(task, task.default_system, mini=True, model=f"outside_of_this_project.{model}"))


@pytest.mark.parametrize(("task", "system"), COUNTED, ids=lambda value: getattr(value, "name", value))
def test_recipe_states_its_card_and_its_parameters(task, system):
    text = task.systems[system].read_text()
    assert text.startswith("# ")
    assert yaml.safe_load(text)["citation"]
    config = load_recipe(task, system)
    members = {training.member: training for training in config.trainings() if training.is_last}
    counts = [task.load("module")(one.config.build(), task.classes).count() for one in members.values()]
    assert sum(parameters for parameters, _ in counts) == config.as_dict()["parameters"]
    assert all(macs > 0 for _, macs in counts)


@pytest.mark.parametrize("task", all_tasks().values(), ids=lambda task: task.name)
def test_every_task_has_the_baseline_of_all_tasks(task):
    assert {"cnn4", "cnn8"} <= set(task.systems)
    assert task.default_system == "cnn8"
