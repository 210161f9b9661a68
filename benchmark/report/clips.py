"""How hard each clip was for a result, and what was said of it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.predictions import Predictions

SURE = 1e-7  # probabilities this near to 0 and 1 count as that, so that a loss is finite
NAMED = 3

Floats = NDArray[np.float64]


class Clip(NamedTuple):
    """A clip of a result.

    Attributes:
        clip_id: Its name.
        row: A row of the predictions that is about it.
        loss: The mean over the runs that scored it, in nats.
        truth: Its classes.
        said: The most probable classes with their mean probability over runs.
    """

    clip_id: str
    row: int
    loss: float
    truth: tuple[str, ...]
    said: tuple[tuple[str, float], ...]

    @property
    def true_classes(self) -> str:
        """Its classes as text."""
        return ", ".join(self.truth) or "none of the classes"

    @property
    def said_classes(self) -> str:
        """What was said of it as text."""
        return ", ".join(f"{name} {probability:.2f}" for name, probability in self.said)


def losses(found: Predictions) -> Floats:
    """Cross-entropy of each clip in nats `(clips,)`: of its class, or the mean over the classes that are known of it.

    Args:
        found: The predictions; where each clip has one class, with a decision.
    """
    probability = np.clip(found.probabilities.astype(np.float64), SURE, 1 - SURE)
    target = found.target.astype(np.float64)
    if found.decision is not None:
        own: Floats = -np.log((probability * target).sum(axis=1).clip(SURE))
        return own
    known = ~np.isnan(target)
    each = -(target * np.log(probability) + (1 - target) * np.log(1 - probability))
    mean: Floats = np.where(known, each, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return mean


def ranked(found: Predictions, classes: tuple[str, ...]) -> list[Clip]:
    """All clips, the hardest first.

    Args:
        found: The predictions of all runs.
        classes: Class names.
    """
    ids, first, place = np.unique(found.clip_id, return_index=True, return_inverse=True)
    times = np.bincount(place)
    loss = np.bincount(place, losses(found)) / times
    probability = np.stack([np.bincount(place, column) / times for column in found.probabilities.T], axis=1)
    clips = []
    for index in np.argsort(-loss, kind="stable"):
        target, mean = found.target[first[index]], probability[index]
        truth = tuple(name for name, value in zip(classes, target, strict=True) if value > 0.5)
        said = tuple((classes[best], float(mean[best])) for best in np.argsort(-mean, kind="stable")[:NAMED])
        clips.append(Clip(str(ids[index]), int(first[index]), float(loss[index]), truth, said))
    return clips


def spread(clips: list[Clip], number: int) -> list[Clip]:
    """Some clips at even distances, from the first to the last."""
    places = np.unique(np.linspace(0, len(clips) - 1, min(number, len(clips))).round().astype(int))
    return [clips[place] for place in places]
