"""Frames of ten seconds that the sources print, and the length of the baseline's training."""

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
