import pytest

from benchmark.metrics import mean_over_folds


def test_harmonic_mean_is_formed_from_the_aggregated_scores():
    folds = [
        {"auc": 0.8, "auc/a": 0.8, "auc/harmonic_mean": 0.8, "auc/pooled": 0.7},
        {"auc": 0.4, "auc/b": 0.4, "auc/harmonic_mean": 0.4, "auc/pooled": 0.5},
    ]
    assert mean_over_folds(folds) == {
        "auc": pytest.approx(0.6),
        "auc/a": 0.8,
        "auc/harmonic_mean": pytest.approx(2 / (1 / 0.8 + 1 / 0.4)),
        "auc/pooled": pytest.approx(0.6),
        "auc/b": 0.4,
    }


def test_harmonic_mean_uses_means_over_folds_of_its_own_prefix():
    folds = [
        {"auc/a": 0.5, "auc/harmonic_mean": None, "accuracy/a": 0.1},
        {"auc/a": 1.0, "auc/b": 0.25, "auc/harmonic_mean": 0.4, "accuracy/a": 0.3},
    ]
    assert mean_over_folds(folds)["auc/harmonic_mean"] == pytest.approx(2 / (1 / 0.75 + 1 / 0.25))


def test_undefined_scores_are_left_out():
    folds = [{"auc": None, "auc/a": None, "auc/harmonic_mean": None}, {"auc": 0.9, "auc/a": None}]
    assert mean_over_folds(folds) == {"auc": 0.9, "auc/a": None, "auc/harmonic_mean": None}


def test_no_folds():
    assert mean_over_folds([]) == {}
