"""What `data status` prints: what is there, beside the official counts; classes, durations and formats."""

import math
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import soundfile
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmark.data.inventory import Example, Inventory

REASONS_SHOWN = 10
TOLERANCE = 0.5  # seconds by which official recordings are off


class Format(NamedTuple):
    """What official files have in common: rate in Hz, channels, shortest and longest clip in seconds; None: nothing."""

    rate: int | None = None
    channels: int | None = None
    seconds: tuple[float, float] | None = None


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
    low, high = official.seconds or (0.0, math.inf)
    return (
        info.samplerate != (official.rate or info.samplerate)
        or info.channels != (official.channels or info.channels)
        or not low - TOLERANCE <= info.duration <= high + TOLERANCE
    )


def _described(official: Format) -> str:
    parts = [f"{official.rate} Hz"] if official.rate else []
    parts += [_channels(official.channels)] if official.channels else []
    if official.seconds:
        low, high = official.seconds
        parts.append(f"{low:g} s" if low == high else f"{low:g} to {high:g} s")
    return ", ".join(parts)
