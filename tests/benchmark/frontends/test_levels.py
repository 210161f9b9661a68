"""Transforms by largest and smallest value, with padding that must not matter."""

import pytest
import torch

from benchmark.errors import InputError
from benchmark.frontends.levels import PadWithMinimum, RelativeToMaximum

LENGTHS = torch.tensor([5, 2, 7])


@pytest.fixture
def features():
    """Three clips of two channels, 7 frames, 4 bins; garbage in the padding."""
    torch.manual_seed(0)
    x = torch.randn(3, 2, 7, 4) - 40
    for clip, length in zip(x, LENGTHS, strict=True):
        clip[:, length:] = torch.tensor([1e6, -1e6, 1e6, -1e6])
    return x


def test_decibels_become_relative_to_the_loudest(features):
    out, lengths = RelativeToMaximum()(features, LENGTHS)
    assert lengths is LENGTHS
    for before, after, length in zip(features, out, LENGTHS, strict=True):
        real = before[:, :length]
        torch.testing.assert_close(after[:, :length], real - real.max())
        assert after[:, :length].max() == 0
        assert not after[:, length:].any()


def test_a_gain_changes_nothing(features):
    louder = RelativeToMaximum()(features + 12.5, LENGTHS)[0]
    torch.testing.assert_close(louder, RelativeToMaximum()(features, LENGTHS)[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("frames", [4, 7, 9])
def test_padding_is_the_smallest_value_and_counts_as_audio(features, frames):
    out, lengths = PadWithMinimum(frames)(features, LENGTHS)
    assert out.shape == (3, 2, frames, 4)
    assert lengths.tolist() == [frames] * 3
    for before, after, length in zip(features, out, LENGTHS.tolist(), strict=True):
        kept = min(length, frames)
        assert torch.equal(after[:, :kept], before[:, :kept])
        assert (after[:, kept:] == before[:, :length].min()).all()


def test_wrong_use_is_named():
    with pytest.raises(InputError, match="frames"):
        PadWithMinimum(0)
