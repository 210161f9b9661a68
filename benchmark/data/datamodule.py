"""The base data module: official files to splits of windows, cut from a waveform store.

A batch is a dict:

- `waveform` int16 `(batch, channels, time)`, zero-padded at the end,
- `gain` float32 `(batch,)`: `waveform * gain` is the signal in [-1, 1],
- `length` int64 `(batch,)`: samples that are not padding,
- `target` float32 `(batch, classes)`,
- `weight` float32 `(batch,)`: how much the clip counts in a loss that weighs examples,
- `clip`, `window`, `start` int64 `(batch,)`: which clip, which of its windows, and where that starts in samples,
- `frames` float32 `(batch, frames, classes)`, where the labels have targets of frames: those of the whole clip.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from benchmark.data.domains import DomainBatches
from benchmark.data.inventory import Count, Event, Example, Inventory, OnError
from benchmark.data.sampler import StreamBatches
from benchmark.data.store import WaveformStore, build_store
from benchmark.data.store_index import Clip
from benchmark.errors import BenchmarkError, InputError
from benchmark.metrics.clips import ClipTable

__all__ = [
    "Batch",
    "ClipDataModule",
    "Count",
    "DataSettings",
    "Event",
    "Example",
    "Indices",
    "Inventory",
    "Labels",
    "OnError",
]

Batch = dict[str, Tensor]
Indices = NDArray[np.int64]


@dataclass
class DataSettings:
    """How waveforms are cut and batched.

    Attributes:
        sample_rate: Rate in Hz at which the store holds the clips.
        clip_seconds: Length of a window; a shorter clip is padded, a longer one is cut into several.
        batch_size: Windows of one training step, over all devices.
        hop_seconds: Distance of two windows of one clip; null: the window's length.
        eval_batch_size: Windows of one evaluation step.
        valid_fraction: Share of the training part held out to select on.
        mono: Average the channels.
        each_channel: Where they are not averaged: make every channel a window of its own.
        undersample: Draw as many windows of each class in every pass as the rarest class has.
        domains: Windows of each group in every batch, each group going round by itself; none: drawn from all alike.
        drop_rest: Leave out the end of a clip that fills no whole window.
        subsets: Further parts of the task's data to learn from, such as its unlabelled clips.
        labels: How labels are made of several annotators' votes; null: the task's first rule.
        group_weights: How much the clips of a group count in a loss that weighs examples; 1 where it is not named.
        on_error: What a broken or missing file does: `stop` the run, or `skip` the clip and count it in the record.
    """

    sample_rate: int
    clip_seconds: float
    batch_size: int
    hop_seconds: float | None = None
    eval_batch_size: int = 32
    valid_fraction: float = 0.0
    mono: bool = True
    each_channel: bool = False
    undersample: bool = False
    drop_rest: bool = False
    domains: dict[str, int] = field(default_factory=dict)
    subsets: list[str] = field(default_factory=list)
    labels: str | None = None
    group_weights: dict[str, float] = field(default_factory=dict)
    on_error: OnError = "stop"

    def __post_init__(self) -> None:
        for name in ("sample_rate", "clip_seconds", "batch_size", "eval_batch_size", "hop_seconds"):
            if (value := getattr(self, name)) is not None and value <= 0:
                raise InputError(f"{name} must be positive, not {value}", f"data.{name}")
        for name in ("clip_seconds", "hop_seconds"):
            if (value := getattr(self, name)) is not None and round(value * self.sample_rate) < 1:
                raise InputError(f"{name} of {value} is less than a sample", f"data.{name}")
        if not 0 <= self.valid_fraction < 1:
            raise InputError(f"valid_fraction must be in [0, 1), not {self.valid_fraction}", "data.valid_fraction")
        if self.mono == self.each_channel:
            what = "each_channel needs the channels" if self.mono else "channels are averaged or taken each by itself"
            raise InputError(what, "data.mono, data.each_channel", "set one of them to true and the other to false")
        if self.domains and sum(self.domains.values()) != self.batch_size:
            what = f"a batch of {self.batch_size} is not {' + '.join(map(str, self.domains.values()))} windows"
            raise InputError(what, "data.domains, data.batch_size", "let the domains add up to the batch")


class WindowDataset(Dataset[Batch]):
    """Windows of one length over some clips of a store; a whole batch is cut at once.

    Args:
        store: Where the audio lies.
        clips: Which clips `(n,)`.
        labels: Targets and weights of all clips of the store.
        length: Samples of a window.
        hop: Samples between two windows of a clip.
        each_channel: Whether every channel makes a window of its own.
        drop_rest: Whether the end of a clip that fills no whole window is left out.
    """

    def __init__(
        self,
        store: WaveformStore,
        clips: Indices,
        labels: "Labels",
        length: int,
        hop: int,
        each_channel: bool = False,
        drop_rest: bool = False,
    ) -> None:
        self.store, self.targets, self.weights, self.length = store, labels.targets, labels.weights, length
        self.frames = labels.frames
        starts = [window_starts(int(store.lengths[clip]), length, hop, drop_rest) for clip in clips]
        self.channels = store.channels if each_channel else 1
        self.each_channel = each_channel
        self.clip = np.repeat(clips, [len(s) * self.channels for s in starts])
        self.start = np.repeat(_joined(starts), self.channels)
        self.window = _joined([np.arange(len(s) * self.channels) for s in starts])

    def __len__(self) -> int:
        return len(self.clip)

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """The batch of the windows `indices`."""
        clip, start, window = self.clip[indices], self.start[indices], self.window[indices]
        waveform, gain, length = self.store.cut(clip, start, self.length)
        if self.each_channel:
            chosen = torch.from_numpy(window % self.channels)
            waveform = waveform[torch.arange(len(chosen)), chosen].unsqueeze(1)
        clips = torch.from_numpy(clip)
        return ({} if self.frames is None else {"frames": self.frames[clips]}) | {
            "waveform": waveform,
            "gain": gain,
            "length": length,
            "target": self.targets[clips],
            "weight": self.weights[clips],
            "clip": clips,
            "window": torch.from_numpy(window),
            "start": torch.from_numpy(start),
        }


def _joined(parts: Sequence[Indices]) -> Indices:
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)


def window_starts(length: int, window: int, hop: int, drop_rest: bool = False) -> Indices:
    """First samples of the windows that cover a clip.

    The last window ends with the clip; a rest shorter than a tenth of a window gets no window of its own, so that
    a clip a few samples over length is not scored twice. With `drop_rest` no rest gets one.
    """
    starts = np.arange(0, max(length - window, 0) + 1, hop, dtype=np.int64)
    rest = length - (starts[-1] + window)
    if drop_rest:
        return starts
    return np.append(starts, length - window) if rest > window // 10 else starts


@dataclass(frozen=True)
class Labels:
    """What a training learns from.

    Attributes:
        train: Places among the examples of the clips to train on.
        valid: Those of the clips to validate on.
        targets: Of all examples `(clips, classes)`.
        weights: Of all examples `(clips,)`.
        frames: Of all examples, targets of frames, as far apart as the learner's `(clips, frames, classes)`; or None.
    """

    train: Indices
    valid: Indices
    targets: Tensor
    weights: Tensor
    frames: Tensor | None = None


class ClipDataModule(pl.LightningDataModule, ABC):
    """Splits, store and loaders of one task.

    A task implements `take_stock` (read the official files and how they are divided) and `write_submission`.

    Attributes:
        channels: Channels of every official file; None where they differ.
        one_rate: Whether all official files have one sample rate.
        rate: That rate in Hz, for `data status`.
        seconds: Shortest and longest official clip, for `data status`.
        subsets: Names of further parts of the data that a recipe may learn from (`data.subsets`).
        may_be_partial: Whether listed clips without audio are normal, because nobody can download them any more.
        label_rules: Names of the ways to make labels of several annotators' votes (`data.labels`), the default first.

    Args:
        inventory: What `take_stock` found.
        store: Folder of the waveform store.
        settings: How to cut and batch.
        protocol: Name of the protocol.
        fold: Name of its fold.
        seed: Seed of the shuffles and of the held-out validation part.
    """

    channels: ClassVar[int | None] = None
    one_rate: ClassVar[bool] = False
    rate: ClassVar[int | None] = None
    seconds: ClassVar[tuple[float, float] | None] = None
    subsets: ClassVar[tuple[str, ...]] = ()
    may_be_partial: ClassVar[bool] = False
    label_rules: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self, inventory: Inventory, store: Path, settings: DataSettings, protocol: str, fold: str, seed: int
    ) -> None:
        super().__init__()
        self.inventory, self.store_path, self.settings = inventory, store, settings
        self.protocol, self.fold, self.seed = protocol, fold, seed
        self.skipped = dict(inventory.skipped)
        self.labels: Labels | None = None

    @classmethod
    @abstractmethod
    def take_stock(cls, root: Path, on_error: OnError, protocol: str, subsets: Sequence[str] = ()) -> Inventory:
        """Read the official label files below `root` that the protocol and the subsets need, and find their audio.

        Raises:
            InputError: Files are missing or wrong (and `on_error` is `stop`).
        """

    def split(self, examples: Sequence[Example]) -> tuple[Indices, Indices]:
        """Training and test examples of the fold."""
        part = self.inventory.parts[self.fold]
        train, test = (np.flatnonzero([e.clip_id in clips for e in examples]) for clips in part)
        return train, test

    @abstractmethod
    def write_submission(
        self, path: Path, table: ClipTable, examples: Sequence[Example], decisions: Sequence[Any]
    ) -> None:
        """Write predictions in the challenge's format.

        Args:
            path: File to write.
            table: Clips with probabilities `(clips, classes)`.
            examples: The clips' examples.
            decisions: What was decided for each clip: a class index, events, or nothing (`None`).
        """

    def targets(self, examples: Sequence[Example]) -> Tensor:
        """Targets `(clips, classes)`, float32."""
        return torch.tensor([e.target for e in examples], dtype=torch.float32)

    def hold_out(self, examples: Sequence[Example], train: Indices, fraction: float) -> tuple[Indices, Indices]:
        """Training and validation part of `train`, stratified by target and group."""
        generator = np.random.default_rng(self.seed)
        valid = [
            members[: round(fraction * len(members))] for members in strata([examples[i] for i in train], generator)
        ]
        held_out = np.sort(np.concatenate(valid))
        return np.delete(train, held_out), train[held_out]

    def deal(self, examples: Sequence[Example], clips: Indices, parts: int) -> list[Indices]:
        """Deal clips into parts, with the same share of each target and group in all of them.

        What belongs to one cluster stays together, the largest clusters first into the smallest part.
        """
        generator = np.random.default_rng(self.seed)
        clusters: dict[str, list[int]] = {}
        for clip in clips.tolist():
            clusters.setdefault(examples[clip].cluster, []).append(clip)
        if set(clusters) <= {""}:
            dealt = np.concatenate(strata([examples[clip] for clip in clips], generator))
            return [np.sort(clips[dealt[part::parts]]) for part in range(parts)]
        found: list[list[int]] = [[] for _ in range(parts)]
        names = generator.permutation(sorted(clusters)).tolist()
        for name in sorted(names, key=lambda name: -len(clusters[name])):
            min(found, key=len).extend(clusters[name])
        return [np.array(sorted(part), dtype=np.int64) for part in found]

    def prepare_data(self) -> None:
        """Build the waveform store, or bring it up to date; only one process does it."""
        build_store(
            self.store_path,
            [Clip(e.clip_id, e.path) for e in self.inventory.examples],
            self.settings.sample_rate,
            self.settings.mono,
            self.settings.on_error,
            channels=self.channels,
            one_rate=self.one_rate,
        )

    def setup(self, stage: str | None = None) -> None:
        """Open the store and cut the splits into windows."""
        self.store = WaveformStore(self.store_path)
        self.skipped |= self.store.skipped
        there = set(self.store.clip_ids)
        self.examples = [e for e in self.inventory.examples if e.clip_id in there]
        if [e.clip_id for e in self.examples] != list(self.store.clip_ids):
            raise BenchmarkError("another process changed the waveform store", self.store_path, "run again")
        train, test = self.split(self.examples)
        valid = test[:0]
        if self.settings.valid_fraction and len(train):
            train, valid = self.hold_out(self.examples, train, self.settings.valid_fraction)
            if not len(valid):
                raise InputError("the validation part has no clips", "data.valid_fraction", "hold out more")
        for part, clips in (("training", train), ("test", test)):
            if not len(clips):
                raise InputError(
                    f"the {part} part of {self.protocol}, fold {self.fold} has no clips",
                    remedy="check the data folder, or choose another protocol or fold",
                )
        self.given = Labels(train, valid, self.targets(self.examples), self.weights(self.examples))
        labels = self.labels or self.given
        self.train, self.valid = self.windows(labels.train, labels), self.windows(labels.valid, labels)
        self.test = self.windows(test, labels)

    def weights(self, examples: Sequence[Example]) -> Tensor:
        """How much each clip counts `(clips,)`."""
        return torch.tensor([self.settings.group_weights.get(e.group, 1.0) for e in examples])

    def windows(self, clips: Indices, labels: Labels | None = None) -> WindowDataset:
        """The windows of some clips, with the given labels or others."""
        labels = labels or self.given
        rate, settings = self.settings.sample_rate, self.settings
        hop = settings.hop_seconds or settings.clip_seconds
        length = round(settings.clip_seconds * rate)
        return WindowDataset(
            self.store, clips, labels, length, round(hop * rate), settings.each_channel, settings.drop_rest
        )

    def train_dataloader(self) -> DataLoader[Batch]:
        """Endless shuffled batches that start at the trainer's global step."""
        trainer = self.trainer
        assert trainer is not None
        order = (self.seed, lambda: trainer.global_step, trainer.global_rank, trainer.world_size)
        batches: Sampler[list[int]]
        if self.settings.domains:
            groups = [self.examples[clip].group for clip in self.train.clip]
            batches = DomainBatches(groups, self.settings.domains, *order)
        else:
            classes = self._train_classes() if self.settings.undersample else None
            batches = StreamBatches(len(self.train), self.settings.batch_size, *order, classes)
        return DataLoader(self.train, batch_sampler=batches, collate_fn=_as_cut)

    def _train_classes(self) -> Indices:
        targets = self.train.targets[self.train.clip]
        if targets.shape[1] < 2 or not bool(((targets.sum(1) - 1).abs() < 1e-4).all()):
            remedy = "set it to false: here a clip can have several classes, or none"
            raise InputError("undersampling needs exactly one class a clip", "data.undersample", remedy)
        return targets.argmax(1).numpy()

    def statistics_dataloader(self) -> DataLoader[Batch]:
        """Every training window once, in order, on every rank: what normalisation is fitted on."""
        return DataLoader(self.train, self.settings.eval_batch_size, collate_fn=_as_cut)

    def val_dataloader(self) -> Any:
        """Every validation window once, shared out to the ranks."""
        return self._share(self.valid) if len(self.valid) else []

    def test_dataloader(self) -> DataLoader[Batch]:
        """Every test window once, shared out to the ranks."""
        return self._share(self.test)

    def _share(self, windows: WindowDataset) -> DataLoader[Batch]:
        rank, world = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        return DataLoader(
            windows, self.settings.eval_batch_size, sampler=range(rank, len(windows), world), collate_fn=_as_cut
        )


def _as_cut(batch: Any) -> Any:
    return batch


def strata(examples: Sequence[Example], generator: np.random.Generator) -> list[Indices]:
    """The places of the examples of each (target, group), each shuffled."""
    found: dict[tuple[tuple[float | None, ...], str], list[int]] = {}
    for index, example in enumerate(examples):
        known = tuple(None if math.isnan(value) else value for value in example.target)  # NaN equals nothing
        found.setdefault((known, example.group), []).append(index)
    return [generator.permutation(members) for members in found.values()]
