"""Feature transforms against numpy, with padding that must not matter."""

import numpy as np
import pytest
import torch

from benchmark.errors import BenchmarkError, InputError
from benchmark.frontends import Standardize, SubtractTemporalMean, WrapFrames

LENGTHS = torch.tensor([5, 2, 7])


@pytest.fixture
def features():
    """Three clips of two channels, 7 frames, 4 bins; garbage in the padding, one constant bin, one far from zero."""
    generator = np.random.default_rng(0)
    x = generator.normal([0, 3, 1e4, 0], [1, 2, 0.5, 0], size=(3, 2, 7, 4)).astype(np.float32)
    x[..., 3] = 0.1
    for clip, length in zip(x, LENGTHS, strict=True):
        clip[:, length:] = 1e6
    return torch.from_numpy(x)


def valid(features):
    clips = zip(features, LENGTHS, strict=True)
    return np.concatenate([clip[:, :length].reshape(-1, 4).double().numpy() for clip, length in clips])


def test_standardize_is_numpys_over_valid_frames(features):
    transform = Standardize(4)
    transform.fit([(features[:1], LENGTHS[:1]), (features[1:], LENGTHS[1:])])
    frames = valid(features)
    np.testing.assert_allclose(transform.mean, frames.mean(0), rtol=1e-6)
    np.testing.assert_allclose(transform.std[:3], frames.std(0)[:3], rtol=1e-6)
    assert transform.std[3] == 1
    out, lengths = transform(features, LENGTHS)
    assert torch.equal(lengths, LENGTHS)
    for clip, length in zip(out, LENGTHS, strict=True):
        assert not clip[:, length:].any()
    np.testing.assert_allclose(valid(out)[:, :2].mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(valid(out)[:, :2].std(0), 1, rtol=1e-6)


def test_standardize_does_not_depend_on_the_batches(features):
    together, apart = Standardize(4), Standardize(4)
    together.fit([(features, LENGTHS)])
    apart.fit((features[i : i + 1], LENGTHS[i : i + 1]) for i in range(3))
    torch.testing.assert_close(apart.mean, together.mean, rtol=1e-7, atol=0)
    torch.testing.assert_close(apart.std, together.std, rtol=1e-6, atol=0)


def test_standardize_before_fit_is_an_error(features):
    with pytest.raises(BenchmarkError, match="no statistics"):
        Standardize(4)(features, LENGTHS)
    with pytest.raises(BenchmarkError, match="no frame"):
        Standardize(4).fit([])


def test_standardize_travels_in_the_state_dict(features):
    fitted, fresh = Standardize(4), Standardize(4)
    fitted.fit([(features, LENGTHS)])
    fresh.load_state_dict(fitted.state_dict())
    assert fresh.fitted
    assert torch.equal(fresh(features, LENGTHS)[0], fitted(features, LENGTHS)[0])
    fresh.load_state_dict(Standardize(4).state_dict())
    with pytest.raises(BenchmarkError, match="no statistics"):
        fresh(features, LENGTHS)


def test_standardize_names_wrong_bins(features):
    with pytest.raises(InputError, match="4 bins, not 5"):
        Standardize(5).fit([(features, LENGTHS)])
    with pytest.raises(InputError, match="n_bins"):
        Standardize(0)


def test_subtract_temporal_mean(features):
    out, lengths = SubtractTemporalMean()(features, LENGTHS)
    assert torch.equal(lengths, LENGTHS)
    for before, after, length in zip(features.double(), out, LENGTHS, strict=True):
        expected = before[:, :length] - before[:, :length].mean(1, keepdim=True)
        np.testing.assert_allclose(after[:, :length], expected, atol=2e-3)  # float32 at 1e4 resolves 1e-3
        assert not after[:, length:].any()


@pytest.mark.parametrize("frames", [1, 4, 7, 16])
def test_wrap_frames_is_numpys_cyclic_resize(features, frames):
    out, lengths = WrapFrames(frames)(features, LENGTHS)
    assert lengths.tolist() == [frames] * 3
    for before, after, length in zip(features, out, LENGTHS, strict=True):
        for channel in range(2):
            np.testing.assert_array_equal(after[channel], np.resize(before[channel, :length], (frames, 4)))


def test_wrap_frames_needs_a_frame():
    with pytest.raises(InputError, match="frames"):
        WrapFrames(0)
