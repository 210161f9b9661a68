"""The base data module: official files to splits of windows, cut from a waveform store."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from benchmark.data.classes import clips_with
from benchmark.data.domains import DomainBatches
from benchmark.data.inventory import Count, Event, Example, Inventory, OnError
from benchmark.data.sampler import StreamBatches
from benchmark.data.segments import segments_of
from benchmark.data.settings import DataSettings
from benchmark.data.sources import Batch, ResidentSource, StoreSource
from benchmark.data.store import WaveformStore, build_store
from benchmark.data.store_index import Clip
from benchmark.data.windows import Indices, Labels, WindowDataset
from benchmark.devices import has_room
from benchmark.errors import BenchmarkError, InputError
from benchmark.metrics.clips import ClipTable

__all__ = [
    "Batch",
    "ClipDataModule",
    "Count",
    "Event",
    "Example",
    "Indices",
    "Inventory",
    "Labels",
    "OnError",
]


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
        device: Where the network computes, to which batches go.
        label_rules: Names of the ways to make labels of several annotators' votes (`data.labels`), the default first.

    Args:
        inventory: What `take_stock` found.
        store: Folder of the waveform store.
        settings: How to cut and batch.
        protocol: Name of the protocol.
        fold: Name of its fold.
        seed: Seed of the shuffles and of the held-out validation part.
        classes: Class names in the order of the targets, where the settings name one.
    """

    channels: ClassVar[int | None] = None
    one_rate: ClassVar[bool] = False
    rate: ClassVar[int | None] = None
    seconds: ClassVar[tuple[float, float] | None] = None
    subsets: ClassVar[tuple[str, ...]] = ()
    may_be_partial: ClassVar[bool] = False
    label_rules: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        inventory: Inventory,
        store: Path,
        settings: DataSettings,
        protocol: str,
        fold: str,
        seed: int,
        classes: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.inventory, self.store_path, self.settings = inventory, store, settings
        self.protocol, self.fold, self.seed, self.classes = protocol, fold, seed, tuple(classes)
        self.skipped = dict(inventory.skipped)
        self.labels: Labels | None = None
        self.device = torch.device("cpu")
        self._resident: ResidentSource | None = None

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
        if self.settings.split_at_silence:
            segments_of(WaveformStore(self.store_path))

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
        self.segments = segments_of(self.store) if self.settings.split_at_silence else _whole(self.store)
        self.given = Labels(train, valid, self.targets(self.examples), self.weights(self.examples))
        labels = self.labels or self.given
        self.train, self.valid = (
            self.windows(clips_with(self.settings.with_class, self.classes, clips, labels.targets, part), labels)
            for part, clips in (("training", labels.train), ("validation", labels.valid))
        )
        self.test = self.windows(test, labels)

    def weights(self, examples: Sequence[Example]) -> Tensor:
        """How much each clip counts `(clips,)`."""
        return torch.tensor([self.settings.group_weights.get(e.group, 1.0) for e in examples])

    def windows(self, clips: Indices, labels: Labels | None = None) -> WindowDataset:
        """The windows of some clips, with the given labels or others."""
        labels = labels or self.given
        cut = self.settings.cut()
        spans = [cut.spans(self.segments[clip]) for clip in clips]
        return WindowDataset(self.store, clips, spans, labels, cut.length, self.settings.each_channel)

    def train_dataloader(self) -> DataLoader[Batch]:
        """Endless shuffled batches that start at the trainer's global step."""
        trainer, settings = self.trainer, self.settings
        assert trainer is not None
        place = (self.seed, lambda: trainer.global_step, trainer.global_rank, trainer.world_size)
        batches: DomainBatches | StreamBatches
        if settings.domains:
            batches = DomainBatches([self.examples[clip].group for clip in self.train.clip], settings.domains, *place)
        else:
            classes = self._train_classes() if settings.undersample else None
            batches = StreamBatches(len(self.train), settings.batch_size, *place, classes)
        windows = self.near(self.train)
        return DataLoader(windows, batch_sampler=batches, collate_fn=_as_cut, pin_memory=self._pins(windows))

    def _train_classes(self) -> Indices:
        targets = self.train.targets[self.train.clip]
        if targets.shape[1] < 2 or not bool(((targets.sum(1) - 1).abs() < 1e-4).all()):
            remedy = "set it to false: here a clip can have several classes, or none"
            raise InputError("undersampling needs exactly one class a clip", "data.undersample", remedy)
        return targets.argmax(1).numpy()

    def in_order(self, windows: WindowDataset) -> DataLoader[Batch]:
        """Every one of some windows once, in their order, on every rank."""
        return DataLoader(windows, self.settings.eval_batch_size, collate_fn=_as_cut)

    def val_dataloader(self) -> Any:
        """Every validation window once, shared out to the ranks."""
        return self._share(self.valid) if len(self.valid) else []

    def test_dataloader(self) -> DataLoader[Batch]:
        """Every test window once, shared out to the ranks."""
        return self._share(self.test)

    def near(self, windows: WindowDataset) -> WindowDataset:
        """The same windows, their waveforms from the accelerator's memory where the whole store fits into it."""
        if not isinstance(windows.source, StoreSource) or not self.settings.resident or self.device.type == "cpu":
            return windows
        if self._resident is None and has_room(self.device, self.store.data.nbytes):
            cut = (self.settings.cut().length, self.settings.each_channel)
            self._resident = ResidentSource(self.store, *cut, self.device)
        return windows if self._resident is None else windows.given_by(self._resident)

    def _share(self, windows: WindowDataset) -> DataLoader[Batch]:
        rank, world = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        windows = self.near(windows)
        mine = range(rank, len(windows), world) or range(1)  # a process without one repeats the first, not to be missed
        size, pins = self.settings.eval_batch_size, self._pins(windows)
        return DataLoader(windows, size, sampler=mine, collate_fn=_as_cut, pin_memory=pins)

    def _pins(self, windows: WindowDataset) -> bool:
        """Whether batches wait in memory from which an accelerator copies them while it computes."""
        return self.device.type == "cuda" and windows.source.device.type == "cpu"


def _whole(store: WaveformStore) -> list[Indices]:
    """The one segment of each clip that is not split."""
    return [np.array([[0, length]]) for length in store.lengths]


def _as_cut(batch: Any) -> Any:
    return batch


def strata(examples: Sequence[Example], generator: np.random.Generator) -> list[Indices]:
    """The places of the examples of each (target, group), each shuffled."""
    found: dict[tuple[tuple[float | None, ...], str], list[int]] = {}
    for index, example in enumerate(examples):
        known = tuple(None if math.isnan(value) else value for value in example.target)  # NaN equals nothing
        found.setdefault((known, example.group), []).append(index)
    return [generator.permutation(members) for members in found.values()]
