"""The waveform store: a data set decoded once, cut into batches from one memory-mapped file.

A store is a folder. `audio.i16` holds int16 samples, clip after clip, each planar (all of channel 0, then channel 1 …).
`index.json` says where each clip lies; it is replaced at once when a build ends. While a build goes on, `journal.jsonl`
lists the clips whose samples are wholly written, so that a killed build continues there and ends with the same bytes.
`lock` keeps two builds apart. Samples are only ever appended, and none that a finished
index named is written over or cut off, even when its clip is gone: a store that is open elsewhere stays right.

Opening trusts the disk: it compares sizes only. `WaveformStore.verify` reads every sample.
"""

import errno
import hashlib
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from benchmark.data.audio import convert, read_audio, to_int16
from benchmark.data.inventory import OnError
from benchmark.data.parallel import in_order
from benchmark.data.store_index import (
    DATA,
    LOCK,
    Clip,
    Plan,
    Row,
    Samples,
    Writer,
    checksum,
    clear,
    data_samples,
    end_of,
    make_plan,
    read_index,
    source_of,
)
from benchmark.errors import InputError
from benchmark.locks import locked
from benchmark.records import unwritable

_PIECE = 2**20  # bytes read at once by a check


class WaveformStore:
    """The clips of a store, in the order in which they were asked for; memory does not grow with their number.

    Attributes:
        folder: Where the store lies.
        sample_rate: Rate in Hz of every clip.
        channels: Channels of every clip.
        clip_ids: Name of each clip; `cut` counts clips by their place in this list.
        skipped: Name of each clip that could not be read, and why.
        data: int16, shape (all samples,), memory-mapped read-only.
        offsets: int64, shape (clips,): where each clip starts in `data`.
        lengths: int64, shape (clips,): samples per channel.
        gains: float32, shape (clips,): `sample * gain` is the signal in [-1, 1].

    Args:
        folder: A folder that `build_store` has built.

    Raises:
        InputError: There is no finished store, or its samples are shorter than its index says.
    """

    def __init__(self, folder: Path) -> None:
        index = read_index(folder)
        rows = [row for row in index.rows if not row.reason] if index else []
        if index is None or not rows or end_of(rows) > data_samples(folder):
            raise InputError("no complete waveform store here", folder, "run the same command again to build it")
        self.folder = folder
        self.sample_rate: int = index.settings["sample_rate"]
        self.channels = rows[0].channels
        self.clip_ids = [row.clip_id for row in rows]
        self.skipped = {row.clip_id: row.reason for row in index.rows if row.reason}
        self.offsets = np.array([row.offset for row in rows], np.int64)
        self.lengths = np.array([row.length for row in rows], np.int64)
        self.gains = np.array([row.gain for row in rows], np.float32)
        self._checksums = [row.crc for row in rows]
        self.data = np.memmap(folder / DATA, np.int16, "r", shape=(end_of(rows),))
        self._samples = self.data.view(np.ndarray)  # slices of a plain view cost a third of a memmap's

    def __reduce__(self) -> tuple[type["WaveformStore"], tuple[Path]]:
        return WaveformStore, (self.folder,)  # a pickled memory map would carry every sample

    @property
    def seconds(self) -> npt.NDArray[np.float64]:
        """Duration of each clip in seconds, shape (clips,)."""
        return self.lengths / self.sample_rate

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that stand for its clips and all of their samples."""
        return hashlib.sha256(repr((self.clip_ids, self._checksums)).encode()).hexdigest()[:16]

    def cut(
        self, clips: npt.NDArray[np.integer[Any]], starts: npt.NDArray[np.integer[Any]], length: int
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Cut one window from each of some clips.

        Args:
            clips: Places in `clip_ids`, shape (batch,).
            starts: First sample of each window, shape (batch,).
            length: Samples per window.

        Returns:
            Samples, int16 of shape (batch, channels, length), zero where the clip has ended; the gain that makes them
            the signal, float32 of shape (batch,); and the samples that are no padding, int64 of shape (batch,).

        Raises:
            IndexError: A window starts outside of its clip.
        """
        offsets, lengths = self.offsets[clips], self.lengths[clips]
        if np.any(starts < 0) or np.any(starts >= lengths):
            raise IndexError("a window starts outside of its clip")
        valid = np.minimum(lengths - starts, length)
        windows = np.empty((len(clips), self.channels, length), np.int16)
        places = zip(offsets.tolist(), lengths.tolist(), starts.tolist(), valid.tolist(), strict=True)
        for window, (offset, total, start, count) in zip(windows, places, strict=True):
            clip = self._samples[offset : offset + self.channels * total].reshape(self.channels, total)
            window[:, :count] = clip[:, start : start + count]
            window[:, count:] = 0
        return torch.from_numpy(windows), torch.from_numpy(self.gains[clips]), torch.from_numpy(valid)

    def verify(self, jobs: int | None = None, progress: bool = True) -> list[str]:
        """Compare every sample with the checksums that were taken when it was decoded, a piece in memory at a time.

        Args:
            jobs: Threads; by default one for each core that this process may use.
            progress: Show a bar on standard error, or one line at the end where that is no terminal.

        Returns:
            Names of the clips whose samples, or what the index says of them, are not what was written. Delete the
            store's folder then: the next run builds it again.
        """
        descriptor = os.open(self.folder / DATA, os.O_RDONLY)
        check = partial(self._is_whole, descriptor)
        try:
            with (
                progress_bar("checking waveform store", len(self.clip_ids), progress) as advance,
                closing(in_order(check, range(len(self.clip_ids)), jobs)) as checked,
            ):
                differ: list[str] = []
                for clip_id, is_whole in zip(self.clip_ids, checked, strict=True):
                    differ += () if is_whole else (clip_id,)
                    advance()
        finally:
            os.close(descriptor)
        return differ

    def _is_whole(self, descriptor: int, place: int) -> bool:
        begin, length = 2 * int(self.offsets[place]), int(self.lengths[place])
        ends = begin + 2 * self.channels * length
        try:  # not from the memory map, where a bad sector or a file that was cut meanwhile ends the process
            pieces = (os.pread(descriptor, min(_PIECE, ends - at), at) for at in range(begin, ends, _PIECE))
            found = checksum(self.clip_ids[place], length, self.channels, float(self.gains[place]), pieces)
        except OSError:
            return False
        return found == self._checksums[place]


