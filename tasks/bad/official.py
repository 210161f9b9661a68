"""Facts, file formats and scoring of DCASE 2018 task 3, bird audio detection.

Source: task description at https://dcase.community/challenge2018/task-bird-audio-detection. A data set is a folder
``<root>/<name>/`` with its csv of labels and ``wav/<itemid>.wav``: 10 s, 44.1 kHz, mono, 16 bit.
"""

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmark.errors import InputError
from benchmark.metrics import binary_scores
from benchmark.records import write_text

NAMES_SHOWN = 5
# The label pages say CC BY; loaders in public use say CC BY 4.0, one of them non-commercial.
LICENCE = "CC BY 4.0; one secondary source says non-commercial: ask the publisher before reuse"


@dataclass(frozen=True)
class Dataset:
    """One of the three development sets.

    Attributes:
        name: Its folder and ``datasetid``.
        csv_names: Accepted names of the label file, the first found is read; the contents are the same.
        clips: Number of clips in the official release.
        birds: How many of them have ``hasbird`` 1.
        licence: Licence of audio and labels, as far as public sources agree.
        audio_url: Archive with the folder ``wav/``.
        labels_url: The label file.
    """

    name: str
    csv_names: tuple[str, ...]
    clips: int
    birds: int
    licence: str
    audio_url: str
    labels_url: str


DATASETS: Mapping[str, Dataset] = MappingProxyType(
    {
        dataset.name: dataset
        for dataset in (
            Dataset(
                name="ff1010bird",
                csv_names=("ff1010bird_metadata_2018.csv", "ff1010bird_metadata.csv"),
                clips=7690,
                birds=1935,
                licence=LICENCE,
                audio_url="https://archive.org/download/ff1010bird/ff1010bird_wav.zip",
                labels_url="https://ndownloader.figshare.com/files/10853303",
            ),
            Dataset(
                name="warblrb10k",
                csv_names=("warblrb10k_public_metadata_2018.csv", "warblrb10k_public_metadata.csv"),
                clips=8000,
                birds=6045,
                licence=LICENCE,
                audio_url="https://archive.org/download/warblrb10k_public/warblrb10k_public_wav.zip",
                labels_url="https://ndownloader.figshare.com/files/10853306",
            ),
            Dataset(
                name="BirdVox-DCASE-20k",
                csv_names=("BirdVoxDCASE20k_csvpublic.csv", "BirdVox-DCASE-20k_csv-public.csv"),
                clips=20000,
                birds=10017,
                licence=LICENCE,
                audio_url="https://zenodo.org/record/1208080/files/BirdVox-DCASE-20k.zip",
                labels_url="https://ndownloader.figshare.com/files/10853300",
            ),
        )
    }
)


class Label(NamedTuple):
    """A row of a label file; ``datasetid`` is None where the file has no such column."""

    itemid: str
    datasetid: str | None
    hasbird: int


@dataclass(frozen=True)
class Item:
    """A labelled recording."""

    dataset: str
    itemid: str
    path: Path
    hasbird: int


def read_labels(path: Path) -> list[Label]:
    """Read ``itemid,hasbird`` or ``itemid,datasetid,hasbird``, by column name; other columns are ignored.

    Args:
        path: The csv; a byte order mark, CRLF and a missing last newline are accepted.

    Returns:
        The rows in file order.

    Raises:
        InputError: If the file cannot be read or is empty, a column is missing, a label is neither 0 nor 1, or an
            itemid is empty or occurs twice.
    """
    return [label for _, label in _labels_with_lines(path)]


def read_items(root: Path, on_error: Literal["stop", "skip"]) -> tuple[list[Item], dict[str, str]]:
    """List the clips of the three development sets.

    Args:
        root: Folder that holds one folder a data set, with the official names.
        on_error: What to do about rows without a file and files without a row: ``stop`` raises, ``skip`` leaves
            them out and reports them.

    Returns:
        The items, data set by data set in csv order; and for each item left out, ``dataset/itemid`` and why.

    Raises:
        InputError: If a data set or its csv or ``wav`` folder is missing, a csv is malformed, belongs to another data
            set or names a file outside the folder, or, with ``stop``, rows and files do not match.
    """
    _require_files(root)
    items: list[Item] = []
    skipped: dict[str, str] = {}
    for dataset in DATASETS.values():
        found, unmatched = _match(dataset, root / dataset.name)
        items += found
        skipped |= unmatched
    if skipped and on_error == "stop":
        raise InputError(
            f"bird audio detection: {len(skipped)} rows or files without partner: {_first(list(skipped.values()))}",
            root.resolve(),
            "complete the data, or leave these clips out with on_error=skip",
        )
    return items, skipped


