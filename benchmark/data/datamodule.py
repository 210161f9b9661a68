"""The base data module: official files to splits of windows, cut from a waveform store.

A batch is a dict:

- `waveform` int16 `(batch, channels, time)`, zero-padded at the end,
- `gain` float32 `(batch,)`: `waveform * gain` is the signal in [-1, 1],
- `length` int64 `(batch,)`: samples that are not padding,
- `target` float32 `(batch, classes)`,
- `clip`, `window` int64 `(batch,)`: which clip, and which of its windows.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from benchmark.data.sampler import StreamBatches
from benchmark.data.store import Clip, WaveformStore, build_store
from benchmark.errors import BenchmarkError, InputError

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
        on_error: What a broken or missing file does: `stop` the run, or `skip` the clip and count it in the record.
    """

    sample_rate: int
    clip_seconds: float
    batch_size: int
    hop_seconds: float | None = None
    eval_batch_size: int = 32
    valid_fraction: float = 0.0
    mono: bool = True
    on_error: Literal["stop", "skip"] = "stop"

    def __post_init__(self) -> None:
        for name in ("sample_rate", "clip_seconds", "batch_size", "eval_batch_size", "hop_seconds"):
            if (value := getattr(self, name)) is not None and value <= 0:
                raise InputError(f"{name} must be positive, not {value}", f"data.{name}")
        if not 0 <= self.valid_fraction < 1:
            raise InputError(f"valid_fraction must be in [0, 1), not {self.valid_fraction}", "data.valid_fraction")


@dataclass(frozen=True)
class Example:
    """One labelled clip: its unique id, file, target per class, and the group it is scored with."""

    clip_id: str
    path: Path
    target: tuple[float, ...]
    group: str


@dataclass(frozen=True)
class Inventory:
    """What was found at a data root.

    Attributes:
        examples: The clips that are there.
        variant: `full`, `partial:<coverage>` or `custom:<fingerprint>`.
        fingerprint: Hash of clip ids, labels and file sizes.
        listed: Number of clips that the label files name.
        skipped: Clip to the reason why it is left out.
        summary: One line for people.
    """

    examples: list[Example]
    variant: str
    fingerprint: str
    listed: int
    summary: str
    skipped: dict[str, str] = field(default_factory=dict)


class WindowDataset(Dataset[Batch]):
    """Windows of one length over some clips of a store; a whole batch is cut at once."""

    def __init__(self, store: WaveformStore, clips: Indices, targets: Tensor, length: int, hop: int) -> None:
        self.store, self.targets, self.length = store, targets, length
        starts = [window_starts(int(store.lengths[clip]), length, hop) for clip in clips]
        self.clip = np.repeat(clips, [len(s) for s in starts])
        self.start = np.concatenate(starts) if starts else np.zeros(0, dtype=np.int64)
        self.window = np.concatenate([np.arange(len(s)) for s in starts]) if starts else self.start

    def __len__(self) -> int:
        return len(self.clip)

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """The batch of the windows `indices`."""
        clip = self.clip[indices]
        waveform, gain, length = self.store.cut(clip, self.start[indices], self.length)
        clips, windows = torch.from_numpy(clip), torch.from_numpy(self.window[indices])
        return {
            "waveform": waveform,
            "gain": gain,
            "length": length,
            "target": self.targets[clips],
            "clip": clips,
            "window": windows,
        }


def window_starts(length: int, window: int, hop: int) -> Indices:
    """First samples of the windows that cover a clip.

    The last window ends with the clip; a rest shorter than a tenth of a window gets no window of its own, so that
    a clip a few samples over length is not scored twice.
    """
    starts = np.arange(0, max(length - window, 0) + 1, hop, dtype=np.int64)
    rest = length - (starts[-1] + window)
    return np.append(starts, length - window) if rest > window // 10 else starts


