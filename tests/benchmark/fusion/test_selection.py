"""Weights of members: greedy picks counted by hand and by a plain loop, cross-entropy weights in closed form."""

import numpy as np
import pytest
from jsonargparse import ArgumentParser

from benchmark.errors import BenchmarkError, InputError
from benchmark.fusion.base import Fusion
from benchmark.fusion.selection import EnsembleSelection, WeightedMean, mean_class_accuracy

EQUAL = np.ones(4)
TARGET = np.eye(2)[[0, 0, 1, 1]]


def members(*first_class):
    """Two-class probabilities of members from those of the first class."""
    first = np.array(first_class)
    return np.stack([first, 1 - first], axis=2)


def test_picks_by_hand():
    # Alone: member 0 is right on clips 0, 1 and 2 (accuracy 0.75), members 1 and 2 on two clips (0.5).
    # 0 and 0 again stays at 0.75; 0 and 1: first-class means 0.7, 0.5 (a tie goes to class 0), 0.4, 0.45: all right.
    # From then on the mean of 0, 1 and any pick is looked at: 0, 1, 0 gives 0.767, 0.567, 0.367, 0.533 (0.75);
    # 0, 1, 1 gives 0.633, 0.433, 0.433, 0.367 (0.75); 0, 1, 2 gives 0.567, 0.567, 0.467, 0.4 (1).
    probability = members([0.9, 0.7, 0.3, 0.7], [0.5, 0.3, 0.5, 0.2], [0.3, 0.7, 0.6, 0.3])
    fusion = EnsembleSelection(iterations=1)
    fusion.fit(probability, TARGET, EQUAL)
    assert fusion.picks.tolist() == [1, 1, 0]
    fusion = EnsembleSelection(iterations=2)
    fusion.fit(probability, TARGET, EQUAL)
    assert fusion.picks.tolist() == [1, 1, 1]
    np.testing.assert_allclose(fusion(probability), probability.mean(0))


def by_loop(probability, target, weight, iterations):
    """Ensemble selection with lists of picks, each mean computed anew."""
    picked = []
    for _ in range(iterations + 1):
        scores = []
        for candidate in range(len(probability)):
            mean = np.mean(probability[[*picked, candidate]], axis=0)
            right = mean.argmax(1) == target.argmax(1)
            shares = [np.average(right[c], weights=weight[c]) for c in (target == 1).T if weight[c].any()]
            scores.append(round(float(np.mean(shares)), 12))
        picked.append(scores.index(max(scores)))
    return picked


@pytest.mark.parametrize("seed", range(4))
def test_picks_are_those_of_a_plain_loop(seed):
    rng = np.random.default_rng(seed)
    target = np.eye(4)[rng.integers(0, 4, 60)]
    probability = rng.dirichlet(np.ones(4), (5, 60)) + 0.35 * target
    probability /= probability.sum(2, keepdims=True)
    weight = rng.integers(0, 3, 60).astype(float)
    fusion = EnsembleSelection(iterations=30)
    fusion.fit(probability, target, weight)
    picked = by_loop(probability, target, weight, 30)
    assert fusion.picks.tolist() == np.bincount(picked, minlength=5).tolist()
    np.testing.assert_allclose(fusion.weights, fusion.picks / 31)
    np.testing.assert_allclose(fusion(probability), np.mean(probability[picked], axis=0))


def test_of_equally_good_members_the_first_is_taken():
    probability = members([0.9, 0.9, 0.1, 0.1], [0.8, 0.8, 0.2, 0.2], [0.9, 0.9, 0.1, 0.1])
    fusion = EnsembleSelection(iterations=200)
    fusion.fit(probability, TARGET, EQUAL)
    assert fusion.picks.tolist() == [201, 0, 0]


def test_clips_without_weight_choose_nothing():
    probability = members([0.9, 0.9, 0.9, 0.9], [0.1, 0.1, 0.1, 0.1])
    for weight, best in (([1, 1, 0, 0], 0), ([0, 0, 1, 1], 1)):
        fusion = EnsembleSelection(iterations=0)
        fusion.fit(probability, TARGET, np.array(weight))
        assert fusion.picks[best] == 1