def read_predictions(path: Path) -> dict[str, float]:
    """Read a submission: ``itemid,prediction`` with header, or the two columns without one.

    Args:
        path: The csv.

    Returns:
        Probability of a bird by itemid, in file order.

    Raises:
        InputError: If the file cannot be read or is empty, a column is missing, a prediction is not a number in
            [0, 1], or an itemid is empty or occurs twice.
    """
    rows = list(_rows(path))
    first = rows[0][1]
    if len(first) == 2 and "itemid" not in first and _number(first[1]) is not None:
        columns = {"itemid": 0, "prediction": 1}
    else:
        columns = _columns(path, rows.pop(0), ("itemid", "prediction"))
        if not rows:
            raise InputError("no predictions below the header", path)
    predictions: dict[str, float] = {}
    for line, row in rows:
        itemid = _new_itemid(row[columns["itemid"]], predictions, f"{path}:{line}")
        predictions[itemid] = _probability(row[columns["prediction"]], f"{path}:{line}")
    return predictions


def write_submission(
    path: Path, itemids: Sequence[str], probabilities: Sequence[float] | npt.NDArray[np.floating[Any]]
) -> None:
    """Write ``itemid,prediction``, the official format; the file appears complete or not at all.

    Args:
        path: The csv to write or replace; its folder is made.
        itemids: One a clip.
        probabilities: Probability of a bird, one a clip; written so that reading gives the same float64.

    Raises:
        InputError: If the lengths differ, an itemid occurs twice, or a probability is not in [0, 1].
    """
    if len(itemids) != len(probabilities):
        raise InputError(f"{len(itemids)} itemids but {len(probabilities)} probabilities", path)
    rows: dict[str, float] = {}
    for itemid, probability in zip(itemids, probabilities, strict=True):
        rows[_new_itemid(itemid, rows, path)] = _probability(repr(float(probability)), f"{path}, item {itemid}")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("itemid", "prediction"))
    writer.writerows(rows.items())
    write_text(path, text.getvalue())


def score(reference: Path, predictions: Path) -> dict[str, float | None]:
    """Score a submission by the rules of :func:`benchmark.metrics.binary_scores`.

    Args:
        reference: A label file; with ``datasetid``, scores are also given per data set.
        predictions: A submission for exactly the items of the reference.

    Returns:
        Metric name to fraction, None where undefined.

    Raises:
        InputError: If a file is malformed or an item is only in one of the two.
    """
    labels, predicted = read_labels(reference), read_predictions(predictions)
    referenced = {label.itemid for label in labels}
    unpredicted = [label.itemid for label in labels if label.itemid not in predicted]
    unknown = [itemid for itemid in predicted if itemid not in referenced]
    if unpredicted or unknown:
        differences = [
            f"{len(names)} of {total} items of the {owner} are not in the {other}: {_first(names)}"
            for names, total, owner, other in (
                (unpredicted, len(labels), "reference", "predictions"),
                (unknown, len(predicted), "predictions", "reference"),
            )
            if names
        ]
        raise InputError("; ".join(differences), f"{reference}, {predictions}", "predict exactly the reference's items")
    datasets = [label.datasetid for label in labels if label.datasetid is not None]
    return binary_scores(
        [label.hasbird for label in labels], [predicted[label.itemid] for label in labels], datasets or None
    )


def _require_files(root: Path) -> None:
    missing: list[str] = []
    incomplete: list[Dataset] = []
    for dataset in DATASETS.values():
        folder = root / dataset.name
        lacks = [] if (folder / "wav").is_dir() else [f"{dataset.name}/wav/"]
        lacks += [] if _csv_path(dataset, folder) else [f"{dataset.name}/{dataset.csv_names[0]}"]
        if lacks:
            missing += lacks
            incomplete.append(dataset)
    if missing:
        sources = "; ".join(f"{dataset.name}: {dataset.audio_url} and {dataset.labels_url}" for dataset in incomplete)
        raise InputError(
            f"bird audio detection: missing {', '.join(missing)}",
            root.resolve(),
            f"fetch audio and labels ({sources}), or try without data: DATA=mini",
        )


