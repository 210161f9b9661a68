"""Windows of clips with their labels, cut from a waveform store: what batches are made of.

A batch is a dict:

- `waveform` int16 `(batch, channels, time)`, zero-padded at the end,
- `gain` float32 `(batch,)`: `waveform * gain` is the signal in [-1, 1],
- `length` int64 `(batch,)`: samples that are not padding,
- `target` float32 `(batch, classes)`,
- `weight` float32 `(batch,)`: how much the clip counts in a loss that weighs examples,
- `clip`, `window`, `start` int64 `(batch,)`: which clip, which of its windows, and where that starts in samples,
- `frames` float32 `(batch, frames, classes)`, where the labels have targets of frames: those of the whole clip.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from benchmark.data.store import WaveformStore

Batch = dict[str, Tensor]
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
        self.store, self.targets, self.weights, self.length = store, labels.targets, labels.weights, length
        self.frames = labels.frames
        self.channels = store.channels if each_channel else 1
        self.each_channel = each_channel
        self.clip = np.repeat(clips, [len(span) * self.channels for span in spans])
        empty = np.zeros((0, 2), dtype=np.int64)
        self.start, self.stop = np.repeat(np.concatenate([empty, *spans]), self.channels, axis=0).T
        self.window = np.concatenate([empty[:, 0], *(np.arange(len(span) * self.channels) for span in spans)])

    def __len__(self) -> int:
        return len(self.clip)

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """The batch of the windows `indices`."""
        clip, start, window = self.clip[indices], self.start[indices], self.window[indices]
        waveform, gain, length = self.store.cut(clip, start, self.length)
        seen = torch.from_numpy(self.stop[indices] - start)
        for place in torch.nonzero(seen < length)[:, 0].tolist():
            waveform[place, :, seen[place] :] = 0
        if self.each_channel:
            chosen = torch.from_numpy(window % self.channels)
            waveform = waveform[torch.arange(len(chosen)), chosen].unsqueeze(1)
        clips = torch.from_numpy(clip)
        frames = {} if self.frames is None else {"frames": self.frames[clips]}
        return frames | {
            "waveform": waveform,
            "gain": gain,
            "length": torch.minimum(length, seen),
            "target": self.targets[clips],
            "weight": self.weights[clips],
            "clip": clips,
            "window": torch.from_numpy(window),
            "start": torch.from_numpy(start),
        }
