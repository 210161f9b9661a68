"""The bootstrap against closed forms, an exact enumeration, scipy and a simulation."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from benchmark.metrics.bootstrap import holm, interval, p_value, rank_intervals, resample


def mean_of(values):
    """A score: the mean of `values` `(clips,)` over the clips that are drawn."""
    return lambda draws: draws["1"] @ values / draws["1"].sum(axis=1)


def bootstrap(*sides, resamples=1000, clusters=None):
    """Resampled means of sides `(seeds, clips)`."""
    clusters = np.arange(np.shape(sides[0])[1]) if clusters is None else clusters
    scores = [{seed: mean_of(values) for seed, values in enumerate(side)} for side in sides]
    return resample(scores, {"1": clusters}, resamples)


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


def drawn_of(clusters, resamples=5):
    """Fold to what was drawn `(resamples, clips)`, as each of four scores has seen it."""
    seen = [[] for _ in range(4)]

    def score(place):
        def look(draws):
            seen[place].append(draws)
            return np.zeros(len(draws["1"]))

        return look

    resample([{0: score(0), 1: score(1)}, {0: score(2), 1: score(3)}], clusters, resamples)
    return [{fold: np.concatenate([block[fold] for block in blocks]) for fold in clusters} for blocks in seen]


def test_one_draw_of_clips_holds_for_all_seeds_and_both_sides():
    first, *others = drawn_of({"1": np.arange(30), "2": np.arange(20)})
    for other in others:
        np.testing.assert_array_equal(other["1"], first["1"])
        np.testing.assert_array_equal(other["2"], first["2"])
    assert (first["1"].shape, first["2"].shape) == ((5, 30), (5, 20))
    assert (first["1"].sum(axis=1) == 30).all() and (first["2"].sum(axis=1) == 20).all()
    assert len({tuple(row) for row in first["1"].tolist()}) == 5


def test_a_cluster_is_drawn_whole_and_as_many_clusters_as_there_are():
    clusters = np.array([0, 0, 1, 2, 2, 2])
    drawn = drawn_of({"1": clusters}, 50)[0]["1"]
    of_cluster = drawn[:, [0, 2, 3]]
    np.testing.assert_array_equal(drawn, of_cluster[:, clusters])
    assert (of_cluster.sum(axis=1) == 3).all()
    assert of_cluster.max() == 3


def test_clips_that_were_recorded_together_say_as_much_as_one():
    places = np.random.default_rng(0).normal(size=60)
    values = np.repeat(places, 5)[None]
    alone, together = (
        np.std(bootstrap(values, clusters=clusters, resamples=4000)) for clusters in (None, np.repeat(np.arange(60), 5))
    )
    assert together == pytest.approx(np.std(places) / math.sqrt(60), rel=0.05)
    assert alone == pytest.approx(np.std(places) / math.sqrt(300), rel=0.05)


def test_the_blocks_that_are_computed_at_a_time_change_nothing(monkeypatch):
    values = np.random.default_rng(2).normal(size=(3, 40))
    whole = bootstrap(values)
    monkeypatch.setattr("benchmark.metrics.bootstrap.BLOCK", 7 * 40)
    np.testing.assert_allclose(bootstrap(values), whole, rtol=0, atol=1e-14)


def test_an_interval_of_a_ratio_of_sums_over_clusters_agrees_with_scipy():
    """A share of clips where clusters differ in size: its numerator and its denominator both vary."""
    generator = np.random.default_rng(7)
    sizes = generator.integers(1, 9, size=80)
    clusters = np.repeat(np.arange(80), sizes)
    right = (generator.random(len(clusters)) < generator.random(80)[clusters]).astype(float)
    ours = interval(bootstrap(right[None], resamples=5000, clusters=clusters)[:, 0])
    theirs = stats.bootstrap(
        (np.bincount(clusters, right), sizes),
        lambda hits, clips, axis: hits.sum(axis) / clips.sum(axis),
        paired=True,
        method="percentile",
        n_resamples=5000,
        rng=np.random.default_rng(8),
    )
    assert ours == pytest.approx(tuple(theirs.confidence_interval), abs=0.2 * theirs.standard_error)


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


def test_holm_by_hand():
    # Four comparisons: 0.005 * 4; 0.01 * 3; 0.03 * 2; 0.04 * 1 would be less than the one before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.4, 0.5, 0.02]) == pytest.approx([0.8, 0.8, 0.06])
    assert (holm([0.3]), holm([])) == ([0.3], [])


def test_holm_keeps_the_chance_of_any_false_finding():
    generator = np.random.default_rng(9)
    found = [min(holm(generator.random(8))) <= 0.05 for _ in range(4000)]
    assert np.mean(found) == pytest.approx(1 - (1 - 0.05 / 8) ** 8, abs=0.012)


def test_ranks_hold_95_per_cent_of_the_resamples():
    values = np.tile([[0.9, 0.5, 0.7]], (1000, 1))
    assert rank_intervals(values) == [(1, 1), (3, 3), (2, 2)]
    values[:30] = [0.5, 0.9, 0.7]  # 3 % turn the order round: more than one tail holds
    assert rank_intervals(values) == [(1, 3), (1, 3), (2, 2)]
    values[:15] = [0.9, 0.5, 0.7]  # 1.5 % is less
    assert rank_intervals(values) == [(1, 1), (3, 3), (2, 2)]


def test_equal_scores_share_the_better_rank():
    assert rank_intervals(np.tile([[0.5, 0.5, 0.4]], (100, 1))) == [(1, 1), (1, 1), (3, 3)]


def test_ranks_of_many_results_with_ties_agree_with_scipy():
    values = np.random.default_rng(11).integers(0, 9, size=(200, 40)) / 8
    ranks = stats.rankdata(-values, method="min", axis=1)
    expected = np.percentile(ranks, (2.5, 97.5), axis=0, method="inverted_cdf").astype(int)
    assert rank_intervals(values) == list(zip(*expected.tolist(), strict=True))
