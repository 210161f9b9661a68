"""What the cards say of the systems of several networks: sizes, frames, numbers of trainings, and what each learns."""

import math

import pytest
import torch

from benchmark.losses import FrameBCE
from benchmark.losses.multi_instance import MaxMeanMinBCE
from benchmark.losses.virtual_adversarial import VirtualAdversarial
from benchmark.postprocessing.alignment import SelfAligned
from benchmark.postprocessing.decoders import SmoothedThreshold, TaggedCurves
from benchmark.recipe import load_recipe
from benchmark.training.added_labels import AddedTags, SmoothedFrames
from tasks.sed import TASK

pytestmark = pytest.mark.slow

DISTILLATION, HARB, WGRU = "cp-jku-iterative-distillation", "gcrnn-vat-salr-harb", "wgru-mil"
WEAK, IN_DOMAIN, OUT_OF_DOMAIN = 1578, 14412, 39999  # clips of the official lists


def trainings(system):
    return load_recipe(TASK, system).trainings()


def networks(system):
    """The networks that are scored, by member."""
    last = {training.member: training for training in trainings(system) if training.is_last}
    return {name: TASK.load("module")(one.config.build(), TASK.classes) for name, one in last.items()}


def size(part):
    return sum(parameter.numel() for parameter in part.parameters())


@pytest.mark.parametrize(
    ("system", "counts", "frames"),
    [
        (DISTILLATION, {"deep": 660490, "shallow": 143306}, {240}),
        (HARB, {"": 423828}, {240}),
        (WGRU, {"tagger": 906122, "localiser": 126090}, {215, 431}),
        (f"{WGRU}-wgru", {"": 126090}, {215}),
    ],
)
def test_sizes_and_frames_of_ten_seconds(system, counts, frames):
    found = networks(system)
    assert {name: module.count()[0] for name, module in found.items()} == counts
    assert load_recipe(TASK, system).as_dict()["parameters"] == sum(counts.values())
    assert {module.window_frames for module in found.values()} == frames


def test_parts_have_the_sizes_of_the_cards():
    deep, shallow = networks(DISTILLATION).values()
    assert (round(size(deep.backbone.blocks), -2), round(size(shallow.backbone.blocks), -2)) == (132_600, 74_700)
    assert size(deep.head) == size(shallow.head) == 2570
    (gated,) = networks(HARB).values()
    assert (size(gated.backbone.blocks) // 1000, size(gated.backbone.recurrent) // 100) == (371, 499)
    assert size(gated.head) == 2 * (128 * 10 + 10)


@pytest.mark.parametrize(
    ("system", "number"),
    [(DISTILLATION, 1 + 2 + 7 * 2), (HARB, 1), (WGRU, 2), (f"{WGRU}-wgru", 2)],
)
def test_the_plan_has_as_many_trainings_as_the_card_implies(system, number):
    assert len(trainings(system)) == number


def test_distillation_goes_from_tags_to_smoothed_frames():
    first, *others = trainings(DISTILLATION)
    assert (first.name, first.stage.labels) == ("tags.deep", None)
    weak, strong = others[:2], others[2:]
    assert all(isinstance(one.stage.labels, AddedTags) for one in weak)
    assert all(isinstance(one.stage.labels, SmoothedFrames) and one.stage.start is None for one in strong)
    for one in others:
        recipe = one.config.build()
        held_out = round(recipe.data.valid_fraction * WEAK)
        epoch = math.ceil((WEAK - held_out + IN_DOMAIN + OUT_OF_DOMAIN) / recipe.data.batch_size)
        assert (recipe.trainer.val_every, recipe.trainer.max_steps) == (epoch, 50 * epoch)
        assert isinstance(recipe.loss, FrameBCE if one in strong else torch.nn.BCEWithLogitsLoss)
        assert recipe.selection.monitor == ("loss" if one in strong else "tag_f1")
    source, decoder = strong[0].stage.labels, strong[0].config.build().postprocessing
    assert (source.median, source.medians) == (decoder.median, decoder.medians)


def test_the_submissions_of_harb_differ_in_postprocessing_alone():
    one, train, fixed = (load_recipe(TASK, HARB + name) for name in ("", "-salr-train", "-no-refinement"))
    recipes = [config.build() for config in (one, train, fixed)]
    for config in (train, fixed):
        plain = {key: value for key, value in config.identity().items() if key != "postprocessing"}
        assert plain == {key: value for key, value in one.identity().items() if key != "postprocessing"}
    assert [type(recipe.postprocessing) for recipe in recipes] == [SelfAligned, SelfAligned, SmoothedThreshold]
    assert [recipe.postprocessing.groups for recipe in recipes[:2]] == [(), ("weak", "unlabel_in_domain")]
    assert (recipes[2].postprocessing.threshold, recipes[2].postprocessing.median) == (0.5, 1)
    assert recipes[0].data.domains == {"weak": 15, "unlabel_in_domain": 15}
    assert [type(term) for term in recipes[0].regularizers] == [VirtualAdversarial]
    assert not load_recipe(TASK, HARB, overrides=["--regularizers", "[]"]).build().regularizers


def test_one_network_tags_and_another_localises():
    tagger, localiser = trainings(WGRU)
    assert (tagger.outputs, localiser.outputs) == (["clips"], ["frames"])
    recipe = localiser.config.build()
    assert isinstance(recipe.loss, MaxMeanMinBCE) and isinstance(recipe.postprocessing, TaggedCurves)
    epoch = math.ceil(round(0.8 * WEAK) / recipe.data.batch_size)
    assert [one.config.build().trainer.max_steps for one in (tagger, localiser)] == [100 * epoch, 10 * epoch]
    assert recipe.postprocessing.threshold == 0.07


def test_frames_of_short_sounds_come_of_less_memory():
    (module,) = networks(f"{WGRU}-wgru").values()
    weak = {name for name, omega in zip(TASK.classes, module.head.omega, strict=True) if omega == 0.2}
    assert weak == {"Alarm_bell_ringing", "Cat", "Dog", "Speech"}
    assert set(module.head.omega) == {0.2, 1.0} and module.recipe.postprocessing.threshold is None
