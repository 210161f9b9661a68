import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import average_precision_score, confusion_matrix
from sklearn.metrics import precision_recall_curve as sklearns_curve

from benchmark.errors import InputError
from benchmark.metrics.curves import average_precision, calibration, confusion_counts, precision_recall_curve


@pytest.fixture
def scored():
    generator = np.random.default_rng(3)
    target = generator.integers(2, size=400)
    return target, np.clip(generator.normal(0.3 + 0.3 * target, 0.2), 0, 1).round(2)


def test_confusion_counts_are_sklearns():
    target, decision = np.random.default_rng(0).integers(4, size=(2, 200))
    np.testing.assert_array_equal(confusion_counts(target, decision, 5)[:4, :4], confusion_matrix(target, decision))


def test_precision_and_recall_are_sklearns(scored):
    recall, precision = precision_recall_curve(*scored)
    their_precision, their_recall, _ = sklearns_curve(*scored)
    np.testing.assert_allclose(recall, their_recall[-2::-1])
    np.testing.assert_allclose(precision, their_precision[-2::-1])


def test_average_precision_is_sklearns(scored):
    assert average_precision(*scored) == pytest.approx(average_precision_score(*scored), abs=1e-12)


def test_average_precision_needs_a_positive():
    assert average_precision([0, 0], [0.1, 0.2]) is None


def test_a_curve_without_a_positive_is_an_error():
    with pytest.raises(InputError, match="needs a positive clip"):
        precision_recall_curve([0, 0], [0.1, 0.2])


def test_calibration_is_sklearns(scored):
    found = calibration(*scored, bins=7)
    true, said = calibration_curve(*scored, n_bins=7)
    np.testing.assert_allclose(found.true, true)
    np.testing.assert_allclose(found.said, said)
    assert found.scores.sum() == len(scored[0])


def test_calibration_error_of_hand():
    """Four scores of 0.25, one of which is true, are said right; two of 0.9, none of which is, are 0.9 off."""
    found = calibration([1, 0, 0, 0, 0, 0], [0.25, 0.25, 0.25, 0.25, 0.9, 0.9])
    assert found.error == pytest.approx((4 * 0 + 2 * 0.9) / 6)


def test_calibration_error_of_scores_that_say_how_often_they_are_right():
    generator = np.random.default_rng(0)
    said = generator.uniform(size=200_000)
    assert calibration(generator.uniform(size=said.size) < said, said).error == pytest.approx(0, abs=0.01)
    assert calibration(np.ones(said.size), said).error == pytest.approx(0.5, abs=0.01)


def test_calibration_without_a_score_has_no_error():
    assert calibration([], []).error is None
