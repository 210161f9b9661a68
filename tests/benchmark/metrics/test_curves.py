import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import confusion_matrix
from sklearn.metrics import precision_recall_curve as sklearns_curve

from benchmark.errors import InputError
from benchmark.metrics.curves import calibration, confusion_counts, precision_recall_curve


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


def test_a_curve_without_a_positive_is_an_error():
    with pytest.raises(InputError, match="needs a positive clip"):
        precision_recall_curve([0, 0], [0.1, 0.2])


def test_calibration_is_sklearns(scored):
    found = calibration(*scored, bins=7)
    true, said = calibration_curve(*scored, n_bins=7)
    np.testing.assert_allclose(found.true, true)
    np.testing.assert_allclose(found.said, said)
    assert found.scores.sum() == len(scored[0])
