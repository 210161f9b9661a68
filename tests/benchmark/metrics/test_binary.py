import subprocess
import sys

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, roc_auc_score

from benchmark.errors import InputError
from benchmark.metrics import binary_scores


def test_importing_the_package_imports_neither_torch_nor_pandas():
    check = "import benchmark.metrics, sys; sys.exit(bool({'torch', 'pandas'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", check], env={"PYTHONPATH": ":".join(sys.path)}).returncode == 0


def test_groups_computed_by_hand():
    scores = binary_scores(
        target=[0, 1, 0, 1, 0, 1],
        probability=[0.2, 0.9, 0.6, 0.4, 0.1, 0.1],
        group=["warblr", "warblr", "ff", "ff", "birdvox", "birdvox"],
    )
    assert scores == {
        "auc": pytest.approx(0.5),
        "auc/warblr": 1.0,
        "auc/ff": 0.0,
        "auc/birdvox": 0.5,
        "auc/harmonic_mean": 0.0,
        "auc/pooled": pytest.approx(5.5 / 9),
        "accuracy": pytest.approx(0.5),
        "accuracy/warblr": 1.0,
        "accuracy/ff": 0.0,
        "accuracy/birdvox": 0.5,
    }
    assert [key for key in scores if key.startswith("auc/")][:3] == ["auc/warblr", "auc/ff", "auc/birdvox"]


def test_equals_sklearn_per_group():
    rng = np.random.default_rng(1)
    group = rng.choice(["a", "b", "c"], 300)
    target = rng.integers(0, 2, 300)
    probability = np.clip(rng.normal(0.3 + 0.3 * target, 0.3), 0, 1)
    scores = binary_scores(target, probability, list(group))
    auc = [roc_auc_score(target[group == name], probability[group == name]) for name in "abc"]
    assert scores["auc"] == pytest.approx(np.mean(auc))
    assert scores["auc/harmonic_mean"] == pytest.approx(3 / np.sum(1 / np.array(auc)))
    assert scores["auc/pooled"] == pytest.approx(roc_auc_score(target, probability))
    for name in "abc":
        rows = group == name
        assert scores[f"accuracy/{name}"] == pytest.approx(accuracy_score(target[rows], probability[rows] >= 0.5))


def test_a_group_of_one_class_has_accuracy_but_no_auc():
    scores = binary_scores([1, 1, 0, 1], [0.9, 0.2, 0.1, 0.8], ["one", "one", "both", "both"])
    assert scores["auc/one"] is None
    assert scores["auc"] == scores["auc/both"] == scores["auc/harmonic_mean"] == 1.0
    assert (scores["accuracy/one"], scores["accuracy"]) == (0.5, 0.75)


def test_no_group_with_both_classes():
    scores = binary_scores([1, 0], [0.9, 0.2], ["a", "b"])
    assert scores["auc"] is scores["auc/harmonic_mean"] is None
    assert scores["auc/pooled"] == 1.0


def test_without_groups():
    assert binary_scores([0, 1, 1], [0.5, 0.5, 0.4]) == {"auc": 0.25, "accuracy": pytest.approx(1 / 3)}


def test_one_half_counts_as_bird():
    assert binary_scores([1], [0.5])["accuracy"] == 1.0
    assert binary_scores([0], [0.5])["accuracy"] == 0.0


def test_no_clips():
    assert binary_scores([], []) == {"auc": None, "accuracy": None}
    assert set(binary_scores([], [], []).values()) == {None}


def test_bad_input():
    with pytest.raises(InputError, match="NaN"):
        binary_scores([0, 1], [0.1, np.nan], ["a", "a"])
    with pytest.raises(InputError, match="one group"):
        binary_scores([0, 1], [0.1, 0.2], ["a"])
    with pytest.raises(InputError, match="'pooled' cannot name"):
        binary_scores([0, 1], [0.1, 0.2], ["pooled", "a"])
