"""Facts, file formats and scoring of DCASE 2018 task 4, sound event detection in domestic environments.

Sources: card `task4-baseline-crnn`; the lists in the organisers' repository. The layout below the data root is
`dataset/audio/{train/<list>,test,eval}/Y<id>_<start>_<end>.wav` with `dataset/metadata/{train,test,eval}/*.csv`, which
are tab-separated. A byte order mark, Windows line ends, a missing last newline and a missing header are accepted.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from benchmark.data.inventory import Event
from benchmark.errors import InputError
from benchmark.metrics.events import (
    event_based_scores,
    event_measures,
    segment_based_scores,
    segment_measures,
    tag_measures,
    tag_scores,
)
from benchmark.metrics.measures import Measures
from benchmark.predictions import Predictions
from benchmark.suggest import did_you_mean
from benchmark.tabular import Row, columns, new_name, number, probability, read_rows, require_same, write_rows

CLASSES = (
    "Alarm_bell_ringing",
    "Blender",
    "Cat",
    "Dishes",
    "Dog",
    "Electric_shaver_toothbrush",
    "Frying",
    "Running_water",
    "Speech",
    "Vacuum_cleaner",
)
# Clips of the weak list with each class: the paper's Table 1, where a label counts once that a clip repeats.
WEAK_CLIPS: Mapping[str, int] = MappingProxyType(
    dict(zip(CLASSES, (205, 134, 173, 184, 214, 103, 171, 343, 550, 167), strict=True))
)
WEAK, IN_DOMAIN, OUT_OF_DOMAIN, TEST, EVAL = "weak", "unlabel_in_domain", "unlabel_out_of_domain", "test", "eval"
# DESED keeps the clips of both scored lists in one folder.
DESED_VALIDATION = "dataset/audio/validation"
LICENCE = "lists: MIT (organisers' repository); audio: excerpts of AudioSet's YouTube videos, each under its own terms"

STRONG_COLUMNS = ("filename", "onset", "offset", "event_label")
CLIP_SECONDS = 10.0
# Events of the official lists end up to 0.115 s after their clip.
TOLERANCE_SECONDS = 0.2
CUT = re.compile(r"_(\d+(?:\.\d+)?)_(\d+(?:\.\d+)?)\.\w+$")
LONGEST_SECONDS = 24 * 3600.0  # of a clip whose name does not say its length


class Subset(NamedTuple):
    """One list of the challenge.

    Attributes:
        audio: Folder of its clips below the data root.
        csv: The list itself.
        clips: Number of clips in the official release.
        rows: Number of tags of the weak list (a tag that a clip repeats counts once), of lines of the strong ones.
        versions: Number of lines to the version of the list: commits of the organisers' repository.
    """

    audio: str
    csv: str
    clips: int
    rows: int | None = None
    versions: Mapping[int, str] = MappingProxyType({})


def _training(name: str, clips: int, rows: int | None = None) -> Subset:
    return Subset(f"dataset/audio/train/{name}", f"dataset/metadata/train/{name}.csv", clips, rows)


SUBSETS: Mapping[str, Subset] = MappingProxyType(
    {
        WEAK: _training(WEAK, 1578, 2244),
        IN_DOMAIN: _training(IN_DOMAIN, 14412),
        OUT_OF_DOMAIN: _training(OUT_OF_DOMAIN, 39999),
        TEST: Subset(
            "dataset/audio/test",
            "dataset/metadata/test/test.csv",
            288,
            908,
            MappingProxyType({906: "860943d", 923: "c46f560", 908: "5c5a0f6"}),
        ),
        EVAL: Subset(
            "dataset/audio/eval",
            "dataset/metadata/eval/eval.csv",
            880,
            3343,
            MappingProxyType({3186: "1b3dc62", 3343: "5c5a0f6"}),
        ),
    }
)


class EventRow(NamedTuple):
    """A line of a list of events; the event is None where the line only names a file, which then has none."""

    line: int
    filename: str
    event: Event | None


def read_events(path: Path) -> dict[str, list[Event]]:
    """Read a list of events, `filename onset offset event_label`.

    Args:
        path: Tab-separated; columns in any order with a header, in this order without. A line may name a file only.

    Returns:
        File name to its events, both in file order.

    Raises:
        InputError: The file cannot be read or is empty; a line is incomplete; a time is not a number, is negative, ends
            before it begins, or lies beyond the clip; or a class is unknown.
    """
    return by_file(event_rows(path))


def by_file(rows: Sequence[EventRow]) -> dict[str, list[Event]]:
    """File name to its events, both in the order of the rows."""
    events: dict[str, list[Event]] = {}
    for row in rows:
        events.setdefault(row.filename, []).extend([row.event] if row.event else [])
    return events


def event_rows(path: Path) -> list[EventRow]:
    """The lines of a list of events below its header, possibly none; see `read_events`."""
    rows, place = _table(path, STRONG_COLUMNS)
    return [_event_row(row, place, f"{path}:{row.line}") for row in rows]


def read_tags(path: Path) -> dict[str, tuple[str, ...]]:
    """Read the weak list, `filename event_labels`, its labels joined by commas or semicolons.

    The official list repeats a label in a few clips; it counts once.

    Returns:
        File name to its classes, in file order.

    Raises:
        InputError: The file cannot be read or lists nothing; a file name is empty or occurs twice; a label is missing
            or unknown.
    """
    rows, place = _table(path, ("filename", "event_label"))
    tags: dict[str, tuple[str, ...]] = {}
    for row in _some(rows, path):
        where = f"{path}:{row.line}"
        name = new_name(_cell(row, place["filename"]), tags, where, "file")
        labels = [label.strip() for label in re.split("[,;]", _cell(row, place["event_label"]))]
        if not any(labels):
            raise InputError(f"no label for file {name}", where, "fill it in, or remove the line")
        tags[name] = tuple(dict.fromkeys(_known_class(label, where) for label in labels if label))
    return tags


def read_names(path: Path) -> list[str]:
    """Read a list of unlabelled files: the column `filename`, or the only column.

    Raises:
        InputError: The file cannot be read or lists nothing; a file name is empty or occurs twice.
    """
    rows, place = _table(path, ("filename",))
    names: dict[str, None] = {}
    for row in _some(rows, path):
        names[new_name(_cell(row, place["filename"]), names, f"{path}:{row.line}", "file")] = None
    return list(names)


def read_probabilities(path: Path) -> dict[str, list[float]]:
    """Read clip probabilities: a header with `filename` and the ten classes, tab- or comma-separated.

    Returns:
        File name to a probability per class, in the order of `CLASSES`.

    Raises:
        InputError: The file cannot be read or lists nothing; a column is missing; a file name is empty or occurs twice;
            a probability is not a number in [0, 1].
    """
    rows = read_rows(path, "\t", ragged=True)
    if len(rows[0].cells) == 1:
        rows = read_rows(path, ",")
    place = columns(path, rows.pop(0), ("filename", *CLASSES))
    found: dict[str, list[float]] = {}
    for row in _some(rows, path):
        where = f"{path}:{row.line}"
        name = new_name(_cell(row, place["filename"]), found, where, "file")
        found[name] = [probability(_cell(row, place[label]), where) for label in CLASSES]
    return found


def write_events(path: Path, events: Mapping[str, Sequence[Event]]) -> None:
    """Write a list of events; the file appears complete or not at all.

    Args:
        path: The file to write or replace; its folder is made.
        events: File name to its events; a file without any gets a line of its own. Reading gives the same numbers.
    """
    rows: list[tuple[object, ...]] = []
    for name, found in events.items():
        rows += [(name, repr(onset), repr(offset), label) for onset, offset, label in found] or [(name, "", "", "")]
    write_rows(path, rows, "\t", STRONG_COLUMNS)


def score(reference: Path, predictions: Path, *, tags: Path | None = None) -> dict[str, float | None]:
    """Score a submission by the rules of `benchmark.metrics.events`.

    Args:
        reference: A list of events; its files are those that are scored.
        predictions: A list of events in files of the reference; files that it does not name have none. Lines that occur
            twice count twice, as in sed_eval.
        tags: Clip probabilities of exactly the files of the reference; adds `tag_auc`, `tag_f1` and both per class.

    Returns:
        Metric name to fraction, None where undefined.

    Raises:
        InputError: A file is malformed, or names a file that the reference does not have.
    """
    truth = by_file(_some_events(reference))
    rows = event_rows(predictions)
    for row in rows:
        if row.filename not in truth:
            what = f"file '{row.filename}' is not in the reference {reference}"
            raise InputError(what, f"{predictions}:{row.line}", "predict only the reference's files")
    scores = event_scores(truth, by_file(rows))
    if tags is not None:
        found = read_probabilities(tags)
        require_same(truth, found, f"{reference}, {tags}", "files")
        scores |= tag_scores([tags_of(events) for events in truth.values()], [found[name] for name in truth], CLASSES)
    return scores


def event_scores(truth: Mapping[str, Sequence[Event]], found: Mapping[str, Sequence[Event]]) -> dict[str, float | None]:
    """Event-based and segment-based scores of the task's classes."""
    return event_based_scores(truth, found, CLASSES) | segment_based_scores(truth, found, CLASSES)


