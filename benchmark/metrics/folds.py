"""One score object for a result that consists of several folds."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from benchmark.metrics.binary import RESERVED_GROUPS
from benchmark.metrics.measures import Draws, Floats, Measures, harmonic_mean, mean

HARMONIC_MEAN = "/harmonic_mean"


def mean_over_folds(folds: Sequence[Mapping[str, float | None]]) -> dict[str, float | None]:
    """Mean of every score over the folds that have a value for it.

    Keys that end in ``/harmonic_mean`` are formed anew: they become the harmonic mean of the aggregated scores beside
    them (``auc/harmonic_mean`` from ``auc/ff1010bird``, ``auc/warblrb10k`` ..., without ``auc/pooled``). The mean of
    the folds' harmonic means is something else: where each fold scores one data set, a fold's harmonic mean is just
    that data set's score, and their mean would be the arithmetic mean.

    A ``pooled`` key stays the mean of the folds' pooled scores: pooling clips over folds takes their predictions.

    Args:
        folds: The scores of each fold; None stands for undefined. Keys may differ from fold to fold.

    Returns:
        Every key of any fold, in the order in which they first appear; None where no fold has a value.
    """
    values = [
        {key: np.array([np.nan if value is None else value]) for key, value in scores.items()} for scores in folds
    ]
    return {key: None if np.isnan(value[0]) else float(value[0]) for key, value in over_folds(values).items()}


def over_folds(folds: Sequence[Mapping[str, Floats]]) -> dict[str, Floats]:
    """:func:`mean_over_folds` of resamples ``(resamples,)``, where NaN stands for undefined."""
    keys = dict.fromkeys(key for fold in folds for key in fold)
    values = {key: [fold[key] for fold in folds if key in fold] for key in keys}
    means = {key: mean(found, len(found[0])) for key, found in values.items()}
    return {key: _harmonic(means, key) if key.endswith(HARMONIC_MEAN) else value for key, value in means.items()}


def score_over_folds(key: str, folds: Mapping[str, Measures], draws: Mapping[str, Draws]) -> Floats:
    """One score of :func:`mean_over_folds`, of resamples.

    Args:
        key: Which.
        folds: Fold to its measures.
        draws: Fold to how often each of its clips counts.

    Returns:
        ``(resamples,)``, NaN where it is undefined.
    """
    scores = [
        {name: measures[name](draws[fold]) for name in needed_for(key, measures) if name in measures}
        for fold, measures in folds.items()
    ]
    nothing = np.full(len(next(iter(draws.values()))), np.nan)
    return over_folds(scores).get(key, nothing)


def needed_for(key: str, keys: Collection[str]) -> list[str]:
    """Which of the folds' keys :func:`over_folds` needs to give `key`."""
    return [key, *_parts(key, keys)] if key.endswith(HARMONIC_MEAN) else [key]


def _harmonic(means: Mapping[str, Floats], key: str) -> Floats:
    return harmonic_mean([means[part] for part in _parts(key, means)], len(means[key]))


def _parts(key: str, keys: Collection[str]) -> list[str]:
    """The keys beside `…/harmonic_mean` that it is the mean of."""
    prefix = key.removesuffix("harmonic_mean")
    return [name for name in keys if name.startswith(prefix) and name.removeprefix(prefix) not in RESERVED_GROUPS]
