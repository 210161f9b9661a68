"""Event scores against hand-counted cases; the official figures and sed_eval itself are compared elsewhere."""

import itertools
import time

import numpy as np
import pytest

from benchmark.data.inventory import Event
from benchmark.errors import InputError
from benchmark.metrics.events import event_based_scores, maximum_matching, segment_based_scores, tag_scores

CLASSES = ("Cat", "Dog", "Speech")


def cat(onset, offset):
    return Event(onset, offset, "Cat")


def dog(onset, offset):
    return Event(onset, offset, "Dog")


@pytest.mark.parametrize(
    ("predicted", "hit"),
    [
        (cat(1.0, 2.0), True),
        (cat(1.1875, 2.0), True),
        (cat(0.8125, 2.0), True),
        (cat(1.25, 2.0), False),
        (cat(1.0, 2.1875), True),
        (cat(1.0, 2.25), False),
        (dog(1.0, 2.0), False),
    ],
)
def test_both_ends_must_lie_within_200_ms_and_the_class_agree(predicted, hit):
    scores = event_based_scores({"a": [cat(1.0, 2.0)]}, {"a": [predicted]}, CLASSES)
    assert scores["event_f1/Cat"] == hit
    assert scores["event_f1_micro"] == hit


def test_the_offset_of_a_long_event_may_be_wrong_by_a_fifth_of_its_length():
    for offset, hit in ((9.875, True), (9.9375, False)):
        scores = event_based_scores({"a": [cat(0.0, 8.25)]}, {"a": [cat(0.0, offset)]}, CLASSES)  # up to 9.9
        assert scores["event_f1"] == hit


def test_hand_counted_events():
    """Cat: 2 of 3 found by 3 outputs; Dog: 0 of 1 by none; Speech: no reference, 1 output; the same numbers by hand."""
    reference = {"a": [cat(0, 1), cat(5, 6)], "b": [cat(2, 3), dog(7, 8)], "c": []}
    predicted = {"a": [cat(0, 1), cat(5, 6), cat(8, 9)], "b": [Event(7, 8, "Speech")]}
    scores = event_based_scores(reference, predicted, CLASSES)
    assert scores["event_f1/Cat"] == pytest.approx(4 / 6)
    assert scores["event_f1/Dog"] == 0
    assert scores["event_f1/Speech"] is None
    assert scores["event_f1"] == pytest.approx(1 / 3)  # over Cat and Dog, which the reference has
    assert scores["event_precision"] == pytest.approx((2 / 3 + 0) / 2)
    assert scores["event_recall"] == pytest.approx((2 / 3 + 0) / 2)
    assert scores["event_error_rate"] == pytest.approx((2 / 3 + 1 / 1) / 2)
    assert scores["event_precision_micro"] == pytest.approx(2 / 4)
    assert scores["event_recall_micro"] == pytest.approx(2 / 4)
    assert scores["event_f1_micro"] == pytest.approx(4 / 8)
    # The dog taken for speech is one substitution; one cat is missed, one cat is inserted.
    assert scores["event_error_rate_micro"] == pytest.approx(3 / 4)


def test_an_output_counts_once():
    scores = event_based_scores({"a": [cat(1, 2), cat(1.1, 2.1)]}, {"a": [cat(1, 2)]}, CLASSES)
    assert (scores["event_precision"], scores["event_recall"]) == (1, 0.5)


def test_the_matching_finds_pairs_that_taking_the_first_would_miss():
    """The first output fits both events, the second only the first event: greedily, one event would be left."""
    reference = {"a": [cat(1.0, 2.0), cat(1.3, 2.3)]}
    predicted = {"a": [cat(1.15, 2.15), cat(0.9, 1.9)]}
    assert event_based_scores(reference, predicted, CLASSES)["event_f1"] == 1


def test_events_of_other_files_do_not_match():
    assert event_based_scores({"a": [cat(1, 2)], "b": []}, {"b": [cat(1, 2)]}, CLASSES)["event_f1"] == 0


