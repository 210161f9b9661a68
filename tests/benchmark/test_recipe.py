import re
from dataclasses import fields
from pathlib import Path

import pytest
import torch
import yaml

from benchmark.data.settings import DataSettings
from benchmark.errors import InputError
from benchmark.recipe import Recipe, RecipeConfig, load_recipe, merge
from benchmark.registry import get_task

BAD = get_task("bad")


def content(**changes):
    return yaml.safe_load(BAD.systems["cnn8"].read_text()) | changes


def test_a_recipe_builds_and_reads_back():
    config = load_recipe(BAD, "cnn8")
    recipe = config.build()
    assert type(recipe.backbone).__name__ == "CNN8"
    assert recipe.trainer.max_steps == 5000
    again = RecipeConfig.parse(yaml.safe_load(config.as_yaml()), Path("again.yaml"))
    assert again.as_dict() == config.as_dict()


@pytest.mark.parametrize(
    ("task", "system"), [("bad", "cnn8"), ("sed", "baseline-crnn"), ("asc-mobile", "nn-filter-ensemble")]
)
def test_plain_values_are_those_of_the_yaml(task, system):
    """Tuples, classes in classes, and functions that are named by import path."""
    config = load_recipe(get_task(task), system)
    assert config.as_dict() == yaml.safe_load(config.as_yaml())


def test_the_schedule_is_the_cards():
    recipe = load_recipe(BAD, "cnn8").build()
    optimizer = recipe.optimizer([torch.nn.Parameter(torch.zeros(1))])
    scheduler = recipe.scheduler(optimizer)
    for _ in range(400):
        optimizer.step()
        scheduler.step()
    assert type(optimizer) is torch.optim.Adam
    assert scheduler.get_last_lr()[0] == pytest.approx(1e-3 * 0.9**2)


def test_mini_block_and_overrides_apply_in_this_order():
    assert load_recipe(BAD, "cnn8", mini=True).build().trainer.max_steps == content()["mini"]["trainer"]["max_steps"]
    overridden = load_recipe(
        BAD,
        "cnn8",
        mini=True,
        overrides=["--trainer.max_steps", "7", "--backbone.class_path", "benchmark.backbones.CNN4"],
    ).build()
    assert overridden.trainer.max_steps == 7
    assert type(overridden.backbone).__name__ == "CNN4"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"backbonee": 1}, r"unknown key 'backbonee'.*did you mean 'backbone'"),
        ({"trainer": {"max_step": 3}}, r"unknown key 'max_step'.*did you mean 'max_steps'"),
        ({"trainer": {"max_steps": "many"}}, r"max_steps.*int.*many"),
        (
            {"backbone": {"class_path": "benchmark.backbones.CNN9"}},
            r"benchmark.backbones has no class 'CNN9'.*did you mean 'C\w*NN\w*'",
        ),
        (
            {"backbone": {"class_path": "benchmark.backbones.CNN4", "init_args": {"downsampel": "pool"}}},
            r"unknown key 'downsampel'.*did you mean 'downsample'",
        ),
        (
            {"backbone": {"class_path": "benchmark.backbones.CNN4", "init_args": {"downsample": "puol"}}},
            r"Literal\['stride', 'pool'\].*puol",
        ),
        (
            {"head": {"class_path": "benchmark.heads.Dense", "init_args": {"dropot": 0.1}}},
            r"unknown key 'dropot'.*did you mean 'dropout'",
        ),
        ({"data": {"sample_rate": 32000, "clip_seconds": 10, "batch_size": 0}}, r"batch_size must be positive"),
        ({"frontend": {"class_path": "benchmark.frontends.LogMel", "init_args": {"f_max": 99999}}}, r"f_max"),
    ],
)
def test_a_wrong_recipe_is_explained(changes, message):
    with pytest.raises(InputError) as error:
        RecipeConfig.parse(content(**changes), Path("some/recipe.yaml")).build()
    text = " ".join(str(error.value).split())
    assert re.search(message, text), text
    assert len(str(error.value).splitlines()) <= 3


@pytest.mark.parametrize("word", ["--trainer.max_step", "--trainr.max_steps", "--data.batchsize"])
def test_a_wrong_override_is_explained(word):
    with pytest.raises(InputError, match="unknown key") as error:
        load_recipe(BAD, "cnn8", overrides=[word, "3"])
    assert "command line" in str(error.value)
    assert "did you mean" in str(error.value)


def test_an_unknown_system_names_the_nearest():
    with pytest.raises(InputError, match="did you mean 'bulbul'"):
        load_recipe(BAD, "bulbl")


