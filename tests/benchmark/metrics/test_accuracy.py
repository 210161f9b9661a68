import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, recall_score

from benchmark.errors import InputError
from benchmark.metrics import classwise_accuracy


def test_counted_by_hand():
    scores = classwise_accuracy([0, 0, 0, 0, 1], [0, 0, 0, 1, 0], ("bus", "park"))
    assert scores == {
        "accuracy": pytest.approx(0.375),
        "accuracy/micro": pytest.approx(0.6),
        "accuracy/bus": 0.75,
        "accuracy/park": 0.0,
    }


def test_equals_sklearn():
    rng = np.random.default_rng(0)
    target = rng.choice(5, 400, p=[0.5, 0.2, 0.15, 0.1, 0.05])
    predicted = np.where(rng.random(400) < 0.6, target, rng.integers(0, 5, 400))
    scores = classwise_accuracy(target, predicted, tuple("abcde"))
    assert scores["accuracy"] == pytest.approx(balanced_accuracy_score(target, predicted))
    assert scores["accuracy/micro"] == pytest.approx(accuracy_score(target, predicted))
    recall = recall_score(target, predicted, average=None)
    assert [scores[f"accuracy/{name}"] for name in "abcde"] == pytest.approx(list(recall))


def test_a_class_without_clips_is_undefined_and_left_out_of_the_mean():
    scores = classwise_accuracy([0, 2], [1, 2], ("a", "b", "c"))
    assert scores["accuracy/b"] is None
    assert scores["accuracy"] == 0.5


def test_no_clips():
    assert set(classwise_accuracy([], [], ("a", "b")).values()) == {None}


@pytest.mark.parametrize(
    ("target", "predicted", "message"),
    [
        ([0, 1], [0], "one length"),
        ([0, 2], [0, 1], "2 is no class of 2\n  where: target, position 1"),
        ([0, 1], [-1, 1], "-1 is no class of 2\n  where: predicted, position 0"),
        ([0.5], [0], "whole numbers"),
        ([[0]], [[0]], "a list of"),
    ],
)
def test_bad_input(target, predicted, message):
    with pytest.raises(InputError) as error:
        classwise_accuracy(target, predicted, ("a", "b"))
    assert message in str(error.value)
