"""The predictions of a run's scored clips, as its folder keeps them: enough to score them, or some of them, again.

Imports no torch, so that tables and tests over many runs start at once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import BadZipFile
from zlib import error as BadStream

import numpy as np
from numpy.typing import NDArray

from benchmark.data.inventory import Event
from benchmark.errors import InputError
from benchmark.metrics.measures import Measures
from benchmark.records import write_bytes

Indices = NDArray[np.int64]
Scores = dict[str, float | None]

FILE = "predictions.npz"
KINDS = {"clip_id": "U", "group": "U", "target": "fiu", "probabilities": "fiu"}
EVENTS = ("events", "reference_events")
OPTIONAL = {"cluster": "U", "decision": "iu"}
TABLES = ("target", "probabilities")
CONDITION = "condition/"


@dataclass(frozen=True)
class Predictions:
    """What is known and what was predicted of some clips.

    Attributes:
        clip_id: Names of the clips `(clips,)`.
        group: The subset each is scored with `(clips,)`.
        target: `(clips, classes)`.
        probabilities: `(clips, classes)`.
        cluster: What was recorded together, a place, a session, a sensor: clips of one cluster say less than as many of
            different ones `(clips,)`; None where the file is of an older version.
        decision: Class that was decided for, where each clip has one `(clips,)`.
        events: Detected events of each clip, where events are detected.
        reference_events: Annotated events of each clip, where events are detected.
        conditions: Name of a condition to each clip's, e.g. `city` to `(clips,)` cities.
    """

    clip_id: NDArray[np.str_]
    group: NDArray[np.str_]
    target: NDArray[Any]
    probabilities: NDArray[Any]
    cluster: NDArray[np.str_] | None = None
    decision: Indices | None = None
    events: Sequence[Sequence[Event]] | None = None
    reference_events: Sequence[Sequence[Event]] | None = None
    conditions: Mapping[str, NDArray[np.str_]] = field(default_factory=dict)

    def take(self, rows: Indices) -> "Predictions":
        """Some clips, in this order."""
        parts: dict[str, Any] = {name: getattr(self, name) for name in (*KINDS, *OPTIONAL, *EVENTS)}
        for name, values in parts.items():
            if values is not None:
                parts[name] = [values[row] for row in rows] if name in EVENTS else values[rows]
        conditions = {name: values[rows] for name, values in self.conditions.items()}
        return Predictions(**parts, conditions=conditions)

    def kept(self, name: str) -> Any:
        """One of the attributes that only some kinds of problem have.

        Raises:
            InputError: It is not there.
        """
        if (value := getattr(self, name)) is None:
            raise InputError(f"the run kept no {name}", FILE, "it was made by an older version: repeat it")
        return value

    def write(self, path: Path, **further: Any) -> None:
        """Leave them in a file, or in a run's folder; it appears whole or not at all.

        Args:
            path: The file, or the run's folder.
            further: Arrays to keep beside them.
        """
        arrays: dict[str, Any] = {name: getattr(self, name) for name in KINDS}
        arrays |= {name: getattr(self, name) for name in OPTIONAL if getattr(self, name) is not None}
        arrays |= {f"{CONDITION}{name}": values for name, values in self.conditions.items()}
        for name in EVENTS:
            if (lists := getattr(self, name)) is not None:
                arrays[name] = _flat(lists)
        content = BytesIO()
        np.savez_compressed(content, **arrays, **further)
        write_bytes(_file(path), content.getvalue())


Rescorer = Callable[[Predictions, Sequence[str]], Measures]
"""A task's rules, for the predictions of a run and the class names of its protocol."""


def read_predictions(path: Path) -> Predictions:
    """The predictions in a file or a run's folder.

    Raises:
        InputError: There are none, or the file is not whole.
    """
    path = _file(path)
    if not path.exists():
        raise InputError("there are no predictions", path, "repeat the run, or restore the file from a copy")
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {name: file[name] for name in file.files if not name.startswith("frame")}
    except (OSError, ValueError, EOFError, BadZipFile, BadStream) as error:
        what = error.strerror if isinstance(error, OSError) and error.strerror else "not a file of predictions"
        raise InputError(f"cannot read: {what}", path, "repeat the run") from error
    clips = len(found.get("clip_id", ()))
    kinds = KINDS | {name: known for name, known in OPTIONAL.items() if name in found}
    kinds |= {name: "U" for name in found if name.startswith(CONDITION)}
    for name, known in kinds.items():
        dimensions = 2 if name in TABLES else 1
        proper = name in found and found[name].dtype.kind in known and found[name].ndim == dimensions
        if not proper or len(found[name]) != clips:
            raise InputError(f"predictions without a proper {name!r}", path, "repeat the run")
    if found["target"].shape != found["probabilities"].shape:
        raise InputError("predictions and targets of different classes", path, "repeat the run")
    if len(np.unique(found["clip_id"])) < clips:
        raise InputError("predictions that name a clip twice", path, "repeat the run")
    conditions = {name.removeprefix(CONDITION): found[name] for name in found if name.startswith(CONDITION)}
    try:
        events, annotated = (_lists(found[name], clips) if name in found else None for name in EVENTS)
    except (ValueError, TypeError, IndexError) as error:
        raise InputError("predictions without proper events", path, "repeat the run") from error
    cluster, decision = (found.get(name) for name in OPTIONAL)
    clip_id, group, target, probabilities = (found[name] for name in KINDS)
    return Predictions(clip_id, group, target, probabilities, cluster, decision, events, annotated, conditions)


def _file(path: Path) -> Path:
    return path / FILE if path.is_dir() else path


def _flat(lists: Sequence[Sequence[Event]]) -> NDArray[Any]:
    """Events of all clips in one array, each with the row of its clip."""
    rows = [(row, *event) for row, events in enumerate(lists) for event in events]
    width = max((len(event[3]) for event in rows), default=1)
    return np.array(rows, dtype=[("row", "i8"), ("onset", "f8"), ("offset", "f8"), ("label", f"U{width}")])


def _lists(flat: NDArray[Any], clips: int) -> list[list[Event]]:
    lists: list[list[Event]] = [[] for _ in range(clips)]
    for row, onset, offset, label in flat.tolist():
        lists[row].append(Event(onset, offset, label))
    return lists
