"""How everything is timed: rivals take turns within each repeat, and the median of the repeats counts."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch

Rates = dict[str, list[float]]  # variant: units per second in each repeat
Variants = Mapping[str, Callable[[], float]]  # variant: does it once, gives the seconds it took


@dataclass(frozen=True)
class Options:
    """What the command line says to a part.

    Attributes:
        device: `cpu` or `cuda`.
        quick: Whether to take the smallest sizes, which try everything and measure nothing.
        everything: Whether to take what is left out because it takes long.
        words: Changes of the recipe that is trained, as `python -m benchmark run` takes them.
    """

    device: str
    quick: bool = False
    everything: bool = False
    words: Sequence[str] = ()

    @property
    def torch_device(self) -> torch.device:
        """The device."""
        return torch.device(self.device)

    @property
    def repeats(self) -> int:
        """How often each variant is measured."""
        return 1 if self.quick else 5


class Table(NamedTuple):
    """A table of the report; every cell is text."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def markdown(self) -> str:
        """As it is printed; the first column is aligned to the left."""
        lines = [f"**{self.title}**", "", _line(self.header), _line(["---", *["---:"] * (len(self.header) - 1)])]
        lines += [_line(row) for row in self.rows]
        return "\n".join([*lines, *(["", self.note] if self.note else [])])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def wait(device: torch.device | None) -> None:
    """Wait until the device has done all that it was given."""
    if device is not None and device.type == "cuda":
        torch.cuda.synchronize(device)


def timed(call: Callable[[], object], device: torch.device | None = None) -> Callable[[], float]:
    """The call as a variant, on a device from an empty queue to an empty queue."""

    def seconds() -> float:
        wait(device)
        begin = time.perf_counter()
        call()
        wait(device)
        return time.perf_counter() - begin

    return seconds


def measure(variants: Variants, units: float, repeats: int, prepare: Callable[[], object] = lambda: None) -> Rates:
    """Units per second of each variant in each repeat, after one call of each that is not counted.

    Args:
        variants: What takes turns; another one begins in each repeat.
        units: How many each call handles.
        repeats: How many are counted.
        prepare: Called before each, not timed.
    """
    rates: Rates = {name: [] for name in variants}
    names = list(variants)
    for repeat in range(repeats + 1):
        turn = repeat % len(names)
        for name in names[turn:] + names[:turn]:
            prepare()
            seconds = variants[name]()
            if repeat:
                rates[name].append(units / seconds)
    return rates


def median(values: Sequence[float]) -> float:
    """The median."""
    return statistics.median(values)


def number(value: float) -> str:
    """A figure for people: three digits or all before the point."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.3g}"


def spread(values: Sequence[float]) -> str:
    """Least to most."""
    return f"{number(min(values))} to {number(max(values))}"


def ratio(rates: Sequence[float], rivals: Sequence[float]) -> str:
    """Median and range of the ratios within each repeat."""
    each = ratios(rates, rivals)
    return f"{median(each):,.2f} ({min(each):,.2f} to {max(each):,.2f})"


def ratios(rates: Sequence[float], rivals: Sequence[float]) -> list[float]:
    """The ratio within each repeat."""
    return [mine / its for mine, its in zip(rates, rivals, strict=True)]


def rates_table(title: str, rates: Rates, rivals: Sequence[str], unit: str = "clips/s", note: str = "") -> Table:
    """Medians, ranges, and each one's ratio to the rivals."""
    there = [rival for rival in rivals if rival in rates]
    rows = [
        [name, number(median(values)), spread(values)]
        + ["1" if rival == name else ratio(values, rates[rival]) for rival in there]
        for name, values in rates.items()
    ]
    return Table(title, ["", unit, "least to most", *(f"to {rival}" for rival in there)], rows, note)
