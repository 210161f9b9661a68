"""F1 where each clip has one class: the main measure of monitoring of domestic activities."""

from collections.abc import Sequence
from statistics import fmean

import numpy as np
import numpy.typing as npt

from benchmark.errors import InputError


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
    clips, claims, hits = (
        np.bincount(indices, minlength=len(classes)) for indices in (truth, guess, truth[truth == guess])
    )
    # 2 TP + FP + FN counts every clip of the class and every clip taken for it once.
    shares = {name: float(2 * hits[i] / (clips[i] + claims[i])) if clips[i] else None for i, name in enumerate(classes)}
    defined = [share for share in shares.values() if share is not None]
    return {"f1": fmean(defined) if defined else None, **{f"f1/{name}": share for name, share in shares.items()}}
