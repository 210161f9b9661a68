"""Strong pseudo-labels: frame predictions of trained networks as targets of the next ones."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import InputError
from benchmark.fusion.base import Fusion
from benchmark.postprocessing.smoothing import gaussian_smooth, median_smooth
from benchmark.training.threshold_search import class_f1


def strong_labels(
    members: Sequence[Sequence[NDArray[Any]]],
    tags: NDArray[Any],
    best: NDArray[Any],
    median: int | Sequence[int] = 1,
    sigma: float = 0.0,
) -> list[NDArray[np.float32]]:
    """Targets of every frame: of each class the best member's probabilities, smoothed, 0 where the tags say so.

    Source: card `task4-cp-jku-iterative-distillation`, label handling.

    Args:
        members: For each network the frame probabilities of every clip `(frames, classes)`.
        tags: Given tags, 0 or 1, or NaN where they are unknown `(clips, classes)`.
        best: Index of the member to take for each class `(classes,)`.
        median: Frames of the median filter, odd, one for all classes or one each; 1 for none.
        sigma: Standard deviation of the Gaussian filter in frames; 0 for none.

    Returns:
        Of every clip `(frames, classes)`, in [0, 1].

    Raises:
        InputError: The members do not have the same clips with the same frames, or a filter is impossible.
    """
    labels = []
    for clip, known in enumerate(tags):
        merged = merge_classes([frames[clip] for frames in members], best)
        smooth = gaussian_smooth(median_smooth(merged, median), sigma)
        labels.append(mask_absent(smooth, known).astype(np.float32))
    return labels


def mask_absent(frames: NDArray[Any], tags: NDArray[Any]) -> NDArray[Any]:
    """Frame probabilities with 0 for the classes that the clip is known not to have.

    Args:
        frames: `(frames, classes)`.
        tags: 0 or 1, or NaN where it is not known `(classes,)`.
    """
    return np.where(np.asarray(tags) == 0, 0.0, frames)


def merge_classes(members: Sequence[NDArray[Any]], best: NDArray[Any]) -> NDArray[Any]:
    """Of each class the values of one member.

    Args:
        members: `(n, classes)` each, of clips or of frames.
        best: Index of the member to take for each class `(classes,)`.

    Returns:
        `(n, classes)`.

    Raises:
        InputError: The members differ in shape, or there is no such member.
    """
    shapes = {member.shape for member in members}
    if len(shapes) != 1:
        raise InputError(f"members of shapes {sorted(shapes)} cannot be merged", "merge_classes")
    chosen = np.asarray(best, dtype=np.int64)
    if ((chosen < 0) | (chosen >= len(members))).any():
        raise InputError(f"there are {len(members)} members, not {int(chosen.max()) + 1}", "merge_classes")
    merged: NDArray[Any] = np.stack(members)[chosen, :, np.arange(len(chosen))].T
    return merged


def best_members(scores: NDArray[Any]) -> NDArray[np.int64]:
    """For each class the member with the best score, the first of equals; an undefined score is the worst.

    Args:
        scores: Higher is better, NaN where undefined `(members, classes)`.

    Returns:
        `(classes,)`.
    """
    best: NDArray[np.int64] = np.where(np.isnan(scores), -np.inf, scores).argmax(axis=0)
    return best


class BestOfClass(Fusion):
    """Of each class the predictions of the member with the best F1 of tags on held-out clips.

    Clips count alike; a label that is not known does not count. Source: card `task4-cp-jku-iterative-distillation`,
    merge (where the score is the event-based F1 of the test clips).

    Args:
        threshold: Smallest probability at which a clip has a class.
    """

    def __init__(self, threshold: float = 0.5) -> None:
        self.threshold = threshold
        self.best: NDArray[np.int64] | None = None

    def fit(self, probability: NDArray[Any], target: NDArray[Any], weight: NDArray[Any]) -> None:
        """Choose.

        Args:
            probability: `(members, clips, classes)`.
            target: 0 or 1, or NaN where it is not known `(clips, classes)`.
            weight: Not used.
        """
        self.best = best_members(np.stack([class_f1(target, member >= self.threshold) for member in probability]))

    def __call__(self, probability: NDArray[Any]) -> NDArray[Any]:
        """Of each class the chosen member's.

        Args:
            probability: `(members, n, classes)`.

        Returns:
            `(n, classes)`.

        Raises:
            InputError: `fit` was not called.
        """
        if self.best is None:
            raise InputError("no member was chosen for any class", "fusion", "hold out a validation part to choose on")
        return merge_classes(list(probability), self.best)
