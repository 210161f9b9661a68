"""Intervals, p-values and ranks of paired scores, from a bootstrap over clips and, where there are enough, over seeds.

Seeds and clips are crossed: every seed is scored on the same clips. So one draw of clips holds for all seeds and all
sides of a resample, and seeds are drawn beside it (Owen: The pigeonhole bootstrap, Annals of Applied Statistics 1,
2007). Clips that were recorded together are drawn together (Davison and Hinkley: Bootstrap Methods and their
Application, 1997, section 3.8). Intervals are percentiles; with a handful of seeds or of clusters they are narrower
than they should be, as n of them drawn with replacement spread like n - 1.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmark.metrics.measures import Draws, Floats

FEWEST_SEEDS = 3
RANDOM_SEED = 2018
TAILS = (2.5, 97.5)
BLOCK = 100_000
"""Draws made at a time: what is computed from them should stay near the processor."""

Score = Callable[[Mapping[str, Draws]], Floats]
"""The score of a seed `(resamples,)` for draws of each fold's clips, NaN where it is undefined."""


@dataclass(frozen=True)
class Estimate:
    """A score or a difference, and the interval that holds 95 % of its resamples."""

    value: float
    low: float
    high: float


def draws_seeds(seeds: int) -> bool:
    """Whether there are enough seeds to draw of."""
    return seeds >= FEWEST_SEEDS


def resample(sides: Sequence[Mapping[int, Score]], clusters: Mapping[str, NDArray[np.int64]], resamples: int) -> Floats:
    """Scores of resamples, the mean over seeds; the same numbers every time.

    Args:
        sides: What to score on the same clips: seed to score. Below three seeds, each is taken once; sides of the
            same seeds take the same of them.
        clusters: Fold to the cluster of each of its clips, numbered from 0. Clusters are drawn fold by fold.
        resamples: How many to draw.

    Returns:
        `(resamples, sides)`, NaN where a score is undefined.
    """
    generators = {fold: np.random.default_rng([RANDOM_SEED, place]) for place, fold in enumerate(clusters)}
    times = [_draw_seeds(tuple(side), resamples) for side in sides]
    values = np.zeros((resamples, len(sides)))
    size = max(1, BLOCK // max(1, sum(map(len, clusters.values()))))
    for first in range(0, resamples, size):
        block = slice(first, min(first + size, resamples))
        draws = {fold: _draw(generators[fold], of_clip, block.stop - first) for fold, of_clip in clusters.items()}
        for column, side in enumerate(sides):
            for seed, score in enumerate(side.values()):
                drawn = times[column][block, seed]
                # A seed that was not drawn must not make the resample undefined.
                values[block, column] += np.where(drawn > 0, drawn * score(draws), 0) / len(side)
    return values


def _draw_seeds(seeds: tuple[int, ...], resamples: int) -> Floats:
    """How often each seed counts `(resamples, seeds)`."""
    if not draws_seeds(len(seeds)):
        return np.ones((resamples, len(seeds)))
    generator = np.random.default_rng([RANDOM_SEED, *(seed % 2**32 for seed in seeds)])
    return _draw(generator, np.arange(len(seeds)), resamples)


def _draw(generator: np.random.Generator, cluster: NDArray[np.int64], resamples: int) -> Draws:
    """How often each clip counts `(resamples, clips)` where as many clusters are drawn as there are."""
    number = int(cluster.max(initial=-1)) + 1
    times = np.zeros((resamples, number))
    for row in times:
        row[:] = np.bincount(generator.integers(number, size=number), minlength=number)
    return times if np.array_equal(cluster, np.arange(number)) else np.take(times, cluster, axis=1)


def interval(values: Floats) -> tuple[float, float]:
    """The middle 95 % of resampled scores."""
    low, high = np.percentile(values, TAILS).tolist()
    return low, high


def p_value(differences: Floats) -> float:
    """Two-sided: twice the share of resampled differences on the rarer side of zero, at least one resample's share."""
    rarer = min(np.mean(differences <= 0), np.mean(differences >= 0))
    return float(np.clip(2 * rarer, 1 / len(differences), 1))


def holm(p: Sequence[float]) -> list[float]:
    """p-values of several comparisons, corrected so that the chance of any false finding is kept.

    Holm: A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6, 1979: the
    smallest of n is taken n times, the next n - 1 times, and none becomes smaller than the one before or larger than 1.
    """
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    corrected = np.empty(len(values))
    corrected[order] = np.minimum(np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1)), 1)
    found: list[float] = corrected.tolist()
    return found


def rank_intervals(values: Floats) -> list[tuple[int, int]]:
    """The ranks that hold 95 % of the resamples, best and worst, of each of the scores `(resamples, results)`.

    Rank 1 is the largest score; equal scores share the better rank.
    """
    rising = np.sort(values, axis=1)
    not_above = [np.searchsorted(*pair, side="right") for pair in zip(rising, values, strict=True)]
    ranks = 1 + values.shape[1] - np.stack(not_above)
    best, worst = np.percentile(ranks, TAILS, axis=0, method="inverted_cdf").astype(int).tolist()
    return list(zip(best, worst, strict=True))
