"""Tables as data: what a page shows in a cell, and what it is sorted and filtered by."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from leaderboard.results import Score

NOTHING = "\N{EN DASH}"


@dataclass(frozen=True)
class Interval:
    """Where a value and its interval lie between the ends of a column's scale, as shares of it."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Cell:
    """A cell.

    Attributes:
        text: What it shows.
        order: What it is sorted by, a number or a text; empty: what it shows. Cells without a value have infinity.
        link: Page it leads to, from the site's root.
        note: A second, smaller line.
        hint: A remark for those who want to know more.
        chips: Short words beside the text.
        interval: Drawn beside the text.
    """

    text: str
    order: float | str = ""
    link: str = ""
    note: str = ""
    hint: str = ""
    chips: tuple[str, ...] = ()
    interval: Interval | None = None


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        title: Its heading.
        hint: What it means.
        number: Whether its cells are numbers, which line up on the right.
        falls: Whether the largest come first when it is sorted for the first time.
        filter: Whether readers can choose one of its values.
    """

    title: str
    hint: str = ""
    number: bool = False
    falls: bool = False
    filter: bool = False


@dataclass(frozen=True)
class Table:
    """A table; the first column names the rows, unless another does.

    Attributes:
        caption: What it is, for people and screen readers.
        columns: Its columns.
        rows: Cells, as many in each row as there are columns.
        header: Place of the column that names the rows.
        tools: Whether it is sorted and searched.
    """

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    header: int = 0
    tools: bool = True


def number_cell(value: float | None, text: str, hint: str = "") -> Cell:
    """A cell that is sorted by a number; without one it comes last."""
    if value is None or math.isnan(value):
        return Cell(NOTHING, order=math.inf, hint=hint)
    return Cell(text, order=value, hint=hint)


def score_cell(score: Score | None, digits: int = 3) -> Cell:
    """A mean over seeds with its deviation."""
    if score is None:
        return Cell(NOTHING, order=math.inf)
    if score.mean is None:
        return Cell("undefined", order=math.inf)
    return Cell(score_text(score.mean, score.std, digits), order=score.mean)


def score_text(mean: float, std: float | None = None, digits: int = 3) -> str:
    """A score, and its deviation where it has one."""
    return f"{mean:.{digits}f}" + ("" if std is None else f" ± {std:.{digits}f}")


def short_number(value: float) -> str:
    """A count for people: 4.69 M."""
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:g}"


def duration(seconds: float) -> str:
    """A time span for people."""
    if seconds < 100:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    if seconds < 2 * 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
