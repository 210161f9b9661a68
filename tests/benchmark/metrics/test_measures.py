"""Scores of draws: a clip that counts n times against sklearn's weights and against n copies of it."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score

from benchmark.metrics.accuracy import accuracy_measures
from benchmark.metrics.f_score import f1_measures
from benchmark.metrics.folds import mean_over_folds, needed_for, over_folds
from benchmark.metrics.measures import all_once, among, divide, harmonic_mean_of, mean_of, once, share
from benchmark.metrics.roc import auc_measure

NAN = float("nan")


def some_draws(resamples, clips, seed=0):
    generator = np.random.default_rng(seed)
    return generator.multinomial(clips, np.full(clips, 1 / clips), size=resamples).astype(float)


@pytest.mark.parametrize("levels", [3, 20, 100_000])  # from many ties to none
def test_auc_of_draws_is_sklearns_with_weights(levels):
    generator = np.random.default_rng(levels)
    target, score = generator.integers(2, size=60), generator.integers(levels, size=60) / levels
    draws = some_draws(25, 60)
    expected = [roc_auc_score(target, score, sample_weight=times) for times in draws]
    assert auc_measure(target, score)(draws) == pytest.approx(expected, abs=1e-12)


def test_auc_of_a_draw_of_one_class_is_undefined():
    draws = np.array([[1.0, 0, 2], [0, 3, 0], [0, 0, 0], [1, 1, 1]])
    assert auc_measure([0, 1, 0], [0.1, 0.9, 0.2])(draws) == pytest.approx([NAN, NAN, NAN, 1], nan_ok=True)


def test_accuracy_and_f1_of_draws_are_sklearns_with_weights():
    generator = np.random.default_rng(1)
    target, guess = generator.integers(4, size=(2, 80))
    draws = some_draws(10, 80)
    accuracy, f1 = (measures(target, guess, "abcd") for measures in (accuracy_measures, f1_measures))
    for row, times in enumerate(draws):
        assert accuracy["accuracy/micro"](draws)[row] == pytest.approx(
            accuracy_score(target, guess, sample_weight=times)
        )
        expected = f1_score(target, guess, average=None, sample_weight=times)
        assert [f1[f"f1/{name}"](draws)[row] for name in "abcd"] == pytest.approx(expected)
        assert f1["f1"](draws)[row] == pytest.approx(np.mean(expected))


def test_a_class_that_is_not_drawn_is_left_out_of_the_mean():
    measures = accuracy_measures([0, 0, 1], [0, 1, 1], ["a", "b"])
    draws = np.array([[1.0, 1, 1], [1, 2, 0], [0, 0, 0]])
    assert measures["accuracy"](draws) == pytest.approx([0.75, 1 / 3, NAN], nan_ok=True)
    assert measures["accuracy/b"](draws) == pytest.approx([1, NAN, NAN], nan_ok=True)


def test_measures_by_hand():
    draws = np.array([[1.0, 1, 1, 1], [0, 2, 1, 1], [0, 0, 0, 4]])
    third = among(np.array([False, False, True, True]), share([1, 0]))
    first = among(np.array([0, 1]), share([0.5, 0.25]))
    assert share([1, 0, 0, 1])(draws) == pytest.approx([0.5, 0.25, 1])
    assert third(draws) == pytest.approx([0.5, 0.5, 0])
    assert first(draws) == pytest.approx([0.375, 0.25, NAN], nan_ok=True)
    assert mean_of([first, third])(draws) == pytest.approx([0.4375, 0.375, 0])
    assert harmonic_mean_of([first, third])(draws) == pytest.approx([2 / (1 / 0.375 + 2), 2 / 6, 0])
    assert mean_of([])(draws) == pytest.approx([NAN] * 3, nan_ok=True)
    assert all_once({"first": first, "third": third}, 4) == {"first": 0.375, "third": 0.5}
    assert once(share([]), 0) is None


def test_a_quotient_without_a_denominator_is_undefined():
    assert divide([1, 0, 3], [2, 0, 0]) == pytest.approx([0.5, NAN, NAN], nan_ok=True)


def test_folds_of_draws_are_combined_like_folds_of_scores():
    folds = [
        {"auc": np.array([0.5, 0.7]), "auc/x": np.array([0.5, 0.7]), "auc/harmonic_mean": np.array([0.5, 0.7])},
        {"auc": np.array([0.9, NAN]), "auc/y": np.array([0.9, NAN]), "auc/harmonic_mean": np.array([0.9, NAN])},
    ]
    together = over_folds(folds)
    for place in range(2):
        alone = [{key: None if np.isnan(v[place]) else v[place] for key, v in fold.items()} for fold in folds]
        for key, value in mean_over_folds(alone).items():
            assert together[key][place] == pytest.approx(NAN if value is None else value, nan_ok=True)
    assert together["auc/harmonic_mean"] == pytest.approx([2 / (1 / 0.5 + 1 / 0.9), 0.7])
    assert needed_for("auc/harmonic_mean", folds[0]) == ["auc/harmonic_mean", "auc/x"]
    assert needed_for("auc", folds[0]) == ["auc"]