def _csv_path(dataset: Dataset, folder: Path) -> Path | None:
    return next((folder / name for name in dataset.csv_names if (folder / name).is_file()), None)


def _match(dataset: Dataset, folder: Path) -> tuple[list[Item], dict[str, str]]:
    path = _csv_path(dataset, folder)
    assert path is not None, "checked by _require_files"
    # Names that start with a dot are leftovers of file managers (``._64486.wav``).
    files = {file.stem: file for file in (folder / "wav").glob("*.wav") if not file.name.startswith(".")}
    items: list[Item] = []
    unmatched: dict[str, str] = {}
    for line, (itemid, datasetid, hasbird) in _labels_with_lines(path):
        if datasetid not in (None, dataset.name):
            raise InputError(f"datasetid '{datasetid}' in the folder of {dataset.name}", f"{path}:{line}")
        if itemid == ".." or itemid != PurePosixPath(itemid).name or itemid != PureWindowsPath(itemid).name:
            raise InputError(f"itemid '{itemid}' would leave the folder wav/", f"{path}:{line}", "correct the itemid")
        file = files.pop(itemid, None)
        if file:
            items.append(Item(dataset.name, itemid, file, hasbird))
        else:
            unmatched[f"{dataset.name}/{itemid}"] = f"{dataset.name}/wav/{itemid}.wav is missing"
    for itemid in sorted(files):
        unmatched[f"{dataset.name}/{itemid}"] = f"{dataset.name}/wav/{itemid}.wav has no row in {path.name}"
    return items, unmatched


def _labels_with_lines(path: Path) -> list[tuple[int, Label]]:
    rows = list(_rows(path))
    columns = _columns(path, rows.pop(0), ("itemid", "hasbird"))
    if not rows:
        raise InputError("no labels below the header", path)
    labels: dict[str, tuple[int, Label]] = {}
    for line, row in rows:
        where = f"{path}:{line}"
        itemid, hasbird = _new_itemid(row[columns["itemid"]], labels, where), row[columns["hasbird"]]
        if hasbird not in ("0", "1"):
            raise InputError(f"hasbird is '{hasbird}', neither 0 nor 1", where)
        datasetid = row[columns["datasetid"]] if "datasetid" in columns else None
        if datasetid == "":
            raise InputError(f"no datasetid for item {itemid}", where, "fill it in, or remove the column")
        labels[itemid] = (line, Label(itemid, datasetid, int(hasbird)))
    return list(labels.values())


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and stripped cells of each row that is not blank, at least one, all equally long."""
    width = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            for row in reader:
                if not any(cell.strip() for cell in row):
                    continue
                width = width or len(row)
                if len(row) != width:
                    raise InputError(f"{len(row)} cells where the first row has {width}", f"{path}:{reader.line_num}")
                yield reader.line_num, [cell.strip() for cell in row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(f"cannot read the csv: {reason}", path) from error
    if not width:
        raise InputError("the file is empty", path)


def _columns(path: Path, header: tuple[int, list[str]], required: tuple[str, ...]) -> dict[str, int]:
    line, names = header
    missing = [name for name in required if name not in names]
    if missing:
        raise InputError(
            f"no column {' and no column '.join(missing)}; found: {', '.join(names)}",
            f"{path}:{line}",
            f"the first line must name {', '.join(required)}",
        )
    return {name: column for column, name in enumerate(names)}


def _new_itemid(itemid: str, known: Mapping[str, object], where: object) -> str:
    if not itemid:
        raise InputError("no itemid", where)
    if itemid in known:
        raise InputError(f"itemid '{itemid}' occurs twice", where)
    return itemid


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _probability(text: str, where: str) -> float:
    value = _number(text)
    if value is None or not math.isfinite(value) or not 0 <= value <= 1:
        raise InputError(f"prediction '{text}' is not a number in [0, 1]", where)
    return value


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMES_SHOWN]) + (" ..." if len(names) > NAMES_SHOWN else "")
