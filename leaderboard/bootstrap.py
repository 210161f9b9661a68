"""Intervals and p-values of paired scores, from a bootstrap over clips and, where there are enough, over seeds.

Seeds and clips are crossed: every seed is scored on the same clips. So one draw of clips holds for all seeds and both
sides of a resample, and seeds are drawn beside it (Owen: The pigeonhole bootstrap, Annals of Applied Statistics 1,
2007). Intervals are percentiles; with a handful of seeds they are narrower than they should be, as n seeds drawn with
replacement spread like n - 1.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from benchmark.predictions import Indices

FEWEST_SEEDS = 3
RANDOM_SEED = 2018
TAILS = (2.5, 97.5)

Floats = NDArray[np.float64]
Score = Callable[[int, Mapping[str, Indices]], float]
"""The score of a seed's place on some rows of each fold's clips, NaN where it is undefined."""


def draws_seeds(seeds: int) -> bool:
    """Whether there are enough seeds to draw of."""
    return seeds >= FEWEST_SEEDS


def resample(sides: Sequence[Score], seeds: int, clips: Mapping[str, int], resamples: int) -> Floats:
    """Scores of resamples, the mean over seeds; the same numbers every time.

    Args:
        sides: What to score on the same seeds and clips.
        seeds: How many seeds there are; below three, each is taken once.
        clips: Fold to its number of clips, which are drawn fold by fold.
        resamples: How many to draw.

    Returns:
        `(resamples, sides)`, NaN where a score is undefined.
    """
    generator, console = np.random.default_rng(RANDOM_SEED), Console(stderr=True)
    values = np.empty((resamples, len(sides)))
    for place in track(range(resamples), "resampling", console=console, disable=not console.is_terminal):
        rows = {fold: generator.integers(number, size=number) for fold, number in clips.items()}
        drawn = generator.integers(seeds, size=seeds) if draws_seeds(seeds) else np.arange(seeds)
        times = np.bincount(drawn, minlength=seeds)
        for column, side in enumerate(sides):
            values[place, column] = sum(times[seed] * side(seed, rows) for seed in np.unique(drawn).tolist()) / seeds
    return values


def interval(values: Floats) -> tuple[float, float]:
    """The middle 95 % of resampled scores."""
    low, high = np.percentile(values, TAILS).tolist()
    return low, high


def p_value(differences: Floats) -> float:
    """Two-sided: twice the share of resampled differences on the rarer side of zero, at least one resample's share."""
    rarer = min(np.mean(differences <= 0), np.mean(differences >= 0))
    return float(np.clip(2 * rarer, 1 / len(differences), 1))
