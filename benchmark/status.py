"""What `data status` prints: all tasks at a glance, or of one task the counts, classes, durations and formats."""

import math
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile
from rich import box
from rich.console import Console
from rich.filesize import decimal
from rich.progress import track
from rich.table import Table

from benchmark.data.files import Dataset, needed
from benchmark.data.inventory import Example, Inventory
from benchmark.data.receipts import Receipt, read_receipt, receipt_path
from benchmark.errors import InputError
from benchmark.paths import data_root
from benchmark.registry import Task, protocol_of

REASONS_SHOWN = 10
TOLERANCE = 0.5  # seconds by which official recordings are off


class Format(NamedTuple):
    """What official files have in common: rate in Hz, channels, shortest and longest clip in seconds; None: nothing."""

    rate: int | None = None
    channels: int | None = None
    seconds: tuple[float, float] | None = None

    def differences(self, rate: int, channels: int, seconds: float) -> list[str]:
        """In which ways a file is none of them, e.g. `8000 Hz instead of 44100 Hz`."""
        low, high = self.seconds or (0.0, math.inf)
        found = []
        if self.rate and rate != self.rate:
            found.append(f"{rate} Hz instead of {self.rate} Hz")
        if self.channels and channels != self.channels:
            found.append(f"{_channels(channels)} instead of {_channels(self.channels)}")
        if not low - TOLERANCE <= seconds <= high + TOLERANCE:
            found.append(f"{seconds:.2f} s instead of {_span(low, high)}")
        return found


def print_status(console: Console, inventory: Inventory, classes: Sequence[str], official: Format) -> None:
    """Describe what was found, beside the official numbers.

    Args:
        console: Where to print.
        inventory: What was found.
        classes: Class names, in the order of the targets.
        official: The official files' format.
    """
    table = Table("rows of the label files", "found", "official", "", box=box.SIMPLE_HEAD)
    for count in inventory.counts:
        differs = count.official is not None and count.found != count.official
        expected = "-" if count.official is None else f"{count.official:,}"
        table.add_row(count.name, f"{count.found:,}", expected, "differs" if differs else "")
    console.print(table)
    groups = list(dict.fromkeys(example.group for example in inventory.examples))
    table = Table("clips with class", *groups, box=box.SIMPLE_HEAD)
    for name, row in zip(classes, _class_counts(inventory.examples, groups, len(classes)), strict=True):
        table.add_row(name, *(f"{count:,}" for count in row))
    console.print(table)
    for line in _formats(console, inventory.examples, official):
        console.print(line, highlight=False)
    console.print(f"{len(inventory.missing):,} of {inventory.listed:,} listed clips are missing", highlight=False)
    if inventory.strangers:
        console.print(f"{len(inventory.strangers):,} audio files are on no list", highlight=False)
    for clip, reason in list(inventory.skipped.items())[:REASONS_SHOWN]:
        console.print(f"  {clip}: {reason}", highlight=False, markup=False)


def _class_counts(examples: Sequence[Example], groups: Sequence[str], n_classes: int) -> list[list[int]]:
    """Clips of each class (rows) in each group; a share of more than a half counts."""
    counts = np.zeros((n_classes, len(groups)), dtype=int)
    for example in examples:
        target = np.array(example.target)
        counts[:, groups.index(example.group)] += ~np.isnan(target) & (target > 0.5)
    return [[int(value) for value in row] for row in counts]


def _formats(console: Console, examples: Sequence[Example], official: Format) -> list[str]:
    """Durations, rates and channels, from the files' headers."""
    with ThreadPoolExecutor() as pool:
        headers = pool.map(_header, examples)
        found = list(track(headers, "reading headers", len(examples), console=console, transient=True))
    read = [info for info in found if info is not None]
    seconds = np.array([info.duration for info in read])
    kinds = Counter("cannot be read" if info is None else _kind(info) for info in found)
    lines = [f"{count:,} files: {kind}" for kind, count in kinds.most_common()]
    if differing := sum(_differs(info, official) for info in read):
        lines.append(f"{differing:,} files differ from the official {_described(official)}")
    if len(seconds):
        low, middle, high = np.percentile(seconds, [0, 50, 100])
        total = f"{seconds.sum() / 3600:.2f} hours in all"
        lines.append(f"durations: {low:.2f} s to {high:.2f} s, median {middle:.2f} s; {total}")
    return lines


def _header(example: Example) -> Any:
    try:
        return soundfile.info(str(example.path))
    except (RuntimeError, OSError):
        return None


def _kind(info: Any) -> str:
    return f"{info.samplerate} Hz, {_channels(info.channels)}, {info.format} {info.subtype}"


def _channels(number: int) -> str:
    return {1: "mono", 2: "stereo"}.get(number, f"{number} channels")


def _differs(info: Any, official: Format) -> bool:
    return bool(official.differences(info.samplerate, info.channels, info.duration))


def _described(official: Format) -> str:
    parts = [f"{official.rate} Hz"] if official.rate else []
    parts += [_channels(official.channels)] if official.channels else []
    parts += [_span(*official.seconds)] if official.seconds else []
    return ", ".join(parts)


def _span(low: float, high: float) -> str:
    return f"{low:g} s" if low == high else f"{low:g} to {high:g} s"


