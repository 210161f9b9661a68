"""Accuracy where each clip has one class: the main measure of acoustic scene classification."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmark.errors import InputError
from benchmark.metrics.measures import Measures, all_once, among, mean_of, share


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
    return all_once(accuracy_measures(target, predicted, classes), np.size(target))


def accuracy_measures(target: npt.ArrayLike, predicted: npt.ArrayLike, classes: Sequence[str]) -> Measures:
    """:func:`classwise_accuracy` of resamples."""
    truth, guess = _indices(target, len(classes), "target"), _indices(predicted, len(classes), "predicted")
    if truth.shape != guess.shape:
        raise InputError(
            "targets and predictions must be two lists of one length", f"shapes {truth.shape} and {guess.shape}"
        )
    right = truth == guess
    of_class = {name: among(truth == k, share(right[truth == k])) for k, name in enumerate(classes)}
    return {
        "accuracy": mean_of(of_class.values()),
        "accuracy/micro": share(right),
        **{f"accuracy/{name}": measure for name, measure in of_class.items()},
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
