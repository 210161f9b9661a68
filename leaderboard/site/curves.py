"""What a run's pictures are drawn from: learning curves, confusion matrix, ROC and precision-recall curves."""

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import InputError
from benchmark.metrics import roc_auc, roc_curve
from benchmark.metrics.curves import confusion_counts, precision_recall_curve
from benchmark.predictions import Predictions
from benchmark.registry import Task

MOST_POINTS = 500
SHOWN_CURVES = 10

Series = dict[str, Any]


def thin(values: NDArray[Any], most: int = MOST_POINTS) -> NDArray[np.int64]:
    """Places of at most `most` values, evenly spread, the first and the last among them."""
    return np.unique(np.linspace(0, len(values) - 1, min(most, len(values))).round().astype(np.int64))


def learning_curves(folder: Path, task: Task) -> list[dict[str, Any]]:
    """Losses and validation scores over steps, for each training of a run.

    Args:
        folder: The run's folder; it has `metrics.csv`, or `metrics/<training>/metrics.csv` for several trainings.
        task: Says which scores are shown.

    Raises:
        InputError: A file cannot be read, or is not such a table.
    """
    files = {path.parent.name: path for path in sorted(folder.glob("metrics/*/metrics.csv"))}
    if (folder / "metrics.csv").is_file():
        files = {"": folder / "metrics.csv", **files}
    found = []
    for name, path in files.items():
        columns = _columns(path)
        losses = [_series(key, columns[key]) for key in columns if key.endswith("/loss")]
        scores = [_series(key, columns[key]) for key in columns if _is_score(key, task)]
        if any(series["x"] for series in losses + scores):
            found.append({"name": name, "losses": losses, "scores": scores})
    return found


def _is_score(key: str, task: Task) -> bool:
    part, _, score = key.partition("/")
    return part == "val" and score != "loss" and task.is_shown(score)


def _columns(path: Path) -> dict[str, list[tuple[float, float]]]:
    """Column to its steps and values, where it has one."""
    columns: dict[str, list[tuple[float, float]]] = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for line in csv.DictReader(file):
                for key, text in line.items():
                    if key not in ("epoch", "step") and text:
                        columns.setdefault(key, []).append((float(line["step"]), float(text)))
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise InputError(f"not a table of metrics: {error}", path) from error
    return columns


def _series(name: str, points: Sequence[tuple[float, float]]) -> Series:
    finite = np.array([point for point in points if math.isfinite(point[1])]).reshape(-1, 2)
    kept = finite[thin(finite)] if len(finite) else finite
    return {"name": name, "x": kept[:, 0].tolist(), "y": [round(value, 6) for value in kept[:, 1].tolist()]}


def confusion(found: Predictions, classes: Sequence[str]) -> dict[str, Any] | None:
    """How often each class was taken for which; None where clips have not one class each.

    Runs of older versions kept no decisions: there, the most probable class counts.
    """
    one_each = found.target.shape[1] > 1 and bool((np.nan_to_num(found.target) == 1).sum(axis=1).min(initial=1) == 1)
    one_each &= bool(np.nansum(found.target) == len(found.target)) and found.events is None
    if found.decision is None and not one_each:
        return None
    decision = found.probabilities.argmax(axis=1) if found.decision is None else found.decision
    counts = confusion_counts(np.nan_to_num(found.target).argmax(axis=1), decision, len(classes))
    return {"kind": "confusion", "classes": list(classes), "counts": counts.tolist()}


def detection_curves(found: Predictions, classes: Sequence[str]) -> list[dict[str, Any]]:
    """ROC and precision-recall curve of each class or, for one class, of each group of clips.

    Curves of classes with both kinds of clips only, those with most positive clips first.
    """
    rows = np.arange(len(found.clip_id))
    if found.target.shape[1] == 1:
        groups = dict.fromkeys(found.group.tolist())
        parts = {group: (rows[found.group == group], 0) for group in groups} if len(groups) > 1 else {}
        parts = {"all clips": (rows, 0), **parts}
    else:
        parts = {name: (rows, place) for place, name in enumerate(classes)}
    curves = []
    for name, (chosen, place) in parts.items():
        target, score = found.target[chosen, place], found.probabilities[chosen, place]
        known = ~np.isnan(target) & ~np.isnan(score)
        positive = target[known] >= 0.5
        if known.any() and 0 < positive.sum() < len(positive):
            curves.append({"name": name, **_curves(positive, score[known])})
    return sorted(curves, key=lambda curve: -int(curve["positive"]))


def _curves(positive: NDArray[np.bool_], score: NDArray[Any]) -> Mapping[str, Any]:
    false, true = roc_curve(positive, score)
    recall, precision = precision_recall_curve(positive, score)
    average = float(np.sum(np.diff(recall, prepend=0.0) * precision))
    places, others = thin(false), thin(recall)
    return {
        "positive": int(positive.sum()),
        "clips": len(positive),
        "auc": roc_auc(positive, score),
        "average_precision": average,
        "roc": [_rounded(false[places]), _rounded(true[places])],
        "pr": [_rounded(recall[others]), _rounded(precision[others])],
    }


def _rounded(values: NDArray[np.float64]) -> list[float]:
    return [round(value, 4) for value in values.tolist()]
