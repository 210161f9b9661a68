"""The plain mean of several networks' predictions."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import InputError
from benchmark.fusion.base import Fusion

MeanKind = Literal["arithmetic", "geometric"]
SMALLEST = 1e-8  # keeps one network's zero from being a veto


class Mean(Fusion):
    """The arithmetic or the geometric mean of the members' probabilities.

    The geometric mean is of the probabilities plus 1e-8, and is not scaled to a sum of 1.

    Args:
        kind: `arithmetic` or `geometric`.

    Raises:
        InputError: `kind` is neither.
    """

    def __init__(self, kind: MeanKind = "arithmetic") -> None:
        if kind not in ("arithmetic", "geometric"):
            raise InputError(f"kind must be arithmetic or geometric, not {kind!r}", "Mean.kind")
        self.kind = kind

    def fit(self, probability: NDArray[Any], target: NDArray[Any], weight: NDArray[Any]) -> None:
        """Nothing is learnt.

        Args:
            probability: `(members, clips, classes)`.
            target: `(clips, classes)`.
            weight: `(clips,)`.
        """

    def __call__(self, probability: NDArray[Any]) -> NDArray[Any]:
        """The mean.

        Args:
            probability: `(members, n, classes)`, of clips or of frames.

        Returns:
            `(n, classes)`.
        """
        if self.kind == "arithmetic":
            mean: NDArray[Any] = np.mean(probability, axis=0)
        else:
            mean = np.exp(np.mean(np.log(np.asarray(probability, dtype=np.float64) + SMALLEST), axis=0))
        return mean
