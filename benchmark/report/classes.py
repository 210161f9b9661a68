"""Each class of a result against the rest."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.metrics import roc_auc
from benchmark.metrics.curves import average_precision, confusion_counts
from benchmark.predictions import Predictions
from benchmark.report.result import Result

Column = Mapping[str, int | float | None]
"""A number for each class, None where it is undefined."""


def one_vs_rest(found: Predictions) -> list[tuple[NDArray[np.bool_], NDArray[Any]]]:
    """For each class, whether a clip has it, and its probability; clips of which it is not known are left out."""
    known = ~np.isnan(found.target.astype(np.float64))
    return [(t[k] > 0.5, p[k]) for t, p, k in zip(found.target.T, found.probabilities.T, known.T, strict=True)]


def sayings(found: Predictions) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Probabilities and whether they came true: of the class that was decided for, or of every class and clip."""
    if found.decision is not None:
        said, true = (
            found.probabilities[np.arange(len(found.clip_id)), found.decision],
            found.decision == found.target.argmax(1),
        )
    else:
        true, said = (np.concatenate(parts) for parts in zip(*one_vs_rest(found), strict=True))
    return np.clip(said.astype(np.float64), 0, 1), true


def confusions(result: Result) -> NDArray[np.int64] | None:
    """Clips of each true class (row) that were taken for each (column); None where a clip has not one class."""
    found = result.clips
    if found is None or found.decision is None:
        return None
    return confusion_counts(found.target.argmax(1), found.decision, len(result.classes))


def class_columns(result: Result) -> dict[str, Column]:
    """What there is to say of each class.

    Args:
        result: The runs.

    Returns:
        Of the predictions of all runs together the clips with the class, its AUC, average precision and, where each
        clip has one class, precision and recall; then the kinds of scores that the records have of single classes, the
        mean over folds and seeds.
    """
    columns: dict[str, Column] = {}
    if (found := result.clips) is not None:
        pairs = dict(zip(result.classes, one_vs_rest(found), strict=True))
        columns["clips"] = {name: int(target.sum()) for name, (target, _) in pairs.items()}
        columns["AUC"] = {name: roc_auc(*pair) for name, pair in pairs.items()}
        columns["average precision"] = {name: average_precision(*pair) for name, pair in pairs.items()}
        if (counts := confusions(result)) is not None:
            columns["precision"] = _shares(result.classes, counts.diagonal(), counts.sum(axis=0))
            columns["recall"] = _shares(result.classes, counts.diagonal(), counts.sum(axis=1))
    kinds = result.class_scores.items()
    return columns | {kind: {name: score.mean for name, score in scores.items()} for kind, scores in kinds}


def _shares(names: Sequence[str], right: NDArray[np.int64], total: NDArray[np.int64]) -> Column:
    return {n: float(r / t) if t else None for n, r, t in zip(names, right, total, strict=True)}
