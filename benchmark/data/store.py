"""The waveform store: a data set decoded once, cut into batches from one memory-mapped file.

A store is a folder. `audio.i16` holds int16 samples, clip after clip, each planar (all of channel 0, then channel 1 …).
`index.json` says where each clip lies; it is replaced at once when a build ends. While a build goes on, `journal.jsonl`
lists the clips whose samples are wholly written, so that a killed build continues there and ends with the same bytes.
`lock` keeps two builds apart. Samples are only ever appended, so a store that is open elsewhere stays right.
"""

import hashlib
import json
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
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
from benchmark.errors import InputError
from benchmark.locks import locked
from benchmark.records import unwritable, write_text

FORMAT = 2
DATA, INDEX, JOURNAL, LOCK = "audio.i16", "index.json", "journal.jsonl", "lock"
_Samples = npt.NDArray[np.int16]


@dataclass(frozen=True)
class Clip:
    """One file of a data set: its name, unique there, and where its audio lies."""

    clip_id: str
    path: Path


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
        index = _read_index(folder)
        rows = [row for row in index.rows if not row.reason] if index else []
        if index is None or not rows or _end(rows) > _data_samples(folder):
            raise InputError("no complete waveform store here", folder, "run the same command again to build it")
        self.folder = folder
        self.sample_rate: int = index.settings["sample_rate"]
        self.channels = rows[0].channels
        self.clip_ids = [row.clip_id for row in rows]
        self.skipped = {row.clip_id: row.reason for row in index.rows if row.reason}
        self.offsets = np.array([row.offset for row in rows], np.int64)
        self.lengths = np.array([row.length for row in rows], np.int64)
        self.gains = np.array([row.gain for row in rows], np.float32)
        self.data = np.memmap(folder / DATA, np.int16, "r", shape=(_end(rows),))
        self._samples = self.data.view(np.ndarray)  # slices of a plain view cost a third of a memmap's

    def __reduce__(self) -> tuple[type["WaveformStore"], tuple[Path]]:
        return WaveformStore, (self.folder,)  # a pickled memory map would carry every sample

    @property
    def seconds(self) -> npt.NDArray[np.float64]:
        """Duration of each clip in seconds, shape (clips,)."""
        return self.lengths / self.sample_rate

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


def store_folder(cache: Path, task: str, root: Path, sample_rate: int, mono: bool) -> Path:
    """Folder of the store that holds the data set below `root` at `sample_rate` Hz."""
    digest = hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:8]
    return cache / "stores" / f"{task}-{sample_rate}-{'mono' if mono else 'multi'}-{digest}"