def test_every_class_counts_alike():
    target = np.eye(2)[[0, 0, 0, 1]]
    probability = members([0.9, 0.9, 0.1, 0.1])[0]
    assert mean_class_accuracy(probability, target, EQUAL) == pytest.approx((2 / 3 + 1) / 2)
    assert mean_class_accuracy(probability, target, np.array([1.0, 0, 0, 0])) == 1
    assert mean_class_accuracy(probability, target, np.array([1.0, 1, 4, 2])) == pytest.approx((2 / 6 + 1) / 2)


def test_a_recipe_may_name_another_metric():
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--fusion", type=Fusion)
    name = "benchmark.fusion.selection"
    metric = f"{name}.mean_class_accuracy"
    content = {"fusion": {"class_path": f"{name}.EnsembleSelection", "init_args": {"iterations": 7, "metric": metric}}}
    namespace = parser.parse_object(content)
    assert metric in parser.dump(namespace)
    fusion = parser.instantiate(namespace).fusion
    assert (fusion.iterations, fusion.metric) == (7, mean_class_accuracy)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.75])
def test_weights_of_two_members_that_are_each_sure_on_their_own_clips(share):
    # The loss is - share * log(w) - (1 - share) * log(1 - w), smallest at w = share.
    n = 100
    target = np.eye(2)[np.arange(n) % 2]
    first = np.where(np.arange(n)[:, None] < share * n, target, 1 - target)
    probability = np.stack([first, 1 - first])
    fusion = WeightedMean()
    fusion.fit(probability, target, np.ones(n))
    np.testing.assert_allclose(fusion.weights, [share, 1 - share], atol=1e-4)


def test_cross_entropy_weights_are_the_best_of_a_grid():
    rng = np.random.default_rng(0)
    target = np.eye(3)[rng.integers(0, 3, 50)]
    probability = rng.dirichlet(np.ones(3), (3, 50)) + np.array([0.2, 0.4, 0.1])[:, None, None] * target
    probability /= probability.sum(2, keepdims=True)
    weight = rng.random(50)

    def loss(weights):
        mean = (np.tensordot(weights, probability, 1) * target).sum(1)
        return -np.average(np.log(mean), weights=weight)

    fusion = WeightedMean()
    fusion.fit(probability, target, weight)
    grid = [(a, b, 100 - a - b) for a in range(101) for b in range(101 - a)]
    best = min(grid, key=lambda w: loss(np.array(w) / 100))
    np.testing.assert_allclose(fusion.weights, np.array(best) / 100, atol=0.02)
    assert loss(fusion.weights) <= loss(np.array(best) / 100) + 1e-9
    assert fusion.weights.sum() == pytest.approx(1, abs=1e-12)


def test_a_member_that_only_harms_gets_no_weight():
    target = np.eye(2)[[0, 1] * 20]
    probability = np.stack([0.1 + 0.8 * target, 0.9 - 0.8 * target])
    fusion = WeightedMean()
    fusion.fit(probability, target, np.ones(40))
    np.testing.assert_allclose(fusion.weights, [1, 0], atol=1e-6)


def test_frames_are_fused_like_clips():
    probability = members([0.9, 0.9, 0.1, 0.1], [0.9, 0.1, 0.1, 0.9])
    fusion = EnsembleSelection(iterations=0)
    fusion.fit(probability, TARGET, EQUAL)
    frames = np.random.default_rng(0).random((2, 77, 2))
    np.testing.assert_allclose(fusion(frames), frames[0])


@pytest.mark.parametrize("fusion", [EnsembleSelection(3), WeightedMean()])
def test_what_does_not_fit_is_named(fusion):
    probability = members([0.9, 0.9, 0.1, 0.1])
    with pytest.raises(BenchmarkError, match="fitted on no members, not 1"):
        fusion(probability)
    with pytest.raises(InputError, match="no clip counts"):
        fusion.fit(probability, TARGET, np.zeros(4))
    with pytest.raises(InputError, match=r"shapes \(1, 4, 2\), \(3, 2\), \(4,\)"):
        fusion.fit(probability, TARGET[:3], EQUAL)
    fusion.fit(probability, TARGET, EQUAL)
    with pytest.raises(BenchmarkError, match="fitted on 1 members, not 2"):
        fusion(np.concatenate([probability, probability]))


def test_a_negative_number_of_picks_is_refused():
    with pytest.raises(InputError, match="iterations must not be negative"):
        EnsembleSelection(-1)
