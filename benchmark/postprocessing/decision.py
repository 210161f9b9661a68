"""Decisions of one class a clip that are not the plain arg max."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import InputError
from benchmark.postprocessing.base import ClassDecision


class ThresholdedArgmax(ClassDecision):
    """First class whose probability reaches a threshold, and the very first class where none does.

    It is what the organisers' baseline of DCASE 2018 task 1 does: it makes zeros and ones of the probabilities before
    it takes the arg max, so that a clip without a class at 0.5 is called `airport`, the first of the alphabet.
    Source: card `task1-baseline-tut`, inference.

    Args:
        threshold: Smallest probability that counts.

    Raises:
        InputError: The threshold is not in (0, 1].
    """

    def __init__(self, threshold: float = 0.5) -> None:
        if not 0 < threshold <= 1:
            raise InputError(f"threshold must be in (0, 1], not {threshold}", "ThresholdedArgmax.threshold")
        self.threshold = threshold

    def __call__(self, probability: NDArray[Any]) -> NDArray[Any]:
        """Class indices `(clips,)` of probabilities `(clips, classes)`."""
        indices: NDArray[np.int64] = (probability >= self.threshold).argmax(axis=1)
        return indices
