"""Frames of ten seconds that the sources print, and the trainings of their systems."""

import pytest
import torch

from benchmark.recipe import load_recipe
from benchmark.registry import get_task


@pytest.mark.parametrize(
    ("task", "system", "frames", "bins"),
    [
        ("asc", "cnn8", 320, 64),
        ("asc-mobile", "cnn4", 320, 64),
        ("asc", "baseline-tut", 501, 40),
        ("asc-mobile", "baseline-tut", 501, 40),
        ("asc-mobile", "audasc-adversarial-da", 431, 64),
    ],
)
def test_frames_of_ten_seconds(task, system, frames, bins):
    recipe = load_recipe(get_task(task), system).build()
    samples = 10 * recipe.data.sample_rate
    noise = torch.randn(1, 1, samples, generator=torch.Generator().manual_seed(0))
    features, lengths = recipe.frontend(noise, torch.tensor([samples]))
    assert features.shape == (1, 1, frames, bins)
    assert lengths.tolist() == [frames]
    if system == "baseline-tut":
        kept, _ = recipe.transforms[-1](features, lengths)
        assert torch.equal(kept, features[:, :, :500])


@pytest.mark.parametrize("task", ["asc", "asc-mobile"])
def test_the_baseline_trains_200_epochs_and_ignores_the_first_50(task):
    recipe = load_recipe(get_task(task), "baseline-tut").build()
    epoch = round(0.7 * 6122 / recipe.data.batch_size)
    assert recipe.trainer.val_every == epoch
    assert recipe.trainer.max_steps == 200 * epoch
    assert recipe.selection.start == 51 * epoch
    assert recipe.selection.monitor == "accuracy"


@pytest.mark.parametrize(
    ("system", "embedding", "parameters", "monitor"),
    [
        ("audasc-adversarial-da", 1536, 934_848 + 461_834, None),
        ("audasc-adversarial-da-oracle", 1536, 934_848 + 461_834, "accuracy/device_bc"),
        ("audasc-adversarial-da-dcase", 128, 102_208 + 13_910, None),
    ],
)
def test_adversarial_adaptation_is_two_trainings_of_the_printed_length(system, embedding, parameters, monitor):
    task = get_task("asc-mobile")
    pretrain, adapt = load_recipe(task, system).trainings()
    before, after = (training.config.build() for training in (pretrain, adapt))
    assert (adapt.stage.start, before.adaptation, after.adaptation.source) == ("previous", None, "a")
    for recipe, domains, epochs in ((before, {"a": 38}, 350), (after, {"a": 10, "b": 3, "c": 3}, 300)):
        assert recipe.data.domains == domains
        assert recipe.trainer.val_every == round(5510 / domains["a"])
        assert recipe.trainer.max_steps == epochs * recipe.trainer.val_every
    assert (before.selection.monitor, after.selection.monitor) == ("accuracy/device_a", monitor)
    module = task.load("module")(after, task.classes)
    assert module.backbone(module.example_input()).shape == (1, embedding)
    assert module.count()[0] == parameters
    assert module.adaptation.discriminator(torch.zeros(2, embedding)).shape == (2, 2)


@pytest.mark.parametrize("system", ["audasc-adversarial-da", "audasc-adversarial-da-dcase"])
def test_the_network_before_adaptation_is_the_one_that_is_adapted(system):
    """So whichever runs first, the other takes its pretraining over."""
    first, (alone,) = (
        load_recipe(get_task("asc-mobile"), name).trainings() for name in (system, f"{system}-non-adapted")
    )
    assert alone.config.identity() == first[0].config.identity()
    assert alone.is_last
