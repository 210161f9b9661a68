"""Facts, file formats and scoring of DCASE 2018 task 2, general-purpose audio tagging (FSDKaggle2018).

Source: card ``task2-fsdkaggle2018-baseline``; the release's own csv files. Below the data root lie
``FSDKaggle2018/FSDKaggle2018.audio_train/``, ``.audio_test/`` and ``.meta/``: clips of 0.3 to 30 s, 44.1 kHz, mono.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmark.errors import InputError
from benchmark.metrics.measures import Measure, Measures, all_once, among, share
from benchmark.metrics.ranking import NO_GUESS, average_precision_at_k, top_k
from benchmark.predictions import Predictions
from benchmark.suggest import did_you_mean
from benchmark.tabular import columns, new_name, read_rows, require_same, write_rows

TITLE = "general-purpose audio tagging"
LICENCE = "data set CC BY 4.0; each clip CC0 or CC BY, three clips CC BY-NC, as its row in the csv says"

FOLDER = "FSDKaggle2018"
AUDIO_TRAIN = f"{FOLDER}/FSDKaggle2018.audio_train"
AUDIO_TEST = f"{FOLDER}/FSDKaggle2018.audio_test"
TRAIN_LIST = f"{FOLDER}/FSDKaggle2018.meta/train_post_competition.csv"
SCORED_LIST = f"{FOLDER}/FSDKaggle2018.meta/test_post_competition_scoring_clips.csv"
WHOLE_TEST_LIST = f"{FOLDER}/FSDKaggle2018.meta/test_post_competition.csv"

GUESSES = 3
MAIN_SCORE = "map@3"
VERIFIED, UNVERIFIED = "verified", "unverified"
USAGES = ("public", "private")
IGNORED, NO_LABEL = "ignored", "None"

TRAIN_CLIPS: Mapping[str, int] = MappingProxyType(
    {
        "Acoustic_guitar": 300,
        "Applause": 300,
        "Bark": 239,
        "Bass_drum": 300,
        "Burping_or_eructation": 210,
        "Bus": 109,
        "Cello": 300,
        "Chime": 115,
        "Clarinet": 300,
        "Computer_keyboard": 119,
        "Cough": 243,
        "Cowbell": 191,
        "Double_bass": 300,
        "Drawer_open_or_close": 158,
        "Electric_piano": 150,
        "Fart": 300,
        "Finger_snapping": 117,
        "Fireworks": 300,
        "Flute": 300,
        "Glockenspiel": 94,
        "Gong": 292,
        "Gunshot_or_gunfire": 147,
        "Harmonica": 165,
        "Hi-hat": 300,
        "Keys_jangling": 139,
        "Knock": 279,
        "Laughter": 300,
        "Meow": 155,
        "Microwave_oven": 146,
        "Oboe": 299,
        "Saxophone": 300,
        "Scissors": 95,
        "Shatter": 300,
        "Snare_drum": 300,
        "Squeak": 300,
        "Tambourine": 221,
        "Tearing": 300,
        "Telephone": 120,
        "Trumpet": 300,
        "Violin_or_fiddle": 300,
        "Writing": 270,
    }
)
"""Each class with its number of training clips (card, Table 2), in the official spelling and order."""

CLASSES = tuple(TRAIN_CLIPS)
TRAIN_VERIFIED, TRAIN_UNVERIFIED = 3710, 5763
TEST_CLIPS: Mapping[str, int] = MappingProxyType({"public": 301, "private": 1299})


class Clip(NamedTuple):
    """A labelled clip of a list.

    Attributes:
        fname: Name of its audio file.
        label: One of `CLASSES`.
        group: ``verified`` or ``unverified`` (training), ``public`` or ``private`` (test), or nothing where a list
            does not say.
    """

    fname: str
    label: str
    group: str


class ScoringList(NamedTuple):
    """What a test list says: the clips to score, and the names of those that are never scored."""

    scored: list[Clip]
    ignored: frozenset[str]


def read_train(path: Path) -> list[Clip]:
    """Read ``fname,label,manually_verified``, by column name; other columns are passed over.

    Args:
        path: The csv; a byte order mark, Windows line ends and a missing last newline are accepted.

    Returns:
        The rows in file order.

    Raises:
        InputError: If the file cannot be read or lists nothing, a column is missing, a label is no official class,
            `manually_verified` is neither 0 nor 1, or a clip occurs twice.
    """
    header, *rows = read_rows(path)
    place = columns(path, header, ("fname", "label", "manually_verified"))
    clips: dict[str, Clip] = {}
    for line, cells in rows:
        where = f"{path}:{line}"
        fname = new_name(cells[place["fname"]], clips, where, "clip")
        label = _class_name(cells[place["label"]], where)
        verified = cells[place["manually_verified"]]
        if verified not in ("0", "1"):
            raise InputError(f"manually_verified is '{verified}', neither 0 nor 1", where)
        clips[fname] = Clip(fname, label, VERIFIED if verified == "1" else UNVERIFIED)
    if not clips:
        raise InputError("no clips below the header", path)
    return list(clips.values())


def read_test(path: Path) -> ScoringList:
    """Read ``fname,label`` or ``fname,label,usage``, by column name; other columns are passed over.

    Rows with usage ``Ignored``, or label ``None`` where there is no usage, are clips that pad the challenge's test set.

    Args:
        path: The csv; see `read_train`.

    Returns:
        The scored clips in file order, with the group ``public``, ``private`` or nothing; and the ignored names.

    Raises:
        InputError: If the file cannot be read or has nothing to score, a column is missing, a label is no official
            class, a usage is unknown, or a clip occurs twice.
    """
    header, *rows = read_rows(path)
    place = columns(path, header, ("fname", "label"))
    scored: list[Clip] = []
    known: set[str] = set()
    ignored: set[str] = set()
    for line, cells in rows:
        where = f"{path}:{line}"
        fname, label = new_name(cells[place["fname"]], known, where, "clip"), cells[place["label"]]
        written = cells[place["usage"]] if "usage" in place else ""
        usage = written.lower()
        known.add(fname)
        if usage == IGNORED or ("usage" not in place and label == NO_LABEL):
            ignored.add(fname)
            continue
        if "usage" in place and usage not in USAGES:
            raise InputError(f"usage is '{written}'", where, "it must be Public, Private or Ignored")
        scored.append(Clip(fname, _class_name(label, where), usage))
    if not scored:
        raise InputError("no clips to score below the header", path)
    return ScoringList(scored, frozenset(ignored))


def read_submission(path: Path, ignored: Collection[str] = ()) -> dict[str, tuple[str, ...]]:
    """Read a Kaggle submission, ``fname,label`` with up to three labels a clip, separated by spaces, the best first.

    Args:
        path: The csv; see `read_train`.
        ignored: Clips that are not scored; their rows are passed over, whatever they guess.

    Returns:
        Labels by clip, in file order.

    Raises:
        InputError: If the file cannot be read or lists nothing, a column is missing, a clip occurs twice, or has more
            than three labels or one that is no official class.
    """
    header, *rows = read_rows(path)
    place = columns(path, header, ("fname", "label"))
    guesses: dict[str, tuple[str, ...]] = {}
    passed_over: set[str] = set()
    for line, cells in rows:
        where = f"{path}:{line}"
        fname, labels = cells[place["fname"]], cells[place["label"]].split()
        new_name(fname, guesses, where, "clip")
        if fname in ignored:
            passed_over.add(new_name(fname, passed_over, where, "clip"))
            continue
        if len(labels) > GUESSES:
            raise InputError(f"{len(labels)} labels for clip '{fname}'", where, f"give at most {GUESSES}")
        guesses[fname] = tuple(_class_name(label, where) for label in labels)
    if not guesses:
        raise InputError("no predictions below the header", path)
    return guesses


def write_submission(path: Path, fnames: Sequence[str], probability: npt.ArrayLike) -> None:
    """Write ``fname,label`` with the three most probable labels of each clip; all of the file or nothing.

    Args:
        path: The csv to write or replace; its folder is made.
        fnames: One a clip.
        probability: Of shape ``(clips, classes)``.

    Raises:
        InputError: If the shapes do not fit, a name is empty or occurs twice, or a probability is NaN.
    """
    values = np.asarray(probability)
    if values.shape != (len(fnames), len(CLASSES)):
        raise InputError(f"{len(fnames)} clips of {len(CLASSES)} classes, but probabilities of {values.shape}", path)
    rows: dict[str, str] = {}
    for fname, best in zip(fnames, top_k(values, GUESSES), strict=True):
        rows[new_name(fname, rows, path, "clip")] = " ".join(CLASSES[index] for index in best)
    write_rows(path, rows.items(), header=("fname", "label"))


def score(reference: Path, predictions: Path) -> dict[str, float | None]:
    """Score a submission as Kaggle did; see `tagging_scores`.

    Args:
        reference: A list of labelled clips; with ``usage``, the public and the private part are also scored.
        predictions: A submission for exactly its scored clips; ignored ones may be there as well.

    Returns:
        Metric name to fraction, None where undefined.

    Raises:
        InputError: If a file is malformed or a clip is only in one of the two.
    """
    listed = read_test(reference)
    guesses = read_submission(predictions, listed.ignored)
    require_same([clip.fname for clip in listed.scored], guesses, predictions, "clips")
    index = {name: number for number, name in enumerate(CLASSES)}
    ranked = np.full((len(guesses), GUESSES), NO_GUESS)
    for row, clip in enumerate(listed.scored):
        labels = guesses[clip.fname]
        ranked[row, : len(labels)] = [index[label] for label in labels]
    target = [index[clip.label] for clip in listed.scored]
    return tagging_scores(target, ranked, [clip.group for clip in listed.scored])


def tagging_scores(
    target: npt.ArrayLike, ranked: npt.NDArray[np.integer], groups: npt.ArrayLike
) -> dict[str, float | None]:
    """MAP@3 and accuracy over clips, and per class.

    Args:
        target: True classes, of shape ``(clips,)``.
        ranked: Guessed classes, the best first, of shape ``(clips, 3)``; see `average_precision_at_k`.
        groups: Subset of each clip, ``clips`` long.

    Returns:
        ``map@3``; ``map@3/public`` and ``map@3/private`` where any clip is in one of the two; ``map@3/<class>``; and
        the same of ``accuracy``, the share of clips whose first guess is right. None where there is no clip.
    """
    return all_once(tagging_measures(target, ranked, groups), np.size(target))


def tagging_measures(target: npt.ArrayLike, ranked: npt.NDArray[np.integer], groups: npt.ArrayLike) -> Measures:
    """`tagging_scores` of resamples."""
    classes = np.asarray(target)
    precision = average_precision_at_k(classes, ranked)
    correct = (ranked[:, 0] == classes).astype(np.float64)
    subset = np.asarray(groups, dtype=np.str_)
    usages = USAGES if np.isin(subset, USAGES).any() else ()
    measures: dict[str, Measure] = {}
    for metric, values in ((MAIN_SCORE, precision), ("accuracy", correct)):
        parts = {usage: subset == usage for usage in usages}
        parts |= {name: classes == index for index, name in enumerate(CLASSES)}
        measures[metric] = share(values)
        measures |= {f"{metric}/{name}": among(rows, share(values[rows])) for name, rows in parts.items()}
    return measures


def rescorer(found: Predictions, classes: Sequence[str]) -> Measures:
    """MAP@3 and accuracy, in all, per part of the test set, and per class."""
    return tagging_measures(found.target.argmax(1), top_k(found.probabilities, GUESSES), found.group)


def _class_name(label: str, where: object) -> str:
    if label not in TRAIN_CLIPS:
        raise InputError(f"there is no class '{label}'", where, did_you_mean(label, CLASSES))
    return label
