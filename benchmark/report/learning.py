"""What runs logged while they learnt: `metrics.csv`, and those of earlier sessions of the same run."""

import csv
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Curve = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Steps, rising, and values."""

POINTS = 400


def read_curves(folder: Path) -> dict[str, dict[str, Curve]]:
    """Training to what it logged, by key.

    Args:
        folder: The run's folder; a run of one training calls it by no name.
    """
    found = {}
    for place in [folder, *sorted(path for path in folder.glob("metrics/*") if path.is_dir())]:
        points: dict[str, dict[int, float]] = defaultdict(dict)
        for path in [*sorted(place.glob("metrics-*.csv")), place / "metrics.csv"]:
            for key, step, value in _logged(path) if path.is_file() else ():
                points[key][step] = value  # a resumed session logs some steps again
        if curves := {key: _curve(values) for key, values in points.items() if values}:
            found[place.name if place != folder else ""] = curves
    return found


def pick(runs: Mapping[str, Mapping[str, Mapping[str, Curve]]], keys: Sequence[str]) -> tuple[str, dict[str, Curve]]:
    """The first of some keys that any training logged, and the curves of all that did.

    Args:
        runs: Name of a run to what `read_curves` found.
        keys: The keys to look for.

    Returns:
        The key, empty if none was logged, and training to curve.
    """
    for key in keys:
        found = {
            ": ".join(part for part in (run if len(runs) > 1 else "", training) if part) or "training": curves[key]
            for run, trainings in runs.items()
            for training, curves in trainings.items()
            if key in curves
        }
        if found:
            return key, found
    return "", {}


def _logged(path: Path) -> Iterator[tuple[str, int, float]]:
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        for row in csv.DictReader(file):
            step = _number(row.get("step"))
            for key, text in row.items():
                value = _number(text)
                if key not in (None, "step", "epoch") and math.isfinite(step) and not math.isnan(value):
                    yield key, int(step), value


def _number(text: object) -> float:
    try:
        return float(text) if isinstance(text, str) else math.nan
    except ValueError:
        return math.nan


def _curve(values: Mapping[int, float]) -> Curve:
    steps = np.array(sorted(values), dtype=np.float64)
    every = -(-len(steps) // POINTS)
    kept = steps[::-1][::every][::-1]
    return kept, np.array([values[int(step)] for step in kept])
