import json

import numpy as np
import pytest
from sklearn.metrics import f1_score

from benchmark.errors import InputError
from benchmark.metrics.f_score import macro_f1

CLASSES = ("a", "b", "c")


def test_by_hand():
    # a: 2 of 3 found, 1 false claim: 4 / 6. b: 1 of 2 found, 2 false claims: 2 / 5. c: none of 1 found, no claim: 0.
    found = macro_f1([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 0, 1], CLASSES)
    assert found == pytest.approx({"f1": (4 / 6 + 2 / 5 + 0) / 3, "f1/a": 4 / 6, "f1/b": 2 / 5, "f1/c": 0.0})


@pytest.mark.parametrize("seed", range(5))
def test_as_the_challenge_where_every_class_has_clips(seed):
    """The organisers' baseline calls scikit-learn's function."""
    rng = np.random.default_rng(seed)
    names = [f"class {i}" for i in range(9)]
    target = np.concatenate([np.arange(9), rng.integers(0, 9, 200)])
    predicted = np.where(rng.random(target.size) < 0.6, target, rng.integers(0, 9, target.size))
    found = macro_f1(target, predicted, names)
    official = f1_score(target, predicted, labels=range(9), average=None)
    assert [found[f"f1/{name}"] for name in names] == pytest.approx(official.tolist())
    assert found["f1"] == pytest.approx(f1_score(target, predicted, average="macro"))


def test_a_class_without_clips_is_undefined_and_left_out():
    # a: 1 of 2 found: 2 / 3. b: found, no false claim: 1. The claim of c counts against a alone.
    found = macro_f1([0, 0, 1], [0, 2, 1], CLASSES)
    assert found == pytest.approx({"f1": (2 / 3 + 1) / 2, "f1/a": 2 / 3, "f1/b": 1.0, "f1/c": None})
    assert json.loads(json.dumps(found))["f1/c"] is None


def test_no_clips_at_all():
    assert macro_f1([], [], CLASSES) == {"f1": None, "f1/a": None, "f1/b": None, "f1/c": None}


@pytest.mark.parametrize(
    ("target", "predicted", "message"),
    [([0, 1], [0], "one length"), ([[0]], [[0]], "one length"), ([0, 3], [0, 1], "3 is no class"), ([0], [-1], "-1")],
)
def test_wrong_indices(target, predicted, message):
    with pytest.raises(InputError, match=message):
        macro_f1(target, predicted, CLASSES)
