"""Small csv and tsv files with errors that name the line: what all official formats have in common.

A byte order mark, Windows line ends, blank lines and a missing last newline are accepted everywhere.
"""

import csv
import io
import math
from collections.abc import Collection, Container, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmark.errors import InputError
from benchmark.records import write_text

NAMES_SHOWN = 5


class Row(NamedTuple):
    """A line of a file: its number, and its cells without surrounding blanks."""

    line: int
    cells: list[str]


def read_rows(path: Path, delimiter: str = ",", ragged: bool = False) -> list[Row]:
    """The rows of a file that are not blank, at least one.

    Args:
        path: The file, in UTF-8.
        delimiter: What stands between cells.
        ragged: Accept rows of different width.

    Raises:
        InputError: The file cannot be read or is empty, a quotation mark is not closed, or (not `ragged`) a row is not
            as wide as the first.
    """
    rows: list[Row] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=delimiter)
            end = 0
            for cells in reader:
                row, end = Row(end + 1, [cell.strip() for cell in cells]), reader.line_num
                if not any(row.cells):
                    continue
                if row.line != end:  # else the rows between would be one cell, and nobody would miss them
                    remedy = "close it, or take it out"
                    raise InputError("a quotation mark is not closed on its line", f"{path}:{row.line}", remedy)
                if rows and not ragged and len(row.cells) != len(rows[0].cells):
                    found = f"{len(row.cells)} cells where the first row has {len(rows[0].cells)}"
                    raise InputError(found, f"{path}:{row.line}")
                rows.append(row)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(f"cannot read the file: {reason}", path) from error
    if not rows:
        raise InputError("the file is empty", path)
    return rows


def columns(path: Path, header: Row, required: Sequence[str]) -> dict[str, int]:
    """The place of each column that the header names.

    Raises:
        InputError: A required column is missing.
    """
    missing = [name for name in required if name not in header.cells]
    if missing:
        raise InputError(
            f"no column {few(missing)}; found: {few(header.cells)}",
            f"{path}:{header.line}",
            f"the first line must name {few(required)}",
        )
    return {name: place for place, name in enumerate(header.cells)}


def number(text: str) -> float | None:
    """The number that `text` is, if it is one."""
    try:
        return float(text)
    except ValueError:
        return None


def probability(text: str, where: object) -> float:
    """The probability that `text` is.

    Raises:
        InputError: It is not a finite number in [0, 1].
    """
    value = number(text)
    if value is None or not math.isfinite(value) or not 0 <= value <= 1:
        raise InputError(f"prediction '{text}' is not a number in [0, 1]", where)
    return value


def new_name(name: str, known: Container[str], where: object, kind: str = "item") -> str:
    """`name`, if it is one and is not known yet.

    Raises:
        InputError: It is empty, or occurs twice.
    """
    if not name:
        raise InputError(f"no {kind}", where)
    if name in known:
        raise InputError(f"{kind} '{name}' occurs twice", where)
    return name


def few(names: Sequence[str]) -> str:
    """The first of some names, for a message."""
    return ", ".join(names[:NAMES_SHOWN]) + (" ..." if len(names) > NAMES_SHOWN else "")


def require_same(reference: Collection[str], predicted: Collection[str], where: object, kind: str = "items") -> None:
    """Check that predictions are for exactly what the reference lists.

    Raises:
        InputError: Something is only in one of the two; says what.
    """
    referenced, foreseen = set(reference), set(predicted)
    differences = [
        f"{len(names)} of {total} {kind} of the {owner} are not in the {other}: {few(names)}"
        for names, total, owner, other in (
            ([name for name in reference if name not in foreseen], len(reference), "reference", "predictions"),
            ([name for name in predicted if name not in referenced], len(predicted), "predictions", "reference"),
        )
        if names
    ]
    if differences:
        raise InputError("; ".join(differences), where, f"predict exactly the reference's {kind}")


def write_rows(
    path: Path, rows: Iterable[Sequence[object]], delimiter: str = ",", header: Sequence[str] | None = None
) -> None:
    """Write a csv; the file appears complete or not at all.

    Raises:
        BenchmarkError: The file cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    if header is not None:
        writer.writerow(header)
    writer.writerows(rows)
    write_text(path, text.getvalue())
