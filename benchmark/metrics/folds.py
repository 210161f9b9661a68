"""One score object for a result that consists of several folds."""

from collections.abc import Mapping, Sequence
from statistics import fmean, harmonic_mean

from benchmark.metrics.binary import RESERVED_GROUPS

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
    values: dict[str, list[float]] = {}
    for fold in folds:
        for key, value in fold.items():
            defined = values.setdefault(key, [])
            if value is not None:
                defined.append(value)
    means = {key: fmean(defined) if defined else None for key, defined in values.items()}
    return {key: _harmonic(means, key) if key.endswith(HARMONIC_MEAN) else mean for key, mean in means.items()}


def _harmonic(means: Mapping[str, float | None], key: str) -> float | None:
    prefix = key.removesuffix("harmonic_mean")
    parts = [
        value
        for name, value in means.items()
        if value is not None and name.startswith(prefix) and name.removeprefix(prefix) not in RESERVED_GROUPS
    ]
    return harmonic_mean(parts) if parts else None
