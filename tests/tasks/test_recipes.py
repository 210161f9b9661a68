"""Every recipe of the repository: build, parameter count, one training step, one scored step on mini data."""

import pytest
import pytorch_lightning as pl
import torch
import yaml
from helpers import mini_data

from benchmark.recipe import load_recipe
from benchmark.registry import all_tasks

RECIPES = [(task, system) for task in all_tasks().values() for system in task.systems]


@pytest.mark.parametrize(("task", "system"), RECIPES, ids=lambda value: getattr(value, "name", value))
def test_recipe_builds_trains_a_step_and_scores(task, system, tmp_path):
    pl.seed_everything(0, verbose=False)
    config = load_recipe(task, system, mini=True)
    recipe = config.build()
    protocol, folds = next(iter(task.protocols.items()))
    data = mini_data(task, recipe.data, protocol, folds[0])
    module = task.load("module")(recipe, task.classes)
    before = {name: value.clone() for name, value in module.named_parameters()}
    trainer = pl.Trainer(
        max_steps=1,
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
    assert 0 <= module.scores[task.main_score] <= 1
    assert set(module.table.clip) == set(data.test.clip[: recipe.data.eval_batch_size])


@pytest.mark.parametrize(("task", "system"), RECIPES, ids=lambda value: getattr(value, "name", value))
def test_recipe_states_its_card_and_its_parameters(task, system):
    text = task.systems[system].read_text()
    assert text.startswith("# ")
    assert yaml.safe_load(text)["citation"]
    recipe = load_recipe(task, system).build()
    parameters, macs = task.load("module")(recipe, task.classes).count()
    assert parameters == recipe.parameters
    assert macs > 0
