"""Facts, file formats and scoring of DCASE 2019 task 5, urban sound tagging (SONYC-UST).

Sources: task description at https://dcase.community/challenge2019/task-urban-sound-tagging, card `task-ust-cnn-vggish`.
The data lie in ``<root>/SONYC-UST/``: ``annotations.csv`` with one row a clip and annotator, the taxonomy
``dcase-ust-taxonomy.yaml``, and 10 s of mono audio at 44.1 kHz a clip, in ``train/``, ``validate/`` and ``test/`` (or
``audio-eval/``, as the archive of the test part has it), or all in ``audio/``, as in later versions.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import yaml

from benchmark.errors import InputError
from benchmark.metrics import TagGroup, taxonomy_scores
from benchmark.metrics.measures import Measures
from benchmark.metrics.urban import taxonomy_measures
from benchmark.predictions import Predictions
from benchmark.tabular import Row, columns, new_name, number, probability, read_rows, require_same, write_rows
from benchmark.yaml_files import parse_yaml

FOLDER = "SONYC-UST"
ANNOTATIONS = "annotations.csv"
TAXONOMY_FILE = "dcase-ust-taxonomy.yaml"
SPLITS = ("train", "validate", "test")
EVALUATION_ARCHIVE = "audio-eval"
"""Folder of the archive with the test part; it is taken for `test/`."""
OFFICIAL_CLIPS = {"train": 2351, "validate": 443, "test": 274}
"""Of the version of 2019; its test part was published later."""
LICENCE = "CC BY 4.0"

CONSENSUS = 0
"""Annotator whose rows are what the organisers agreed on; single organisers have negative numbers."""

RULES: Mapping[str, float | None] = {"majority": 0.5, "any": 0.0, "soft": None}
"""Ways to make labels: a tag is present if a larger share heard it; None: its label is the share."""

TAXONOMY: Mapping[int, tuple[str, Mapping[str, str]]] = {
    1: (
        "engine",
        {
            "1": "small-sounding-engine",
            "2": "medium-sounding-engine",
            "3": "large-sounding-engine",
            "X": "engine-of-uncertain-size",
        },
    ),
    2: (
        "machinery-impact",
        {
            "1": "rock-drill",
            "2": "jackhammer",
            "3": "hoe-ram",
            "4": "pile-driver",
            "X": "other-unknown-impact-machinery",
        },
    ),
    3: ("non-machinery-impact", {"1": "non-machinery-impact"}),
    4: (
        "powered-saw",
        {
            "1": "chainsaw",
            "2": "small-medium-rotating-saw",
            "3": "large-rotating-saw",
            "X": "other-unknown-powered-saw",
        },
    ),
    5: (
        "alert-signal",
        {"1": "car-horn", "2": "car-alarm", "3": "siren", "4": "reverse-beeper", "X": "other-unknown-alert-signal"},
    ),
    6: (
        "music",
        {"1": "stationary-music", "2": "mobile-music", "3": "ice-cream-truck", "X": "music-from-uncertain-source"},
    ),
    7: (
        "human-voice",
        {
            "1": "person-or-small-group-talking",
            "2": "person-or-small-group-shouting",
            "3": "large-crowd",
            "4": "amplified-speech",
            "X": "other-unknown-human-voice",
        },
    ),
    8: ("dog", {"1": "dog-barking-whining"}),
}
"""Number of a coarse tag to its name and its fine tags; X is the incomplete one."""

OFFICIAL_POSITIVES: Mapping[int, int] = {1: 548, 3: 49, 4: 108, 5: 308, 6: 45, 7: 488, 8: 106}
"""Number of a coarse tag to the clips of `train` in which more than half of those who voted heard it (card, Data).

Not machinery impacts: the card's 304 are of a file that calls every impact one. Nor those of `validate`, which the card
counts over all annotators, not by the consensus.
"""

COARSE = tuple(f"{number}_{name}" for number, (name, _) in TAXONOMY.items())
FINE = tuple(f"{group}-{key}_{name}" for group, (_, fine) in TAXONOMY.items() for key, name in fine.items())
CLASSES = COARSE + FINE
"""The 37 tags in the order of a system's outputs; their names are the columns of a submission."""

