"""Windows of clips with their labels: what batches are made of.

A batch is a dict:

- what `benchmark.data.sources` gives of the windows: their waveforms or their features,
- `length` int64 `(batch,)`: samples that are not padding,
- `target` float32 `(batch, classes)`,
- `weight` float32 `(batch,)`: how much the clip counts in a loss that weighs examples,
- `clip`, `window`, `start` int64 `(batch,)`: which clip, which of its windows, and where that starts in samples,
- `frames` float32 `(batch, frames, classes)`, where the labels have targets of frames: those of the whole clip.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from benchmark.data.sources import Batch, Source, StoreSource
from benchmark.data.store import WaveformStore

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Labels:
    """What a training learns from.

    Attributes:
        train: Places among the examples of the clips to train on.
        valid: Those of the clips to validate on.
        targets: Of all examples `(clips, classes)`.
        weights: Of all examples `(clips,)`.
        frames: Of all examples, targets of frames `(clips, frames, classes)`, 0 beyond a clip's end and where there are
            none; None: there are none at all. They are as far apart as those of the network that learns them.
    """

    train: Indices
    valid: Indices
    targets: Tensor
    weights: Tensor
    frames: Tensor | None = None


class Cut(NamedTuple):
    """How clips are cut into windows.

    Attributes:
        length: Samples of a window.
        hop: Samples between two windows.
        min_rest: Share of a window that what is left at the end must exceed to get a window of its own.
    """

    length: int
    hop: int
    min_rest: float

    def spans(self, segments: Indices) -> Indices:
        """The windows of a clip: first sample, and the one after the last that it may see, `(windows, 2)`.

        Args:
            segments: First sample and the one after the last of each part of the clip, `(segments, 2)`. No window
                reaches from one into another.
        """
        found = []
        for begin, end in segments.tolist():
            starts = begin + window_starts(end - begin, *self)
            found.append(np.stack([starts, np.minimum(starts + self.length, end)], axis=1))
        return np.concatenate(found)


def window_starts(length: int, window: int, hop: int, min_rest: float) -> Indices:
    """First samples of the windows that cover a clip.

    The last window ends with the clip, unless that would bring too little that is new.

    Args:
        length: Samples of the clip.
        window: Samples of a window.
        hop: Samples between two windows.
        min_rest: Share of a window that the rest of the clip must exceed to get a window of its own.
    """
    starts = np.arange(0, max(length - window, 0) + 1, hop, dtype=np.int64)
    rest = length - (starts[-1] + window)
    return np.append(starts, length - window) if rest > min_rest * window else starts


class WindowDataset(Dataset[Batch]):
    """Windows of one length over some clips of a store; a whole batch is cut at once.

    Attributes:
        clip: Clip of each window `(windows,)`.
        targets: Of all clips of the store `(clips, classes)`.
        source: What gives the waveforms or the features of the windows.

    Args:
        store: Where the audio lies.
        clips: Which clips `(n,)`.
        spans: First sample of each clip's windows and the one after the last that they may see, `(windows, 2)`.
        labels: Targets and weights of all clips of the store.
        length: Samples of a window.
        each_channel: Whether every channel makes a window of its own.
    """

    def __init__(
        self,
        store: WaveformStore,
        clips: Indices,
        spans: Sequence[Indices],
        labels: Labels,
        length: int,
        each_channel: bool = False,
    ) -> None:
        channels = store.channels if each_channel else 1
        self.clip = np.repeat(clips, [len(span) * channels for span in spans])
        empty = np.zeros((0, 2), dtype=np.int64)
        start, stop = np.repeat(np.concatenate([empty, *spans]), channels, axis=0).T
        window = np.concatenate([empty[:, 0], *(np.arange(len(span) * channels) for span in spans)])
        seen = np.minimum(np.minimum(store.lengths[self.clip], stop) - start, length)
        columns = {"clip": self.clip, "window": window, "start": start, "length": seen}
        self.rows = {name: torch.from_numpy(np.ascontiguousarray(column)) for name, column in columns.items()}
        self.targets, self.weights, self.frames = labels.targets, labels.weights, labels.frames
        self.source: Source = StoreSource(store, length, each_channel)

    def __len__(self) -> int:
        return len(self.clip)

    def given_by(self, source: Source) -> Self:
        """The same windows from another source, with what else makes a batch on its device."""
        other = copy.copy(self)
        other.source = source
        other.rows = {name: column.to(source.device) for name, column in self.rows.items()}
        other.targets, other.weights = self.targets.to(source.device), self.weights.to(source.device)
        other.frames = None if self.frames is None else self.frames.to(source.device)
        return other

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """The batch of the windows `indices`."""
        places = self._place(indices)
        rows = {name: column[places] for name, column in self.rows.items()}
        clips = rows["clip"]
        frames = {} if self.frames is None else {"frames": self.frames[clips]}
        labels = {"target": self.targets[clips], "weight": self.weights[clips]}
        return self.source.get(places, rows) | frames | labels | rows

    def _place(self, indices: Sequence[int]) -> Tensor:
        places = torch.as_tensor(indices)
        if self.source.device.type == "cuda":  # from pinned memory, so that no step waits for the queue
            return places.pin_memory().to(self.source.device, non_blocking=True)
        return places
