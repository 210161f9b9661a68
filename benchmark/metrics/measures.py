"""Scores as functions of how often each clip counts, so that a thousand resamples are scored at once.

A plain score is that of every clip once; a clip that counts twice counts like two clips.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Draws = npt.NDArray[np.float64]
"""How often each clip counts in each resample, whole numbers ``(resamples, clips)``."""

Measure = Callable[[Draws], Floats]
"""A score of each resample ``(resamples,)``, NaN where it is undefined."""

Measures = Mapping[str, Measure]
"""Metric key to its measure; what is not asked for is not computed."""


def once(measure: Measure, clips: int) -> float | None:
    """The score of every clip once, None where it is undefined."""
    (value,) = measure(np.ones((1, clips))).tolist()
    return None if np.isnan(value) else value


def all_once(measures: Measures, clips: int) -> dict[str, float | None]:
    """All scores of every clip once."""
    return {key: once(measure, clips) for key, measure in measures.items()}


def share(values: npt.ArrayLike) -> Measure:
    """The mean of the clips' `values` ``(clips,)``: of 0 and 1 the share of clips that have it."""
    weights = np.asarray(values, dtype=np.float64)
    return lambda draws: divide(draws @ weights, draws.sum(axis=1))


def among(rows: npt.NDArray[Any], measure: Measure) -> Measure:
    """The measure of some clips, applied to draws of all.

    Args:
        rows: Which clips: a mask ``(clips,)`` or places.
        measure: Takes draws of these clips.
    """
    places = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
    return lambda draws: measure(np.take(draws, places, axis=1))


def mean_of(measures: Iterable[Measure]) -> Measure:
    """The mean of the measures that are defined."""
    parts = list(measures)
    return lambda draws: mean([part(draws) for part in parts], len(draws))


def harmonic_mean_of(measures: Iterable[Measure]) -> Measure:
    """The harmonic mean of the measures that are defined."""
    parts = list(measures)
    return lambda draws: harmonic_mean([part(draws) for part in parts], len(draws))


def mean(values: Sequence[Floats] | Floats, resamples: int) -> Floats:
    """Mean of `values` ``(n, resamples)`` over those that are not NaN; NaN where there is none."""
    table = np.asarray(values, dtype=np.float64).reshape(-1, resamples)
    defined = ~np.isnan(table)
    return divide(np.where(defined, table, 0).sum(axis=0), defined.sum(axis=0))


def harmonic_mean(values: Sequence[Floats] | Floats, resamples: int) -> Floats:
    """Harmonic mean of `values` ``(n, resamples)``, none below 0, over those that are not NaN."""
    with np.errstate(divide="ignore"):
        inverse: Floats = np.reciprocal(np.asarray(values, dtype=np.float64))
        found: Floats = np.reciprocal(mean(inverse, resamples))
    return found


def divide(numerator: npt.ArrayLike, denominator: npt.ArrayLike) -> Floats:
    """The quotient, NaN where the denominator is 0."""
    over, under = np.asarray(numerator, dtype=np.float64), np.asarray(denominator, dtype=np.float64)
    quotient: Floats = np.full(np.broadcast_shapes(over.shape, under.shape), np.nan)
    return np.divide(over, under, out=quotient, where=under != 0)
