"""Self-adaptation on planted clips: only one setting cuts out what the network hears."""

import math

import numpy as np
import pytest

from benchmark.data.inventory import Event
from benchmark.errors import InputError
from benchmark.postprocessing.alignment import SelfAligned, align

CLASSES = ("Cat", "Dog")


def planted(seed=0, clips=6, frames=80):
    """Clips whose first bin is 1 where there is a cat; its frame probabilities are 0.42 there, else 0.3, with specks.

    The specks, single frames of 0.6 outside and 0.1 inside, are gone with a median over 5 frames, and the cats of 8
    frames with one over 21. The right frames come of a threshold between 0.3 and 0.42 and a median over 5 alone.
    """
    rng = np.random.default_rng(seed)
    features, curves = [], []
    for _ in range(clips):
        cat = np.zeros(frames, dtype=bool)
        for start in (int(rng.integers(8, 14)), int(rng.integers(30, 40)), int(rng.integers(55, 60))):
            cat[start : start + 8] = True
        probability = np.where(cat, 0.42, 0.3)
        onset = int(np.flatnonzero(cat)[0])
        probability[[3, 26, 51, 72]], probability[onset + 3] = 0.6, 0.1
        features.append(cat[None, :, None].astype(np.float32))
        curves.append(np.stack([probability, np.zeros(frames)], axis=1))
    return features, curves


def hears_cats(pieces):
    """Sure of a cat where most frames have one, sure of none where none has, and unsure of mixtures."""
    share = np.array([piece.mean() for piece in pieces])
    return np.stack([0.05 + 0.9 * share, np.zeros(len(share))], axis=1)


def test_the_planted_setting_is_found():
    features, curves = planted()
    tags = np.tile([0.9, 0.1], (len(features), 1))
    cat, dog = align(hears_cats, features, tags, curves, (0.2, 0.35, 0.5, 0.7), (1, 5, 21))
    assert cat[:2] == (0.35, 5)
    assert cat.loss == pytest.approx(-math.log(0.95), abs=1e-6)  # every sample is heard as what it is
    assert math.isnan(dog.loss)


def test_without_a_single_event_the_clip_is_a_sample_that_should_not_have_the_class():
    features, curves = [np.ones((1, 4, 1))], [np.full((4, 1), 0.4)]
    (high,) = align(lambda pieces: np.full((len(pieces), 1), 0.8), features, np.ones((1, 1)), curves, (0.9,), (1,))
    assert high.loss == pytest.approx(-math.log(0.2))
    (low,) = align(lambda pieces: np.full((len(pieces), 1), 0.8), features, np.ones((1, 1)), curves, (0.3,), (1,))
    assert low.loss == pytest.approx(-math.log(0.8))


def test_samples_are_events_one_by_one_and_the_rest_in_one_piece():
    seen = []

    def tagger(pieces):
        seen.extend(pieces)
        return np.full((len(pieces), 1), 0.5)

    features = np.arange(12.0).reshape(1, 6, 2)
    curve = np.array([[0.9], [0.1], [0.1], [0.9], [0.9], [0.1]])
    align(tagger, [features], np.ones((1, 1)), [curve], (0.5,), (1,))
    first, second, rest = seen
    np.testing.assert_array_equal(first, features[:, :1])
    np.testing.assert_array_equal(second, features[:, 3:5])
    np.testing.assert_array_equal(rest, features[:, [1, 2, 5]])


def test_the_loss_is_the_mean_over_samples_of_all_clips():
    """Two clips, three samples heard as 0.8, 0.6 (events) and 0.1 (rest); a third clip is not tagged."""
    heard = {1.0: 0.8, 2.0: 0.6, 3.0: 0.1, 9.0: 0.01}
    features = [np.array([[[1.0], [3.0]]]), np.array([[[2.0]]]), np.array([[[9.0]]])]
    curves = [np.array([[0.9], [0.1]]), np.array([[0.9]]), np.array([[0.9]])]

    def tagger(pieces):
        return np.array([[heard[float(piece[0, 0, 0])]] for piece in pieces])

    (choice,) = align(tagger, features, np.array([[0.5], [0.9], [0.4]]), curves, (0.5,), (1,))
    assert choice.loss == pytest.approx(-(math.log(0.8) + math.log(0.6) + math.log(0.9)) / 3)


def test_a_sample_is_heard_once_however_many_settings_cut_it():
    calls = []
    features, curves = planted(clips=1)

    def tagger(pieces):
        calls.append(len(pieces))
        return hears_cats(pieces)

    tags = np.array([[0.9, 0.1]])
    align(tagger, features, tags, curves, (0.35,), (5,))
    align(tagger, features, tags, curves, (0.31, 0.33, 0.35, 0.37), (5, 5))
    assert calls[0] == calls[1]


def test_frames_may_be_coarser_than_features():
    seen = []
    features = np.arange(7.0).reshape(1, 7, 1)

    def tagger(pieces):
        seen.extend(piece[0, :, 0].tolist() for piece in pieces)
        return np.full((len(pieces), 1), 0.5)

    align(tagger, [features], np.ones((1, 1)), [np.array([[0.9], [0.1], [0.9]])], (0.5,), (1,))
    assert seen == [[0, 1, 2], [5, 6], [3, 4]]


def test_the_decoder_uses_what_was_chosen_and_its_default_elsewhere():
    features, curves = planted()
    decoder = SelfAligned(thresholds=(0.35, 0.5), medians=(1, 5))
    tags = np.tile([0.9, 0.1], (len(features), 1))
    before = decoder(tags[0], curves[0], 1.0, CLASSES)
    assert len(before) == 4  # the specks above 0.5
    decoder.adapt(hears_cats, features, tags, curves, CLASSES)
    assert set(decoder.learnt) == {"Cat"}
    found = decoder(tags[0], curves[0], 1.0, CLASSES)
    cats = np.flatnonzero(np.diff(features[0][0, :, 0], prepend=0) > 0)
    assert found == [Event(float(start), float(start + 8), "Cat") for start in cats]
    dog = np.zeros((9, 2))
    dog[4, 1] = 0.5
    assert decoder(tags[0], dog, 1.0, CLASSES) == [Event(4.0, 5.0, "Dog")]


def test_wrong_settings_are_named():
    with pytest.raises(InputError, match="nothing to try"):
        SelfAligned(thresholds=())
    with pytest.raises(InputError, match="odd and positive"):
        SelfAligned(medians=(2,))
    with pytest.raises(InputError, match="threshold must be in"):
        SelfAligned(thresholds=(1.2,))
