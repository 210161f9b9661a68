"""What `data status` prints: what is there, beside the official counts; classes, durations and formats."""

import math
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import soundfile
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmark.data.inventory import Example, Inventory

REASONS_SHOWN = 10


def print_status(console: Console, inventory: Inventory, classes: Sequence[str]) -> None:
    """Describe what was found.

    Args:
        console: Where to print.
        inventory: What was found.
        classes: Class names, in the order of the targets.
    """
    table = Table("rows of the label files", "found", "official", "", box=box.SIMPLE_HEAD)
    for count in inventory.counts:
        differs = count.official is not None and count.found != count.official
        official = "-" if count.official is None else f"{count.official:,}"
        table.add_row(count.name, f"{count.found:,}", official, "differs" if differs else "")
    console.print(table)
    groups = list(dict.fromkeys(example.group for example in inventory.examples))
    table = Table("clips with class", *groups, box=box.SIMPLE_HEAD)
    for name, row in zip(classes, _class_counts(inventory.examples, groups, len(classes)), strict=True):
        table.add_row(name, *(f"{count:,}" for count in row))
    console.print(table)
    for line in _formats(console, inventory.examples):
        console.print(line, highlight=False)
    console.print(f"{len(inventory.missing):,} of {inventory.listed:,} listed clips are missing", highlight=False)
    if inventory.strangers:
        console.print(f"{len(inventory.strangers):,} audio files are on no list", highlight=False)
    for clip, reason in list(inventory.skipped.items())[:REASONS_SHOWN]:
        console.print(f"  {clip}: {reason}", highlight=False)


def _class_counts(examples: Sequence[Example], groups: Sequence[str], n_classes: int) -> list[list[int]]:
    """Clips of each class (rows) in each group; a share of at least a half counts."""
    counts = np.zeros((n_classes, len(groups)), dtype=int)
    for example in examples:
        target = np.array(example.target)
        counts[:, groups.index(example.group)] += ~np.isnan(target) & (target >= 0.5)
    return [[int(value) for value in row] for row in counts]


def _formats(console: Console, examples: Sequence[Example]) -> list[str]:
    """Durations, rates and channels, from the files' headers."""
    with ThreadPoolExecutor() as pool:
        headers = pool.map(_header, examples)
        found = list(track(headers, "reading headers", len(examples), console=console, transient=True))
    seconds = np.array([duration for duration, _ in found if not math.isnan(duration)])
    kinds = Counter(kind for _, kind in found)
    lines = [f"{count:,} files: {kind}" for kind, count in kinds.most_common()]
    if len(seconds):
        low, middle, high = np.percentile(seconds, [0, 50, 100])
        total = f"{seconds.sum() / 3600:.2f} hours in all"
        lines.append(f"durations: {low:.2f} s to {high:.2f} s, median {middle:.2f} s; {total}")
    return lines


def _header(example: Example) -> tuple[float, str]:
    try:
        info = soundfile.info(str(example.path))
    except (RuntimeError, OSError):
        return math.nan, "cannot be read"
    channels = {1: "mono", 2: "stereo"}.get(info.channels, f"{info.channels} channels")
    return info.duration, f"{info.samplerate} Hz, {channels}, {info.format} {info.subtype}"
