import numpy as np
import pytest

from benchmark.errors import InputError
from benchmark.postprocessing import ThresholdedArgmax


def test_without_a_confident_class_the_answer_is_the_first():
    probability = np.array([[0.1, 0.7, 0.2], [0.2, 0.3, 0.5], [0.3, 0.3, 0.4], [0.2, 0.4999, 0.3001], [1.0, 0.0, 0.0]])
    assert ThresholdedArgmax()(probability).tolist() == [1, 2, 0, 0, 0]


def test_of_several_classes_above_a_low_threshold_the_first_is_taken():
    probability = np.array([[0.1, 0.3, 0.6], [0.4, 0.3, 0.3]])
    assert ThresholdedArgmax(threshold=0.25)(probability).tolist() == [1, 0]


def test_where_every_clip_is_confident_it_is_the_arg_max():
    probability = np.random.default_rng(0).dirichlet(np.full(10, 0.02), 200)
    confident = probability[probability.max(1) >= 0.5]
    assert len(confident) > 100
    assert np.array_equal(ThresholdedArgmax()(confident), confident.argmax(1))


def test_the_baselines_profile_airport_gains_and_the_rest_loses():
    """The reason for the part: recall of the first class rises, that of every other class falls."""
    rng = np.random.default_rng(1)
    target = rng.integers(0, 10, 5000)
    logits = rng.standard_normal((5000, 10))
    logits[np.arange(5000), target] += 2.5
    probability = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    plain, quirk = probability.argmax(1), ThresholdedArgmax()(probability)
    for scene in range(10):
        members = target == scene
        gain = (quirk[members] == scene).mean() - (plain[members] == scene).mean()
        assert gain > 0 if scene == 0 else gain < 0


@pytest.mark.parametrize("threshold", [0.0, -0.1, 1.1])
def test_wrong_threshold(threshold):
    with pytest.raises(InputError, match="threshold must be in"):
        ThresholdedArgmax(threshold)