class ClipDataModule(pl.LightningDataModule, ABC):
    """Splits, store and loaders of one task.

    A task implements `take_stock` (read the official files) and `split` (its protocols).

    Args:
        inventory: What `take_stock` found.
        store: Folder of the waveform store.
        settings: How to cut and batch.
        protocol: Name of the protocol.
        fold: Name of its fold.
        seed: Seed of the shuffles and of the held-out validation part.
    """

    def __init__(
        self, inventory: Inventory, store: Path, settings: DataSettings, protocol: str, fold: str, seed: int
    ) -> None:
        super().__init__()
        self.inventory, self.store_path, self.settings = inventory, store, settings
        self.protocol, self.fold, self.seed = protocol, fold, seed
        self.skipped = dict(inventory.skipped)

    @classmethod
    @abstractmethod
    def take_stock(cls, root: Path, on_error: Literal["stop", "skip"]) -> Inventory:
        """Read the official label files below `root` and find their audio.

        Raises:
            InputError: Files are missing or wrong (and `on_error` is `stop`).
        """

    @abstractmethod
    def split(self, examples: Sequence[Example]) -> tuple[Indices, Indices]:
        """Training and test examples of this protocol and fold."""

    @abstractmethod
    def write_submission(self, path: Path, clip_ids: Sequence[str], probabilities: NDArray[Any]) -> None:
        """Write predictions `(clips, classes)` in the challenge's format."""

    def hold_out(self, examples: Sequence[Example], train: Indices, fraction: float) -> tuple[Indices, Indices]:
        """Training and validation part of `train`, stratified by target and group."""
        generator = np.random.default_rng(self.seed)
        valid = [
            members[: round(fraction * len(members))] for members in strata([examples[i] for i in train], generator)
        ]
        held_out = np.sort(np.concatenate(valid))
        return np.delete(train, held_out), train[held_out]

    def prepare_data(self) -> None:
        """Build the waveform store, or bring it up to date; only one process does it."""
        build_store(
            self.store_path,
            [Clip(e.clip_id, e.path) for e in self.inventory.examples],
            self.settings.sample_rate,
            self.settings.mono,
            self.settings.on_error,
        )

    def setup(self, stage: str | None = None) -> None:
        """Open the store and cut the splits into windows."""
        self.store = WaveformStore(self.store_path)
        self.skipped |= self.store.skipped
        there = set(self.store.clip_ids)
        examples = [e for e in self.inventory.examples if e.clip_id in there]
        self.clip_ids = [e.clip_id for e in examples]
        if self.clip_ids != list(self.store.clip_ids):
            raise BenchmarkError("another process changed the waveform store", self.store_path, "run again")
        self.groups = np.array([e.group for e in examples])
        train, test = self.split(examples)
        valid = test[:0]
        if self.settings.valid_fraction:
            train, valid = self.hold_out(examples, train, self.settings.valid_fraction)
            if not len(valid):
                raise InputError("the validation part has no clips", "data.valid_fraction", "hold out more")
        targets = torch.tensor([e.target for e in examples], dtype=torch.float32)
        for part, clips in (("training", train), ("test", test)):
            if not len(clips):
                raise InputError(
                    f"the {part} part of {self.protocol}, fold {self.fold} has no clips",
                    remedy="check the data folder, or choose another protocol or fold",
                )
        self.train, self.valid, self.test = (self._windows(clips, targets) for clips in (train, valid, test))

    def _windows(self, clips: Indices, targets: Tensor) -> WindowDataset:
        rate, settings = self.settings.sample_rate, self.settings
        hop = settings.hop_seconds or settings.clip_seconds
        return WindowDataset(self.store, clips, targets, round(settings.clip_seconds * rate), round(hop * rate))

    def train_dataloader(self) -> DataLoader[Batch]:
        """Endless shuffled batches that start at the trainer's global step."""
        trainer = self.trainer
        assert trainer is not None
        batches = StreamBatches(
            len(self.train),
            self.settings.batch_size,
            self.seed,
            lambda: trainer.global_step,
            trainer.global_rank,
            trainer.world_size,
        )
        return DataLoader(self.train, batch_sampler=batches, collate_fn=_as_cut)

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
    found: dict[tuple[tuple[float, ...], str], list[int]] = {}
    for index, example in enumerate(examples):
        found.setdefault((example.target, example.group), []).append(index)
    return [generator.permutation(members) for members in found.values()]


def stratified_folds(examples: Sequence[Example], n_folds: int, seed: int) -> Indices:
    """A fold number in 0 … n_folds - 1 for every example, spread evenly over each (target, group)."""
    order = np.concatenate(strata(examples, np.random.default_rng(seed)))
    folds = np.zeros(len(examples), dtype=np.int64)
    folds[order] = np.arange(len(examples)) % n_folds
    return folds
