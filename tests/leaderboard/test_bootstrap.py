"""The bootstrap against closed forms, an exact enumeration, scipy and a simulation."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from leaderboard.bootstrap import interval, p_value, resample


def mean_of(values):
    """A score: the mean of `values` `(seeds, clips)` over the clips that are drawn."""
    return lambda seed, rows: float(values[seed][rows["1"]].mean())


def bootstrap(*sides, resamples=1000):
    seeds, clips = np.shape(sides[0])
    return resample([mean_of(side) for side in sides], seeds, {"1": clips}, resamples)


def bernoulli(right, clips, seeds=1):
    return np.tile(np.arange(clips) < right, (seeds, 1)).astype(float)


def test_the_interval_of_a_share_of_clips_is_that_of_its_standard_error():
    (low, high), share, clips = interval(bootstrap(bernoulli(280, 400), resamples=4000)[:, 0]), 0.7, 400
    error = math.sqrt(share * (1 - share) / clips)
    assert low == pytest.approx(share - 1.96 * error, abs=0.2 * error)
    assert high == pytest.approx(share + 1.96 * error, abs=0.2 * error)


def test_pairing_leaves_only_the_clips_that_differ():
    a, b = bernoulli(280, 400), bernoulli(272, 400)  # right on the same clips but for eight
    values = bootstrap(a, b, resamples=4000)
    expected = math.sqrt(0.02 * 0.98 / 400)
    assert np.std(values[:, 0] - values[:, 1]) == pytest.approx(expected, rel=0.1)


def test_seeds_that_vary_on_clips_that_do_not_give_the_spread_of_seeds():
    means = np.array([0.0, 0.1, 0.3, 0.6, 1.0])
    values = bootstrap(np.tile(means[:, None], (1, 7)), resamples=4000)[:, 0]
    every = np.mean(list(itertools.product(means, repeat=5)), axis=1)  # all 3125 ways to draw five of five
    assert np.std(values) == pytest.approx(np.std(every), rel=0.05)
    assert interval(values) == pytest.approx(np.percentile(every, (2.5, 97.5)), abs=0.04)


def test_seeds_and_clips_add_their_variances():
    generator = np.random.default_rng(0)
    of_seed, of_clip = generator.normal(size=(20, 1)), generator.normal(size=(1, 50))
    values = bootstrap(of_seed + of_clip, resamples=4000)[:, 0]
    assert np.var(values) == pytest.approx(np.var(of_seed) / 20 + np.var(of_clip) / 50, rel=0.1)


def test_below_three_seeds_each_counts_once():
    values = bootstrap(np.tile([[0.0], [1.0]], (1, 9)))
    assert set(values[:, 0].tolist()) == {0.5}


def test_one_draw_of_clips_holds_for_all_seeds_and_both_sides():
    drawn = []

    def side(seed, rows):
        drawn.append({fold: tuple(part.tolist()) for fold, part in rows.items()})
        return 0.0

    resample([side, side], 1, {"1": 30, "2": 20}, 3)
    assert [drawn[0], drawn[2], drawn[4]] == [drawn[1], drawn[3], drawn[5]]
    assert drawn[0] != drawn[2]
    assert (len(drawn[0]["1"]), len(drawn[0]["2"])) == (30, 20)
    assert max(drawn[0]["1"]) < 30 and max(drawn[0]["2"]) < 20


def test_the_same_numbers_every_time():
    values = np.random.default_rng(1).normal(size=(4, 30))
    assert np.array_equal(bootstrap(values), bootstrap(values))


def test_a_seed_whose_score_is_undefined_makes_the_resample_undefined():
    values = np.array([[1.0], [1.0], [np.nan]])
    drawn = bootstrap(values, resamples=1000)[:, 0]
    assert np.isnan(drawn).mean() == pytest.approx(1 - (2 / 3) ** 3, abs=0.05)  # one of three draws is the third seed
    assert set(drawn[~np.isnan(drawn)].tolist()) == {1.0}


def test_interval_agrees_with_scipy():
    generator = np.random.default_rng(3)
    a = generator.random(120)
    b = a + generator.normal(0.05, 0.3, size=120)
    values = bootstrap(a[None], b[None], resamples=5000)
    theirs = stats.bootstrap(
        (a, b),
        lambda x, y, axis: x.mean(axis) - y.mean(axis),
        paired=True,
        method="percentile",
        n_resamples=5000,
        rng=np.random.default_rng(4),
    )
    ours = interval(values[:, 0] - values[:, 1])
    assert ours == pytest.approx(tuple(theirs.confidence_interval), abs=0.2 * theirs.standard_error)


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([0.0, 0.0, 0.0, 0.0], 1.0),
        ([1.0, 2.0, 3.0, -1.0], 0.5),
        ([-1.0, -2.0, -3.0, 1.0], 0.5),
        ([1.0, 2.0, 3.0, 4.0], 0.25),
        ([1.0, 1.0, -1.0, -1.0], 1.0),
        ([1.0, 1.0, 1.0, 0.0], 0.5),
    ],
)
def test_p_is_twice_the_rarer_tail_and_at_least_one_resample(differences, p):
    assert p_value(np.array(differences)) == p


def test_intervals_cover_a_planted_difference_about_as_often_as_they_say():
    generator = np.random.default_rng(5)
    seeds, clips, true, covered = 6, 40, 0.3, 0
    for _ in range(200):
        of_clip, of_seed = generator.normal(size=(2, 1, clips)), generator.normal(size=(2, seeds, 1)) / 4
        a, b = of_clip + of_seed + generator.normal(size=(2, seeds, clips)) / 2
        values = bootstrap(a + true, b, resamples=120)
        low, high = interval(values[:, 0] - values[:, 1])
        covered += low <= true <= high
    assert 0.85 <= covered / 200 <= 0.995
