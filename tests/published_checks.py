"""What the tests of the published scores share: each task's rows, one of them, and the columns of a printed table."""

from collections import defaultdict
from pathlib import Path

import pytest

import tasks
from benchmark.published import read_published


def rows_of(folder):
    """The rows of the task in this folder."""
    return read_published(Path(tasks.__file__).parent / folder / "published.csv")


def label(row):
    return f"{row.system}-{row.metric}-{row.class_name or row.split}-{row.printed}"


def find(rows, **cells):
    """The one row with these cells."""
    found = [row for row in rows if all(getattr(row, name) == cell for name, cell in cells.items())]
    assert len(found) == 1, found
    return found[0]


def class_columns(rows, *names):
    """The rows of each printed column of classes, by the cells of these names."""
    columns = defaultdict(list)
    for row in rows:
        if row.class_name:
            columns[tuple(getattr(row, name) for name in names)].append(row)
    return columns


def assert_fraction(row, per_cent=None, most=1):
    """Asserts that the value is the printed number as a fraction, between 0 and `most`.

    Without `per_cent`, a number above 1 is one.
    """
    number = float(row.printed.removesuffix("%"))
    per_cent = number > 1 if per_cent is None else per_cent
    assert 0 <= row.value <= most
    assert row.value == pytest.approx(number / 100 if per_cent else number, abs=1e-12)
