"""Decoders on curves of a few frames, worked out by hand."""

import numpy as np
import pytest
from scipy.signal import medfilt

from benchmark.data.inventory import Event
from benchmark.errors import InputError
from benchmark.postprocessing import DoubleThreshold, MedianFilter, WholeClip
from benchmark.postprocessing.events import majority

CLASSES = ("Cat", "Dog")
SURE = np.array([0.9, 0.1])


def cat_curve(*values):
    """Frames of Cat; Dog is silent."""
    return np.stack([np.array(values, dtype=float), np.zeros(len(values))], axis=1)


def test_a_tagged_class_lasts_the_whole_clip():
    frames = np.zeros((240, 2))  # 240 * 0.0415 = 9.96 s: frames without padding end early
    assert WholeClip()(SURE, frames, 0.0415, CLASSES) == [Event(0.0, 10.0, "Cat")]
    assert WholeClip()(np.array([0.8, 0.81]), frames, 0.0415, CLASSES) == [Event(0.0, 10.0, "Dog")]
    assert WholeClip()(np.array([0.3, 0.4]), frames, 0.0415, CLASSES) == []


def test_an_event_is_as_long_as_a_shorter_or_longer_clip():
    for seconds in (2, 10):
        assert WholeClip(seconds=seconds)(SURE, np.zeros((30, 2)), 0.1, CLASSES) == [
            Event(0.0, pytest.approx(3.0), "Cat")
        ]
    assert WholeClip(seconds=3)(SURE, np.zeros((29, 2)), 0.1, CLASSES) == [Event(0.0, 3.0, "Cat")]


def test_events_reach_from_a_high_frame_as_far_as_the_low_threshold():
    frames = cat_curve(0.1, 0.2, 0.5, 0.9, 0.3, 0.19, 0.0, 0.5, 0.7, 0.5)
    assert DoubleThreshold()(SURE, frames, 0.5, CLASSES) == [Event(0.5, 2.5, "Cat")]


def test_a_frame_at_the_high_threshold_is_not_above_it():
    assert DoubleThreshold()(SURE, cat_curve(0.8, 0.8), 0.5, CLASSES) == []


def test_events_one_frame_apart_are_one():
    one, two = cat_curve(0.9, 0.1, 0.9), cat_curve(0.9, 0.1, 0.1, 0.9)
    assert DoubleThreshold()(SURE, one, 1.0, CLASSES) == [Event(0, 3, "Cat")]
    assert DoubleThreshold()(SURE, two, 1.0, CLASSES) == [Event(0, 1, "Cat"), Event(3, 4, "Cat")]
    assert DoubleThreshold(gap=0)(SURE, one, 1.0, CLASSES) == [Event(0, 1, "Cat"), Event(2, 3, "Cat")]


def test_a_low_run_does_not_bridge_two_events():
    frames = cat_curve(0.9, 0.1, 0.5, 0.1, 0.9)
    assert DoubleThreshold()(SURE, frames, 1.0, CLASSES) == [Event(0, 1, "Cat"), Event(4, 5, "Cat")]


def test_without_the_tag_there_are_no_events():
    frames = cat_curve(0.9, 0.9)
    assert DoubleThreshold()(np.array([0.8, 0.0]), frames, 1.0, CLASSES) == []
    assert DoubleThreshold(tag_threshold=0.7)(np.array([0.8, 0.0]), frames, 1.0, CLASSES) == [Event(0, 2, "Cat")]


def test_the_median_filter_fills_holes_removes_specks_and_needs_no_tag():
    frames = cat_curve(0, 0.5, 0.5, 0.1, 0.9, 0.9, 0, 0, 0, 0.9, 0, 0)
    nothing = np.zeros(2)
    assert MedianFilter(frames=3)(nothing, frames, 0.02, CLASSES) == [Event(0.02, pytest.approx(0.12), "Cat")]
    assert len(MedianFilter(frames=1)(nothing, frames, 0.02, CLASSES)) == 3


def test_zeros_beyond_the_ends_shorten_what_touches_them():
    """With 5 frames, 3 must be active: at the first frame only itself and two more can be."""
    assert MedianFilter(frames=5)(SURE, cat_curve(1, 1, 0, 0, 0, 0), 1.0, CLASSES) == []
    assert MedianFilter(frames=5)(SURE, cat_curve(1, 1, 1, 0, 0, 0), 1.0, CLASSES) == [Event(0, 3, "Cat")]


@pytest.mark.filterwarnings("ignore:kernel_size exceeds")
@pytest.mark.parametrize("length", [1, 3, 51])
@pytest.mark.parametrize("frames", [1, 20, 500])
def test_the_majority_is_scipys_median_filter(length, frames):
    active = np.random.default_rng(frames).random((frames, 4)) < 0.6
    expected = [medfilt(active[:, k].astype(float), length) for k in range(4)]
    np.testing.assert_array_equal(majority(active, length), np.stack(expected, axis=1).astype(bool))


@pytest.mark.parametrize("decoder", [WholeClip(), DoubleThreshold(), MedianFilter(frames=1)])
def test_events_are_plain_numbers(decoder):
    (event,) = decoder(SURE, cat_curve(0.9, 0.9).astype(np.float32), 0.5, CLASSES)
    assert [type(part) for part in event] == [float, float, str]


@pytest.mark.parametrize(
    ("make", "setting"),
    [
        (lambda: WholeClip(threshold=1.1), "WholeClip.threshold"),
        (lambda: WholeClip(seconds=0), "WholeClip.seconds"),
        (lambda: DoubleThreshold(high=0.1, low=0.2), "DoubleThreshold.low"),
        (lambda: DoubleThreshold(tag_threshold=-1), "DoubleThreshold.tag_threshold"),
        (lambda: DoubleThreshold(gap=-1), "DoubleThreshold.gap"),
        (lambda: MedianFilter(frames=50), "MedianFilter.frames"),
    ],
)
def test_impossible_settings_are_named(make, setting):
    with pytest.raises(InputError, match=setting):
        make()