def build_store(
    folder: Path,
    clips: Sequence[Clip],
    sample_rate: int,
    mono: bool = True,
    on_error: OnError = "stop",
    jobs: int | None = None,
    progress: bool = True,
    channels: int | None = None,
    one_rate: bool = False,
) -> WaveformStore:
    """Open the store of `clips`, after decoding those that it lacks.

    A clip is decoded again when the size or modification time of its file changed or when its samples are gone from
    the store. Clips that are no longer asked for leave the opened store, but their samples stay for the next call that
    asks for them. Other settings, or more dead samples than live ones, start the store afresh.

    Args:
        folder: Where the store lies; see `store_index.store_folder`.
        clips: What it shall hold, in this order.
        sample_rate: In Hz.
        mono: Mix all channels into one by their mean.
        on_error: What an unreadable clip does: `stop` the build, or `skip` the clip, with the reason in `skipped`; it
            is tried again when its file changes.
        jobs: Threads; by default one for each core that this process may use.
        progress: Show a bar on standard error, or one line at the end where that is no terminal.
        channels: Channels that every file must have.
        one_rate: Whether all files must have one sample rate.

    Raises:
        InputError: A clip cannot be read or has another number of channels than asked for (on_error="stop"), none can
            be read, two have the same name, or two differ in their channels or (`one_rate`) their sample rate.
        BenchmarkError: The folder takes no more data (full disk, no permission).
    """
    _check_names(clips)
    asked = (folder, clips, sample_rate, mono, on_error)
    try:
        if not make_plan(*asked).done:
            folder.mkdir(parents=True, exist_ok=True)
            with locked(folder / LOCK, f"builds {folder}"):
                plan = make_plan(*asked)
                clear(folder, everything=plan.afresh)
                if plan.afresh:
                    plan = make_plan(*asked)
                if not plan.done:
                    decode = partial(_decode, sample_rate=sample_rate, mono=mono, on_error=on_error, channels=channels)
                    _build(folder, clips, plan, decode, jobs, progress, one_rate)
    except OSError as error:
        raise unwritable(folder, error) from error
    return WaveformStore(folder)


class Outstanding(NamedTuple):
    """What `build_store` has to do.

    Attributes:
        clips: What it decodes.
        freed: Bytes that it deletes before.
    """

    clips: list[Clip]
    freed: int


