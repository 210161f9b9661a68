"""How the cost of each part grows with clips, classes and runs: seconds and memory at three sizes, and beyond.

    python -m perf.scaling [--parts build,open] [--out FILE.json] [--work DIR] [--quick] [--list]

Each measurement has a process of its own, forked from this one, whose peak memory is therefore its own. Seconds are
those of the processor, not of the clock: the median of up to five runs. The growth exponent is the power of the size,
beside a fixed cost, through the three measurements; by it they are carried on to the part's target. Linux only.
"""

import argparse
import ctypes
import gc
import json
import math
import multiprocessing
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from benchmark.records import commit

REPEATS, ENOUGH_SECONDS = 5, 2.0
NOTHING = "-"
SMALL = 1.0  # MB of growth below which a process's memory says nothing

Prepare = Callable[[Path, int], Callable[[], object]]
"""Makes what a part needs in a folder, for a size, and gives what is timed."""


@dataclass(frozen=True)
class Part:
    """Something that is measured.

    Attributes:
        name: On the command line.
        title: In the table.
        unit: What the size counts.
        sizes: Sizes to measure, in rising order.
        quick: Tiny ones, which show only that it runs.
        target: Size to extrapolate to; 0: none.
        prepare: What makes it.
        once: Whether it cannot be repeated, or takes too long to be.
        mapped: Whether it reads a memory-mapped file, whose pages count as no memory of its own.
    """

    name: str
    title: str
    unit: str
    sizes: tuple[int, ...]
    quick: tuple[int, ...]
    target: int
    prepare: Prepare
    once: bool = False
    mapped: bool = False


class Measured(NamedTuple):
    """What one size of a part takes.

    Attributes:
        size: The size.
        cpu: Seconds of the processor, all threads.
        wall: Seconds of the clock.
        memory: MB by which the process grew at most beyond what it had before, the first time.
    """

    size: int
    cpu: float
    wall: float
    memory: float


def memory_now(word: str) -> float:
    """A line of `/proc/self/status` in MB.

    Args:
        word: `VmRSS` now, `RssAnon` of that without files, `VmHWM` the most since `forget_peak`.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{word}:"))


def forget_peak() -> None:
    """Give free memory back, and count the peak from here on."""
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")


def measure(part: Part, size: int, work: Path) -> Measured:
    """One size of a part, in this process."""
    call = part.prepare(work, size)
    forget_peak()
    now, most = ("RssAnon", "RssAnon") if part.mapped else ("VmRSS", "VmHWM")
    before = memory_now(now)
    memory, taken = 0.0, list[tuple[float, float]]()
    while not taken or not (part.once or len(taken) == REPEATS or sum(wall for _, wall in taken) > ENOUGH_SECONDS):
        began, used = time.perf_counter(), time.process_time()
        kept = call()
        taken.append((time.process_time() - used, time.perf_counter() - began))
        memory = memory or memory_now(most) - before
        del kept
    cpu, wall = (statistics.median(values) for values in zip(*taken, strict=True))
    return Measured(size, cpu, wall, max(memory, 0.0))


def _child(part: Part, size: int, work: Path, answer: Connection) -> None:
    try:
        answer.send(measure(part, size, work))
    except BaseException as error:
        answer.send(f"{type(error).__name__}: {error}")
        raise


def apart(part: Part, size: int, work: Path) -> Measured:
    """One size of a part, in a process of its own.

    Raises:
        RuntimeError: The process failed, or died, as for want of memory.
    """
    context = multiprocessing.get_context("fork")  # which need not import everything again
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(part, size, work, theirs))
    process.start()
    theirs.close()
    try:
        found = ours.recv()
    except EOFError:
        found = "it died"
    process.join()
    if not isinstance(found, Measured):
        raise RuntimeError(f"{part.name}, {size} {part.unit}: {found} (exit code {process.exitcode})")
    return found


def exponent(found: Sequence[tuple[int, float]]) -> float | None:
    """The power p of the size n in `fixed + n ** p * factor` through three measurements.

    Args:
        found: Sizes and values, in rising order.

    Returns:
        From 0.01 to 4; None where there are not three, or the value does not rise to the last.
    """
    if len(found) != 3 or found[2][1] <= found[1][1]:
        return None
    (small, low), (middle, mid), (large, high) = found
    if mid <= low:  # the fixed part is all that the smallest shows
        return math.log(high / mid) / math.log(large / middle)
    wanted, least, most = (high - mid) / (mid - low), 0.01, 4.0
    for _ in range(50):
        power = (least + most) / 2
        ratio = ((large / middle) ** power - 1) / (1 - (small / middle) ** power)
        least, most = (power, most) if ratio < wanted else (least, power)
    return power


def carried(found: Sequence[tuple[int, float]], power: float, target: int) -> float:
    """The value at the target's size, if the growth between the two larger measurements goes on by this power."""
    (middle, mid), (large, high) = found[-2:]
    beyond = ((target / large) ** power - 1) / (1 - (middle / large) ** power)
    return high + (high - mid) * float(beyond)


