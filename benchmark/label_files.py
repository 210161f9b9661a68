"""Lists of `filename<TAB>label`, the format of the single-label tasks, for references and for submissions."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmark.errors import InputError
from benchmark.suggest import did_you_mean
from benchmark.tabular import Row, few, new_name, read_rows, require_same, write_rows

FILENAME = "filename"
LABEL_NAMES = ("label", "scene_label", "category", "class")


class Labels(NamedTuple):
    """A reference and a submission, side by side: file names, and the class index of each in the two."""

    filenames: list[str]
    target: npt.NDArray[np.int64]
    predicted: npt.NDArray[np.int64]


def read_label_file(path: Path, classes: Sequence[str]) -> dict[str, str]:
    """Read a label file.

    Args:
        path: Tab-separated. With a header, the columns `filename` and `label` (or `scene_label`, `category`, `class`)
            are read, wherever they are; without, the first column is the file name and the second its label. Further
            columns are ignored.
        classes: The labels that there are.

    Returns:
        File name to label, in file order.

    Raises:
        InputError: The file cannot be read or is empty, rows differ in width or have less than two columns, a header
            lacks one of the two, a file name is empty or occurs twice, or a label is no class.
    """
    rows = read_rows(path, "\t")
    if len(rows[0].cells) < 2:
        raise InputError(
            f"{rows[0].cells[0]!r} is one column", f"{path}:{rows[0].line}", "separate file name and label by a tab"
        )
    name_at, label_at = 0, 1
    if header := _header(rows):
        name_at, label_at = _places(path, header, rows.pop(0).line)
        if not rows:
            raise InputError("no labels below the header", path)
    labels: dict[str, str] = {}
    for line, cells in rows:
        where, label = f"{path}:{line}", cells[label_at]
        name = new_name(cells[name_at], labels, where, "file")
        if label not in classes:
            raise InputError(f"there is no class {label!r}", where, did_you_mean(label, classes))
        labels[name] = label
    return labels


def _header(rows: Sequence[Row]) -> list[str]:
    """The names of the columns, in small letters; nothing where the first row is none of names."""
    names = [cell.lower() for cell in rows[0].cells]
    return names if {FILENAME, *LABEL_NAMES}.intersection(names) else []


def _places(path: Path, header: Sequence[str], line: int) -> tuple[int, int]:
    """The columns of file name and label."""
    label = next((name for name in LABEL_NAMES if name in header), None)
    if FILENAME not in header or label is None:
        missing = FILENAME if FILENAME not in header else LABEL_NAMES[0]
        remedy = f"call the columns {FILENAME} and {LABEL_NAMES[0]}, or leave the header out"
        raise InputError(f"no column {missing}; found: {few(header)}", f"{path}:{line}", remedy)
    return header.index(FILENAME), header.index(label)


def read_column(path: Path, name: str) -> dict[str, str]:
    """File name to its cell of a further column of a label file; nothing where no header names that column.

    Raises:
        InputError: The file cannot be read, is empty, or has rows of different width.
    """
    rows = read_rows(path, "\t")
    header = _header(rows)
    if FILENAME not in header or name not in header:
        return {}
    name_at, wanted = header.index(FILENAME), header.index(name)
    return {cells[name_at]: cells[wanted] for _, cells in rows[1:]}


def line_of(path: Path, filename: str) -> str:
    """`path:line` of the row of a label file that names `filename`, for messages; without line where none does."""
    rows = (row for row in read_rows(path, "\t") if filename in row.cells)
    return next((f"{path}:{row.line}" for row in rows), str(path))


def write_label_file(path: Path, filenames: Sequence[str], labels: Sequence[str]) -> None:
    """Write a label file without header; it appears complete or not at all.

    Args:
        path: The file to write or replace; its folder is made.
        filenames: One a clip.
        labels: One a clip.

    Raises:
        InputError: The lengths differ, or a file name is empty or occurs twice.
    """
    if len(filenames) != len(labels):
        raise InputError(f"{len(filenames)} files but {len(labels)} labels", path)
    rows: dict[str, str] = {}
    for name, label in zip(filenames, labels, strict=True):
        rows[new_name(name, rows, path, "file")] = label
    write_rows(path, list(rows.items()), "\t")


def score_label_files(reference: Path, predictions: Path, classes: Sequence[str]) -> Labels:
    """Read a reference and a submission, in any order, as class indices.

    Args:
        reference: Label file with the truth.
        predictions: Label file for exactly the files of the reference.
        classes: The labels, in the order of the indices.

    Raises:
        InputError: A file is malformed, or a file name is only in one of the two.
    """
    truth, guess = read_label_file(reference, classes), read_label_file(predictions, classes)
    require_same(truth, guess, f"{reference}, {predictions}", "files")
    place = {name: index for index, name in enumerate(classes)}
    return Labels(
        list(truth),
        np.array([place[label] for label in truth.values()], dtype=np.int64),
        np.array([place[guess[name]] for name in truth], dtype=np.int64),
    )