def outstanding(
    folder: Path, clips: Sequence[Clip], sample_rate: int, mono: bool, on_error: OnError = "stop"
) -> Outstanding:
    """What `build_store` with the same arguments would do; changes nothing."""
    plan = make_plan(folder, clips, sample_rate, mono, on_error)
    if plan.afresh:
        return Outstanding(list(clips), 2 * data_samples(folder))
    return Outstanding(plan.pending, 0)


_Decode = Callable[[Clip], tuple[Row, Samples]]


def _check_names(clips: Sequence[Clip]) -> None:
    if not clips:
        raise InputError("a waveform store needs at least one clip", remedy="check the data folder")
    name, times = Counter(clip.clip_id for clip in clips).most_common(1)[0]
    if times > 1:
        raise InputError(f"{times} clips have the same name", name, "give every clip a name of its own")


def _decode(clip: Clip, sample_rate: int, mono: bool, on_error: OnError, channels: int | None) -> tuple[Row, Samples]:
    source = source_of(clip.path)  # before reading: a file that changes meanwhile is decoded again next time
    try:
        waveform, rate = read_audio(clip.path)
        if channels is not None and len(waveform) != channels:
            remedy = "replace the file by the official one, or leave it out with --data.on_error skip"
            raise InputError(f"{len(waveform)} channels instead of {channels}", clip.path, remedy)
        samples, gain = to_int16(convert(clip.path, waveform, rate, sample_rate, mono))
    except InputError as error:
        if on_error == "stop" or _is_gone(clip.path.parent):
            raise
        return Row(clip.clip_id, 0, 0, 0, 0, 1.0, *source, 0, str(error).splitlines()[0]), np.empty((0, 0), np.int16)
    channels, length = samples.shape
    crc = checksum(clip.clip_id, length, channels, float(gain), [samples.data])
    return Row(clip.clip_id, 0, length, channels, rate, float(gain), *source, crc, ""), samples


def _is_gone(folder: Path) -> bool:
    """Whether a folder is not there any more, as when its disk is not; a name that no file system takes never was."""
    try:
        return not folder.is_dir()
    except OSError as error:
        return error.errno != errno.ENAMETOOLONG


def _build(
    folder: Path, clips: Sequence[Clip], plan: Plan, decode: _Decode, jobs: int | None, progress: bool, one_rate: bool
) -> None:
    rows = dict(plan.fresh)
    first = next((row for row in rows.values() if not row.reason), None)
    with (
        closing(Writer(folder, plan)) as writer,
        progress_bar(f"waveform store {plan.settings['sample_rate']} Hz", len(plan.pending), progress) as advance,
        closing(in_order(decode, plan.pending, jobs)) as decoded,
    ):
        for row, samples in decoded:
            first = first or (None if row.reason else row)
            _check_alike(first, row, one_rate)
            rows[row.clip_id] = writer.append(row, samples)
            advance()
        wanted = [rows[clip.clip_id] for clip in clips]
        for row in wanted:
            _check_alike(first, row, one_rate)
        if first is None:
            raise InputError(f"none of {len(clips)} clips can be read: {wanted[0].reason}", clips[0].path)
        writer.finish(wanted)


def _check_alike(first: Row | None, row: Row, one_rate: bool) -> None:
    if not first or row.reason:
        return
    if one_rate and row.rate != first.rate:
        raise InputError(
            f"mixed sample rates: {first.clip_id} has {first.rate} Hz, {row.clip_id} has {row.rate} Hz",
            remedy="the official files have one rate: replace those that differ",
        )
    if row.channels != first.channels:
        raise InputError(
            f"{first.clip_id} has {first.channels} channels, {row.clip_id} has {row.channels}",
            remedy="mix to mono (data.mono: true), or leave one of them out",
        )


@contextmanager
def progress_bar(title: str, total: int, show: bool) -> Iterator[Callable[[], None]]:
    """A bar on standard error, or one line at the end where that is no terminal; what it gives moves it on by 1."""
    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
    begin = time.monotonic()
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), disable=not show or not total) as bars:
        bar = bars.add_task(title, total=total, rate="")

        def advance() -> None:
            bars.advance(bar)
            bars.update(bar, rate=f"{bars.tasks[0].completed / (time.monotonic() - begin):.0f} clips/s")

        yield advance