def print_overview(
    console: Console, tasks: Sequence[Task], root: Path, registries: Mapping[str, Sequence[Dataset]]
) -> None:
    """Say of each task what is there under its default protocol, and what to do next; reads no audio.

    Args:
        console: Where to print.
        tasks: The tasks.
        root: Data root.
        registries: Task name to its official files.
    """
    table = Table("task", "data", "clips", "listed", "bytes here", "published", "next", box=box.SIMPLE_HEAD)
    remarks = []
    for task in tasks:
        protocol = protocol_of(task, "")
        datasets = needed(registries.get(task.name, ()), protocol)
        module, receipts = task.load("datamodule"), _receipts(datasets, root)
        try:
            inventory: Inventory | None = module.take_stock(root, "skip", protocol)
        except (InputError, OSError) as error:
            inventory = None
            remarks.append(f"{task.name}: {_first_fault(error)}")
        published = [file for dataset in datasets for file in dataset.files]
        fetch = _fetch(task, root, bool(published), module.may_be_partial and len(receipts) == len(published))
        state, then = _state(task, root, inventory, module.may_be_partial, fetch)
        clips = ("-", "-") if inventory is None else (f"{len(inventory.examples):,}", f"{inventory.listed:,}")
        table.add_row(
            task.name, state, *clips, decimal(_bytes_here(inventory, receipts, root)), _published(datasets), then
        )
    console.print(f"data root: {root}", highlight=False, markup=False, soft_wrap=True)
    console.print(table)
    for remark in remarks:
        console.print(remark, highlight=False, markup=False, soft_wrap=True)


def _fetch(task: Task, root: Path, published: bool, whole: bool) -> str:
    """What brings data that is missing."""
    if not published:
        return f"make bench TASK={task.name} DATA=mini"
    if whole:
        return f"see tasks/{task.folder.name}/README.md"  # all that can be downloaded is there: the rest is the user's
    return f"make data TASK={task.name}" if _is_default(root) else data_command("download", task, root)


def _state(task: Task, root: Path, inventory: Inventory | None, may_be_partial: bool, fetch: str) -> tuple[str, str]:
    """What is there, in a word, and the command to give next."""
    bench = f"make bench TASK={task.name} DATA={'full' if _is_default(root) else shlex.quote(str(root))}"
    if inventory is None:
        return "missing", fetch
    match variant_of(inventory).partition(":")[0]:
        case "full":
            return "ready", bench
        case "partial":
            share = f"partial {100 * len(inventory.examples) // inventory.listed} %"
            return share, bench if may_be_partial and inventory.examples else fetch
    return "other", data_command("verify", task, root)


def _is_default(root: Path) -> bool:
    return root.resolve() == data_root().resolve()


def variant_of(inventory: Inventory) -> str:
    """What the data is called; `custom` where no fingerprint can be taken of it."""
    try:
        return inventory.variant
    except OSError:  # a clip that is a link to nowhere has no size for the fingerprint
        return "custom"


def data_command(action: str, task: Task, root: Path, protocol: str = "") -> str:
    """The command line of a `data` action, with the options that are not at their defaults."""
    words = ["python", "-m", "benchmark", "data", action, task.name]
    words += [] if _is_default(root) else ["--data", str(root)]
    words += ["--protocol", protocol] if protocol not in ("", protocol_of(task, "")) else []
    return shlex.join(words)


def error_parts(error: InputError | OSError) -> tuple[str, str, str]:
    """What is wrong, where, and what to do, each empty where the error does not say it."""
    if isinstance(error, InputError):
        return error.what, error.where, error.remedy
    return f"{error.strerror or error}", str(error.filename or ""), ""


def first_missing(what: str) -> str:
    """The first of the files and folders that `require_folders` misses; empty where the error is another."""
    return what.partition(": missing ")[2].split(", ")[0]


def _first_fault(error: InputError | OSError) -> str:
    what, where, _ = error_parts(error)
    if first := first_missing(what):
        return f"missing {first}"
    return f"{what} ({where})" if where else what


def _receipts(datasets: Iterable[Dataset], root: Path) -> list[Receipt]:
    found = []
    for dataset in datasets:
        for file in dataset.files:
            try:
                found.append(read_receipt(receipt_path(root, dataset.name, file.name)))
            except (InputError, OSError):  # `data verify` says what is wrong with it
                continue
    return [receipt for receipt in found if receipt]


def _bytes_here(inventory: Inventory | None, receipts: Sequence[Receipt], root: Path) -> int:
    """Of all that was downloaded and is there, or else of the audio."""
    paths = [root / member.path for receipt in receipts for member in receipt.members]
    if not paths and inventory:
        paths = [example.path for example in inventory.examples]
    return sum(file_size(path) or 0 for path in paths)


def file_size(path: Path) -> int | None:
    """Size in bytes, None where there is no file."""
    try:
        return path.stat().st_size
    except OSError:
        return None


def _published(datasets: Sequence[Dataset]) -> str:
    """Size of the published files: `~` where some are rounded, `>` where some are unknown."""
    files = [file for dataset in datasets for file in dataset.files]
    sizes = [file.size for file in files if file.size is not None]
    if not sizes:
        return "?" if files else "-"
    mark = ">" if len(sizes) < len(files) else "~" if any(file.bytes is None for file in files) else ""
    return f"{mark} {decimal(sum(sizes))}".strip()
