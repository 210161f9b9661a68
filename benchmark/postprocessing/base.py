"""What decisions are made of: the two kinds of postprocessing that a recipe can name."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from benchmark.data.inventory import Event


class ClassDecision(ABC):
    """Chooses one class a clip."""

    @abstractmethod
    def __call__(self, probability: NDArray[Any]) -> NDArray[Any]:
        """Class indices `(clips,)` of probabilities `(clips, classes)`."""


class EventDecoder(ABC):
    """Makes sound events of the probabilities of one clip."""

    @abstractmethod
    def __call__(
        self, tags: NDArray[Any], frames: NDArray[Any], frame_seconds: float, classes: Sequence[str]
    ) -> list[Event]:
        """Events of a clip.

        Args:
            tags: Probabilities of the clip `(classes,)`.
            frames: Probabilities over time `(frames, classes)`.
            frame_seconds: Distance of two frames in seconds.
            classes: Class names.
        """
