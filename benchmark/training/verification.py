"""What held-out predictions say of doubtful labels: promotion, relabelling and self-verification. Numpy only."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import InputError


class Relabelled(NamedTuple):
    """Labels after promotion and relabelling.

    Attributes:
        label: Class indices `(clips,)`.
        verified: Whether each label counts as verified, bool `(clips,)`.
    """

    label: NDArray[np.int64]
    verified: NDArray[np.bool_]


def promote_and_relabel(
    label: NDArray[Any],
    verified: NDArray[Any],
    probability: NDArray[Any],
    promote_above: float = 0.7,
    relabel_above: float = 0.0,
) -> Relabelled:
    """Trust predictions of unverified clips.

    An unverified label with which the prediction agrees becomes verified where it is confident enough; one with which
    it does not agree gives way to it, and stays unverified. Verified labels stay as they are.

    Source: card `task2-noisy-labels-iqbal`, pseudo-labelling (promotion above 0.7, relabelling always).

    Args:
        label: Given class indices `(clips,)`.
        verified: Whether each was verified, bool `(clips,)`.
        probability: Predictions of networks that were not trained on the clip, `(clips, classes)`.
        promote_above: Probability of the label above which it is promoted.
        relabel_above: Probability of another class above which the label gives way to it.

    Returns:
        The new labels; the arguments stay as they are.

    Raises:
        InputError: The shapes do not fit.
    """
    label, probability = _checked(label, probability)
    verified = np.asarray(verified, dtype=bool)
    if verified.shape != label.shape:
        raise InputError(f"{len(label)} labels but {verified.size} flags of verification", "promote_and_relabel")
    predicted, confidence = probability.argmax(axis=1), probability.max(axis=1)
    agrees = predicted == label
    promoted = ~verified & agrees & (confidence > promote_above)
    replaced = ~verified & ~agrees & (confidence > relabel_above)
    return Relabelled(np.where(replaced, predicted, label), verified | promoted)


def self_verified(
    label: NDArray[Any], probability: NDArray[Any], threshold: float | None = 0.95, most: int | None = 40
) -> NDArray[np.bool_]:
    """Which unverified labels a network confirms.

    A label is confirmed where it is the most probable class, its probability exceeds the threshold, and fewer than
    `most` labels of its class are confirmed before it, the most confident first; of equals, the first clip.

    Source: card `task2-cp-jku-self-verification`, self-verification (a threshold of 0.95, 40 a class; the released
    script has no threshold).

    Args:
        label: Given class indices of the unverified clips of one fold `(clips,)`.
        probability: Mean prediction of each by the fold's network, over random excerpts, `(clips, classes)`.
        threshold: Probability that a confirmed label must exceed; None: any.
        most: Confirmed labels of a class; None: any number.

    Returns:
        bool `(clips,)`.

    Raises:
        InputError: The shapes do not fit, or `most` is negative.
    """
    label, probability = _checked(label, probability)
    if most is not None and most < 0:
        raise InputError(f"most must not be negative, as {most} is", "self_verified.most")
    confidence = probability[np.arange(len(label)), label]
    accepted: NDArray[np.bool_] = probability.argmax(axis=1) == label
    if threshold is not None:
        accepted &= confidence > threshold
    if most is not None:
        for name in np.unique(label):
            candidates = np.flatnonzero(accepted & (label == name))
            order = np.argsort(-confidence[candidates], kind="stable")
            accepted[candidates[order[most:]]] = False
    return accepted


def _checked(label: NDArray[Any], probability: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    label, probability = np.asarray(label, dtype=np.int64), np.asarray(probability, dtype=np.float64)
    if label.ndim != 1 or probability.ndim != 2 or len(label) != len(probability):
        what = f"labels {label.shape} and probabilities {probability.shape} are not (clips,) and (clips, classes)"
        raise InputError(what, "relabelling")
    if len(label) and not 0 <= label.min() <= label.max() < probability.shape[1]:
        raise InputError(f"a label is no class of {probability.shape[1]}", "relabelling", "count classes from 0")
    return label, probability
