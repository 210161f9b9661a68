"""Published scores of a task: `tasks/<task>/published.csv` as typed rows."""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.errors import InputError

COLUMNS = (
    "system",
    "role",
    "metric",
    "class",
    "value",
    "printed",
    "std",
    "split",
    "protocol",
    "selection",
    "source",
    "table",
)
ROLES = ("baseline", "winner", "entry")


@dataclass(frozen=True)
class PublishedRow:
    """One number that a source prints about one system.

    Attributes:
        system: The system's name, as its recipe is called; variants carry a suffix.
        role: `baseline` (the challenge's own), `winner` or `entry`.
        metric: Key of the score in this project's records, e.g. `auc/warblrb10k`.
        class_name: Class that the number is about; empty for all classes together.
        value: The number as a fraction.
        printed: The number as the source prints it.
        std: Standard deviation as a fraction, where one is printed.
        split: What was scored: `development`, `validation`, `leaderboard` or `evaluation`.
        protocol: How training and scored data were divided.
        selection: Whether the scored data chose the model: `none`, `test` or `unknown`.
        source: Short title of the source.
        table: The source's table, or `text`.
    """

    system: str
    role: str
    metric: str
    class_name: str
    value: float
    printed: str
    std: float | None
    split: str
    protocol: str
    selection: str
    source: str
    table: str


def read_published(path: Path) -> list[PublishedRow]:
    """Read the published rows of a task, in the file's order.

    Args:
        path: CSV in UTF-8 whose header has the columns `COLUMNS`; other columns are ignored.

    Returns:
        One row for each line after the header; empty lines are skipped.

    Raises:
        InputError: The file cannot be read, a column or a cell is missing, a value is not a finite number, or a role
            is unknown.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return _rows(csv.DictReader(file), path)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot read the published scores: {error}", path, "give a CSV file in UTF-8") from error


def headline(rows: Sequence[PublishedRow], system: str, metric: str, protocol: str) -> PublishedRow | None:
    """The one figure to name for a system: not by class, if possible not selected on, and from a table of a paper."""
    fit = [
        row for row in rows if (row.system, row.metric, row.protocol, row.class_name) == (system, metric, protocol, "")
    ]
    ranked = sorted(fit, key=lambda row: (row.selection == "test", not row.table.startswith("Table")))
    return ranked[0] if ranked else None


def _rows(reader: "csv.DictReader[str]", path: Path) -> list[PublishedRow]:
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise InputError(f"missing columns: {', '.join(missing)}", f"{path}:1", f"the header is {','.join(COLUMNS)}")
    return [_row(cells, f"{path}:{reader.line_num}") for cells in reader]


def _row(cells: Mapping[str | None, str | None], where: str) -> PublishedRow:
    # DictReader files surplus cells under None and fills a short line up with None.
    if None in cells or None in cells.values():
        raise InputError("the line has not as many cells as the header", where, "quote cells that hold a comma")
    filled = {name: (cells[name] or "").strip() for name in COLUMNS}
    if filled["role"] not in ROLES:
        raise InputError(f"unknown role {filled['role']!r}", where, f"choose one of: {', '.join(ROLES)}")
    return PublishedRow(
        system=filled["system"],
        role=filled["role"],
        metric=filled["metric"],
        class_name=filled["class"],
        value=_number("value", filled["value"], where),
        printed=filled["printed"],
        std=_number("std", filled["std"], where) if filled["std"] else None,
        split=filled["split"],
        protocol=filled["protocol"],
        selection=filled["selection"],
        source=filled["source"],
        table=filled["table"],
    )


def _number(column: str, text: str, where: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{column} is not a number: {text!r}", where, "write a fraction, e.g. 0.854")
    return number
