"""Area under the ROC curve, exact under ties: the main measure of bird audio detection."""

import numpy as np
import numpy.typing as npt

from benchmark.errors import InputError
from benchmark.metrics.measures import Draws, Floats, Measure, divide, once


def roc_auc(target: npt.ArrayLike, score: npt.ArrayLike) -> float | None:
    """Probability that a random positive scores above a random negative, a tie counting one half.

    This is the Mann-Whitney statistic, summed in whole numbers, which equals the trapezoidal area under
    :func:`roc_curve` (Hanley and McNeil, Radiology 143, 1982).

    Args:
        target: True classes, 0 or 1, of shape ``(clips,)``.
        score: Scores that rise with the belief in class 1, of shape ``(clips,)``; any scale, infinities included.

    Returns:
        The area from 0 to 1, or None where one class is missing.

    Raises:
        InputError: If the shapes differ, a target is neither 0 nor 1, or a score is NaN.
    """
    return once(auc_measure(target, score), np.size(target))


def auc_measure(target: npt.ArrayLike, score: npt.ArrayLike) -> Measure:
    """:func:`roc_auc` of resamples.

    Clips are sorted here, once; a resample takes a cumulative sum over its negatives, which the positives look up.
    """
    positive, scores = _checked(target, score)
    order = np.argsort(scores, kind="stable")
    positives, negatives = order[positive[order]], order[~positive[order]]
    below, not_above = (np.searchsorted(scores[negatives], scores[positives], side) for side in ("left", "right"))
    ties = not np.array_equal(below, not_above)

    def measure(draws: Draws) -> Floats:
        beaten = np.zeros((len(draws), len(negatives) + 1))
        np.cumsum(np.take(draws, negatives, axis=1), axis=1, out=beaten[:, 1:])
        weights = np.take(draws, positives, axis=1)
        lower = np.take(beaten, below, axis=1)
        doubled = lower + (np.take(beaten, not_above, axis=1) if ties else lower)
        pairs = weights.sum(axis=1) * beaten[:, -1]
        return divide(np.einsum("rp,rp->r", weights, doubled), 2 * pairs)

    return measure


def roc_curve(target: npt.ArrayLike, score: npt.ArrayLike) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """False and true positive rates at every distinct threshold, from the strictest to the loosest.

    Args:
        target: True classes, 0 or 1, of shape ``(clips,)``.
        score: Scores that rise with the belief in class 1, of shape ``(clips,)``.

    Returns:
        ``(fpr, tpr)``, each of shape ``(distinct scores + 1,)``, from (0, 0) to (1, 1).

    Raises:
        InputError: If the shapes differ, a target is neither 0 nor 1, a score is NaN, or one class is missing
            (its rate is then undefined).
    """
    positive, scores = _checked(target, score)
    if positive.all() or not positive.any():
        raise InputError(
            "a ROC curve needs clips of both classes", f"{positive.size} clips, {int(positive.sum())} positive"
        )
    _, rank_group = np.unique(-scores, return_inverse=True)
    hits = np.bincount(rank_group, weights=positive)
    false_alarms = np.bincount(rank_group, weights=~positive)
    tpr = np.concatenate([[0.0], np.cumsum(hits) / positive.sum()])
    fpr = np.concatenate([[0.0], np.cumsum(false_alarms) / (~positive).sum()])
    return fpr, tpr


def _checked(target: npt.ArrayLike, score: npt.ArrayLike) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
    targets, scores = np.asarray(target), np.asarray(score, dtype=np.float64)
    if targets.ndim != 1 or targets.shape != scores.shape:
        raise InputError(
            "targets and scores must be two lists of one length", f"shapes {targets.shape} and {scores.shape}"
        )
    valid = np.isin(targets, (0, 1))
    if not valid.all():
        raise InputError(f"target {targets[~valid][0]} is neither 0 nor 1", f"position {int(np.argmin(valid))}")
    missing = np.isnan(scores)
    if missing.any():
        raise InputError(
            f"{int(missing.sum())} of {scores.size} scores are NaN",
            f"position {int(np.argmax(missing))}",
            "check that training did not diverge",
        )
    return targets == 1, scores
