"""Facts, file formats and scoring of DCASE 2018 task 5, monitoring of domestic activities.

Sources: the task description at https://dcase.community/challenge2018/task-monitoring-domestic-activities and the
README files of the two data sets. Segments of 10 s, 16 kHz, 4 channels, 16 bit; lists are tab-separated, no header.

- `DCASE2018-task5-dev/`: `audio/DevNode<n>_ex<session>_<segment>.wav`, `meta.txt` (file, label, session),
  `evaluation_setup/fold<1-4>_{train,test,evaluate}.txt`.
- `DCASE2018-task5-eval/`: `audio/<n>.wav`, `meta.txt` (file, label, session), `evaluation_setup/map.txt` (file, name in
  the style of the development set, `audio/EvalNode<n>_ex<session>_<segment>.wav`).

Seven arrays recorded the evaluation set: the four of the development set and three that are not in it (results page of
the task). No public file was found that says which of the `EvalNode`s those are, so that it has to be given:
`evaluation_setup/microphones.txt`, this project's own addition, has a line `EvalNode<n><TAB>known` (or `unknown`) for
each.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmark.data.inventory import Count, Parts
from benchmark.errors import InputError
from benchmark.label_files import line_of, read_label_file, score_label_files
from benchmark.metrics.accuracy import accuracy_measures
from benchmark.metrics.f_score import f1_measures
from benchmark.metrics.measures import Measures, all_once, among
from benchmark.predictions import Predictions
from benchmark.suggest import did_you_mean
from benchmark.tabular import new_name, read_rows

TITLE = "domestic activities"
DEVELOPMENT, EVALUATION = "DCASE2018-task5-dev", "DCASE2018-task5-eval"
CLASSES = (
    "absence",
    "cooking",
    "dishwashing",
    "eating",
    "other",
    "social_activity",
    "vacuum_cleaner",
    "watching_tv",
    "working",
)
# Segments of each class and sessions in the official lists.
SEGMENTS = {
    DEVELOPMENT: (18860, 5124, 1424, 2308, 2060, 4944, 972, 18648, 18644),
    EVALUATION: (21112, 4221, 1477, 2100, 1960, 3815, 868, 21116, 16303),
}
SESSIONS = {DEVELOPMENT: 266, EVALUATION: 131}
MICROPHONES = ("known", "unknown")
NODE = re.compile(r"(?:audio/)?(?P<node>\w+?Node\d+)_")


class Segment(NamedTuple):
    """A labelled recording of 10 s: its name in the lists, where it should be, label, session and array."""

    name: str
    path: Path
    label: str
    session: str
    node: str


def read_meta(folder: Path) -> list[Segment]:
    """The segments of one of the two sets, in file order.

    Args:
        folder: The set; of an evaluation set, `map.txt` is read too, if it is there.

    Raises:
        InputError: A list is missing or malformed: less than three columns, a name that is empty, doubled or leaves
            the folder, an unknown label, no session.
    """
    path, names = folder / "meta.txt", folder / "evaluation_setup" / "map.txt"
    nodes = read_nodes(names) if names.is_file() else {}
    segments: dict[str, Segment] = {}
    for line, cells in read_rows(path, "\t"):
        where = f"{path}:{line}"
        if len(cells) < 3:
            raise InputError(f"{len(cells)} columns, not file, label, session", where, "separate them by tabs")
        name, label, session = new_name(cells[0], segments, where, "file"), cells[1], cells[2]
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise InputError(f"file '{name}' would lie outside of the data folder", where, "correct its name")
        if label not in CLASSES:
            raise InputError(f"there is no class {label!r}", where, did_you_mean(label, CLASSES))
        if not session:
            raise InputError(f"no session for {name}", where)
        segments[name] = Segment(name, folder / name, label, session, node_of(nodes.get(name, name)))
    return list(segments.values())


def node_of(name: str) -> str:
    """The array that a file name tells, `DevNode3` of `audio/DevNode3_ex1_2.wav`; nothing where it tells none."""
    found = NODE.match(name)
    return found["node"] if found else ""


def read_nodes(path: Path) -> dict[str, str]:
    """File name to its name with the array, of `map.txt`.

    Raises:
        InputError: The file is missing or malformed.
    """
    nodes: dict[str, str] = {}
    for line, cells in read_rows(path, "\t"):
        if len(cells) != 2:
            raise InputError(f"{len(cells)} columns, not two file names", f"{path}:{line}", "separate them by a tab")
        nodes[new_name(cells[0], nodes, f"{path}:{line}", "file")] = cells[1]
    return nodes


def read_microphones(path: Path) -> dict[str, str]:
    """Array or file to `known` or `unknown`.

    Raises:
        InputError: The file is missing or malformed, or says something else.
    """
    found: dict[str, str] = {}
    for line, cells in read_rows(path, "\t"):
        if len(cells) != 2 or cells[1] not in MICROPHONES:
            what = f"{' '.join(cells)!r} is no array or file with 'known' or 'unknown'"
            raise InputError(what, f"{path}:{line}", "separate them by a tab")
        found[new_name(cells[0], found, f"{path}:{line}", "name")] = cells[1]
    return found


def read_fold(folder: Path, fold: str, segments: Sequence[Segment]) -> Parts:
    """File names of the training and test part of a fold of the development set.

    Raises:
        InputError: A list is missing or malformed, differs from `meta.txt`, or a file or session is in both parts.
    """
    known = {segment.name: segment for segment in segments}
    parts = []
    for part in ("train", "evaluate"):
        path = folder / "evaluation_setup" / f"fold{fold}_{part}.txt"
        labels = read_label_file(path, CLASSES)
        for name, label in labels.items():
            if name not in known:
                remedy = "complete meta.txt, or remove the line"
                raise InputError(f"file '{name}' is not in meta.txt", line_of(path, name), remedy)
            if known[name].label != label:
                what = f"file '{name}' is {label}, but {known[name].label} in meta.txt"
                raise InputError(what, line_of(path, name), "correct one of the two")
        parts.append(frozenset(labels))
    train, test = parts
    if both := sorted(train & test):
        what = f"fold {fold} trains and tests on {both[0]}"
        raise InputError(what, line_of(path, both[0]), "remove it from one of its lists")
    trained = {known[name].session for name in train}
    if crossing := sorted(name for name in test if known[name].session in trained):
        what = f"session {known[crossing[0]].session} is in both parts of fold {fold}, e.g. {crossing[0]}"
        raise InputError(what, line_of(path, crossing[0]), "put all segments of a session into one part")
    return Parts(train, test)


def official_counts(name: str, segments: Sequence[Segment]) -> list[Count]:
    """Segments of each class, and sessions, beside the official numbers of one of the two sets."""
    labels = Counter(segment.label for segment in segments)
    sessions = {segment.session for segment in segments}
    return [
        *(Count(f"{name}: {label}", labels[label], n) for label, n in zip(CLASSES, SEGMENTS[name], strict=True)),
        Count(f"{name}: sessions", len(sessions), SESSIONS[name]),
    ]


def scores(
    target: npt.NDArray[np.integer[Any]], predicted: npt.NDArray[np.integer[Any]], groups: npt.ArrayLike
) -> dict[str, float | None]:
    """Scores of class indices `(clips,)`.

    Args:
        target: True classes.
        predicted: Predicted classes.
        groups: Where this is `known` or `unknown` for some clips, they are also scored by themselves.

    Returns:
        `f1` (mean over classes), `f1/known`, `f1/unknown`, `accuracy` (mean over classes), `accuracy/micro` (share of
        clips), `f1/<class>`.
    """
    return all_once(measures(target, predicted, groups), len(target))


def measures(
    target: npt.NDArray[np.integer[Any]], predicted: npt.NDArray[np.integer[Any]], groups: npt.ArrayLike
) -> Measures:
    """`scores` of resamples."""
    by_class = dict(f1_measures(target, predicted, CLASSES))
    accuracy = accuracy_measures(target, predicted, CLASSES)
    members = {name: rows for name in MICROPHONES if (rows := np.asarray(groups, dtype=np.str_) == name).any()}
    return {
        "f1": by_class.pop("f1"),
        **{
            f"f1/{name}": among(rows, f1_measures(target[rows], predicted[rows], CLASSES)["f1"])
            for name, rows in members.items()
        },
        "accuracy": accuracy["accuracy"],
        "accuracy/micro": accuracy["accuracy/micro"],
        **by_class,
    }


def rescorer(found: Predictions, classes: Sequence[str]) -> Measures:
    """F1 and accuracy."""
    return measures(found.target.argmax(1), found.kept("decision"), found.group)


def score(
    reference: Path, predictions: Path, *, microphones: Path | None = None, nodes: Path | None = None
) -> dict[str, float | None]:
    """Score `filename<TAB>label` files.

    Args:
        reference: Label file with the truth; a third column, the session, is ignored.
        predictions: Label file for exactly its files.
        microphones: Lines `array<TAB>known` or `unknown`; with them `f1/known` and `f1/unknown` are given too. In place
            of arrays it may name the files of the reference.
        nodes: The data set's `map.txt`, where file names do not tell the array; only with `microphones`.

    Raises:
        InputError: A file is missing or malformed, a file name is only in one of the two, or of one nobody says whether
            its array is known; or `nodes` are given without `microphones`.
    """
    if nodes is not None and microphones is None:
        remedy = "give --microphones, too: it says which arrays are known"
        raise InputError("--nodes changes nothing without --microphones", nodes, remedy)
    filenames, target, predicted = score_label_files(reference, predictions, CLASSES)
    groups = [""] * len(filenames)
    if microphones is not None:
        names = read_nodes(nodes) if nodes is not None else {}
        groups = group_by_microphone(filenames, names, read_microphones(microphones), microphones)
    return scores(target, predicted, groups)


def group_by_microphone(
    filenames: Sequence[str], nodes: Mapping[str, str], known: Mapping[str, str], where: Path
) -> list[str]:
    """`known` or `unknown` for each file, by its own name or by that of its array.

    Raises:
        InputError: Of a file it is not said.
    """
    groups = []
    for name in filenames:
        node = node_of(nodes.get(name, name))
        group = known.get(name) or known.get(node)
        if group is None:
            what = f"nobody says whether {node or f'the array of {name}'} is known"
            raise InputError(what, where, "add a line for it" if node else "give map.txt, or lines for the files")
        groups.append(group)
    return groups