GROUPS = tuple(
    TagGroup(
        name=str(group),
        coarse=place,
        complete=tuple(CLASSES.index(f"{group}-{key}_{name}") for key, name in fine.items() if key != "X"),
        incomplete=CLASSES.index(f"{group}-X_{fine['X']}") if "X" in fine else None,
    )
    for place, (group, (_, fine)) in enumerate(TAXONOMY.items())
)

Votes = npt.NDArray[np.float32]
VOTES = {"1": 1.0, "0": 0.0, "-1": np.nan, "1.0": 1.0, "0.0": 0.0, "-1.0": np.nan}


class Annotations(NamedTuple):
    """Rows of ``annotations.csv``.

    Attributes:
        line: Line numbers.
        filename: Name of the clip's file.
        split: Where the clip belongs; empty without that column.
        sensor: Which sensor recorded it; empty without that column.
        annotator: Who annotated; -1 without that column.
        votes: 1 present, 0 absent, NaN not labelled or no such column `(rows, 37)`.
    """

    line: list[int]
    filename: list[str]
    split: list[str]
    sensor: list[str]
    annotator: list[int]
    votes: Votes


class UrbanClip(NamedTuple):
    """What is known of a clip.

    Attributes:
        filename: Name of its file.
        split: `train`, `validate` or `test`.
        sensor: Which sensor recorded it.
        share: Share of those who voted on a tag that heard it, NaN where nobody voted; of a clip with consensus, its
            consensus `(37,)`.
        consensus: Whether the organisers agreed on its tags.
    """

    filename: str
    split: str
    sensor: str
    share: Votes
    consensus: bool


def read_taxonomy(path: Path) -> None:
    """Check that a taxonomy file says what `TAXONOMY` does.

    Raises:
        InputError: It cannot be read, or differs; names the first difference.
    """
    try:
        content = parse_yaml(path.read_text(encoding="utf-8-sig"))
        found = {
            **{str(group): name for group, name in content["coarse"].items()},
            **{f"{group}-{key}": name for group, fine in content["fine"].items() for key, name in fine.items()},
        }
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"cannot read the taxonomy: {' '.join(str(error).split())}", path) from error
    except (AttributeError, KeyError, TypeError) as error:
        raise InputError("not a taxonomy", path, "it must hold coarse: and fine:, each a mapping of tags") from error
    expected = {tag.split("_", 1)[0]: tag.split("_", 1)[1] for tag in CLASSES}
    for key in [*expected, *found]:
        if found.get(key) != expected.get(key):
            what = f"tag {key} is {found.get(key)!r}, expected {expected.get(key)!r}"
            raise InputError(what, path, "take the taxonomy of the 2019 challenge")


def read_annotations(path: Path, partial: bool = False) -> Annotations:
    """Read annotations by column name; proximities and other columns are ignored.

    Args:
        path: The csv.
        partial: Accept a file without columns other than `audio_filename`: what they would say is not known.

    Raises:
        InputError: The file cannot be read, has no rows, lacks a column, or a cell is wrong; names the line.
    """
    rows = read_rows(path)
    presence = [f"{tag}_presence" for tag in CLASSES]
    about = ["split", "sensor_id", "audio_filename", "annotator_id"]
    places = columns(path, rows[0], ["audio_filename"] if partial else [*about, *presence])
    del rows[0]
    if not rows:
        raise InputError("no annotations below the header", path)
    votes = np.full((len(rows), len(CLASSES)), np.nan, dtype=np.float32)
    for tag, name in enumerate(presence):
        if name in places:
            votes[:, tag] = [_vote(row, places[name], name, path) for row in rows]
    split, sensor, filename, annotator = (
        [row.cells[places[name]] for row in rows] if name in places else [""] * len(rows) for name in about
    )
    for row, name in zip(rows, filename, strict=True):
        if not name:
            raise InputError("no audio_filename", f"{path}:{row.line}")
    if "split" in places:
        for row, name in zip(rows, split, strict=True):
            if name not in SPLITS:
                raise InputError(f"split is {name!r}, none of {', '.join(SPLITS)}", f"{path}:{row.line}")
    numbers = [-1] * len(rows)
    if "annotator_id" in places:
        numbers = [_annotator(text, row, path) for text, row in zip(annotator, rows, strict=True)]
    return Annotations([row.line for row in rows], filename, split, sensor, numbers, votes)


