"""Facts, file formats and scoring of DCASE 2018 task 3, bird audio detection.

Source: task description at https://dcase.community/challenge2018/task-bird-audio-detection. A data set is a folder
``<root>/<name>/`` with its csv of labels and ``wav/<itemid>.wav``: 10 s, 44.1 kHz, mono, 16 bit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmark.data.inventory import require_folders
from benchmark.errors import InputError
from benchmark.metrics import binary_scores
from benchmark.metrics.binary import binary_measures
from benchmark.metrics.measures import Measures
from benchmark.predictions import Predictions
from benchmark.tabular import columns, new_name, number, probability, read_rows, require_same, write_rows

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
    """

    name: str
    csv_names: tuple[str, ...]
    clips: int
    birds: int


DATASETS: Mapping[str, Dataset] = MappingProxyType(
    {
        dataset.name: dataset
        for dataset in (
            Dataset(
                name="ff1010bird",
                csv_names=("ff1010bird_metadata_2018.csv", "ff1010bird_metadata.csv"),
                clips=7690,
                birds=1935,
            ),
            Dataset(
                name="warblrb10k",
                csv_names=("warblrb10k_public_metadata_2018.csv", "warblrb10k_public_metadata.csv"),
                clips=8000,
                birds=6045,
            ),
            Dataset(
                name="BirdVox-DCASE-20k",
                csv_names=("BirdVoxDCASE20k_csvpublic.csv", "BirdVox-DCASE-20k_csv-public.csv"),
                clips=20000,
                birds=10017,
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


def read_items(root: Path) -> list[Item]:
    """List the clips of the three development sets.

    Args:
        root: Folder that holds one folder a data set, with the official names.

    Returns:
        The items, data set by data set in csv order; their audio need not be there.

    Raises:
        InputError: If a data set or its csv or ``wav`` folder is missing, a csv is malformed, belongs to another data
            set or names a file outside the folder, or two data sets share an itemid.
    """
    _require_files(root)
    items = [item for dataset in DATASETS.values() for item in _items(dataset, root / dataset.name)]
    first: dict[str, str] = {}
    for item in items:  # a submission names clips by itemid alone
        if first.setdefault(item.itemid, item.dataset) != item.dataset:
            places = f"{first[item.itemid]} and {item.dataset}"
            raise InputError(f"item {item.itemid!r} is in {places}", root, "rename it in one of them")
    return items


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
    rows = read_rows(path)
    first = rows[0].cells
    if len(first) == 2 and "itemid" not in first and number(first[1]) is not None:
        places = {"itemid": 0, "prediction": 1}
    else:
        places = columns(path, rows.pop(0), ("itemid", "prediction"))
        if not rows:
            raise InputError("no predictions below the header", path)
    predictions: dict[str, float] = {}
    for line, row in rows:
        itemid = new_name(row[places["itemid"]], predictions, f"{path}:{line}", "itemid")
        predictions[itemid] = probability(row[places["prediction"]], f"{path}:{line}")
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
    for itemid, value in zip(itemids, probabilities, strict=True):
        rows[new_name(itemid, rows, path, "itemid")] = probability(repr(float(value)), f"{path}, item {itemid}")
    write_rows(path, rows.items(), header=("itemid", "prediction"))


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
    require_same([label.itemid for label in labels], predicted, f"{reference}, {predictions}")
    datasets = [label.datasetid for label in labels if label.datasetid is not None]
    return binary_scores(
        [label.hasbird for label in labels], [predicted[label.itemid] for label in labels], datasets or None
    )


def rescorer(found: Predictions, classes: Sequence[str]) -> Measures:
    """AUC and accuracy, per data set and combined."""
    return binary_measures(found.target[:, 0], found.probabilities[:, 0], found.group.tolist())


def _require_files(root: Path) -> None:
    needed: list[str] = []
    for dataset in DATASETS.values():
        path = _csv_path(dataset, root / dataset.name)
        needed += [f"{dataset.name}/wav/", f"{dataset.name}/{path.name if path else dataset.csv_names[0]}"]
    require_folders("bird audio detection", root, needed, "TASK=bad")


def _csv_path(dataset: Dataset, folder: Path) -> Path | None:
    return next((folder / name for name in dataset.csv_names if (folder / name).is_file()), None)


def _items(dataset: Dataset, folder: Path) -> list[Item]:
    path = _csv_path(dataset, folder)
    assert path is not None, "checked by _require_files"
    items = []
    for line, (itemid, datasetid, hasbird) in _labels_with_lines(path):
        if datasetid not in (None, dataset.name):
            raise InputError(f"datasetid '{datasetid}' in the folder of {dataset.name}", f"{path}:{line}")
        if itemid == ".." or itemid != PurePosixPath(itemid).name or itemid != PureWindowsPath(itemid).name:
            raise InputError(f"itemid '{itemid}' would leave the folder wav/", f"{path}:{line}", "correct the itemid")
        items.append(Item(dataset.name, itemid, folder / "wav" / f"{itemid}.wav", hasbird))
    return items


def _labels_with_lines(path: Path) -> list[tuple[int, Label]]:
    rows = read_rows(path)
    places = columns(path, rows.pop(0), ("itemid", "hasbird"))
    if not rows:
        raise InputError("no labels below the header", path)
    labels: dict[str, tuple[int, Label]] = {}
    for line, row in rows:
        where = f"{path}:{line}"
        itemid, hasbird = new_name(row[places["itemid"]], labels, where, "itemid"), row[places["hasbird"]]
        if hasbird not in ("0", "1"):
            raise InputError(f"hasbird is '{hasbird}', neither 0 nor 1", where)
        datasetid = row[places["datasetid"]] if "datasetid" in places else None
        if datasetid == "":
            raise InputError(f"no datasetid for item {itemid}", where, "fill it in, or remove the column")
        labels[itemid] = (line, Label(itemid, datasetid, int(hasbird)))
    return list(labels.values())
