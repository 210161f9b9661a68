"""Smoothing of probabilities over time, class by class, and joining of what is close together."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmark.errors import InputError

Curves = NDArray[np.float64]


def median_smooth(frames: NDArray[Any], widths: int | Sequence[int]) -> Curves:
    """Median over the frames around each, the curve mirrored at its ends.

    Source: card `task4-cp-jku-iterative-distillation`, smoothing of pseudo-labels.

    Args:
        frames: Probabilities `(frames, classes)`.
        widths: Frames of the filter, odd, one for all classes or one each.

    Raises:
        InputError: A width is not odd and positive, or there is not one for each class.
    """
    curves = np.array(frames, dtype=np.float64)
    chosen = [widths] * curves.shape[1] if isinstance(widths, int) else [int(width) for width in widths]
    if len(chosen) != curves.shape[1]:
        raise InputError(f"{len(chosen)} widths for {curves.shape[1]} classes", "median_smooth")
    for width in set(chosen):
        check_width("width", width, "median_smooth")
        places = [place for place, own in enumerate(chosen) if own == width]
        if width > 1 and len(curves):
            curves[:, places] = ndimage.median_filter(curves[:, places], size=(width, 1), mode="reflect")
    return curves


def gaussian_smooth(frames: NDArray[Any], sigma: float) -> Curves:
    """Mean over the frames around each with the weights of a Gaussian, the curve mirrored at its ends.

    Source: card `task4-cp-jku-iterative-distillation`, smoothing of pseudo-labels.

    Args:
        frames: Probabilities `(frames, classes)`.
        sigma: Standard deviation in frames; 0 changes nothing.

    Raises:
        InputError: `sigma` is negative.
    """
    if sigma < 0:
        raise InputError(f"sigma must not be negative, not {sigma}", "gaussian_smooth")
    curves = np.array(frames, dtype=np.float64)
    if sigma and len(curves):
        curves = ndimage.gaussian_filter1d(curves, sigma, axis=0, mode="reflect")
    return curves


def moving_average(frames: NDArray[Any], width: int) -> Curves:
    """Mean over the frames around each; at the ends, over those that there are.

    Source: card `task4-wgru-mil`, inference.

    Args:
        frames: Probabilities `(frames, classes)`.
        width: Frames of the filter, odd.

    Raises:
        InputError: The width is not odd and positive.
    """
    check_width("width", width, "moving_average")
    half = width // 2
    total = np.concatenate([np.zeros((1, frames.shape[1])), np.asarray(frames, dtype=np.float64).cumsum(axis=0)])
    place = np.arange(len(frames))
    first, stop = np.maximum(place - half, 0), np.minimum(place + half + 1, len(frames))
    averages: Curves = (total[stop] - total[first]) / (stop - first)[:, None]
    return averages


def rescale(frames: NDArray[Any], edge: int = 3) -> Curves:
    """Each curve mapped linearly so that its smallest value is 0 and its largest 1, and cut there.

    A curve that is flat has no scale and stays as it is. Source: card `task4-wgru-mil`, inference.

    Args:
        frames: Probabilities `(frames, classes)`.
        edge: Frames at each end that are not looked at, where there are others.

    Raises:
        InputError: `edge` is negative.
    """
    if edge < 0:
        raise InputError(f"edge must not be negative, not {edge}", "rescale")
    curves = np.array(frames, dtype=np.float64)
    if not len(curves):
        return curves
    inner = curves[edge : len(curves) - edge] if len(curves) > 2 * edge else curves
    low, high = inner.min(axis=0), inner.max(axis=0)
    varies = high - low > np.finfo(np.float32).eps
    scale = np.where(varies, high - low, 1.0)
    scaled: Curves = np.where(varies, np.clip((curves - low) / scale, 0.0, 1.0), curves)
    return scaled


def gap_frames(seconds: float, frame_seconds: float) -> int:
    """How many frames may lie between two segments that are less than `seconds` apart; -1 if no two are.

    Args:
        seconds: Segments closer than this are one.
        frame_seconds: Distance of two frames in seconds.
    """
    return math.ceil(seconds / frame_seconds - 1e-6) - 1


def per_class(default: float, given: Mapping[str, float], classes: Sequence[str], where: str) -> NDArray[np.float64]:
    """A value for each class: its own or the default.

    Args:
        default: Value of the classes that are not named.
        given: Values by class name.
        classes: Class names.
        where: Setting that the values are of.

    Returns:
        `(classes,)`.

    Raises:
        InputError: A name is no class.
    """
    for name in given:
        if name not in classes:
            raise InputError(f"{name!r} is no class", where, f"the classes are {', '.join(classes)}")
    return np.array([given.get(name, default) for name in classes], dtype=np.float64)


def check_width(name: str, width: int, where: str) -> None:
    """Check the length of a filter.

    Raises:
        InputError: It is not odd and positive.
    """
    if width < 1 or width % 2 == 0:
        raise InputError(f"{name} must be odd and positive, not {width}", where)