def rescorer(found: Predictions, classes: Sequence[str]) -> Measures:
    """Event- and segment-based scores and those of clip tags; weakly labelled clips have the latter only."""
    tags = tag_measures(found.target, found.probabilities, classes)
    if not np.isin(found.group, (TEST, EVAL)).all():
        return tags
    truth, claims = (
        dict(zip(found.clip_id.tolist(), found.kept(name), strict=True)) for name in ("reference_events", "events")
    )
    return {**event_measures(truth, claims, classes), **segment_measures(truth, claims, classes), **tags}


def tags_of(events: Sequence[Event]) -> tuple[float, ...]:
    """1 or 0 for each class: whether a clip with such events has it."""
    present = {event.label for event in events}
    return tuple(float(name in present) for name in CLASSES)


def _table(path: Path, names: Sequence[str]) -> tuple[list[Row], dict[str, int]]:
    """The rows below the header, and the place of each column; without a header the columns come in order.

    The label column may be called `event_labels`.
    """
    rows = read_rows(path, "\t", ragged=True)
    first = rows[0]
    if "filename" not in first.cells:
        if len(first.cells) == 1 and len(names) > 1 and re.search("[,; ]", first.cells[0]):
            what = f"'{first.cells[0]}' is one column"
            raise InputError(what, f"{path}:{first.line}", f"separate {', '.join(names)} by tabs")
        return rows, {name: place for place, name in enumerate(names)}
    header = Row(first.line, ["event_label" if name == "event_labels" else name for name in first.cells])
    place = columns(path, header, names)
    for row in rows:
        if len(row.cells) > len(header.cells):
            what = f"{len(row.cells)} cells where the header has {len(header.cells)}"
            raise InputError(what, f"{path}:{row.line}")
    return rows[1:], place


