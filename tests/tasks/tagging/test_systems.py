"""Systems of several trainings: the counts that their sources print, and what their pauses and windows are."""

import numpy as np
import pytest
import torch

from benchmark.recipe import load_recipe
from benchmark.registry import get_task

pytestmark = pytest.mark.slow

TAGGING = get_task("tagging")


def count(training):
    module = TAGGING.load("module")(training.config.build(), TAGGING.classes)
    parameters, _ = module.count()
    running = sum(value.numel() for name, value in module.named_buffers() if name.endswith(("running_mean", "_var")))
    return parameters, running


def members(system):
    trainings = load_recipe(TAGGING, system).trainings()
    return {training.member: training for training in trainings if training.is_last}


@pytest.mark.parametrize(
    ("member", "parameters"),
    [("vgg13", 9_430_761), ("crnn", 12_600_553), ("gcnn", 18_834_601), ("gcrnn", 22_004_393)],
)
@pytest.mark.parametrize("resolution", ["a", "b"])
def test_parameters_of_the_eight_networks(member, parameters, resolution):
    assert count(members("noisy-labels-iqbal")[f"{member}-{resolution}"])[0] == parameters


@pytest.mark.parametrize(
    ("member", "parameters", "with_running"),
    [("perceptual", 14_855_570, 14_865_124), ("logarithmic", 14_855_570, 14_865_124)],
)
def test_parameters_of_the_fully_convolutional_networks(member, parameters, with_running):
    found, running = count(members("cp-jku-self-verification")[member])
    assert (found, found + running) == (parameters, with_running)


@pytest.mark.parametrize(("system", "trainings"), [("noisy-labels-iqbal", 80), ("cp-jku-self-verification", 132)])
def test_trainings_of_the_whole_plan(system, trainings):
    assert len(load_recipe(TAGGING, system).trainings()) == trainings


@pytest.mark.parametrize("resolution", ["a", "b"])
def test_a_chunk_has_128_frames_and_a_rest_of_32_gets_one(resolution):
    """Card, front end: 128 x 64; the extra chunk only if the remainder is at least 32 frames."""
    recipe = members("noisy-labels-iqbal")[f"vgg13-{resolution}"].config.build()
    cut, hop = recipe.data.cut(), {"a": 512, "b": 256}[resolution]
    features, _ = recipe.frontend(torch.zeros(1, 1, cut.length), torch.tensor([cut.length]))
    assert features.shape == (1, 1, 128, 64)
    for frames, windows in ((128, 1), (159, 1), (160, 2), (256, 2), (287, 2), (288, 3)):
        samples = cut.length + (frames - 128) * hop
        assert len(cut.spans(np.array([[0, samples]]))) == windows
        assert len(cut.spans(np.array([[0, samples + hop - 1]]))) == windows  # not yet another frame


def test_the_rate_of_the_rounds_falls_from_the_fifth_epoch_to_the_thirtieth():
    first, *rounds = load_recipe(TAGGING, "cp-jku-self-verification").trainings()[::12]
    assert [training.turn for training in rounds] == [f"verified-labels-{turn}" for turn in range(1, 11)]
    for training, rate, epochs, hold in ((first, 1e-3, 500, 100), (rounds[9], 2e-4, 30, 5)):
        recipe = training.config.build()
        optimizer = recipe.optimizer([torch.nn.Parameter(torch.zeros(1))])
        scheduler, epoch = recipe.scheduler(optimizer), recipe.trainer.val_every
        assert recipe.trainer.max_steps == epochs * epoch
        assert optimizer.param_groups[0]["lr"] == rate
        scheduler.last_epoch = hold * epoch
        assert scheduler.get_lr()[0] == pytest.approx(rate)
        scheduler.last_epoch = (hold + epochs) * epoch // 2
        assert scheduler.get_lr()[0] == pytest.approx(rate / 2, rel=0.01)
    kinds = [[type(part).__name__ for part in one.config.build().augmentations] for one in (first, rounds[0])]
    assert kinds == [["RandomExcerpt", "Mixup"], ["RandomExcerpt"]]