def test_an_unknown_task_names_the_known():
    with pytest.raises(InputError, match=r"no task 'birds'(.|\n)*bad"):
        get_task("birds")


def test_merging_changes_mapping_by_mapping():
    base = {"data": {"batch_size": 4, "sample_rate": 8000}, "list": [1, 2], "kept": 1, "nothing": None}
    before = repr(base)
    merged = merge(base, {"data": {"batch_size": 8}, "list": [3], "nothing": {"a": 1}, "new": {"b": 2}})
    assert merged == {
        "data": {"batch_size": 8, "sample_rate": 8000},
        "list": [3],
        "kept": 1,
        "nothing": {"a": 1},
        "new": {"b": 2},
    }
    assert repr(base) == before
    assert merge(base, {}) == base and merge({}, base) == base
    assert merge(base, {"data": None})["data"] is None


NET = {"class_path": "a.Net", "init_args": {"width": 3, "depth": 2}}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"init_args": {"width": 5}}, {"class_path": "a.Net", "init_args": {"width": 5, "depth": 2}}),
        ({"class_path": "a.Net"}, NET),
        (NET | {"init_args": {"depth": 9}}, {"class_path": "a.Net", "init_args": {"width": 3, "depth": 9}}),
        ({"class_path": "a.Other"}, {"class_path": "a.Other"}),
        ({"class_path": "a.Other", "init_args": {"x": 1}}, {"class_path": "a.Other", "init_args": {"x": 1}}),
    ],
)
def test_another_class_does_not_inherit_arguments(changes, expected):
    assert merge({"backbone": NET}, {"backbone": changes}) == {"backbone": expected}


def test_a_class_takes_the_place_of_plain_values_or_of_nothing():
    for old in (None, "a.Net", {}, {"init_args": {"width": 3}}):
        assert merge({"backbone": old}, {"backbone": NET}) == {"backbone": NET}


def test_postprocessing_is_a_decision_or_a_decoder_or_nothing():
    for name in ("ThresholdedArgmax", "DoubleThreshold", "MedianFilter", "WholeClip"):
        changes = {"postprocessing": {"class_path": f"benchmark.postprocessing.{name}"}}
        recipe = RecipeConfig.parse(content(**changes), Path("x.yaml")).build()
        assert type(recipe.postprocessing).__name__ == name
    assert load_recipe(BAD, "cnn8").build().postprocessing is None
    with pytest.raises(InputError):
        RecipeConfig.parse(content(postprocessing={"class_path": "torch.nn.ReLU"}), Path("x.yaml"))


def test_all_keys_are_shown_also_those_that_are_not_set():
    """`--print_config` promises them; the run's plan and its `config.yaml` rely on it."""
    shown = load_recipe(BAD, "cnn4").as_dict()
    assert shown.keys() == {field.name for field in fields(Recipe)}
    assert shown["data"].keys() == {field.name for field in fields(DataSettings)}
    assert shown["data"]["hop_seconds"] is None and shown["postprocessing"] is None
    removed = load_recipe(BAD, "cnn4", overrides=["--scheduler", "null"]).as_dict()
    assert removed["scheduler"] is None
    assert RecipeConfig.parse(removed, "again").build().scheduler is None


HEAD = {"class_path": "benchmark.heads.Dense"}


def test_changes_of_members_and_stages_stay_as_they_are_written():
    """What a class gets from the network that it is part of is not known before."""
    changes = {"head": HEAD, "backbone": {"class_path": "benchmark.backbones.CNN4"}, "trainer": {"max_steps": 3}}
    written = content(members={"a": changes, "b": None}, stages=[{"name": "one", "changes": {"head": HEAD}}])
    config = RecipeConfig.parse(written, "here")
    again = RecipeConfig.parse(yaml.safe_load(config.as_yaml()), "again")
    for one in (config, again):
        assert one.as_dict()["members"] == {"a": changes, "b": None}
        assert one.as_dict()["stages"][0]["changes"] == {"head": HEAD}
        assert [training.config.build().trainer.max_steps for training in one.trainings()] == [3, 5000]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"members": {"a": {"outputs": ["clips"]}, "b": {"outputs": ["clips"]}}}, "no member's predictions of frames"),
        (
            {"members": {"a": {"outputs": ["clips"]}, "b": {}}, "fusion": {"class_path": "benchmark.fusion.mean.Mean"}},
            "a fusion takes all predictions of every member",
        ),
        ({"members": {"a": {"outputs": ["clip"]}}}, "clip"),
    ],
)
def test_wrong_outputs_of_members_are_explained(keys, message):
    with pytest.raises(InputError, match=message):
        RecipeConfig.parse(content(**keys), "here").trainings()
