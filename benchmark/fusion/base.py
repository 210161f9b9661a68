"""What every fusion of several networks' predictions does."""

from abc import ABC, abstractmethod
from typing import Any

from numpy.typing import NDArray


class Fusion(ABC):
    """Makes one prediction of those of several members; numpy only."""

    @abstractmethod
    def fit(self, probability: NDArray[Any], target: NDArray[Any], weight: NDArray[Any]) -> None:
        """Learn from clips that no member was trained on.

        Args:
            probability: `(members, clips, classes)`.
            target: `(clips, classes)`.
            weight: How much each clip counts `(clips,)`.
        """

    @abstractmethod
    def __call__(self, probability: NDArray[Any]) -> NDArray[Any]:
        """One prediction.

        Args:
            probability: `(members, n, classes)`, of clips or of frames.

        Returns:
            `(n, classes)`.
        """
