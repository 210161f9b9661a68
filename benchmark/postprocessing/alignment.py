"""Post-processing that adapts itself without labels: events that are cut out must be heard as what they are."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.data.inventory import Event
from benchmark.errors import InputError
from benchmark.postprocessing.base import AdaptiveDecoder, Tagger
from benchmark.postprocessing.decoders import check_probability, events_of
from benchmark.postprocessing.events import runs
from benchmark.postprocessing.smoothing import check_width, median_smooth

THRESHOLDS = tuple(step / 20 for step in range(1, 20))
MEDIANS = (1, 3, 5, 9, 15, 21, 31, 51)
SMALLEST = 1e-7  # probability in a logarithm


class Choice(NamedTuple):
    """What was chosen for a class, and its loss there; NaN where no clip has the class."""

    threshold: float
    median: int
    loss: float


class SelfAligned(AdaptiveDecoder):
    """A threshold and a median filter for each class, chosen on unlabelled clips by `align`.

    Frames are smoothed by the median filter and are active at or above the threshold; the clip's tags do not matter.
    Before `adapt`, and for classes that no clip has, the first of these two settings hold.

    Source: card `task4-gcrnn-vat-salr-harb`, SALR.

    Args:
        threshold: Smallest probability of an active frame where nothing was chosen.
        median: Frames of the median filter, odd, where nothing was chosen.
        groups: Groups of the clips that it adapts to; none: the clips that are scored.
        thresholds: What is tried.
        medians: What is tried with each.
        tag_threshold: Smallest probability at which a clip has a class.

    Raises:
        InputError: A threshold is not in [0, 1], a length is not odd and positive, or there is nothing to try.
    """

    def __init__(
        self,
        threshold: float = 0.5,
        median: int = 1,
        groups: Sequence[str] = (),
        thresholds: Sequence[float] = THRESHOLDS,
        medians: Sequence[int] = MEDIANS,
        tag_threshold: float = 0.5,
    ) -> None:
        for value in (threshold, tag_threshold, *thresholds):
            check_probability("threshold", value, "SelfAligned")
        for width in (median, *medians):
            check_width("median", width, "SelfAligned.medians")
        if not thresholds or not medians:
            raise InputError("there is nothing to try", "SelfAligned.thresholds, SelfAligned.medians")
        self.groups, self.threshold, self.median = tuple(groups), threshold, median
        self.grid = (tuple(thresholds), tuple(medians))
        self.tag_threshold = tag_threshold

    def adapt(
        self,
        tagger: Tagger,
        features: Sequence[NDArray[Any]],
        tags: NDArray[Any],
        frames: Sequence[NDArray[Any]],
        classes: Sequence[str],
    ) -> None:
        """Choose for each class."""
        found = align(tagger, features, tags, frames, *self.grid, self.tag_threshold)
        self.learnt = {name: choice for name, choice in zip(classes, found, strict=True) if not np.isnan(choice.loss)}

    def __call__(
        self, tags: NDArray[Any], frames: NDArray[Any], frame_seconds: float, classes: Sequence[str]
    ) -> list[Event]:
        """Events class by class, in time."""
        default = Choice(self.threshold, self.median, float("nan"))
        chosen = [Choice(*self.learnt.get(name, default)) for name in classes]
        curves = median_smooth(frames, [choice.median for choice in chosen])
        active = curves >= np.array([choice.threshold for choice in chosen])
        return events_of(active, frame_seconds, classes)


def align(
    tagger: Tagger,
    features: Sequence[NDArray[Any]],
    tags: NDArray[Any],
    frames: Sequence[NDArray[Any]],
    thresholds: Sequence[float] = THRESHOLDS,
    medians: Sequence[int] = MEDIANS,
    tag_threshold: float = 0.5,
) -> list[Choice]:
    """For each class the threshold and the median filter with which tags and events agree best; no label is needed.

    In every clip that has the class by its tag, each event that a candidate finds becomes a sample of its own that
    should have the class, and all other frames, one after the other, become one that should not. The candidate with the
    smallest mean cross-entropy over all samples is chosen, the first of equals. Source: card
    `task4-gcrnn-vat-salr-harb`, SALR.

    Args:
        tagger: Clip probabilities `(n, classes)` of features of any lengths.
        features: Of each clip `(channels, frames, bins)`.
        tags: Probabilities of the clips `(clips, classes)`.
        frames: Probabilities over time of each clip `(frames', classes)`, with as many frames as the features have or
            with fewer.
        thresholds: What is tried.
        medians: What is tried with each.
        tag_threshold: Smallest probability at which a clip has a class.

    Returns:
        One a class; its loss is NaN where no clip has the class.
    """
    grid = [(threshold, median) for threshold in thresholds for median in medians]
    return [
        _best(tagger, features, np.flatnonzero(tags[:, place] >= tag_threshold), frames, place, grid)
        for place in range(tags.shape[1])
    ]


def _best(
    tagger: Tagger,
    features: Sequence[NDArray[Any]],
    clips: NDArray[np.int64],
    frames: Sequence[NDArray[Any]],
    place: int,
    grid: Sequence[tuple[float, int]],
) -> Choice:
    """The choice for one class, from the clips that have it."""
    loss, samples = np.zeros(len(grid)), np.zeros(len(grid))
    for clip in clips.tolist():
        own, many = _losses(tagger, features[clip], frames[clip][:, [place]], place, grid)
        loss, samples = loss + own, samples + many
    if not len(clips):
        return Choice(*grid[0], float("nan"))
    mean = loss / samples
    best = int(mean.argmin())
    return Choice(*grid[best], float(mean[best]))


def _losses(
    tagger: Tagger, features: NDArray[Any], curve: NDArray[Any], place: int, grid: Sequence[tuple[float, int]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Summed cross-entropy and number of samples of one clip, for each candidate `(candidates,)`.

    Args:
        tagger: The network.
        features: `(channels, frames, bins)`.
        curve: Probabilities of the class `(frames', 1)`.
        place: Index of the class.
        grid: Candidates.
    """
    smooth = {median: median_smooth(curve, median)[:, 0] for median in {median for _, median in grid}}
    samples: dict[bytes, int] = {}  # most candidates share most of their samples: each is heard once
    masks: list[NDArray[np.bool_]] = []
    wanted: list[list[tuple[int, bool]]] = []
    for threshold, median in grid:
        active = smooth[median] >= threshold
        parts = [(_between(run, len(active)), True) for run in runs(active)]
        if not active.all():
            parts.append((~active, False))
        for mask, _ in parts:
            if mask.tobytes() not in samples:
                samples[mask.tobytes()] = len(masks)
                masks.append(mask)
        wanted.append([(samples[mask.tobytes()], label) for mask, label in parts])
    owner = np.arange(features.shape[1]) * len(curve) // features.shape[1]
    heard = tagger([features[:, mask[owner]] for mask in masks])[:, place]
    present = -np.log(np.clip(heard, SMALLEST, 1.0))
    absent = -np.log(np.clip(1.0 - heard, SMALLEST, 1.0))
    losses = [sum(present[index] if label else absent[index] for index, label in parts) for parts in wanted]
    return np.array(losses, dtype=np.float64), np.array([len(parts) for parts in wanted], dtype=np.float64)


def _between(run: tuple[int, int], frames: int) -> NDArray[np.bool_]:
    place = np.arange(frames)
    return (place >= run[0]) & (place < run[1])
