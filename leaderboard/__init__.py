"""Run records and published rows to leaderboards. Here: where committed records lie, and how records are read.

Records come from other people's machines, so every field is checked before a table is made from it.
"""

import typing
from functools import cache
from pathlib import Path
from typing import NamedTuple

from benchmark.errors import BenchmarkError, InputError
from benchmark.predictions import FILE
from benchmark.records import RECORD, RunRecord, read_record
from benchmark.registry import get_task

RECORDS = Path(__file__).parent / "records"
TABLES = Path(__file__).parent / "tables"
LARGEST = 1e18


class Run(NamedTuple):
    """A finished run.

    Attributes:
        record: What it has left.
        path: The name of the record's file, as a reader of the table finds it.
        file: The record's file.
    """

    record: RunRecord
    path: str
    file: Path

    @property
    def predictions(self) -> Path:
        """The file of its predictions: in a run's folder, or beside a committed record."""
        return self.file.with_name(FILE) if self.file.name == RECORD else self.file.with_suffix(".npz")


def load_runs(root: Path, pattern: str, prefix: str = "") -> tuple[list[Run], list[str]]:
    """The records below a folder that can stand in a table, and why others cannot.

    Args:
        root: Folder to look in; it need not exist.
        pattern: Glob of the record files below it.
        prefix: What a run's `path` starts with, before its place below `root`.

    Returns:
        The runs in the order of their paths, and a line for each file that was left out.
    """
    runs: dict[tuple[str, str, str], Run] = {}
    left_out = []
    for path in sorted(root.glob(pattern)):
        try:
            record = read_checked(path)
            run = Run(record, prefix + path.relative_to(root).as_posix(), path)
            first = runs.setdefault((record.task, record.system, record.id), run)
            if first is not run:
                raise InputError(f"task, system and id are those of {first.path}")
        except (BenchmarkError, ArithmeticError, ValueError, RecursionError) as error:
            left_out.append(f"{path} was left out: {' '.join(str(error).splitlines()[:1])}")
    return list(runs.values()), left_out


def read_checked(path: Path) -> RunRecord:
    """The record in the file `path`, with every field of its type and a fold that its task has.

    Raises:
        InputError: Not such a record; says which field. Or a run that says nothing about its system.
    """
    record = read_record(path)
    for name, kind in _kinds().items():
        _check_type(name, getattr(record, name), kind, path)
    for part, seconds in record.seconds.items():
        _check_type(f"seconds.{part}", seconds, float, path)
    for key, score in record.scores.items():
        if score is not None and not 0 <= score < LARGEST:
            raise InputError(f"score {key} is out of range: {score!r:.40}", path)
    if record.random_weights:
        raise InputError("a part that should be pretrained started from random weights", path, "supply the weights")
    if record.fold not in get_task(record.task).protocols.get(record.protocol, ()):
        raise InputError(f"task {record.task} has no fold {record.fold!r} in a protocol {record.protocol!r}", path)
    return record


@cache
def _kinds() -> dict[str, type]:
    """The type of each field of a record."""
    hints = typing.get_type_hints(RunRecord)
    return {name: typing.get_origin(annotation) or annotation for name, annotation in hints.items()}


def _check_type(name: str, value: object, kind: type, path: Path) -> None:
    taken_for_number = isinstance(value, bool) and kind is not bool
    if taken_for_number or not isinstance(value, (int, float) if kind is float else kind):
        raise InputError(f"{name} must be of type {kind.__name__}, not {value!r:.40}", path)
    if isinstance(value, int | float) and not -LARGEST < value < LARGEST:
        raise InputError(f"{name} is out of range: {value!r:.40}", path)