def _some(rows: list[Row], path: Path) -> list[Row]:
    if not rows:
        raise InputError("no files below the header", path)
    return rows


def _some_events(path: Path) -> list[EventRow]:
    rows = event_rows(path)
    if not rows:
        raise InputError("no files below the header", path)
    return rows


def _cell(row: Row, place: int) -> str:
    return row.cells[place] if place < len(row.cells) else ""


def _event_row(row: Row, place: Mapping[str, int], where: str) -> EventRow:
    name, onset, offset, label = (_cell(row, place[column]) for column in STRONG_COLUMNS)
    if not name:
        raise InputError("no file name", where)
    if not (onset or offset or label):
        return EventRow(row.line, name, None)
    start, end = _seconds(onset, "onset", where), _seconds(offset, "offset", where)
    if end < start:
        raise InputError(f"the event ends at {offset} s, before it begins at {onset} s", where)
    cut = CUT.search(name)
    seconds = max(float(cut[2]) - float(cut[1]), CLIP_SECONDS) if cut else LONGEST_SECONDS
    if end > seconds + TOLERANCE_SECONDS:
        what = f"the event ends at {offset} s, beyond the clip of {seconds:g} s"
        raise InputError(what, where, "give times from the start of the clip, in seconds")
    if not label:
        raise InputError(f"the event of {name} has no label", where, "fill it in, or remove the line")
    return EventRow(row.line, name, Event(start, end, _known_class(label, where)))


def _seconds(text: str, what: str, where: str) -> float:
    value = number(text)
    if value is None or not 0 <= value < float("inf"):
        raise InputError(f"{what} '{text}' is not a number of seconds, 0 or more", where)
    return value


def _known_class(label: str, where: str) -> str:
    if label not in CLASSES:
        raise InputError(f"there is no class '{label}'", where, did_you_mean(label, CLASSES))
    return label
