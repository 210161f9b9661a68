"""The search of thresholds on planted clips."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from benchmark.training.threshold_search import anneal_thresholds, class_f1


def planted(best, clips=400, seed=0):
    """Clips whose present classes lie above `best` and whose absent ones lie below, with a few errors."""
    rng = np.random.default_rng(seed)
    target = (rng.random((clips, len(best))) < 0.3).astype(float)
    distance = np.abs(rng.normal(0, 0.1, target.shape)) + 0.01
    return target, np.where(target == 1, best + distance, best - distance)


def test_it_improves_over_one_half():
    best = np.array([0.42, 0.5, 0.56])
    target, probability = planted(best)
    found = anneal_thresholds(target, probability)
    halves, scores = (class_f1(target, probability > cut) for cut in (np.full(3, 0.5), found))
    assert scores.mean() > halves.mean() + 0.05
    assert scores.mean() > 0.97
    assert np.abs(found - best).max() < 0.04


def test_it_is_never_worse_than_one_half():
    target, probability = planted(np.array([0.5, 0.5]))
    assert class_f1(target, probability > anneal_thresholds(target, probability, restarts=1, steps=1)).mean() == 1
    rng = np.random.default_rng(0)
    noise, labels = rng.random((50, 10)), (rng.random((50, 10)) < 0.2).astype(float)
    found = anneal_thresholds(labels, noise, restarts=1, steps=2)
    assert class_f1(labels, noise > found).mean() >= class_f1(labels, noise > 0.5).mean()


def test_the_same_seed_finds_the_same():
    target, probability = planted(np.array([0.45, 0.55]))
    first, again, other = (anneal_thresholds(target, probability, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_f1_of_classes_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    target, said = rng.random((30, 4)) < 0.4, rng.random((30, 4)) < 0.5
    target[:, 3] = said[:, 3] = False
    np.testing.assert_allclose(
        class_f1(target.astype(float), said), f1_score(target, said, average=None, zero_division=0)
    )


def test_unknown_labels_do_not_count():
    target = np.array([[1.0], [0.0], [np.nan], [np.nan]])
    assert class_f1(target, np.array([[True], [False], [True], [False]])) == pytest.approx(1)
