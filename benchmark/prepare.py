"""Builds a task's waveform store ahead of its runs, after saying how much space that takes."""

import os
import shutil
import time
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import soundfile as sf
from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from benchmark.data.inventory import Inventory, OnError
from benchmark.data.parallel import in_order
from benchmark.data.store import WaveformStore, build_store, outstanding
from benchmark.data.store_index import Clip, store_folder
from benchmark.errors import BenchmarkError, InputError
from benchmark.paths import cache_root
from benchmark.recipe import load_recipe
from benchmark.registry import Task

_ROW_BYTES = 400  # of a clip in the index and the journal, more than was seen
_MOST_SAMPLES = 2**16  # of a byte in any format: a header that claims more is damaged
_SHOWN = 5


def stores_of(task: Task, systems: Sequence[str]) -> list[tuple[int, bool]]:
    """Sample rates in Hz, and whether channels are averaged, of the stores that some systems' trainings need.

    Raises:
        InputError: There is no such system, or its recipe is wrong.
    """
    settings = [
        training.config.as_dict()["data"] for system in systems for training in load_recipe(task, system).trainings()
    ]
    return list(dict.fromkeys((data["sample_rate"], data["mono"]) for data in settings))


def prepare(
    task: Task,
    root: Path,
    protocol: str,
    subsets: Sequence[str],
    rate: int,
    mono: bool,
    on_error: OnError,
    jobs: int | None,
    console: Console,
) -> WaveformStore:
    """Build the store that the runs on this data use; what it holds already is not decoded again.

    Args:
        task: The task.
        root: Data root.
        protocol: Name of the split whose clips are decoded.
        subsets: Further parts of the data to decode.
        rate: Sample rate of the store in Hz.
        mono: Whether to average the channels.
        on_error: What a broken or missing file does: `stop`, or `skip` it.
        jobs: Threads; None: one for each core that this process may use.
        console: Where to say what is needed and what was done.

    Raises:
        InputError: The rate is not positive, data is missing, or (with `stop`) a file is broken.
        BenchmarkError: There is not enough space, or the store cannot be written.
    """
    if rate < 1:
        raise InputError(f"a store has a positive sample rate, not {rate} Hz", "--rate")
    data = task.load("datamodule")
    inventory: Inventory = data.take_stock(root, on_error, protocol, subsets)
    clips = [Clip(example.clip_id, example.path) for example in inventory.examples]
    folder = store_folder(cache_root(), task.name, root, rate, mono)
    work = outstanding(folder, clips, rate, mono, on_error)
    needed = samples_bytes(work.clips, rate, mono, jobs) + _ROW_BYTES * len(work.clips)
    free = shutil.disk_usage(_existing(folder)).free + work.freed
    if work.clips:
        several = f"{len(work.clips)} of {len(clips)} clips" if len(work.clips) < len(clips) else f"{len(clips)} clips"
        line = f"{several} to decode, which take {decimal(needed)}; {decimal(free)} are free"
        _say(console, f"{task.name} at {rate} Hz: {line}")
    if needed > free:
        what = f"not enough room for the waveform store: {decimal(needed)} are needed, {decimal(free)} are free"
        raise BenchmarkError(what, folder, "free some, or set DCASE_BENCH_CACHE to a folder on a larger disk")
    began = time.monotonic()
    store = build_store(folder, clips, rate, mono, on_error, jobs, channels=data.channels, one_rate=data.one_rate)
    decoded = sum(clip.clip_id not in store.skipped for clip in work.clips)
    _report(console, store, inventory.skipped | store.skipped, decoded, time.monotonic() - began)
    return store


def samples_bytes(clips: Sequence[Clip], rate: int, mono: bool, jobs: int | None = None) -> int:
    """Bytes that the samples of some clips take in a store, by the headers of their files.

    Args:
        clips: The clips; one whose header cannot be read counts nothing.
        rate: Sample rate of the store in Hz.
        mono: Whether its clips have one channel, whatever the files have.
        jobs: Threads; None: one for each core that this process may use.
    """
    columns, console = (TextColumn("reading headers"), BarColumn(), MofNCompleteColumn()), Console(stderr=True)
    with (
        closing(in_order(partial(_samples_bytes, rate=rate, mono=mono), clips, jobs)) as sizes,
        Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar,
    ):
        return sum(bar.track(sizes, total=len(clips)))


def _samples_bytes(clip: Clip, rate: int, mono: bool) -> int:
    try:
        most = _MOST_SAMPLES * clip.path.stat().st_size if clip.path.is_file() else 0
        header = sf.info(os.fsencode(clip.path)) if most else None
    except (OSError, sf.LibsndfileError):
        return 0
    if header is None or header.frames > most:
        return 0
    length = round(int(header.frames) * rate / int(header.samplerate))
    return 2 * length * (1 if mono else int(header.channels))


def _report(console: Console, store: WaveformStore, skipped: dict[str, str], decoded: int, seconds: float) -> None:
    for name, reason in list(skipped.items())[:_SHOWN]:
        _say(console, f"  skipped {name}: {reason}")
    if len(skipped) > _SHOWN:
        _say(console, f"  … and {len(skipped) - _SHOWN} more")
    done = f"{decoded} decoded in {seconds:.1f} s, {decoded / seconds:.0f} clips/s" if decoded else "all of them there"
    hours, size = store.seconds.sum() / 3600, decimal(store.data.nbytes)
    _say(
        console,
        f"{len(store.clip_ids)} clips, {hours:.2f} hours, {size} ({done}), {len(skipped)} skipped: {store.folder}",
    )


def _say(console: Console, line: str) -> None:
    console.print(line, highlight=False, markup=False, soft_wrap=True)


def _existing(folder: Path) -> Path:
    folder = folder.absolute()
    return next(path for path in (folder, *folder.parents) if path.exists())