def test_hand_counted_segments():
    """Cat is active in seconds 0, 1, 4; output in 1, 2. Dog in 4 of the same file; output speech in 4."""
    reference = {"a": [cat(0.5, 1.2), cat(4.0, 5.0), dog(4.9, 5.0)], "b": []}
    predicted = {"a": [cat(1.0, 3.0), Event(4.1, 4.2, "Speech")]}
    scores = segment_based_scores(reference, predicted, CLASSES)
    assert scores["segment_f1/Cat"] == pytest.approx(2 / 5)
    assert scores["segment_f1/Dog"] is None  # no output: sed_eval leaves it undefined
    assert scores["segment_f1"] == pytest.approx(2 / 5)
    assert scores["segment_precision"] == pytest.approx(1 / 2)
    assert scores["segment_recall"] == pytest.approx((1 / 3 + 0) / 2)
    assert scores["segment_error_rate"] == pytest.approx((3 / 3 + 1 / 1) / 2)
    assert scores["segment_f1_micro"] == pytest.approx(2 / 7)
    # Second 0: a deletion; 2: an insertion; 4: two in the reference, one other: a substitution and a deletion.
    assert scores["segment_error_rate_micro"] == pytest.approx(4 / 4)


def test_overlapping_events_of_a_class_make_a_segment_active_once():
    scores = segment_based_scores({"a": [cat(0.1, 0.5), cat(0.3, 0.9)]}, {"a": [cat(0.2, 0.4)]}, CLASSES)
    assert scores["segment_f1"] == 1


def test_nothing_anywhere_is_undefined():
    scores = event_based_scores({"a": []}, {}, CLASSES) | segment_based_scores({"a": []}, {}, CLASSES)
    assert scores["event_precision_micro"] == 0
    assert {value for key, value in scores.items() if key != "event_precision_micro"} == {None}


def test_no_output_is_zero_in_events_and_undefined_in_segments():
    reference = {"a": [cat(0, 1)]}
    events = event_based_scores(reference, {}, CLASSES)
    assert (events["event_f1"], events["event_precision"], events["event_error_rate_micro"]) == (0, 0, 1)
    segments = segment_based_scores(reference, {}, CLASSES)
    assert (segments["segment_f1"], segments["segment_precision"], segments["segment_recall"]) == (None, None, 0)


def test_wrong_input_is_named():
    with pytest.raises(InputError, match="no class 'Cow'"):
        event_based_scores({"a": [Event(0, 1, "Cow")]}, {}, CLASSES)
    with pytest.raises(InputError, match="file 'b' has predictions"):
        segment_based_scores({"a": []}, {"b": []}, CLASSES)


def most_pairs(neighbours):
    """Size of the largest matching, by trying every assignment."""
    lefts, rights = list(neighbours), sorted({r for rs in neighbours.values() for r in rs})
    padded = rights + [None] * len(lefts)
    return max(
        sum(right in neighbours[left] for left, right in zip(lefts, choice, strict=True))
        for choice in itertools.permutations(padded, len(lefts))
    )


def test_matching_is_largest_on_random_graphs():
    rng = np.random.default_rng(0)
    for _ in range(150):
        left, right = rng.integers(1, 5), rng.integers(1, 5)
        graph = {u: np.flatnonzero(rng.random(right) < 0.5).tolist() for u in range(left)}
        graph = {u: vs for u, vs in graph.items() if vs}
        pairs = maximum_matching(graph)
        assert len(set(pairs.values())) == len(pairs)
        assert all(v in graph[u] for v, u in pairs.items())
        assert len(pairs) == (most_pairs(graph) if graph else 0)


def test_tags_by_hand():
    target = [[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 0]]
    probability = [[0.9, 0.6, 0.1], [0.2, 0.5, 0.2], [0.3, 0.4, 0.7], [0.1, 0.1, 0.1]]
    scores = tag_scores(target, probability, CLASSES)
    assert scores["tag_auc/Cat"] == 3 / 4  # 0.9 is above both others, 0.2 above one of them
    assert scores["tag_auc/Dog"] == 2 / 4
    assert scores["tag_auc/Speech"] is None
    assert scores["tag_auc"] == pytest.approx(5 / 8)
    assert scores["tag_f1/Cat"] == pytest.approx(2 / 3)
    assert scores["tag_f1/Dog"] == pytest.approx(2 / 4)
    assert scores["tag_f1/Speech"] is None
    assert scores["tag_f1"] == pytest.approx(7 / 12)


def test_two_thousand_files_take_less_than_three_seconds():
    rng = np.random.default_rng(0)
    classes = [str(k) for k in range(10)]

    def lists():
        files = {}
        for file in range(2000):
            onsets = rng.uniform(0, 9, 10)
            labels = rng.integers(0, 10, 10)
            lengths = rng.uniform(0.1, 3, 10)
            files[f"{file}.wav"] = [
                Event(a, a + b, classes[c]) for a, b, c in zip(onsets, lengths, labels, strict=True)
            ]
        return files

    reference, predicted = lists(), lists()
    start = time.process_time()
    event_based_scores(reference, predicted, classes)
    segment_based_scores(reference, predicted, classes)
    assert time.process_time() - start < 3
