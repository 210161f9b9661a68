"""Facts, layouts and scoring of ESC-10 and ESC-50, environmental sound classification.

Sources: Piczak, ESC: Dataset for Environmental Sound Classification, ACM Multimedia 2015; the README files of the two
data sets. ESC-10 has no label file: `ESC-10/NNN - Class/<fold>-<Freesound id>-<take>.ogg` says all. ESC-50 is
`ESC-50/audio/*.wav` with `ESC-50/meta/esc50.csv`. Clips cut from one Freesound recording lie in one fold.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmark.data.inventory import AUDIO_SUFFIXES, Count
from benchmark.errors import InputError
from benchmark.label_files import read_label_file, score_label_files
from benchmark.metrics.accuracy import accuracy_measures
from benchmark.metrics.measures import Measures, all_once
from benchmark.predictions import Predictions
from benchmark.suggest import did_you_mean
from benchmark.tabular import columns, few, new_name, read_rows

ESC10, ESC50 = "esc10-5-fold", "esc50-5-fold"
FOLDS = ("1", "2", "3", "4", "5")
CLIPS_PER_CLASS = 40

# The names of the folders of ESC-10, in their order.
ESC10_CLASSES = (
    "Dog bark",
    "Rain",
    "Sea waves",
    "Baby cry",
    "Clock tick",
    "Person sneeze",
    "Helicopter",
    "Chainsaw",
    "Rooster",
    "Fire crackling",
)
# The categories of ESC-50, in the order of their targets 0 to 49: animals, nature, people, indoors, outdoors.
ESC50_CLASSES = (
    *("dog", "rooster", "pig", "cow", "frog", "cat", "hen", "insects", "sheep", "crow"),
    *("rain", "sea_waves", "crackling_fire", "crickets", "chirping_birds"),
    *("water_drops", "wind", "pouring_water", "toilet_flush", "thunderstorm"),
    *("crying_baby", "sneezing", "clapping", "breathing", "coughing"),
    *("footsteps", "laughing", "brushing_teeth", "snoring", "drinking_sipping"),
    *("door_wood_knock", "mouse_click", "keyboard_typing", "door_wood_creaks", "can_opening"),
    *("washing_machine", "vacuum_cleaner", "clock_alarm", "clock_tick", "glass_breaking"),
    *("helicopter", "chainsaw", "siren", "car_horn", "engine"),
    *("train", "church_bells", "airplane", "fireworks", "hand_saw"),
)
CLASSES = {ESC10: ESC10_CLASSES, ESC50: ESC50_CLASSES}

ESC10_FOLDERS = {f"{number:03d} - {name}": name for number, name in enumerate(ESC10_CLASSES, start=1)}
ESC10_NAME = re.compile(r"(?P<fold>[1-5])-(?P<source>\d+)-[A-Z]\.\w+")
ROOTS = {ESC10: ("ESC-10", "ESC-10-master"), ESC50: ("ESC-50", "ESC-50-master")}


class Clip(NamedTuple):
    """A labelled clip: its file's name, which is unique, where it should be, its fold, class and source recording."""

    name: str
    path: Path
    fold: str
    label: str
    source: str


def find_root(root: Path, protocol: str) -> Path:
    """The folder of the protocol's data set; names that end in `-master` are GitHub's.

    Raises:
        InputError: There is none.
    """
    for name in ROOTS[protocol]:
        if (root / name).is_dir():
            return root / name
    name = ROOTS[protocol][0]
    remedy = f"fetch it: make data TASK=esc PROTOCOL={protocol}, or try without data: DATA=mini"
    raise InputError(f"environmental sounds: missing {name}/", root.resolve(), remedy)


def read_esc10(folder: Path) -> tuple[list[Clip], list[Path]]:
    """The clips of ESC-10, in the order of classes and names.

    Args:
        folder: The data set, with one folder a class.

    Returns:
        The clips, and the audio files whose names are none of the data set's.

    Raises:
        InputError: A class folder is missing, two clips share a name, or a recording lies in two folds.
    """
    missing = [name for name in ESC10_FOLDERS if not (folder / name).is_dir()]
    if missing:
        remedy = f"fetch the whole data set: make data TASK=esc PROTOCOL={ESC10}, or try without data: DATA=mini"
        raise InputError(f"ESC-10: missing the folders {few(missing)}", folder.resolve(), remedy)
    clips: dict[str, Clip] = {}
    strangers: list[Path] = []
    for path in sorted(folder.glob("*/*")):
        if path.suffix.lower() not in AUDIO_SUFFIXES or path.name.startswith(".") or not path.is_file():
            continue
        match, label = ESC10_NAME.fullmatch(path.name), ESC10_FOLDERS.get(path.parent.name)
        if match is None or label is None:
            strangers.append(path)
            continue
        name = new_name(path.name, clips, path.parent, "clip")
        clips[name] = Clip(name, path, match["fold"], label, match["source"])
    _require_whole_sources(clips, folder)
    return list(clips.values()), strangers


