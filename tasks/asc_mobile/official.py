"""Facts and scoring of DCASE 2018 task 1B, acoustic scene classification with mismatched recording devices.

Sources: task description at https://dcase.community/challenge2018/task-acoustic-scene-classification; card
`task1-baseline-tut`, data. The files are as in task 1A (`tasks.asc.official`), 44.1 kHz and mono; devices B and C
recorded a part of what device A did, at the same time.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmark.errors import InputError
from benchmark.label_files import read_column, score_label_files
from benchmark.metrics.accuracy import accuracy_measures
from benchmark.metrics.measures import Draws, Floats, Measures, all_once, among
from benchmark.predictions import Predictions
from tasks.asc.official import CLASSES, FOLD1, Corpus, device_of

FOLD1_DEVICE_A = f"{FOLD1}-device-a"
DEVICES = ("a", "b", "c")
RANKED = ("b", "c")

MOBILE = Corpus(
    title="TUT Urban Acoustic Scenes 2018 Mobile",
    stem="TUT-urban-acoustic-scenes-2018-mobile",
    task="asc-mobile",
    scored={},  # these sets hold clips that are not scored, and no public list says which
    development={
        "clips": 10_080,
        **dict.fromkeys(CLASSES, 1_008),
        "device a": 8640,
        "device b": 720,
        "device c": 720,
        "locations": 286,
        "fold 1 training": 7202,
        "fold 1 test": 2878,
        "fold 1 test, device a": 2518,
        "fold 1 test, device b": 180,
        "fold 1 test, device c": 180,
    },
)


def device_scores(
    target: npt.ArrayLike, predicted: npt.ArrayLike, devices: Sequence[str], classes: Sequence[str] = CLASSES
) -> dict[str, float | None]:
    """Accuracies over all clips and by recording device.

    Args:
        target: True class indices, of shape ``(clips,)``.
        predicted: Predicted class indices, of shape ``(clips,)``.
        devices: Device of each clip, ``clips`` long.
        classes: Class names, in the order of the indices.

    Returns:
        Fractions; None where undefined. ``accuracy/device_bc`` is the mean of ``accuracy/device_b`` and
        ``accuracy/device_c``, by which the challenge ranks, each the mean over classes; ``accuracy/device_<other>``
        for device A and those that occur; and what `classwise_accuracy` gives for all clips together.
    """
    return all_once(device_measures(target, predicted, devices, classes), np.size(target))


def device_measures(
    target: npt.ArrayLike, predicted: npt.ArrayLike, devices: Sequence[str], classes: Sequence[str] = CLASSES
) -> Measures:
    """`device_scores` of resamples."""
    truth, guess, device = np.asarray(target), np.asarray(predicted), np.asarray(devices, dtype=np.str_)
    by_device = {
        name: among(
            device == name, accuracy_measures(truth[device == name], guess[device == name], classes)["accuracy"]
        )
        for name in sorted({*DEVICES, *devices})
    }

    def ranked(draws: Draws) -> Floats:
        values: Floats = np.mean([by_device[name](draws) for name in RANKED], axis=0)
        return values

    return {
        "accuracy/device_bc": ranked,
        **{f"accuracy/device_{name}": measure for name, measure in by_device.items()},
        **accuracy_measures(truth, guess, classes),
    }


def score(reference: Path, predictions: Path) -> dict[str, float | None]:
    """Score `filename<TAB>label` files by device.

    Args:
        reference: Label file with the truth; `meta.csv` is one. Its column `source_label`, where it has one, says the
            devices, else the file names do.
        predictions: Label file for exactly its files.

    Returns:
        The keys of `device_scores`.

    Raises:
        InputError: A file is malformed, a file name is only in one of the two, or nothing says a file's device.
    """
    names, target, predicted = score_label_files(reference, predictions, CLASSES)
    listed = read_column(reference, "source_label")
    devices = [listed.get(name) or device_of(name) for name in names]
    known = [device for device in devices if device is not None]
    if len(known) < len(names):
        raise InputError(
            f"'{names[devices.index(None)]}' does not say its device",
            reference,
            "give a meta.csv with the column source_label, or name files "
            "<scene>-<city>-<location>-<segment>-<device>.wav",
        )
    return device_scores(target, predicted, known)


def rescorer(found: Predictions, classes: Sequence[str]) -> Measures:
    """Accuracy by device, and over all clips: mean over classes, over clips, and of each class."""
    return device_measures(found.target.argmax(1), found.kept("decision"), found.group.tolist(), classes)
