"""Scores of ranked guesses, one right answer a clip: average precision at k, as Kaggle counts it."""

from typing import Any

import numpy as np
import numpy.typing as npt

from benchmark.errors import InputError

NO_GUESS = -1
"""Stands in a ranking where nothing was guessed."""


def top_k(probability: npt.ArrayLike, k: int) -> npt.NDArray[np.int64]:
    """The k most probable classes of each clip, the best first; equal probabilities stand in the order of the classes.

    Args:
        probability: Of shape ``(clips, classes)``.
        k: Guesses a clip.

    Returns:
        Class indices ``(clips, k)``; with fewer than k classes, ``NO_GUESS`` fills the rest.

    Raises:
        InputError: If k is below 1, the shape is another, or a probability is NaN.
    """
    values = np.asarray(probability, dtype=np.float64)
    if k < 1:
        raise InputError(f"k must be at least 1, not {k}", "top_k")
    if values.ndim != 2:
        raise InputError(f"probabilities must be (clips, classes), not of shape {values.shape}", "top_k")
    if np.isnan(values).any():
        raise InputError(f"{np.count_nonzero(np.isnan(values).any(1))} of {len(values)} clips have a NaN", "top_k")
    best = np.argsort(-values, axis=1, kind="stable")[:, :k].astype(np.int64)
    return np.pad(best, ((0, 0), (0, k - best.shape[1])), constant_values=NO_GUESS)


def average_precision_at_k(target: npt.ArrayLike, ranked: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Average precision of each clip: 1 / rank of the first guess that is right, 0 where none is.

    A class that is guessed again takes a place without counting again, as in Kaggle's public implementation of
    MAP@k (a guess counts if it is right and not among those before it). With one right class a clip, the mean
    over clips is DCASE 2018 task 2's MAP@3 for k = 3 (card ``task2-fsdkaggle2018-baseline``: 1, 1/2, 1/3 or 0).

    Args:
        target: True classes, of shape ``(clips,)``.
        ranked: Guessed classes, the best first, of shape ``(clips, k)``; ``NO_GUESS`` where there is none.

    Returns:
        Of shape ``(clips,)``.

    Raises:
        InputError: If the shapes do not fit each other, or a target is negative.
    """
    classes: npt.NDArray[Any] = np.asarray(target)
    guesses: npt.NDArray[Any] = np.asarray(ranked)
    if classes.ndim != 1 or guesses.ndim != 2 or len(classes) != len(guesses):
        shapes = f"{classes.shape} and {guesses.shape}"
        raise InputError(f"expected targets (clips,) and rankings (clips, k), got {shapes}", "average_precision_at_k")
    if np.any(classes < 0):
        raise InputError(f"target {classes.min()} is no class", "average_precision_at_k")
    right = guesses == classes[:, None]
    rank = right.argmax(1) + 1 if right.shape[1] else np.ones(len(right))
    return np.where(right.any(1), 1.0 / rank, 0.0)