def read_esc50(folder: Path) -> list[Clip]:
    """The clips of ESC-50, in the order of its table.

    Args:
        folder: The data set, with `audio/` and `meta/esc50.csv`.

    Raises:
        InputError: The table is missing or malformed: a column is missing, a file name empty or doubled, a fold not
            1 to 5, a category unknown or not that of its target; or a recording lies in two folds.
    """
    table = folder / "meta" / "esc50.csv"
    rows = read_rows(table)
    place = columns(table, rows.pop(0), ("filename", "fold", "target", "category"))
    if not rows:
        raise InputError("no clips below the header", table)
    clips: dict[str, Clip] = {}
    for line, cells in rows:
        where = f"{table}:{line}"
        name = new_name(cells[place["filename"]], clips, where, "clip")
        if Path(name).name != name or name == "..":
            raise InputError(f"clip '{name}' would lie outside of audio/", where, "correct its name")
        fold, label, target = (cells[place[column]] for column in ("fold", "category", "target"))
        if fold not in FOLDS:
            raise InputError(f"fold is '{fold}', not 1 to 5", where)
        if label not in ESC50_CLASSES:
            raise InputError(f"there is no category {label!r}", where, did_you_mean(label, ESC50_CLASSES))
        if target != str(ESC50_CLASSES.index(label)):
            raise InputError(f"target is '{target}', but {label} is {ESC50_CLASSES.index(label)}", where)
        source = cells[place["src_file"]] if "src_file" in place else name
        clips[name] = Clip(name, folder / "audio" / name, fold, label, source)
    _require_whole_sources(clips, table)
    return list(clips.values())


def _require_whole_sources(clips: Mapping[str, Clip], where: Path) -> None:
    """Clips of one recording sound alike: in two folds they would be trained on and tested."""
    first: dict[str, Clip] = {}
    for clip in clips.values():
        other = first.setdefault(clip.source, clip)
        if other.fold != clip.fold:
            what = f"recording {clip.source} is in folds {other.fold} and {clip.fold}: {other.name}, {clip.name}"
            raise InputError(what, where, "put all clips of a recording into one fold")


def official_counts(clips: Sequence[Clip], classes: Sequence[str]) -> list[Count]:
    """All clips, those of each class and those of each fold, beside the official numbers."""
    labels, folds = Counter(clip.label for clip in clips), Counter(clip.fold for clip in clips)
    whole = CLIPS_PER_CLASS * len(classes)
    return [
        Count("clips", len(clips), whole),
        *(Count(label, labels[label], CLIPS_PER_CLASS) for label in classes),
        *(Count(f"fold {fold}", folds[fold], whole // len(FOLDS)) for fold in FOLDS),
    ]


def score(reference: Path, predictions: Path) -> dict[str, float | None]:
    """Score `filename<TAB>label` files; the labels of the reference say which of the two data sets it is.

    Args:
        reference: Label file with the truth.
        predictions: Label file for exactly its files.

    Returns:
        `accuracy`, the share of clips that are right, and `accuracy/<class>`.

    Raises:
        InputError: A file is malformed, or a file name is only in one of the two.
    """
    labels = read_label_file(reference, (*ESC10_CLASSES, *ESC50_CLASSES))
    classes = ESC10_CLASSES if next(iter(labels.values())) in ESC10_CLASSES else ESC50_CLASSES
    _, target, predicted = score_label_files(reference, predictions, classes)
    return scores(target, predicted, classes)


def scores(
    target: npt.NDArray[np.integer[Any]], predicted: npt.NDArray[np.integer[Any]], classes: Sequence[str]
) -> dict[str, float | None]:
    """Accuracies of class indices `(clips,)`.

    The source counts clips. Classes are of one size, so that the mean over classes is the same wherever no clip is
    missing.
    """
    return all_once(measures(target, predicted, classes), len(target))


def measures(
    target: npt.NDArray[np.integer[Any]], predicted: npt.NDArray[np.integer[Any]], classes: Sequence[str]
) -> Measures:
    """`scores` of resamples."""
    found = accuracy_measures(target, predicted, classes)
    return {"accuracy": found["accuracy/micro"], **{f"accuracy/{name}": found[f"accuracy/{name}"] for name in classes}}


def rescorer(found: Predictions, classes: Sequence[str]) -> Measures:
    """Accuracy, overall and per class."""
    return measures(found.target.argmax(1), found.kept("decision"), classes)