def _vote(row: Row, place: int, name: str, path: Path) -> float:
    try:
        return VOTES[row.cells[place]]
    except KeyError:
        raise InputError(f"{name} is '{row.cells[place]}', none of 1, 0, -1", f"{path}:{row.line}") from None


def _annotator(text: str, row: Row, path: Path) -> int:
    value = number(text)
    if value is None or not value.is_integer():
        raise InputError(f"annotator_id '{text}' is no whole number", f"{path}:{row.line}")
    return int(value)


def gather_clips(annotations: Annotations, path: Path) -> list[UrbanClip]:
    """Bring the rows of each clip together, in the order in which clips first appear.

    Args:
        annotations: Rows with all columns.
        path: Their file, for messages.

    Raises:
        InputError: A clip is in two splits, of two sensors, or annotated twice by one annotator.
    """
    members: dict[str, list[int]] = {}
    seen: set[tuple[str, int]] = set()
    for row, (name, annotator) in enumerate(zip(annotations.filename, annotations.annotator, strict=True)):
        rows = members.setdefault(name, [])
        for kind, values in (("split", annotations.split), ("sensor_id", annotations.sensor)):
            if rows and values[row] != values[rows[0]]:
                what = f"{name} has {kind} {values[row]}, but {values[rows[0]]} in line {annotations.line[rows[0]]}"
                raise InputError(what, f"{path}:{annotations.line[row]}")
        if (name, annotator) in seen:
            raise InputError(f"{name} is annotated twice by annotator {annotator}", f"{path}:{annotations.line[row]}")
        seen.add((name, annotator))
        rows.append(row)
    agreed = {name for name, annotator in seen if annotator == CONSENSUS}
    used = [
        [row for row in rows if name not in agreed or annotations.annotator[row] == CONSENSUS]
        for name, rows in members.items()
    ]
    return [
        UrbanClip(name, annotations.split[rows[0]], annotations.sensor[rows[0]], share, name in agreed)
        for (name, rows), share in zip(members.items(), _shares(annotations.votes, used), strict=True)
    ]


def _shares(votes: Votes, used: Sequence[Sequence[int]]) -> Votes:
    """Mean of the votes of each clip's rows that are given, NaN where none of them is one."""
    clip = np.repeat(np.arange(len(used)), [len(rows) for rows in used])
    given = votes[np.concatenate(used)] if used else votes[:0]
    yes, voters = np.zeros((2, len(used), votes.shape[1]), dtype=np.float32)
    np.add.at(yes, clip, np.nan_to_num(given))
    np.add.at(voters, clip, ~np.isnan(given))
    return np.where(voters > 0, yes / np.maximum(voters, 1), np.float32(np.nan))


def apply_rule(share: npt.ArrayLike, rule: str) -> Votes:
    """Labels of shares of annotators; NaN stays.

    Args:
        share: In [0, 1] or NaN, any shape.
        rule: One of `RULES`. `majority`: more than half; `any`: one annotator is enough; `soft`: the share itself.
    """
    shares, least = np.asarray(share, dtype=np.float32), RULES[rule]
    return shares if least is None else np.where(np.isnan(shares), shares, shares > least).astype(np.float32)


def count_clips(clips: Sequence[UrbanClip]) -> Counter[str]:
    """Clips of each split; of `validate` and `test` those with a consensus, which alone can be scored."""
    return Counter(clip.split for clip in clips if clip.consensus or clip.split == "train")


