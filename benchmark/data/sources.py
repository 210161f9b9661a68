"""Where a batch takes what the network hears: the store on disk, the store on the device, or features made before.

What a source adds to a batch:

- `waveform` int16 `(batch, channels, time)`, zero-padded at the end, and
- `gain` float32 `(batch,)`: `waveform * gain` is the signal in [-1, 1]; or
- `features` float32 `(batch, channels, frames, bins)`, and
- `frames_heard` int64 `(batch,)`: frames that are not padding.
"""

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor

from benchmark.data.store import WaveformStore

Batch = dict[str, Tensor]
PIECE = 2**27  # samples copied at once


def signal_of(batch: Mapping[str, Tensor]) -> Tensor:
    """The float signal in [-1, 1] of a batch's waveforms, `(batch, channels, time)`."""
    return batch["waveform"].to(torch.float32, copy=True).mul_(batch["gain"][:, None, None])


class Source(Protocol):
    """Gives the waveforms or the features of windows.

    Attributes:
        device: Where it gives them.
    """

    device: torch.device

    def get(self, places: Tensor, rows: Mapping[str, Tensor]) -> Batch:
        """What windows sound like.

        Args:
            places: Their places among all windows, int64 `(batch,)`, on the source's device.
            rows: Their `clip`, `window`, `start` and `length`, each `(batch,)`.
        """


class StoreSource:
    """Waveforms, cut from the memory-mapped file.

    Args:
        store: Where the audio lies.
        length: Samples of a window.
        each_channel: Whether every channel makes a window of its own.
    """

    device = torch.device("cpu")

    def __init__(self, store: WaveformStore, length: int, each_channel: bool) -> None:
        self.store, self.length, self.each_channel = store, length, each_channel

    def get(self, places: Tensor, rows: Mapping[str, Tensor]) -> Batch:
        """Waveforms and gains."""
        waveform, gain, filled = self.store.cut(rows["clip"].numpy(), rows["start"].numpy(), self.length)
        for place in torch.nonzero(rows["length"] < filled)[:, 0].tolist():
            waveform[place, :, rows["length"][place] :] = 0
        if self.each_channel:
            chosen = rows["window"] % self.store.channels
            waveform = waveform[torch.arange(len(chosen)), chosen].unsqueeze(1)
        return {"waveform": waveform, "gain": gain}


class ResidentSource:
    """The same from the device's memory, which holds the whole store; nothing waits for the host.

    Args:
        store: Where the audio lies.
        length: Samples of a window.
        each_channel: Whether every channel makes a window of its own.
        device: Where to hold it.
    """

    def __init__(self, store: WaveformStore, length: int, each_channel: bool, device: torch.device) -> None:
        self.length, self.each_channel, self.device = length, each_channel, device
        samples = torch.zeros(len(store.data) + length, dtype=torch.int16, device=device)
        for first in range(0, len(store.data), PIECE):
            piece = torch.from_numpy(store.data[first : first + PIECE].copy())
            samples[first : first + len(piece)] = piece.to(device)
        self._from = samples.as_strided((len(store.data) + 1, length), (1, 1))  # row i: the samples from i on
        self._offsets, self._lengths, self._gains = (
            torch.from_numpy(values).to(device) for values in (store.offsets, store.lengths, store.gains)
        )
        self._channels, self._time = (torch.arange(n, device=device) for n in (store.channels, length))

    def get(self, places: Tensor, rows: Mapping[str, Tensor]) -> Batch:
        """Waveforms and gains."""
        clip, count = rows["clip"], len(self._channels)
        channel = (rows["window"] % count)[:, None] if self.each_channel else self._channels.expand(len(clip), count)
        first = (self._offsets[clip] + rows["start"])[:, None] + channel * self._lengths[clip][:, None]
        waveform = self._from.index_select(0, first.flatten()).view(*first.shape, self.length)
        waveform.masked_fill_(self._time >= rows["length"][:, None, None], 0)
        return {"waveform": waveform, "gain": self._gains[clip]}


class FeatureSource:
    """Features that were made of all windows before.

    Args:
        features: float32 `(windows, channels, frames, bins)`.
        lengths: Frames that are not padding, int64 `(windows,)`.
    """

    def __init__(self, features: Tensor, lengths: Tensor) -> None:
        self.device, self._features, self._lengths = features.device, features, lengths

    def get(self, places: Tensor, rows: Mapping[str, Tensor]) -> Batch:
        """Features and the frames that they fill."""
        return {"features": self._features[places], "frames_heard": self._lengths[places]}
