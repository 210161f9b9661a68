"""From windows to what networks say of a recording: batches of any recordings' windows, put together again.

Words: an ear is a group of networks that hear the same windows; a part is what is answered of a recording at once, all
of it or the windows since the part before.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from benchmark.data.audio import Waveform
from benchmark.data.settings import DataSettings
from benchmark.data.streaming import Window, convert_blocks, cut_between_pauses, cut_blocks
from benchmark.fusion.base import Fusion
from benchmark.heads.pooling import valid_frames
from benchmark.metrics.frames import join_windows
from benchmark.training.kinds import DetectionModule
from benchmark.training.module import TaskModule

PAUSES_SECONDS = 600.0  # pauses are looked for in so much at once, which is kept in memory for it


class Heard(NamedTuple):
    """What a network, or several together, say of a part of a recording.

    Attributes:
        clip: Probability of each class for the part, the mean over windows `(classes,)`.
        curve: Probabilities of each window `(windows, classes)`.
        times: Start and end in seconds of each window `(windows, 2)`.
        frames: Probabilities of each frame `(frames, classes)`; none where there are no frames.
        first_frame: Frame of the recording with which `frames` begins.
    """

    clip: NDArray[Any]
    curve: NDArray[Any]
    times: NDArray[Any]
    frames: NDArray[Any]
    first_frame: int


class Chunk(NamedTuple):
    """What a network says of some rows of a batch: windows of one recording, each of its channels by itself.

    Attributes:
        spans: First sample and the one after the last `(rows, 2)`.
        clips: Probabilities with each of the network's weights `(weights, rows, classes)`.
        frames: Probabilities of frames `(weights, rows, frames, classes)`; no frames where there are none.
        first: Frame at which each window begins `(rows,)`.
        valid: Frames that see real audio `(rows,)`.
    """

    spans: NDArray[Any]
    clips: NDArray[Any]
    frames: NDArray[Any]
    first: NDArray[Any]
    valid: NDArray[Any]


class Listening:
    """A recording while it is listened to.

    Attributes:
        path: Its file.
        seconds: How much of it was read.
        channels: Rows that each window makes.
        begin: Where the part begins that is answered next, in seconds.
        heard: Where the last window of each ear ends, in seconds.
        reached: How far all ears have come, in seconds.
        waiting: Rows that no network has heard yet.
        ended: Whether all of it was read.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.seconds, self.channels = path, 0.0, 1
        self.begin, self.reached, self.heard = 0.0, 0.0, dict[Ear, float]()
        self.waiting, self.ended = 0, False
        self._chunks: dict[TaskModule, list[Chunk]] = {}
        self._frames_given: dict[TaskModule, int] = {}

    def counted(self, blocks: Iterable[Waveform], rate: int) -> Iterator[Waveform]:
        """The blocks `(channels, time)`, while `seconds` grows."""
        samples = 0
        for block in blocks:
            samples += block.shape[1]
            self.seconds = samples / rate
            yield block

    def add(self, network: TaskModule, chunk: Chunk) -> None:
        """Keep what a network has said.

        Chunks are joined to ever larger ones: thousands of small ones that stay would riddle the memory that batches
        take and give back, and it would grow with every batch.
        """
        chunks = self._chunks.setdefault(network, [])
        chunks.append(chunk)
        while len(chunks) > 1 and len(chunks[-2].spans) <= len(chunks[-1].spans):
            chunks[-2:] = [_joined(chunks[-2:])]

    def has_part(self, networks: Iterable[TaskModule]) -> bool:
        """Whether each of these networks has heard something of the next part."""
        return all(self._chunks.get(network) for network in networks)

    def take(self, network: TaskModule) -> Heard:
        """What a network says of this part, which is then forgotten."""
        joined = _joined(self._chunks.pop(network))
        spans, first, valid = (each[:: self.channels] for each in (joined.spans, joined.first, joined.valid))
        given = self._frames_given.get(network, 0)
        found = []
        for clips, frames in zip(joined.clips, joined.frames, strict=True):
            windows, over_time = self._of_channels(clips), self._of_channels(frames)
            if over_time.shape[1]:
                begin = min(given, int(first[0]))
                over_time = join_windows(first - begin, valid, over_time)[given - begin :]
                self._frames_given[network] = given + len(over_time)
            else:
                over_time = np.zeros((0, 0))
            times = spans / network.recipe.data.sample_rate
            found.append(Heard(network.predictions.of_windows(windows), windows, times, over_time, given))
        return mean(found)

    def _of_channels(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Rows `(windows * channels, …)` to the mean over channels `(windows, …)`."""
        by_window: NDArray[Any] = rows.reshape(len(rows) // self.channels, self.channels, *rows.shape[1:]).mean(axis=1)
        return by_window


def _joined(chunks: Sequence[Chunk]) -> Chunk:
    """One chunk of several, row after row."""
    return Chunk(*(np.concatenate(parts, axis=int(parts[0].ndim > 2)) for parts in zip(*chunks, strict=True)))


class Row(NamedTuple):
    """One channel of a window that waits to be heard: whose it is, where it starts, its samples `(time,)`."""

    owner: Listening
    start: int
    samples: NDArray[np.float32]


class Ear:
    """Networks that hear the same windows, and the windows that wait for them.

    Args:
        settings: How recordings are cut for them.
        hop_seconds: Distance of two windows; None: that of the settings.
    """

    def __init__(self, settings: DataSettings, hop_seconds: float | None) -> None:
        self.settings, self.cut = settings, settings.cut(hop_seconds)
        self.networks: list[TaskModule] = []
        self.rows: list[Row] = []

    def windows(self, blocks: Iterable[Waveform], rate: int, part_seconds: float) -> Iterator[list[Window]]:
        """The windows of a recording, a list for each of its blocks and more at the end.

        Args:
            blocks: float32 `(channels, time)`.
            rate: Hz.
            part_seconds: Length of a part.
        """
        wanted = self.settings.sample_rate
        converted = convert_blocks(blocks, rate, wanted, self.settings.mono)
        if self.settings.split_at_silence:
            return cut_between_pauses(converted, self.cut, wanted, min(part_seconds, PAUSES_SECONDS))
        return cut_blocks(converted, self.cut)

    def add(self, owner: Listening, windows: Sequence[Window]) -> None:
        """Let windows wait, and hear whole batches."""
        for start, waveform in windows:
            owner.channels = len(waveform)
            owner.heard[self] = (start + waveform.shape[1]) / self.settings.sample_rate
            self.rows += [Row(owner, start, channel) for channel in waveform]
            owner.waiting += len(waveform)
        self.hear(self.settings.eval_batch_size)

    def hear(self, least: int = 1) -> None:
        """Let the networks hear what waits, in batches of at least so many rows."""
        size = self.settings.eval_batch_size
        while len(self.rows) >= least:
            rows, self.rows = self.rows[:size], self.rows[size:]
            self._hear_batch(rows)

    def forget(self, owner: Listening) -> None:
        """Drop what waits of a recording."""
        self.rows = [row for row in self.rows if row.owner is not owner]

    def _hear_batch(self, rows: Sequence[Row]) -> None:
        batch = np.zeros((len(rows), 1, self.cut.length), dtype=np.float32)
        for place, row in enumerate(rows):
            batch[place, 0, : len(row.samples)] = row.samples
        spans = np.array([(row.start, row.start + len(row.samples)) for row in rows])
        for network in self.networks:
            said, place = _said(network, batch, spans), 0
            for owner, own in groupby(rows, key=lambda row: row.owner):
                some = slice(place, place + len(list(own)))
                place = some.stop
                owner.add(
                    network,
                    Chunk(
                        said.spans[some], said.clips[:, some], said.frames[:, some], said.first[some], said.valid[some]
                    ),
                )
        for row in rows:
            row.owner.waiting -= 1


def _said(network: TaskModule, batch: NDArray[np.float32], spans: NDArray[np.int64]) -> Chunk:
    """Probabilities of a batch `(rows, 1, time)`."""
    lengths, waveform = torch.from_numpy(spans[:, 1] - spans[:, 0]), torch.from_numpy(batch)
    clips, frames = [], []
    first = valid = np.zeros(len(batch), dtype=np.int64)
    with torch.inference_mode():
        for weights in network.each():
            outputs = weights.predict(waveform, lengths)
            clips.append(weights.probabilities(outputs.clips).numpy())
            if isinstance(weights, DetectionModule) and outputs.frames is not None:
                frames.append(weights.probabilities(outputs.frames).numpy())
                first = weights.first_frames(torch.from_numpy(spans[:, 0])).numpy()
                valid = valid_frames(lengths / batch.shape[2], outputs.frames.shape[1]).numpy()
            else:
                frames.append(np.zeros((len(batch), 0, 0), dtype=np.float32))
    return Chunk(spans, np.stack(clips), np.stack(frames), first, valid)


def mean(found: Sequence[Heard]) -> Heard:
    """The mean of several, at the times of the first."""
    return fuse(found, found, None)


def fuse(found: Sequence[Heard], framed: Sequence[Heard], fusion: Fusion | None) -> Heard:
    """One of several, at the times of the first, with the frames of others or the same."""
    join = fusion or (lambda probability: probability.mean(axis=0))
    first = found[0]
    clip = join(np.stack([heard.clip[None] for heard in found]))[0]
    curve = join(np.stack([heard.curve[_nearest(heard.times, first.times)] for heard in found]))
    frames = framed[0].frames
    if len(frames):
        frames = join(np.stack([heard.frames[: min(len(h.frames) for h in framed)] for heard in framed]))
    return Heard(clip, curve, first.times, frames, framed[0].first_frame)


def _nearest(times: NDArray[Any], wanted: NDArray[Any]) -> NDArray[np.int64]:
    """Of windows `(n, 2)` the one whose middle is nearest to that of each of others `(m, 2)`, the first of equals."""
    middles, targets = times.mean(axis=1), wanted.mean(axis=1)
    order = np.argsort(middles, kind="stable")
    there = middles[order]
    after = np.searchsorted(there, targets).clip(max=len(there) - 1)
    before = (after - 1).clip(min=0)
    chosen: NDArray[np.int64] = order[np.where(targets - there[before] <= there[after] - targets, before, after)]
    return chosen
