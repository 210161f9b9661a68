"""From the blocks of a recording to windows, in memory that does not depend on how long it is.

Every step is a generator that gives one item for each block it gets, and one more when the recording has ended: so
several can be drawn side by side from the same blocks.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import soxr

from benchmark.data.audio import QUALITY, Waveform
from benchmark.data.windows import Cut, window_starts
from benchmark.frontends.silence import split_at_silence


class Window(NamedTuple):
    """A piece of a recording.

    Attributes:
        start: Its first sample.
        waveform: Samples `(channels, time)`, fewer than a window's where the recording ends.
    """

    start: int
    waveform: Waveform


def convert_blocks(blocks: Iterable[Waveform], rate: int, sample_rate: int, mono: bool) -> Iterator[Waveform]:
    """What `benchmark.data.audio.convert` makes of a whole recording, block by block.

    Args:
        blocks: float32 `(channels, time)`.
        rate: Their rate in Hz.
        sample_rate: The wanted rate in Hz.
        mono: Whether to mix the channels.

    Yields:
        float32 `(channels, time)`, any number of samples; the last block is what the filter held back.
    """
    stream, rest = None, np.zeros((1, 0), dtype=np.float32)
    for block in blocks:
        mixed = block.mean(axis=0, keepdims=True) if mono else block
        rest = mixed[:, :0]
        if rate == sample_rate:
            yield mixed
            continue
        stream = stream or soxr.ResampleStream(rate, sample_rate, len(mixed), dtype="float32", quality=QUALITY)
        yield stream.resample_chunk(np.ascontiguousarray(mixed.T)).T
    yield rest if stream is None else stream.resample_chunk(np.ascontiguousarray(rest.T), last=True).T


def cut_blocks(blocks: Iterable[Waveform], cut: Cut) -> Iterator[list[Window]]:
    """The windows of `Cut.spans` for one segment, as soon as their last sample has come.

    Args:
        blocks: float32 `(channels, time)`.
        cut: How to cut.

    Yields:
        The windows that a block has completed; at the end, those that end with the recording, if any.
    """
    kept, begin, following = np.zeros((1, 0), dtype=np.float32), 0, 0
    for block in blocks:
        kept = np.concatenate([kept, block], axis=1) if kept.size else block
        end = begin + kept.shape[1]
        starts = range(following, end - cut.length + 1, cut.hop)
        yield [Window(start, kept[:, start - begin :][:, : cut.length]) for start in starts]
        following += len(starts) * cut.hop
        cast_off = max(0, min(following - cut.hop, end - cut.length) - begin)  # the last of all may reach so far back
        kept, begin = kept[:, cast_off:].copy(), begin + cast_off
    end, latest = begin + kept.shape[1], max(0, following - cut.hop)
    starts_left = latest + window_starts(end - latest, *cut)
    yield [
        Window(start, kept[:, start - begin :][:, : cut.length])
        for start in starts_left.tolist()
        if end and (start > latest or not following)
    ]


def cut_between_pauses(
    blocks: Iterable[Waveform], cut: Cut, sample_rate: int, stretch_seconds: float
) -> Iterator[list[Window]]:
    """Windows inside the segments between the pauses of a recording, which is looked through a stretch at a time.

    Where pauses are depends on the whole stretch, whose samples are kept until then.

    Args:
        blocks: float32 `(1, time)`.
        cut: How to cut segments.
        sample_rate: Hz.
        stretch_seconds: Length of a stretch; what is shorter is looked through as a whole.

    Yields:
        The windows of the stretches that a block has completed; at the end, those of the last one.
    """
    stretch, begin = max(1, round(stretch_seconds * sample_rate)), 0
    kept: list[Waveform] = []

    def windows(samples: Waveform) -> list[Window]:
        spans = cut.spans(split_at_silence(samples[0], sample_rate)).tolist()
        return [Window(begin + start, samples[:, start:stop]) for start, stop in spans]

    for block in blocks:
        found = []
        kept.append(block)
        while sum(part.shape[1] for part in kept) >= stretch:
            samples = np.concatenate(kept, axis=1)
            found += windows(samples[:, :stretch])
            kept, begin = [samples[:, stretch:]], begin + stretch
        yield found
    samples = np.concatenate([np.zeros((1, 0), dtype=np.float32), *kept], axis=1)
    yield windows(samples) if samples.size else []
