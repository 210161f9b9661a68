"""Decoders with settings of each class's own, and decoders of curves that are rescaled."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.inventory import Event
from benchmark.errors import InputError
from benchmark.postprocessing.base import EventDecoder, FittedDecoder
from benchmark.postprocessing.events import close_gaps, runs
from benchmark.postprocessing.smoothing import (
    check_width,
    gap_frames,
    gaussian_smooth,
    median_smooth,
    moving_average,
    per_class,
    rescale,
)
from benchmark.training.threshold_search import anneal_thresholds


class SmoothedThreshold(EventDecoder):
    """Frames smoothed by a median filter, then perhaps by a Gaussian one, and at or above a threshold.

    The clip's tags do not matter. Sources: cards `task4-cp-jku-iterative-distillation` and `task4-gcrnn-vat-salr-harb`,
    inference: without Gaussian filter it is the same whether the threshold comes before or after the median.

    Args:
        threshold: Smallest probability of an active frame.
        median: Frames of the median filter, odd; 1 for none.
        sigma: Standard deviation of the Gaussian filter in frames; 0 for none.
        thresholds: Thresholds of some classes, by name.
        medians: Median filters of some classes, by name.

    Raises:
        InputError: A threshold is not in [0, 1], a length is not odd and positive, or `sigma` is negative.
    """

    def __init__(
        self,
        threshold: float = 0.5,
        median: int = 1,
        sigma: float = 0.0,
        thresholds: Mapping[str, float] | None = None,
        medians: Mapping[str, int] | None = None,
    ) -> None:
        self.thresholds, self.medians = dict(thresholds or {}), dict(medians or {})
        for value in (threshold, *self.thresholds.values()):
            check_probability("threshold", value, "SmoothedThreshold")
        for width in (median, *self.medians.values()):
            check_width("median", width, "SmoothedThreshold.median")
        if sigma < 0:
            raise InputError(f"sigma must not be negative, not {sigma}", "SmoothedThreshold.sigma")
        self.threshold, self.median, self.sigma = threshold, median, sigma

    def __call__(
        self, tags: NDArray[Any], frames: NDArray[Any], frame_seconds: float, classes: Sequence[str]
    ) -> list[Event]:
        """Events class by class, in time.

        Raises:
            InputError: A threshold or a filter is of no class.
        """
        threshold = per_class(self.threshold, self.thresholds, classes, "SmoothedThreshold.thresholds")
        widths = per_class(self.median, self.medians, classes, "SmoothedThreshold.medians")
        curves = gaussian_smooth(median_smooth(frames, [int(width) for width in widths]), self.sigma)
        return events_of(curves >= threshold, frame_seconds, classes)


class TaggedCurves(FittedDecoder):
    """For each class that the clip has: its curve rescaled, averaged and thresholded, and close segments joined.

    The curve is mapped to 0 to 1, its ends left out of account, smoothed by a moving average, and cut at a threshold.
    Source: card `task4-wgru-mil`, inference.

    Args:
        threshold: Value of the curve above which a frame is active; null: the class's threshold for tags.
        tag_threshold: Probability of the clip above which it has the class, before `fit` has found one for each class.
        average: Frames of the moving average, odd.
        edge: Frames at each end that the scale does not depend on.
        gap: Segments closer than this, in seconds, are one.

    Raises:
        InputError: A threshold is not in [0, 1], `average` is not odd and positive, or `edge` or `gap` is negative.
    """

    def __init__(
        self,
        threshold: float | None = 0.07,
        tag_threshold: float = 0.5,
        average: int = 19,
        edge: int = 3,
        gap: float = 0.2,
    ) -> None:
        for value in (threshold or 0.0, tag_threshold):
            check_probability("threshold", value, "TaggedCurves")
        check_width("average", average, "TaggedCurves.average")
        for name, value in (("edge", edge), ("gap", gap)):
            if value < 0:
                raise InputError(f"{name} must not be negative, not {value}", f"TaggedCurves.{name}")
        self.threshold, self.tag_threshold = threshold, tag_threshold
        self.average, self.edge, self.gap = average, edge, gap

    def fit(self, tags: NDArray[Any], target: NDArray[Any], classes: Sequence[str]) -> None:
        """Search a threshold for the tags of each class."""
        self.learnt = dict(zip(classes, anneal_thresholds(target, tags).tolist(), strict=True))

    def __call__(
        self, tags: NDArray[Any], frames: NDArray[Any], frame_seconds: float, classes: Sequence[str]
    ) -> list[Event]:
        """Events class by class, in time."""
        wanted = np.array([self.learnt.get(name, self.tag_threshold) for name in classes])
        cut = wanted if self.threshold is None else np.full(len(classes), self.threshold)
        curves = moving_average(rescale(frames, self.edge), self.average)
        return events_of(
            (curves > cut) & (np.asarray(tags) > wanted), frame_seconds, classes, gap_frames(self.gap, frame_seconds)
        )


def events_of(active: NDArray[np.bool_], frame_seconds: float, classes: Sequence[str], gap: int = -1) -> list[Event]:
    """Events class by class, in time.

    Args:
        active: `(frames, classes)`.
        frame_seconds: Distance of two frames in seconds.
        classes: Class names.
        gap: Runs of active frames at most so many frames apart are one event.
    """
    return [
        Event(first * frame_seconds, stop * frame_seconds, name)
        for place, name in enumerate(classes)
        for first, stop in close_gaps(runs(active[:, place]), gap)
    ]


def check_probability(name: str, value: float, where: str) -> None:
    """Check a probability.

    Raises:
        InputError: It is not in [0, 1].
    """
    if not 0 <= value <= 1:
        raise InputError(f"{name} must be in [0, 1], not {value}", f"{where}.{name}")
