"""What decisions are made of: the kinds of postprocessing that a recipe can name."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from numpy.typing import NDArray

from benchmark.data.inventory import Event

Tagger = Callable[[Sequence[NDArray[Any]]], NDArray[Any]]
"""Clip probabilities `(n, classes)` of features `(channels, frames, bins)` of any numbers of frames."""


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


class LearningDecoder(EventDecoder):
    """A decoder that learns when the networks are trained.

    Attributes:
        learnt: What it has found, by class, in plain values, which are kept with the run; nothing at first.
    """

    learnt: Mapping[str, Any] = MappingProxyType({})


class FittedDecoder(LearningDecoder):
    """A decoder that learns from clips, and their tags, that were held out of the training."""

    @abstractmethod
    def fit(self, tags: NDArray[Any], target: NDArray[Any], classes: Sequence[str]) -> None:
        """Set `learnt`.

        Args:
            tags: Probabilities of the clips `(clips, classes)`.
            target: 0 or 1, or NaN where it is not known `(clips, classes)`.
            classes: Class names.
        """


class AdaptiveDecoder(LearningDecoder):
    """A decoder that learns from clips without their labels.

    Attributes:
        groups: Groups of these clips; none: those that are scored, and then the record says so.
    """

    groups: Sequence[str] = ()

    @abstractmethod
    def adapt(
        self,
        tagger: Tagger,
        features: Sequence[NDArray[Any]],
        tags: NDArray[Any],
        frames: Sequence[NDArray[Any]],
        classes: Sequence[str],
    ) -> None:
        """Set `learnt`.

        Args:
            tagger: The trained network.
            features: Of each clip `(channels, frames, bins)`.
            tags: Probabilities of the clips `(clips, classes)`.
            frames: Probabilities over time of each clip `(frames', classes)`.
            classes: Class names.
        """
