"""Smoothing of curves against scipy and against curves of a few frames worked out by hand."""

import numpy as np
import pytest
from scipy import ndimage

from benchmark.errors import InputError
from benchmark.postprocessing.smoothing import (
    gap_frames,
    gaussian_smooth,
    median_smooth,
    moving_average,
    per_class,
    rescale,
)


def curve(*values):
    return np.array(values, dtype=np.float32)[:, None]


def noise(frames=60, classes=4):
    return np.random.default_rng(frames).random((frames, classes))


def test_the_median_of_three_frames():
    """Mirrored ends: before the first frame comes the first again."""
    smooth = median_smooth(curve(0.9, 0.1, 0.8, 0.2, 0.3), 3)
    assert smooth[:, 0].tolist() == pytest.approx([0.9, 0.8, 0.2, 0.3, 0.3])


@pytest.mark.parametrize("frames", [1, 4, 60])
def test_each_class_has_its_own_median_filter(frames):
    x, widths = noise(frames), [1, 5, 11, 27]
    expected = [ndimage.median_filter(x[:, k], size=width, mode="reflect") for k, width in enumerate(widths)]
    np.testing.assert_allclose(median_smooth(x, widths), np.stack(expected, axis=1))


def test_the_median_before_a_threshold_is_the_median_after_it():
    x = noise()
    for width in (1, 3, 15):
        active = ndimage.median_filter((x >= 0.6).astype(int), size=(width, 1), mode="reflect") == 1
        np.testing.assert_array_equal(median_smooth(x, width) >= 0.6, active)


def test_gaussian_weights():
    """An impulse far from the ends becomes the Gaussian, cut at four deviations."""
    x = np.zeros((41, 2))
    x[20, 1] = 1
    offset = np.arange(-20, 21)
    weights = np.where(abs(offset) <= 8, np.exp(-(offset**2) / (2 * 2.0**2)), 0)
    np.testing.assert_allclose(gaussian_smooth(x, 2)[:, 1], weights / weights.sum(), atol=1e-12)
    assert not gaussian_smooth(x, 2)[:, 0].any()
    np.testing.assert_array_equal(gaussian_smooth(x, 0), x)
    np.testing.assert_allclose(gaussian_smooth(np.ones((5, 1)), 3), 1)


def test_a_moving_average_is_over_the_frames_that_there_are():
    assert moving_average(curve(0, 3, 6, 0), 3)[:, 0].tolist() == pytest.approx([1.5, 3, 3, 3])
    x = noise(60)
    middle = ndimage.uniform_filter1d(x, 19, axis=0)[9:-9]
    np.testing.assert_allclose(moving_average(x, 19)[9:-9], middle)
    np.testing.assert_allclose(moving_average(x[:7], 19), np.tile(x[:7].mean(0), (7, 1)))


def test_the_scale_does_not_depend_on_the_edges():
    x = curve(0.9, 0.0, 0.5, 0.2, 0.3, 0.4, 0.6, 1.0)
    assert rescale(x, 3)[:, 0].tolist() == pytest.approx([1, 0, 1, -0.0, 1, 1, 1, 1])
    assert rescale(x, 2)[:, 0].tolist() == pytest.approx([1, 0, 1, 0, 1 / 3, 2 / 3, 1, 1])
    assert rescale(x[:4], 2)[:, 0].tolist() == pytest.approx([1, 0, 5 / 9, 2 / 9])  # nothing lies between the edges


def test_a_flat_curve_stays_as_it_is():
    x = np.stack([np.full(9, 0.4), np.linspace(0, 1, 9)], axis=1)
    np.testing.assert_allclose(rescale(x, 0), x)
    assert rescale(np.zeros((0, 3))).shape == (0, 3)


@pytest.mark.parametrize(
    ("seconds", "frame_seconds", "frames"), [(0.2, 0.1, 1), (0.2, 0.0232, 8), (0.2, 0.05, 3), (0.2, 1.0, 0), (0, 1, -1)]
)
def test_closer_than_a_gap_in_frames(seconds, frame_seconds, frames):
    """Two frames of 0.1 s are not closer than 0.2 s, one is."""
    assert gap_frames(seconds, frame_seconds) == frames


def test_values_of_classes():
    assert per_class(0.5, {"Dog": 0.2}, ("Cat", "Dog"), "x").tolist() == [0.5, 0.2]
    with pytest.raises(InputError, match="'Cow' is no class"):
        per_class(0.5, {"Cow": 0.2}, ("Cat", "Dog"), "x")


def test_wrong_settings_are_named():
    with pytest.raises(InputError, match="odd and positive"):
        median_smooth(noise(), 4)
    with pytest.raises(InputError, match="2 widths for 4 classes"):
        median_smooth(noise(), [3, 3])
    with pytest.raises(InputError, match="odd and positive"):
        moving_average(noise(), 0)
    with pytest.raises(InputError, match="sigma"):
        gaussian_smooth(noise(), -1)
    with pytest.raises(InputError, match="edge"):
        rescale(noise(), -1)
