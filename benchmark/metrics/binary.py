"""Scores of a yes/no decision per clip, one data set at a time, as bird audio detection asks for."""

from collections.abc import Sequence
from statistics import fmean, harmonic_mean

import numpy as np
import numpy.typing as npt

from benchmark.errors import InputError
from benchmark.metrics.roc import roc_auc

THRESHOLD = 0.5
RESERVED_GROUPS = ("harmonic_mean", "pooled")


def binary_scores(
    target: npt.ArrayLike, probability: npt.ArrayLike, group: Sequence[str] | None = None
) -> dict[str, float | None]:
    """AUC and accuracy, per group and over groups.

    The challenge considers each data set separately and combines the outcomes instead of pooling the clips (DCASE
    2018 task 3, task description), so ``auc`` is the mean over groups; ``auc/pooled`` is there for orientation.

    Args:
        target: True classes, 0 or 1, of shape ``(clips,)``.
        probability: Probabilities of class 1, of shape ``(clips,)``; for accuracy, ``probability >= 0.5`` counts as
            class 1.
        group: Name of each clip's data set, ``clips`` long.

    Returns:
        Fractions; None where undefined. With groups, in the order in which they first appear: ``auc`` (mean over the
        groups that have both classes), ``auc/<group>``, ``auc/harmonic_mean`` (over the same groups),
        ``auc/pooled``, ``accuracy`` (mean over groups), ``accuracy/<group>``. Without: ``auc``, ``accuracy``.

    Raises:
        InputError: If the lengths differ, a target is neither 0 nor 1, a probability is NaN, or a group has a
            reserved name (``harmonic_mean``, ``pooled``).
    """
    targets, probabilities = np.asarray(target), np.asarray(probability, dtype=np.float64)
    pooled = roc_auc(targets, probabilities)
    correct = (probabilities >= THRESHOLD) == (targets == 1)
    if group is None:
        return {"auc": pooled, "accuracy": float(correct.mean()) if correct.size else None}

    members = _members(group, targets.size)
    auc = {name: roc_auc(targets[rows], probabilities[rows]) for name, rows in members.items()}
    accuracy = {name: float(correct[rows].mean()) for name, rows in members.items()}
    defined = [value for value in auc.values() if value is not None]
    return {
        "auc": fmean(defined) if defined else None,
        **{f"auc/{name}": value for name, value in auc.items()},
        "auc/harmonic_mean": harmonic_mean(defined) if defined else None,
        "auc/pooled": pooled,
        "accuracy": fmean(accuracy.values()) if accuracy else None,
        **{f"accuracy/{name}": value for name, value in accuracy.items()},
    }


def _members(group: Sequence[str], clips: int) -> dict[str, npt.NDArray[np.intp]]:
    if len(group) != clips:
        raise InputError("every clip needs one group", f"{len(group)} groups for {clips} clips")
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(group):
        rows.setdefault(str(name), []).append(row)
    for name in RESERVED_GROUPS:
        if name in rows:
            raise InputError(f"'{name}' cannot name a data set: it is a score of its own", "group", "rename it")
    return {name: np.array(members, dtype=np.intp) for name, members in rows.items()}
