"""Label sources: where the labels of a training stage come from, when they are not the given ones."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from benchmark.augmentations.crop import RandomExcerpt
from benchmark.data.datamodule import Batch, ClipDataModule, Indices, Labels
from benchmark.errors import InputError
from benchmark.metrics.clips import ClipTable, mean_of_tables

TENTHS = tuple(tenth / 10 for tenth in range(11))


class LabelSource(ABC):
    """Makes the labels of a stage of what the stage before has learnt.

    Attributes:
        of_member: Whether each member gets labels of its own, made by its own networks.
    """

    of_member: ClassVar[bool] = False

    @abstractmethod
    def relabel(self, before: "Before") -> Labels:
        """The labels.

        Args:
            before: What the stage before has left.
        """


class Before(Protocol):
    """What a stage has left for the one after it: of one member, or of all."""

    @property
    def data(self) -> ClipDataModule:
        """The data of its last training."""

    @property
    def classes(self) -> Sequence[str]:
        """Class names."""

    def predict(self, clips: Indices) -> ClipTable:
        """The mean of its networks' predictions of some clips, in rising order of their index."""

    def predict_each(self, clips: Indices) -> list[ClipTable]:
        """The same, member by member."""

    def held_out(self) -> NDArray[np.float64]:
        """Probabilities `(examples, classes)` of clips by networks that were not trained on them, else NaN."""

    def networks(self) -> "Iterator[Network]":
        """Its networks, one after the other."""


class Network(NamedTuple):
    """One of a stage's networks.

    Attributes:
        predict: Its predictions of any clips.
        held_out: The clips that were held out of it.
        seed: For random draws: stands for all that it came from.
    """

    predict: "Predict"
    held_out: Indices
    seed: int


class Predict:
    """Predictions of a trained network for any clips of its data.

    Args:
        module: The network, a `TaskModule`.
        data: Its data.
        device: Where it computes.
        beat: Called after every batch.
    """

    def __init__(
        self,
        module: Any,
        data: ClipDataModule,
        device: torch.device | str = "cpu",
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self.module, self.data, self.device, self.beat = module, data, torch.device(device), beat

    def __call__(self, clips: Indices) -> ClipTable:
        """The table of some clips, in rising order of their index."""
        return self._mean(clips, lambda network, batch: network.evaluate(batch))

    def excerpts(self, clips: Indices, frames: int, times: int, seed: int) -> ClipTable:
        """The table of some clips, each the mean over random excerpts of its features.

        Args:
            clips: Which.
            frames: Frames of an excerpt.
            times: Excerpts of each window.
            seed: Seed of their places.

        Raises:
            InputError: The network takes no features.
        """
        if self.module.backbone.input != "features":
            raise InputError("the network hears waveforms", "excerpts of features", "take one with a front end")
        excerpt = RandomExcerpt(frames)

        def evaluate(network: Any, batch: Batch) -> None:
            x, valid, target = network.clip_input(batch)
            lengths = torch.round(valid * x.shape[2]).long()
            for time in range(times):
                cut, kept, _ = excerpt(x, lengths, target)
                said = network.probabilities(network(cut, kept / cut.shape[2]).clips)
                network.predictions.update(batch["clip"], times * batch["window"] + time, said, target)

        with torch.random.fork_rng([self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(seed)
            return self._mean(clips, evaluate)

    def _mean(self, clips: Indices, evaluate: Callable[[Any, Batch], Any]) -> ClipTable:
        """The mean table of the module's scored weights."""
        self.module.to(self.device).eval()
        tables = []
        for network in self.module.each():
            network.predictions.reset()
            with torch.inference_mode():
                for batch in self.batches(clips):
                    evaluate(network, network.transfer_batch_to_device(batch, self.device, 0))
                    self.beat()
            tables.append(network.predictions.compute())
            network.predictions.reset()
        return mean_of_tables(tables)

    def batches(self, clips: Indices) -> Iterator[Batch]:
        """The windows of some clips, in the size of evaluation."""
        windows = self.data.windows(clips)
        size = self.data.settings.eval_batch_size
        places = range(0, len(windows), size)
        console = Console(stderr=True)
        for first in track(places, "predicting labels", console=console, disable=not console.is_terminal):
            yield windows.__getitems__(range(first, min(first + size, len(windows))))


def clips_of(data: ClipDataModule, groups: Sequence[str]) -> Indices:
    """The clips of some groups.

    Raises:
        InputError: A group has none.
    """
    of_clip = np.array([example.group for example in data.examples])
    for group in groups:
        if group not in of_clip:
            known = ", ".join(sorted(set(of_clip.tolist())))
            raise InputError(f"there is no clip of {group}", "stages", f"add these clips to the data, or name {known}")
    return np.flatnonzero(np.isin(of_clip, list(groups)))


class PseudoTags(LabelSource):
    """Hard clip tags of unlabelled clips, by a threshold per class.

    The thresholds are those with the largest F1 of each class on the validation part of the stage before; of several
    with the same F1, the smallest. Every clip of the group is used, also one without a tag. Source: card
    `task4-baseline-crnn`, pseudo-label threshold.

    Args:
        group: Group of the clips to tag and train on.
        valid_group: Group of the clips, with given labels, to validate on.
        thresholds: What is tried.
    """

    def __init__(self, group: str, valid_group: str, thresholds: Sequence[float] = TENTHS) -> None:
        self.group, self.valid_group, self.thresholds = group, valid_group, tuple(sorted(thresholds))

    def relabel(self, before: Before) -> Labels:
        """Tags of the group.

        Raises:
            InputError: There is no such clip, or the stage before had no validation part.
        """
        data = before.data
        train, valid = clips_of(data, [self.group]), clips_of(data, [self.valid_group])
        if not len(data.valid):
            raise InputError("the stage before had no validation part", "data.valid_fraction", "hold one out there")
        checked = before.predict(np.unique(data.valid.clip))
        chosen = best_thresholds(checked.target, checked.probability, self.thresholds)
        targets = data.given.targets.clone()
        targets[train] = torch.from_numpy((before.predict(train).probability >= chosen).astype(np.float32))
        return replace(data.given, train=train, valid=valid, targets=targets)


def best_thresholds(target: NDArray[Any], probability: NDArray[Any], thresholds: Sequence[float]) -> NDArray[Any]:
    """For each class the first of `thresholds` with the largest F1.

    Args:
        target: 0 or 1 `(clips, classes)`.
        probability: `(clips, classes)`; a class counts as present where it is at least the threshold.
        thresholds: What is tried.

    Returns:
        `(classes,)`.
    """
    scores = []
    for threshold in thresholds:
        present, said = target == 1, probability >= threshold
        positives = present.sum(axis=0) + said.sum(axis=0)
        scores.append(2 * (present & said).sum(axis=0) / np.maximum(positives, 1))
    chosen: NDArray[Any] = np.asarray(thresholds)[np.argmax(scores, axis=0)]
    return chosen
