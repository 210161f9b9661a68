"""MAP@k: cases by hand, Kaggle's definition by brute force, torchmetrics, ties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.errors import InputError
from benchmark.metrics import average_precision_at_k, top_k
from benchmark.metrics.ranking import NO_GUESS


@pytest.mark.parametrize(
    ("ranked", "expected"),
    [
        ([7, 1, 2], 1.0),
        ([1, 7, 2], 1 / 2),
        ([1, 2, 7], 1 / 3),
        ([1, 2, 3], 0.0),
        ([7, 7, 7], 1.0),
        ([1, 1, 7], 1 / 3),
        ([1, 7, 7], 1 / 2),
        ([7, NO_GUESS, NO_GUESS], 1.0),
        ([1, NO_GUESS, NO_GUESS], 0.0),
        ([NO_GUESS, NO_GUESS, NO_GUESS], 0.0),
    ],
)
def test_cases_computed_by_hand(ranked, expected):
    assert average_precision_at_k([7], [ranked]) == [expected]


def test_mean_of_four_clips_by_hand():
    ranked = [[0, 1, 2], [0, 1, 2], [0, 1, 2], [0, 1, 2]]
    assert average_precision_at_k([0, 1, 2, 3], ranked).mean() == pytest.approx((1 + 1 / 2 + 1 / 3 + 0) / 4)


def precision_of_lists(actual, predicted, k):
    """The mean of precision at each right place, written from the definition."""
    right, total = 0, 0.0
    for place in range(min(k, len(predicted))):
        if predicted[place] in actual and predicted[place] not in predicted[:place]:
            right += 1
            total += right / (place + 1)
    return total / min(len(actual), k)


@given(st.lists(st.tuples(st.integers(0, 4), st.lists(st.integers(0, 4), min_size=3, max_size=3)), max_size=30))
def test_equals_the_definition_with_repeated_guesses(clips):
    found = average_precision_at_k([target for target, _ in clips], np.array([r for _, r in clips]).reshape(-1, 3))
    assert found.tolist() == pytest.approx([precision_of_lists([target], ranked, 3) for target, ranked in clips])


def test_equals_torchmetrics():
    torch = pytest.importorskip("torch")
    from torchmetrics.retrieval import RetrievalMAP

    rng = np.random.default_rng(0)
    probability, target = rng.dirichlet(np.ones(41), 300), rng.integers(0, 41, 300)
    relevant = np.arange(41) == target[:, None]
    clip = np.repeat(np.arange(300), 41)
    metric = RetrievalMAP(top_k=3)(*map(torch.from_numpy, (probability.ravel(), relevant.ravel())), torch.tensor(clip))
    assert average_precision_at_k(target, top_k(probability, 3)).mean() == pytest.approx(float(metric), abs=1e-6)


def test_ties_stand_in_the_order_of_the_classes():
    probability = [[0.2, 0.2, 0.2, 0.2, 0.2], [0.1, 0.3, 0.1, 0.3, 0.2], [0.0, -0.0, 1.0, 0.0, 0.0]]
    assert top_k(probability, 3).tolist() == [[0, 1, 2], [1, 3, 4], [2, 0, 1]]


@given(st.lists(st.lists(st.integers(0, 3), min_size=6, max_size=6), min_size=1, max_size=8), st.integers(1, 6))
def test_top_k_equals_sorting_by_value_then_class(rows, k):
    expected = [sorted(range(6), key=lambda c: (-row[c], c))[:k] for row in rows]
    assert top_k(rows, k).tolist() == expected


def test_fewer_classes_than_guesses():
    assert top_k([[0.4, 0.6]], 3).tolist() == [[1, 0, NO_GUESS]]
    assert top_k(np.zeros((0, 5)), 3).shape == (0, 3)


@pytest.mark.parametrize(
    ("probability", "k", "message"),
    [([[0.1, np.nan], [0.5, 0.5]], 1, "1 of 2 clips"), ([0.1, 0.2], 1, "shape"), ([[0.5, 0.5]], 0, "k must be")],
)
def test_bad_probabilities(probability, k, message):
    with pytest.raises(InputError, match=message):
        top_k(probability, k)


@pytest.mark.parametrize(
    ("target", "ranked", "message"),
    [([0, 1], [[0, 1, 2]], "got"), ([0], [0], "got"), ([-1], [[0, 1, 2]], "target -1 is no class")],
)
def test_bad_rankings(target, ranked, message):
    with pytest.raises(InputError, match=message):
        average_precision_at_k(target, ranked)
