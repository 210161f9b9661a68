"""Accuracy where each clip has one class: the main measure of acoustic scene classification."""

from collections.abc import Sequence
from statistics import fmean
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmark.errors import InputError


def classwise_accuracy(
    target: npt.ArrayLike, predicted: npt.ArrayLike, classes: Sequence[str]
) -> dict[str, float | None]:
    """Share of clips that are right, class by class, and its mean over classes.

    The challenge ranks by the mean over classes, so that each scene counts alike however many clips it has (DCASE 2018
    task 1, task description).

    Args:
        target: True class indices, of shape ``(clips,)``.
        predicted: Predicted class indices, of shape ``(clips,)``.
        classes: Class names, in the order of the indices.

    Returns:
        Fractions; None where undefined. ``accuracy`` (mean over the classes that have clips), ``accuracy/micro`` (over
        clips), ``accuracy/<class>`` (of the clips that truly are of the class).

    Raises:
        InputError: The shapes differ, or an index is no class.
    """
    truth, guess = _indices(target, len(classes), "target"), _indices(predicted, len(classes), "predicted")
    if truth.shape != guess.shape:
        raise InputError(
            "targets and predictions must be two lists of one length", f"shapes {truth.shape} and {guess.shape}"
        )
    clips = np.bincount(truth, minlength=len(classes))
    right = np.bincount(truth[truth == guess], minlength=len(classes))
    shares = {name: float(right[place] / clips[place]) if clips[place] else None for place, name in enumerate(classes)}
    defined = [share for share in shares.values() if share is not None]
    return {
        "accuracy": fmean(defined) if defined else None,
        "accuracy/micro": float(right.sum() / clips.sum()) if truth.size else None,
        **{f"accuracy/{name}": share for name, share in shares.items()},
    }


def _indices(values: npt.ArrayLike, n_classes: int, name: str) -> npt.NDArray[Any]:
    indices = np.asarray(values)
    if not indices.size:
        indices = indices.astype(np.int64)
    if indices.ndim != 1 or indices.dtype.kind not in "iu":
        raise InputError(f"class indices must be a list of whole numbers, not {indices.dtype} {indices.shape}", name)
    wrong = (indices < 0) | (indices >= n_classes)
    if wrong.any():
        raise InputError(f"{indices[wrong][0]} is no class of {n_classes}", f"{name}, position {int(np.argmax(wrong))}")
    return indices