def _cores() -> int:
    """Cores this process may use, where the system can tell."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
        folder: Where the store lies; see `store_folder`.
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
    settings = {"format": FORMAT, "sample_rate": sample_rate, "mono": mono}
    try:
        if not _plan(folder, clips, settings, on_error).done:
            folder.mkdir(parents=True, exist_ok=True)
            with locked(folder / LOCK, f"builds {folder}"):
                plan = _plan(folder, clips, settings, on_error)
                if plan.afresh:
                    for name in (INDEX, JOURNAL, DATA):  # in this order: an index never outlives its samples
                        (folder / name).unlink(missing_ok=True)
                    plan = _plan(folder, clips, settings, on_error)
                if not plan.done:
                    threads = jobs or _cores()
                    decode = partial(_decode, sample_rate=sample_rate, mono=mono, on_error=on_error, channels=channels)
                    _build(folder, clips, plan, decode, threads, progress, one_rate)
    except OSError as error:
        raise unwritable(folder, error) from error
    return WaveformStore(folder)


class _Row(NamedTuple):
    """One clip in the index: where its samples lie (counted in samples), or the reason why there are none."""

    clip_id: str
    offset: int
    length: int
    channels: int
    rate: int  # of the file
    gain: float
    size: int
    mtime_ns: int
    reason: str

    @property
    def end(self) -> int:
        return self.offset + self.length * self.channels


_Decode = Callable[[Clip], tuple[_Row, _Samples]]


class _Index(NamedTuple):
    settings: dict[str, Any]
    rows: list[_Row]  # what was asked for
    spare: list[_Row]  # what an earlier call asked for


class _Plan(NamedTuple):
    settings: dict[str, Any]
    known: dict[str, _Row]  # every clip with all of its samples in the file, though maybe of an older source
    fresh: dict[str, _Row]  # those asked for and of the present source
    pending: list[Clip]
    torn: bool  # the index names samples that are not there
    afresh: bool  # nothing in the file is of use, or more of it is dead than alive
    done: bool


def _check_names(clips: Sequence[Clip]) -> None:
    if not clips:
        raise InputError("a waveform store needs at least one clip", remedy="check the data folder")
    name, times = Counter(clip.clip_id for clip in clips).most_common(1)[0]
    if times > 1:
        raise InputError(f"{times} clips have the same name", name, "give every clip a name of its own")


def _source(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
        return status.st_size, status.st_mtime_ns
    except OSError:
        return -1, -1


def _data_samples(folder: Path) -> int:
    return max(0, _source(folder / DATA)[0]) // 2


def _end(rows: Iterable[_Row]) -> int:
    return max((row.end for row in rows), default=0)


def _read_index(folder: Path) -> _Index | None:
    try:
        content = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        if content["settings"]["format"] != FORMAT:
            return None
        return _Index(content["settings"], *([_Row(*row) for row in content[key]] for key in ("rows", "spare")))
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        return None


def _read_journal(folder: Path, settings: dict[str, Any]) -> list[_Row]:
    try:
        first, *lines = (folder / JOURNAL).read_text(encoding="utf-8").splitlines()
        if json.loads(first) != settings:
            return []
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return []
    rows = []
    for line in lines:
        try:
            rows.append(_Row(*json.loads(line)))
        except (ValueError, TypeError):  # the line at which the build was killed
            break
    return rows


def _plan(folder: Path, clips: Sequence[Clip], settings: dict[str, Any], on_error: OnError) -> _Plan:
    """What the folder holds of what is asked for; changes nothing."""
    available, index = _data_samples(folder), _read_index(folder)
    indexed = index.rows + index.spare if index and index.settings == settings else []
    listed = [row.clip_id for row in index.rows] if index and indexed else []
    known = {row.clip_id: row for row in indexed + _read_journal(folder, settings) if row.end <= available}
    fresh: dict[str, _Row] = {}
    for clip in clips:
        row = known.get(clip.clip_id)
        if row and (row.size, row.mtime_ns) == _source(clip.path) and (on_error == "skip" or not row.reason):
            fresh[clip.clip_id] = row
    pending = [clip for clip in clips if clip.clip_id not in fresh]
    alive = known.keys() - {clip.clip_id for clip in pending}
    live = sum(known[clip_id].end - known[clip_id].offset for clip_id in alive)
    done = not pending and listed == [clip.clip_id for clip in clips] and not (folder / JOURNAL).exists()
    afresh = not done and (not known or 2 * live < _end(known.values()))
    torn = any(row.end > available for row in indexed)
    return _Plan(settings, known, fresh, pending, torn, afresh, done)


def _decode(clip: Clip, sample_rate: int, mono: bool, on_error: OnError, channels: int | None) -> tuple[_Row, _Samples]:
    source = _source(clip.path)  # before reading: a file that changes meanwhile is decoded again next time
    try:
        waveform, rate = read_audio(clip.path)
        if channels is not None and len(waveform) != channels:
            remedy = "replace the file by the official one, or leave it out with --data.on_error skip"
            raise InputError(f"{len(waveform)} channels instead of {channels}", clip.path, remedy)
        samples, gain = to_int16(convert(clip.path, waveform, rate, sample_rate, mono))
    except InputError as error:
        if on_error == "stop":
            raise
        return _Row(clip.clip_id, 0, 0, 0, 0, 1.0, *source, str(error).splitlines()[0]), np.empty((0, 0), np.int16)
    return _Row(clip.clip_id, 0, samples.shape[1], samples.shape[0], rate, float(gain), *source, ""), samples


def _decoded(clips: Sequence[Clip], decode: _Decode, jobs: int) -> Generator[tuple[_Row, _Samples], None, None]:
    """The clips in their order; threads (decoder and resampler release the GIL) run at most `2 * jobs` clips ahead."""
    ahead: deque[Future[tuple[_Row, _Samples]]] = deque()
    with ThreadPoolExecutor(jobs) as pool:
        try:
            for clip in clips:
                ahead.append(pool.submit(decode, clip))
                if len(ahead) > 2 * jobs:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()


def _build(
    folder: Path, clips: Sequence[Clip], plan: _Plan, decode: _Decode, jobs: int, progress: bool, one_rate: bool
) -> None:
    rows = dict(plan.fresh)
    first = next((row for row in rows.values() if not row.reason), None)
    with (
        closing(_Writer(folder, plan)) as writer,
        _bar(f"waveform store {plan.settings['sample_rate']} Hz", len(plan.pending), progress) as advance,
        closing(_decoded(plan.pending, decode, jobs)) as decoded,
    ):
        for row, samples in decoded:
            first = first or (None if row.reason else row)
            _check_alike(first, row, one_rate)
            rows[row.clip_id] = writer.append(row, samples)
            advance()
        os.fsync(writer.data)  # the index must not outlive its samples in a power cut
    wanted = [rows[clip.clip_id] for clip in clips]
    for row in wanted:
        _check_alike(first, row, one_rate)
    if first is None:
        raise InputError(f"none of {len(clips)} clips can be read: {wanted[0].reason}", clips[0].path)
    spare = sorted(row for clip_id, row in plan.known.items() if clip_id not in rows)
    write_text(folder / INDEX, json.dumps({"settings": plan.settings, "rows": wanted, "spare": spare}) + "\n")
    (folder / JOURNAL).unlink()


def _check_alike(first: _Row | None, row: _Row, one_rate: bool) -> None:
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


class _Writer:
    """Appends samples, then their row to the journal, which starts with all that is known."""

    def __init__(self, folder: Path, plan: _Plan) -> None:
        lines = [json.dumps(line) for line in (plan.settings, *plan.known.values())]
        write_text(folder / JOURNAL, "\n".join(lines) + "\n")
        if plan.torn:  # once the file has grown again, such an index would point at other clips' samples
            (folder / INDEX).unlink()
        self._end = _end(plan.known.values())
        self.data = os.open(folder / DATA, os.O_WRONLY | os.O_CREAT, 0o644)
        self._journal = os.open(folder / JOURNAL, os.O_WRONLY | os.O_APPEND)
        os.ftruncate(self.data, 2 * self._end)
        os.lseek(self.data, 0, os.SEEK_END)

    def append(self, row: _Row, samples: _Samples) -> _Row:
        if samples.size:
            row = row._replace(offset=self._end)
            self._end = row.end
            _write(self.data, samples.tobytes())
        _write(self._journal, f"{json.dumps(row)}\n".encode())
        return row

    def close(self) -> None:
        os.close(self.data)
        os.close(self._journal)


def _write(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


@contextmanager
def _bar(title: str, total: int, show: bool) -> Iterator[Callable[[], None]]:
    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
    begin = time.monotonic()
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), disable=not show or not total) as bars:
        bar = bars.add_task(title, total=total, rate="")

        def advance() -> None:
            bars.advance(bar)
            bars.update(bar, rate=f"{bars.tasks[0].completed / (time.monotonic() - begin):.0f} clips/s")

        yield advance
