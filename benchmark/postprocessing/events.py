"""Decoders: probabilities of a clip and of its frames to sound events."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.inventory import Event
from benchmark.errors import InputError
from benchmark.postprocessing.base import EventDecoder

EDGE_SECONDS = 0.1

Mask = NDArray[np.bool_]


class WholeClip(EventDecoder):
    """Every class that the clip has is one event as long as the clip.

    Source: card `crosstask-surrey-cnn48`, inference, SED1: from 0 to 10 s, the challenge's clip length. A shorter or
    longer clip has such events; frames without padding end a little early, so that 0.1 s do not make it short.

    Args:
        threshold: Probability of the clip above which it has the class.
        seconds: Length of a clip of the challenge, at which events then end exactly.

    Raises:
        InputError: The threshold is not in [0, 1], or `seconds` is not positive.
    """

    def __init__(self, threshold: float = 0.8, seconds: float = 10.0) -> None:
        _check_probabilities(self, threshold=threshold)
        if not seconds > 0:
            raise InputError(f"seconds must be positive, not {seconds}", "WholeClip.seconds")
        self.threshold, self.seconds = threshold, float(seconds)

    def __call__(
        self, tags: NDArray[Any], frames: NDArray[Any], frame_seconds: float, classes: Sequence[str]
    ) -> list[Event]:
        """One event for each class above the threshold."""
        there = len(frames) * frame_seconds
        end = self.seconds if abs(there - self.seconds) < EDGE_SECONDS else float(there)
        return [Event(0.0, end, classes[k]) for k in np.flatnonzero(tags > self.threshold).tolist()]


class DoubleThreshold(EventDecoder):
    """For each class that the clip has: frames above `low` around a frame above `high`, small gaps closed.

    Source: card `crosstask-surrey-cnn48`, inference, SED2.

    Args:
        high: Frame probability above which an event is found.
        low: Smallest frame probability to which it reaches in both directions.
        tag_threshold: Probability of the clip above which it has the class.
        gap: Two events of a class at most this many frames apart are one.

    Raises:
        InputError: A threshold is not in [0, 1], `low` exceeds `high`, or `gap` is negative.
    """

    def __init__(self, high: float = 0.8, low: float = 0.2, tag_threshold: float = 0.8, gap: int = 1) -> None:
        _check_probabilities(self, high=high, low=low, tag_threshold=tag_threshold)
        if low > high:
            raise InputError(f"low ({low}) must not exceed high ({high})", "DoubleThreshold.low, DoubleThreshold.high")
        if gap < 0:
            raise InputError(f"gap must not be negative, not {gap}", "DoubleThreshold.gap")
        self.high, self.low, self.tag_threshold, self.gap = high, low, tag_threshold, gap

    def __call__(
        self, tags: NDArray[Any], frames: NDArray[Any], frame_seconds: float, classes: Sequence[str]
    ) -> list[Event]:
        """Events class by class, in time."""
        events = []
        for k in np.flatnonzero(tags > self.tag_threshold).tolist():
            found = [run for run in runs(frames[:, k] >= self.low) if (frames[slice(*run), k] > self.high).any()]
            events += [_event(run, frame_seconds, classes[k]) for run in close_gaps(found, self.gap)]
        return events


class MedianFilter(EventDecoder):
    """Frames at or above a threshold, smoothed by a median filter; the clip's tags do not matter.

    The filter sees zeros beyond the ends. Source: card `task4-baseline-crnn`, inference.

    Args:
        threshold: Smallest probability of an active frame.
        frames: Length of the filter, odd.

    Raises:
        InputError: The threshold is not in [0, 1], or the length is not odd and positive.
    """

    def __init__(self, threshold: float = 0.5, frames: int = 51) -> None:
        _check_probabilities(self, threshold=threshold)
        if frames < 1 or frames % 2 == 0:
            raise InputError(f"frames must be odd and positive, not {frames}", "MedianFilter.frames")
        self.threshold, self.frames = threshold, frames

    def __call__(
        self, tags: NDArray[Any], frames: NDArray[Any], frame_seconds: float, classes: Sequence[str]
    ) -> list[Event]:
        """Events class by class, in time."""
        smooth = majority(frames >= self.threshold, self.frames)
        return [_event(run, frame_seconds, name) for k, name in enumerate(classes) for run in runs(smooth[:, k])]


def runs(active: Mask) -> list[tuple[int, int]]:
    """First frame and the frame after the last of every run of active frames `(frames,)`."""
    edges = np.flatnonzero(np.diff(active.astype(np.int8), prepend=0, append=0))
    return [(int(first), int(stop)) for first, stop in edges.reshape(-1, 2)]


def close_gaps(found: Sequence[tuple[int, int]], gap: int) -> list[tuple[int, int]]:
    """Runs in rising order, with those joined that are at most `gap` frames apart."""
    joined: list[tuple[int, int]] = []
    for first, stop in found:
        if joined and first - joined[-1][1] <= gap:
            joined[-1] = (joined[-1][0], stop)
        else:
            joined.append((first, stop))
    return joined


def majority(active: Mask, length: int) -> Mask:
    """The median of zeros and ones over `length` (odd) frames around each frame, zeros beyond the ends.

    Args:
        active: `(frames, classes)`.
        length: Frames of the filter.
    """
    half = length // 2
    padded = np.pad(active.astype(np.int64), ((half + 1, half), (0, 0)))
    total = padded.cumsum(axis=0)
    median: Mask = total[length:] - total[:-length] > half
    return median


def _event(run: tuple[int, int], frame_seconds: float, label: str) -> Event:
    return Event(run[0] * frame_seconds, run[1] * frame_seconds, label)


def _check_probabilities(decoder: EventDecoder, **values: float) -> None:
    for name, value in values.items():
        if not 0 <= value <= 1:
            raise InputError(f"{name} must be in [0, 1], not {value}", f"{type(decoder).__name__}.{name}")