def seconds_text(seconds: float) -> str:
    """A time for people, with two digits."""
    for unit, name in ((86400.0, "days"), (3600.0, "h"), (60.0, "min")):
        if seconds >= 2 * unit:
            return f"{_two_digits(seconds / unit)} {name}"
    if seconds >= 1:
        return f"{_two_digits(seconds)} s"
    return f"{_two_digits(1e3 * seconds)} ms" if seconds >= 1e-3 else f"{_two_digits(1e6 * seconds)} µs"


def _two_digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def memory_text(megabytes: float) -> str:
    """A size for people."""
    if megabytes < SMALL:
        return NOTHING
    return f"{megabytes:.0f} MB" if megabytes < 1000 else f"{megabytes / 1024:.1f} GB"


def row(part: Part, found: Sequence[Measured]) -> dict[str, str]:
    """A line of the table."""
    cells = {"part": f"{part.title} (`{part.name}`)"}
    sizes = " / ".join(f"{one.size:,}" for one in found)
    cells["sizes"] = f"{sizes} {part.unit}"
    cells["CPU time"] = " / ".join(seconds_text(one.cpu) for one in found)
    cells["memory"] = " / ".join(memory_text(one.memory) for one in found)
    powers, beyond = [], []
    for values, text in (([one.cpu for one in found], seconds_text), ([one.memory for one in found], memory_text)):
        pairs = [(one.size, value) for one, value in zip(found, values, strict=True)]
        shown = [text(value) != NOTHING for value in values]
        power = exponent(pairs) if all(shown[-2:]) else None
        powers.append(NOTHING if power is None else f"{power:.2f}")
        if power is None:
            beyond.append(text(values[-1]) if all(shown) else NOTHING)
        else:
            beyond.append(text(carried(pairs, power, part.target)))
    cells["growth"] = ", ".join(powers)
    cells["extrapolated"] = f"{part.target:,} {part.unit}: {', '.join(beyond)}" if part.target else NOTHING
    return cells


def table(rows: Sequence[dict[str, str]]) -> str:
    """Rows as markdown."""
    head = list(rows[0])
    return "\n".join(
        ["| " + " | ".join(head) + " |", "| --- | --- |" + " ---: |" * (len(head) - 2)]
        + ["| " + " | ".join(cells.values()) + " |" for cells in rows]
    )


def machine() -> dict[str, str]:
    """What the numbers were measured on."""
    info = Path("/proc/cpuinfo").read_text().splitlines()
    return {
        "cpu": next((line.split(":")[1].strip() for line in info if line.startswith("model name")), platform.machine()),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GB",
        "python": platform.python_version(),
        **{name: version(name) for name in ("numpy", "torch", "torchmetrics", "soundfile", "soxr")},
        "commit": commit() or "unknown",
    }


def tell(host: dict[str, str], known: dict[str, Part], report: dict[str, list[Measured]], out: Path | None) -> None:
    """Print the table, and write every measurement to a file, if there is one to be."""
    print(", ".join(f"{key} {value}" for key, value in host.items()))
    print(f"\n{table([row(known[name], found) for name, found in report.items()])}", flush=True)
    if out:
        parts = {
            name: {
                "title": known[name].title,
                "unit": known[name].unit,
                "target": known[name].target,
                "measured": [one._asdict() for one in found],
            }
            for name, found in report.items()
        }
        out.write_text(json.dumps({"machine": host, "parts": parts}, indent=1) + "\n")


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    from perf.scaling_parts import PARTS  # which imports torch: forked processes then have it

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default="", help="names with commas (default: all; --list names them)")
    parser.add_argument("--list", action="store_true", help="name the parts")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: does it run here? measures nothing")
    parser.add_argument("--out", type=Path, help="write every measurement to this JSON file")
    parser.add_argument("--work", type=Path, help="folder on the disk to measure on (default: a temporary one)")
    options = parser.parse_args(argv)
    known = {part.name: part for part in PARTS}
    if options.list:
        print("\n".join(f"{part.name:16} {part.title}, {part.unit}" for part in PARTS))
        return
    names = [name for name in options.parts.split(",") if name] or list(known)
    if strangers := [name for name in names if name not in known]:
        parser.error(f"no part is called {', '.join(strangers)}; there are {', '.join(known)}")
    host, report = machine(), dict[str, list[Measured]]()
    with tempfile.TemporaryDirectory(dir=options.work, prefix="scaling-") as work:
        for name in ("DATA", "RUNS", "CACHE"):
            os.environ[f"DCASE_BENCH_{name}"] = str(Path(work, name.lower()))
        for name in names:
            part, report[name] = known[name], []
            for size in part.quick if options.quick else part.sizes:
                found = apart(part, size, Path(work))
                report[name].append(found)
                said = f"{seconds_text(found.cpu)} CPU, {seconds_text(found.wall)} wall, {memory_text(found.memory)}"
                print(f"{name:16} {size:>9,} {part.unit}: {said}", file=sys.stderr, flush=True)
        tell(host, known, report, options.out)  # before the work is deleted, which takes a while


if __name__ == "__main__":
    main()
