"""F1 where each clip has one class: the main measure of monitoring of domestic activities."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from benchmark.errors import InputError
from benchmark.metrics.measures import Draws, Floats, Measure, Measures, all_once, divide, mean_of


def macro_f1(target: npt.ArrayLike, predicted: npt.ArrayLike, classes: Sequence[str]) -> dict[str, float | None]:
    """F1 of each class over all clips, `2 TP / (2 TP + FP + FN)`, and its mean over classes.

    The challenge averages over its nine classes (DCASE 2018 task 5, task description; the baseline calls
    scikit-learn's `f1_score`). A class without clips has no F1 here and is left out of the mean, where scikit-learn
    counts 0: the official data has clips of every class, and elsewhere an absent class says nothing about a system.

    Args:
        target: True class indices, of shape `(clips,)`.
        predicted: Predicted class indices, of shape `(clips,)`.
        classes: Class names, in the order of the indices.

    Returns:
        Fractions; None where undefined. `f1` (mean over the classes that have clips), `f1/<class>`.

    Raises:
        InputError: The shapes differ, or an index is no class.
    """
    return all_once(f1_measures(target, predicted, classes), np.size(target))


def f1_measures(target: npt.ArrayLike, predicted: npt.ArrayLike, classes: Sequence[str]) -> Measures:
    """:func:`macro_f1` of resamples."""
    truth, guess = np.asarray(target, dtype=np.int64), np.asarray(predicted, dtype=np.int64)
    if truth.ndim != 1 or truth.shape != guess.shape:
        raise InputError(
            "targets and predictions must be two lists of one length", f"shapes {truth.shape} and {guess.shape}"
        )
    for name, indices in (("target", truth), ("predicted", guess)):
        wrong = (indices < 0) | (indices >= len(classes))
        if wrong.any():
            place = int(np.argmax(wrong))
            raise InputError(f"{indices[place]} is no class of {len(classes)}", f"{name}, position {place}")
    of_class = {name: f1_measure(truth == k, guess == k) for k, name in enumerate(classes)}
    return {"f1": mean_of(of_class.values()), **{f"f1/{name}": measure for name, measure in of_class.items()}}


def f1_measure(true: npt.NDArray[np.bool_], claimed: npt.NDArray[np.bool_]) -> Measure:
    """F1 of one class, undefined where no clip has it.

    Args:
        true: Which clips have the class ``(clips,)``.
        claimed: Which are taken for it ``(clips,)``.
    """
    rows = np.flatnonzero(true | claimed)
    flags = np.stack([true, claimed, true & claimed], axis=1)[rows].astype(np.float64)

    def measure(draws: Draws) -> Floats:
        clips, claims, hits = (np.take(draws, rows, axis=1) @ flags).T
        # 2 TP + FP + FN counts every clip of the class and every clip taken for it once.
        return np.where(clips > 0, divide(2 * hits, clips + claims), np.nan)

    return measure
