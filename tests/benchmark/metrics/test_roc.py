import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from benchmark.errors import InputError
from benchmark.metrics import roc_auc, roc_curve


@given(st.lists(st.tuples(st.booleans(), st.integers(-3, 3)), max_size=60))
def test_equals_sklearn_under_many_ties(clips):
    target, score = [int(bird) for bird, _ in clips], [value / 3 for _, value in clips]
    if len(set(target)) < 2:
        assert roc_auc(target, score) is None
    else:
        assert roc_auc(target, score) == pytest.approx(roc_auc_score(target, score), abs=1e-12)


def test_equals_sklearn_at_the_size_of_the_development_sets():
    rng = np.random.default_rng(0)
    target = rng.integers(0, 2, 35_690)
    for score in (rng.normal(target, 1.5), rng.normal(target, 1.5).round(1)):
        assert roc_auc(target, score) == pytest.approx(roc_auc_score(target, score), abs=1e-12)


@pytest.mark.parametrize(
    ("target", "score", "auc"),
    [
        ([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4], 1.0),
        ([1, 1, 0, 0], [0.1, 0.2, 0.3, 0.4], 0.0),
        ([0, 1, 0, 1], [0.5, 0.5, 0.5, 0.5], 0.5),
        ([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], 0.75),
        ([0, 1, 1], [0.5, 0.5, 0.9], 0.75),
        ([0, 1], [-np.inf, np.inf], 1.0),
        ([0, 1], [-0.0, 0.0], 0.5),
    ],
)
def test_cases_computed_by_hand(target, score, auc):
    assert roc_auc(target, score) == auc


@pytest.mark.parametrize("target", [[], [1, 1], [0, 0, 0]])
def test_is_undefined_without_both_classes(target):
    assert roc_auc(target, [0.3] * len(target)) is None


def test_curve_computed_by_hand():
    fpr, tpr = roc_curve([0, 1, 0, 1, 1], [0.1, 0.5, 0.5, 0.9, 0.7])
    np.testing.assert_allclose(fpr, [0, 0, 0, 0.5, 1])
    np.testing.assert_allclose(tpr, [0, 1 / 3, 2 / 3, 1, 1])


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4)), min_size=2, max_size=40))
def test_area_under_the_curve_is_the_auc(clips):
    target, score = [int(bird) for bird, _ in clips], [value for _, value in clips]
    if len(set(target)) == 2:
        fpr, tpr = roc_curve(target, score)
        assert np.trapezoid(tpr, fpr) == pytest.approx(roc_auc(target, score))


@pytest.mark.parametrize("function", [roc_auc, roc_curve])
@pytest.mark.parametrize(
    ("target", "score", "message"),
    [
        ([0, 1], [np.nan, 0.5], "1 of 2 scores are NaN"),
        ([0, 2], [0.1, 0.5], "target 2 is neither 0 nor 1"),
        ([0, 1], [0.1], "one length"),
        ([[0, 1]], [[0.1, 0.2]], "two lists"),
    ],
)
def test_bad_input(function, target, score, message):
    with pytest.raises(InputError, match=message):
        function(target, score)


def test_curve_needs_both_classes():
    with pytest.raises(InputError, match="both classes"):
        roc_curve([1, 1], [0.1, 0.2])
