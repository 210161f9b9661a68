"""Shifts against numpy's roll and edge padding."""

import numpy as np
import pytest
import torch

from benchmark.augmentations import BinShift, CyclicTimeShift
from benchmark.errors import InputError


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def test_cyclic_shift_rolls_valid_frames():
    features, lengths, target = torch.randn(3, 2, 8, 4), torch.tensor([1, 5, 8]), torch.eye(3)
    augmentation = CyclicTimeShift()
    seen = set()
    for _ in range(200):
        out, same_lengths, same_target = augmentation(features, lengths, target)
        assert same_lengths is lengths
        assert same_target is target
        for clip, (before, after, length) in enumerate(zip(features, out, lengths.tolist(), strict=True)):
            rolls = [np.roll(before[:, :length], shift, axis=1) for shift in range(length)]
            matches = [shift for shift, roll in enumerate(rolls) if np.array_equal(roll, after[:, :length])]
            assert len(matches) == 1
            assert torch.equal(after[:, length:], before[:, length:])
            seen.add((clip, matches[0]))
    assert seen == {(0, 0)} | {(1, shift) for shift in range(5)} | {(2, shift) for shift in range(8)}


def test_bin_shift_repeats_the_edge():
    features, lengths, target = torch.randn(2, 2, 5, 6), torch.tensor([3, 5]), torch.eye(2)
    augmentation = BinShift(2)
    padded = np.pad(features, ((0, 0), (0, 0), (0, 0), (2, 2)), mode="edge")
    seen = set()
    for _ in range(100):
        out, _, _ = augmentation(features, lengths, target)
        for clip in range(2):
            matches = [s for s in range(-2, 3) if np.array_equal(out[clip], padded[clip, ..., 2 - s : 8 - s])]
            assert len(matches) == 1
            seen.add((clip, matches[0]))
    assert seen == {(clip, shift) for clip in range(2) for shift in range(-2, 3)}


@pytest.mark.parametrize("augmentation", [CyclicTimeShift(), BinShift(3)])
def test_repeatable_and_only_in_training(augmentation):
    features, lengths, target = torch.randn(16, 1, 50, 20), torch.full((16,), 50), torch.zeros(16, 1)
    assert augmentation.domain == "features"
    torch.manual_seed(1)
    first, _, _ = augmentation(features, lengths, target)
    torch.manual_seed(1)
    assert torch.equal(augmentation(features, lengths, target)[0], first)
    assert not torch.equal(first, features)
    assert augmentation.eval()(features, lengths, target)[0] is features


def test_negative_shift_is_named():
    with pytest.raises(InputError, match="max_bins"):
        BinShift(-1)
