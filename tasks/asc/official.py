"""Facts, file formats and scoring of DCASE 2018 task 1, acoustic scene classification.

Sources: task description at https://dcase.community/challenge2018/task-acoustic-scene-classification; card
`task1-baseline-tut`, data. A set is a folder with `audio/<scene>-<city>-<location>-<segment>-<device>.wav`, `meta.csv`
(tab-separated, header `filename scene_label identifier source_label`) and `evaluation_setup/`, whose lists
`fold1_train.txt` and `fold1_evaluate.txt` are tab-separated without header; `fold1_test.txt` is the latter without
labels. Files of the evaluation and leaderboard sets are only numbered.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import NamedTuple

from benchmark.data.inventory import Count, Parts, require_folders
from benchmark.errors import InputError
from benchmark.label_files import line_of, read_label_file, score_label_files
from benchmark.metrics import classwise_accuracy
from benchmark.metrics.accuracy import accuracy_measures
from benchmark.metrics.measures import Measures
from benchmark.predictions import Predictions
from benchmark.suggest import did_you_mean
from benchmark.tabular import Row, columns, few, new_name, read_rows

CLASSES = (
    *("airport", "bus", "metro", "metro_station", "park"),
    *("public_square", "shopping_mall", "street_pedestrian", "street_traffic", "tram"),
)
FOLD1, CHALLENGE, LEADERBOARD = "official-fold1", "challenge", "leaderboard"
LICENCE = "free for non-commercial use (Tampere University of Technology)"
CITATION = (
    "Mesaros, Heittola, Virtanen: A multi-device dataset for urban acoustic scene classification, DCASE Workshop 2018"
)
URL = "https://dcase.community/challenge2018/task-acoustic-scene-classification"


@dataclass(frozen=True)
class Corpus:
    """One of the two corpora of the task.

    Attributes:
        title: For people.
        stem: What the names of its folders begin with.
        task: The task that it is the data of.
        scored: Clips of the evaluation and the leaderboard set, where they are known to be all labelled alike.
        development: Official numbers of the development set: those of `official_counts`.
        device: The one device of all its clips; empty where tables or file names tell it.
    """

    title: str
    stem: str
    task: str
    scored: Mapping[str, int]
    development: Mapping[str, int]
    device: str = ""

    def folder(self, part: str) -> str:
        """Name of the folder of the set `development`, `evaluation` or `leaderboard`."""
        return f"{self.stem}-{part}"


# Protocol to the set that it tests; under the others, the development set is split.
TESTED_SET = MappingProxyType({CHALLENGE: "evaluation", LEADERBOARD: "leaderboard"})

STEREO = Corpus(
    title="TUT Urban Acoustic Scenes 2018",
    stem="TUT-urban-acoustic-scenes-2018",
    task="asc",
    scored={"evaluation": 3600, "leaderboard": 1200},
    development={
        "clips": 8640,
        **dict.fromkeys(CLASSES, 864),
        "locations": 286,
        "fold 1 training": 6122,
        "fold 1 test": 2518,
    },
    device="a",
)


class Clip(NamedTuple):
    """A labelled clip: unique name, where its audio should be, class, place `<city>-<number>` if known, device."""

    clip_id: str
    path: Path
    scene: str
    location: str
    device: str


def device_of(filename: str) -> str | None:
    """The device that the name `<scene>-<city>-<location>-<segment>-<device>.wav` says, if it is such a name."""
    parts = PurePosixPath(filename).stem.split("-")
    return parts[-1] if len(parts) == 5 and parts[-1].isalpha() else None


def location_of(filename: str) -> str | None:
    """The recording place `<city>-<location>` that a name says, if it is of the official form."""
    return "-".join(PurePosixPath(filename).stem.split("-")[1:3]) if device_of(filename) else None


def read_meta(path: Path, device: str = "", place_needed: bool = True) -> list[Clip]:
    """Read a set's `meta.csv`.

    Args:
        path: The file; `identifier` and `source_label` may be missing where file names say the same.
        device: The one device of the set; empty: `source_label` or the file names tell it.
        place_needed: Whether every clip's recording place must be known; it need not where nothing is trained on them.

    Returns:
        The clips in file order.

    Raises:
        InputError: The file cannot be read or is empty, a column is missing, a file is listed twice, a scene is
            unknown, or nothing says where, or with which device, a clip was recorded and it is needed.
    """
    rows = read_rows(path, "\t")
    place = columns(path, rows.pop(0), ("filename", "scene_label"))
    if not rows:
        raise InputError("no clips below the header", path)
    clips: dict[str, Clip] = {}
    for row in rows:
        clip = _clip(path, row, place, clips)
        clip = clip._replace(device=device or clip.device)
        for value, what, column in (
            (clip.location or not place_needed, "where", "identifier"),
            (clip.device, "with which device", "source_label"),
        ):
            if not value:
                raise InputError(
                    f"nothing says {what} '{row.cells[place['filename']]}' was recorded",
                    f"{path}:{row.line}",
                    f"add the column {column}, or name files <scene>-<city>-<location>-<segment>-<device>.wav",
                )
        clips[clip.clip_id] = clip
    return list(clips.values())


def _clip(path: Path, row: Row, place: Mapping[str, int], known: Mapping[str, Clip]) -> Clip:
    """The clip of a row; where it was recorded, or with which device, is empty where nothing says it."""
    where = f"{path}:{row.line}"
    filename, scene = row.cells[place["filename"]], row.cells[place["scene_label"]]
    clip_id = new_name(PurePosixPath(filename).stem, known, where, "clip")
    if scene not in CLASSES:
        raise InputError(f"there is no scene {scene!r}", where, did_you_mean(scene, CLASSES))
    location = row.cells[place["identifier"]] if "identifier" in place else ""
    device = row.cells[place["source_label"]] if "source_label" in place else ""
    location, device = location or location_of(filename) or "", device or device_of(filename) or ""
    return Clip(clip_id, path.parent / filename, scene, location, device)


def read_fold(folder: Path, clips: Sequence[Clip]) -> Parts:
    """Read the lists of fold 1.

    Args:
        folder: The development set.
        clips: Its clips.

    Returns:
        Clip ids of the training part and of the test part.

    Raises:
        InputError: A list cannot be read, names a file twice or one that `meta.csv` does not list, gives another scene
            than `meta.csv`, or a file or a recording place is in both lists.
    """
    known = {clip.clip_id: clip for clip in clips}
    parts: list[dict[str, str]] = []
    for name in ("fold1_train.txt", "fold1_evaluate.txt"):
        path = folder / "evaluation_setup" / name
        part: dict[str, str] = {}
        for filename, scene in read_label_file(path, CLASSES).items():
            clip = known.get(PurePosixPath(filename).stem)
            if clip is None:
                raise InputError(f"'{filename}' is not in meta.csv", line_of(path, filename), "complete meta.csv")
            if clip.scene != scene:
                what = f"'{filename}' is {scene} here, but {clip.scene} in meta.csv"
                raise InputError(what, line_of(path, filename), "correct one of the two")
            part[clip.clip_id] = filename
        parts.append(part)
    train, test = parts
    trained_at = {known[clip_id].location for clip_id in train}
    for clip_id, filename in test.items():
        location = known[clip_id].location
        if clip_id in train or location in trained_at:
            shared = f"clip '{clip_id}'" if clip_id in train else f"location {location}"
            raise InputError(
                f"{shared} is in the training list and in the test list",
                line_of(path, filename),
                "fold 1 keeps every recording place on one side: take the official lists",
            )
    return Parts(frozenset(train), frozenset(test))


def read_tested_set(root: Path, corpus: Corpus, part: str) -> list[Clip]:
    """Read the evaluation or leaderboard set, where its labels are there.

    Args:
        root: Data root.
        corpus: Which corpus.
        part: `evaluation` or `leaderboard`.

    Returns:
        The clips in file order; their ids begin with the name of the set, as their files are only numbered.

    Raises:
        InputError: The set or its labels are missing, or `meta.csv` is malformed.
    """
    title, folder = f"{corpus.title}, {part} set", root / corpus.folder(part)
    protocol = next(name for name, tested in TESTED_SET.items() if tested == part)
    data = f"TASK={corpus.task} PROTOCOL={protocol}"
    require_folders(title, root, (f"{folder.name}/", f"{folder.name}/audio/"), data)
    meta = folder / "meta.csv"
    if not meta.is_file() or "scene_label" not in read_rows(meta, "\t")[0].cells:
        needed = "filename and scene_label" if corpus.device else "filename, scene_label and source_label"
        raise InputError(
            f"{title}: no labels",
            meta,
            f"they are not public; give a meta.csv with the columns {needed}, or take --protocol {FOLD1}",
        )
    clips = read_meta(meta, corpus.device, place_needed=False)
    return [clip._replace(clip_id=f"{part}/{clip.clip_id}") for clip in clips]


def official_counts(corpus: Corpus, clips: Sequence[Clip], fold: Parts) -> list[Count]:
    """What the lists of the development set hold, beside the official numbers.

    Args:
        corpus: Which corpus.
        clips: Clips of the development set.
        fold: Fold 1.
    """
    found = Counter(clip.scene for clip in clips)
    found.update(f"device {clip.device}" for clip in clips)
    found.update(f"fold 1 test, device {clip.device}" for clip in clips if clip.clip_id in fold.test)
    found["locations"] = len({clip.location for clip in clips})
    found["clips"], found["fold 1 training"], found["fold 1 test"] = len(clips), len(fold.train), len(fold.test)
    return [Count(name, found[name], official) for name, official in corpus.development.items()]


def describe(clips: Sequence[Clip]) -> str:
    """One line for people."""
    scenes, places = len({clip.scene for clip in clips}), len({clip.location for clip in clips if clip.location})
    devices = sorted({clip.device for clip in clips})
    return f"{len(clips)} clips of {scenes} scenes at {places} locations, device {few(devices)}"


def score(reference: Path, predictions: Path) -> dict[str, float | None]:
    """Score `filename<TAB>label` files.

    Args:
        reference: Label file with the truth; a header `filename<TAB>scene_label` and further columns are accepted, so
            that `meta.csv` is one.
        predictions: Label file for exactly its files.

    Returns:
        `accuracy` (mean over the classes that the reference has), `accuracy/micro` (share of clips that are right) and
        `accuracy/<class>`.

    Raises:
        InputError: A file is malformed, or a file name is only in one of the two.
    """
    _, target, predicted = score_label_files(reference, predictions, CLASSES)
    return classwise_accuracy(target, predicted, CLASSES)


def rescorer(found: Predictions, classes: Sequence[str]) -> Measures:
    """Accuracy: mean over classes, over clips, and of each class."""
    return accuracy_measures(found.target.argmax(1), found.kept("decision"), classes)
