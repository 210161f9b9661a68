"""Scores of a yes/no decision per clip, one data set at a time, as bird audio detection asks for."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from benchmark.errors import InputError
from benchmark.metrics.measures import Measures, all_once, among, harmonic_mean_of, mean_of, share
from benchmark.metrics.roc import auc_measure

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
    return all_once(binary_measures(target, probability, group), np.size(target))


def binary_measures(target: npt.ArrayLike, probability: npt.ArrayLike, group: Sequence[str] | None = None) -> Measures:
    """:func:`binary_scores` of resamples; a group that is not drawn is left out of the means."""
    targets, probabilities = np.asarray(target), np.asarray(probability, dtype=np.float64)
    pooled = auc_measure(targets, probabilities)
    correct = (probabilities >= THRESHOLD) == (targets == 1)
    if group is None:
        return {"auc": pooled, "accuracy": share(correct)}

    members = _members(group, targets.size)
    auc = {name: among(rows, auc_measure(targets[rows], probabilities[rows])) for name, rows in members.items()}
    accuracy = {name: among(rows, share(correct[rows])) for name, rows in members.items()}
    return {
        "auc": mean_of(auc.values()),
        **{f"auc/{name}": measure for name, measure in auc.items()},
        "auc/harmonic_mean": harmonic_mean_of(auc.values()),
        "auc/pooled": pooled,
        "accuracy": mean_of(accuracy.values()),
        **{f"accuracy/{name}": measure for name, measure in accuracy.items()},
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