def count_positives(clips: Sequence[UrbanClip]) -> dict[int, int]:
    """Number of each coarse tag to the clips of `train` in which more than half of those who voted heard it."""
    shares = np.reshape([clip.share[: len(COARSE)] for clip in clips if clip.split == "train"], (-1, len(COARSE)))
    heard = apply_rule(shares, "majority") == 1
    return dict(zip(TAXONOMY, heard.sum(axis=0).tolist(), strict=True))


def read_predictions(path: Path) -> tuple[list[str], npt.NDArray[np.float64]]:
    """Read a submission: ``audio_filename`` and one column a tag, in any order; other columns are ignored.

    Returns:
        File names, and probabilities `(clips, 37)` in the order of `CLASSES`.

    Raises:
        InputError: The file cannot be read, has no rows, lacks a column, names a clip twice, or a probability is not a
            number in [0, 1].
    """
    rows = read_rows(path)
    places = columns(path, rows[0], ["audio_filename", *CLASSES])
    del rows[0]
    if not rows:
        raise InputError("no predictions below the header", path)
    predictions: dict[str, list[float]] = {}
    for line, cells in rows:
        where = f"{path}:{line}"
        name = new_name(cells[places["audio_filename"]], predictions, where, "audio_filename")
        predictions[name] = [probability(cells[places[tag]], f"{where}, column {tag}") for tag in CLASSES]
    return list(predictions), np.array(list(predictions.values()))


def write_submission(path: Path, filenames: Sequence[str], probabilities: npt.NDArray[np.floating]) -> None:
    """Write a submission as the organisers' baseline does: ``audio_filename``, 29 fine tags, 8 coarse tags.

    Every float is written so that reading gives it back exactly. The file appears complete or not at all.

    Args:
        path: The csv to write or replace; its folder is made.
        filenames: Names of the clips' files.
        probabilities: In [0, 1], in the order of `CLASSES` `(clips, 37)`.

    Raises:
        InputError: The lengths differ, a name is empty or occurs twice, or a probability is not in [0, 1].
    """
    if np.shape(probabilities) != (len(filenames), len(CLASSES)):
        raise InputError(f"{len(filenames)} files, but probabilities {np.shape(probabilities)}", path)
    order = [*FINE, *COARSE]
    rows: dict[str, list[float]] = {}
    for name, values in zip(filenames, probabilities.tolist(), strict=True):
        of_tag = dict(zip(CLASSES, values, strict=True))
        where = f"{path}, {name}"
        rows[new_name(name, rows, path, "audio_filename")] = [probability(repr(of_tag[tag]), where) for tag in order]
    write_rows(path, [[name, *values] for name, values in rows.items()], header=["audio_filename", *order])


def score(reference: Path, predictions: Path) -> dict[str, float | None]:
    """Score a submission by the official rules.

    Args:
        reference: ``annotations.csv``. The truth are its rows of annotator 0, of the splits of which a clip is
            predicted (the challenge: `validate`).
        predictions: A submission with exactly these clips.

    Returns:
        As `benchmark.metrics.taxonomy_scores`, with the groups `1` to `8`.

    Raises:
        InputError: A file is malformed, nothing is by annotator 0, or a clip is only in one of the two files.
    """
    clips = [clip for clip in gather_clips(read_annotations(reference), reference) if clip.consensus]
    if not clips:
        raise InputError("no row is by annotator 0, the consensus that is scored against", reference)
    names, probabilities = read_predictions(predictions)
    predicted = set(names)
    splits = {clip.split for clip in clips if clip.filename in predicted} or set(SPLITS)
    truth = {clip.filename: clip.share for clip in clips if clip.split in splits}
    require_same(truth, names, f"{reference}, {predictions}", "clips")
    return taxonomy_scores(np.array([truth[name] for name in names]), probabilities, GROUPS)


def rescorer(found: Predictions, classes: Sequence[str]) -> Measures:
    """Micro and macro AUPRC and micro F1, coarse and fine; a held-out share of annotators is rounded, half down."""
    target = np.where(np.isnan(found.target), np.nan, found.target > 0.5)
    return taxonomy_measures(target, found.probabilities, GROUPS)
