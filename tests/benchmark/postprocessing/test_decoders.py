"""Decoders with settings of each class's own, on curves of a few frames worked out by hand."""

import numpy as np
import pytest

from benchmark.data.inventory import Event
from benchmark.errors import InputError
from benchmark.postprocessing.decoders import SmoothedThreshold, TaggedCurves

CLASSES = ("Cat", "Dog")
SURE = np.array([0.9, 0.1])


def curves(cat, dog=None):
    return np.stack([np.array(cat, dtype=np.float32), np.array(dog or np.zeros(len(cat)), dtype=np.float32)], axis=1)


def test_each_class_has_its_own_threshold_and_filter():
    frames = curves([0.6, 0.2, 0.6, 0.6, 0.2], [0.4, 0.1, 0.4, 0.4, 0.1])
    nothing = np.zeros(2)
    assert SmoothedThreshold(0.5)(nothing, frames, 1.0, CLASSES) == [Event(0, 1, "Cat"), Event(2, 4, "Cat")]
    decoder = SmoothedThreshold(0.5, thresholds={"Dog": 0.4}, medians={"Cat": 3})
    found = decoder(nothing, frames.astype(float), 1.0, CLASSES)
    assert found == [Event(0, 4, "Cat"), Event(0, 1, "Dog"), Event(2, 4, "Dog")]


def test_the_gaussian_comes_after_the_median_and_before_the_threshold():
    frames = curves([0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 0, 0, 0])
    assert SmoothedThreshold(0.5, median=3)(SURE, frames, 1.0, CLASSES) == [Event(3, 6, "Cat")]
    wide = SmoothedThreshold(0.2, median=3, sigma=1.0)(SURE, frames, 1.0, CLASSES)
    assert wide == [Event(2, 7, "Cat")]  # 0.24 + 0.05 + 0.004 of the weight reaches the frame beside the event


def test_a_filter_does_not_shorten_what_touches_the_ends():
    frames = curves([1, 1, 0, 0, 0, 0, 0])
    assert SmoothedThreshold(0.5, median=3)(SURE, frames, 1.0, CLASSES) == [Event(0, 2, "Cat")]


def test_only_tagged_classes_are_placed():
    frames = curves([0.01, 0.01, 0.03, 0.01, 0.01], [0.1, 0.9, 0.9, 0.1, 0.1])
    decoder = TaggedCurves(average=1, edge=0)
    assert decoder(SURE, frames, 1.0, CLASSES) == [Event(2, 3, "Cat")]  # however small its probabilities
    assert decoder(np.array([0.5, 0.6]), frames, 1.0, CLASSES) == [Event(1, 3, "Dog")]


def test_rescaled_then_averaged_then_thresholded():
    """0 to 1, an impulse over three frames is 1/3 in each."""
    frames = curves([0.2, 0.2, 0.2, 0.6, 0.2, 0.2, 0.2])
    decoder = TaggedCurves(threshold=0.33, average=3, edge=1)
    assert decoder(SURE, frames, 1.0, CLASSES) == [Event(2, 5, "Cat")]
    assert TaggedCurves(threshold=0.34, average=3, edge=1)(SURE, frames, 1.0, CLASSES) == []


def test_segments_closer_than_the_gap_are_one():
    frames = curves([1, 0, 1, 0, 0, 1])
    decoder = TaggedCurves(average=1, edge=0)
    close, apart = Event(0, pytest.approx(0.3), "Cat"), Event(pytest.approx(0.5), pytest.approx(0.6), "Cat")
    assert decoder(SURE, frames, 0.1, CLASSES) == [close, apart]  # 0.1 s and 0.2 s apart
    assert len(TaggedCurves(average=1, edge=0, gap=0.0)(SURE, frames, 0.1, CLASSES)) == 3


def test_without_a_threshold_of_its_own_a_curve_is_cut_at_the_tags():
    frames = curves([0.0, 0.5, 1.0], [0.0, 0.5, 1.0])
    decoder = TaggedCurves(threshold=None, average=1, edge=0, gap=0.0)
    decoder.learnt = {"Dog": 0.4}
    found = decoder(np.array([0.9, 0.9]), frames, 1.0, CLASSES)
    assert found == [Event(2, 3, "Cat"), Event(1, 3, "Dog")]


def test_thresholds_for_tags_are_searched_on_held_out_clips():
    target = np.array([[1, 1], [1, 0], [0, 1], [0, 0]])
    tags = np.array([[0.48, 0.9], [0.47, 0.2], [0.43, 0.8], [0.42, 0.1]])
    decoder = TaggedCurves()
    decoder.fit(tags, target, CLASSES)
    assert 0.43 <= decoder.learnt["Cat"] < 0.47
    found = decoder(tags[1], np.ones((4, 2)), 1.0, CLASSES)
    assert found == [Event(0, 4, "Cat")]
    assert TaggedCurves()(tags[1], np.ones((4, 2)), 1.0, CLASSES) == []


@pytest.mark.parametrize("decoder", [SmoothedThreshold(), TaggedCurves(average=1)])
def test_events_are_plain_numbers(decoder):
    (event,) = decoder(SURE, curves([0.9, 0.9]), 0.5, CLASSES)
    assert [type(part) for part in event] == [float, float, str]


@pytest.mark.parametrize(
    ("make", "setting"),
    [
        (lambda: SmoothedThreshold(1.5), "threshold"),
        (lambda: SmoothedThreshold(median=2), "median"),
        (lambda: SmoothedThreshold(sigma=-1.0), "sigma"),
        (lambda: SmoothedThreshold(thresholds={"Cat": 2.0}), "threshold"),
        (lambda: TaggedCurves(threshold=-0.1), "threshold"),
        (lambda: TaggedCurves(average=4), "average"),
        (lambda: TaggedCurves(gap=-0.1), "gap"),
        (lambda: SmoothedThreshold(medians={"Cow": 3})(SURE, curves([1, 1]), 1.0, CLASSES), "Cow"),
    ],
)
def test_wrong_settings_are_named(make, setting):
    with pytest.raises(InputError, match=setting):
        make()
