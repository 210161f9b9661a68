"""The runs of one result, read with what they predicted: what a report and a dashboard show."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import InputError
from benchmark.metrics import mean_over_folds
from benchmark.predictions import Predictions, read_predictions
from benchmark.records import RunRecord, read_record
from benchmark.registry import Task, get_task
from benchmark.tabular import few


class Member(NamedTuple):
    """A run.

    Attributes:
        folder: Its folder.
        record: Its record.
        found: What it predicted; None where that cannot be read.
    """

    folder: Path
    record: RunRecord
    found: Predictions | None

    @property
    def name(self) -> str:
        """What tells it from the other runs of its result."""
        return f"fold {self.record.fold}, seed {self.record.seed}"

    @property
    def header(self) -> Mapping[str, str]:
        """What `config.yaml` says of the run before the recipe, e.g. where the `data` lay."""
        path = self.folder / "config.yaml"
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
        pairs = (line[2:].partition(": ") for line in lines if line.startswith("# "))
        return {key: value for key, _, value in pairs}


class Score(NamedTuple):
    """A score over seeds: the mean, None where it is undefined, and with several seeds the standard deviation."""

    mean: float | None
    std: float | None


@dataclass(frozen=True)
class Result:
    """The newest run of each fold and seed of one group.

    Attributes:
        task: Its task.
        members: The runs, by seed and fold.
        notes: What a reader must know of them.
    """

    task: Task
    members: tuple[Member, ...]
    notes: tuple[str, ...]

    @property
    def record(self) -> RunRecord:
        """The record of one of the runs, for what all of them share."""
        return self.members[0].record

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names."""
        return self.task.classes_of(self.record.protocol)

    @property
    def by_seed(self) -> Mapping[int, list[Member]]:
        """The runs of each seed, one a fold."""
        seeds = defaultdict(list)
        for member in self.members:
            seeds[member.record.seed].append(member)
        return seeds

    @cached_property
    def scores(self) -> dict[str, Score]:
        """The mean over folds of every score, over seeds; the main score first."""
        seeds = [mean_over_folds([m.record.scores for m in members]) for members in self.by_seed.values()]
        keys = dict.fromkeys([self.task.main_score, *(key for scores in seeds for key in scores)])
        return {key: _over_seeds([scores.get(key) for scores in seeds]) for key in keys}

    @property
    def class_scores(self) -> dict[str, dict[str, Score]]:
        """Kind of a score that single classes have to its value for each class."""
        families: dict[str, dict[str, Score]] = defaultdict(dict)
        for key, score in self.scores.items():
            family, _, name = key.rpartition("/")
            if family and name in self.classes:
                families[family][name] = score
        return families

    @cached_property
    def clips(self) -> Predictions | None:
        """The predictions of all runs, one run after the other; None where there are none."""
        return pool([member.found for member in self.members if member.found is not None])

    @property
    def single_label(self) -> bool:
        """Whether exactly one class of each clip is right."""
        return self.clips is not None and self.clips.decision is not None


def _over_seeds(values: Sequence[float | None]) -> Score:
    defined = [value for value in values if value is not None]
    if not defined or len(defined) < len(values):
        return Score(None, None)
    return Score(fmean(defined), stdev(defined) if len(defined) > 1 else None)


def read_result(folders: Sequence[Path]) -> Result:
    """The result that finished runs of one group make; what is missing of their predictions is noted.

    Args:
        folders: The runs' folders.

    Raises:
        InputError: A record cannot be read, or its task is unknown.
    """
    read = [(folder, read_record(folder / "record.json")) for folder in folders]
    by_age = sorted(read, key=lambda run: (run[1].created, run[1].id))
    newest = {(str(record.seed), record.fold): (folder, record) for folder, record in by_age}
    notes = []
    if older := len(read) - len(newest):
        notes.append(f"{older} older {'run' if older == 1 else 'runs'} of the same fold and seed left out")
    task, members = get_task(read[0][1].task), []
    said: dict[str, list[str]] = defaultdict(list)
    for _, (folder, record) in sorted(newest.items()):
        try:
            found = _checked(read_predictions(folder), len(task.classes_of(record.protocol)), folder)
            found, remarks = _whole(found)
        except InputError as error:
            found, remarks = None, [f"{error.what} ({error.where}): what needs predictions is left out"]
        member = Member(folder, record, found)
        members.append(member)
        for remark in remarks:
            said[remark].append(member.name)
    for remark, names in said.items():
        whose = few(names) if len(names) < len(members) else "all runs" if len(members) > 1 else "this run"
        notes.append(f"{whose}: {remark}")
    return Result(task, tuple(members), tuple(notes))


def _checked(found: Predictions, classes: int, folder: Path) -> Predictions:
    if found.target.shape != found.probabilities.shape or found.target.shape != (len(found.clip_id), classes):
        shapes = f"targets {found.target.shape} and probabilities {found.probabilities.shape}"
        raise InputError(f"predictions of another shape: {shapes} for {classes} classes", folder, "repeat the run")
    return found


def _whole(found: Predictions) -> tuple[Predictions, list[str]]:
    """The predictions that can be drawn, with a decision where older versions kept none, and what is to be said."""
    remarks = []
    broken = np.isnan(found.probabilities).any(axis=1)
    if broken.any():
        found = take(found, np.flatnonzero(~broken))
        remarks.append(f"{broken.sum()} clips have a probability that is no number, and are left out of pictures")
    if found.cluster is None:
        remarks.append("made by an older version, which did not keep what clips were recorded together, or where")
    one_hot = found.target.shape[1] > 1 and np.isin(found.target, (0, 1)).all() and (found.target.sum(1) == 1).all()
    if found.decision is None and found.events is None and one_hot:
        if np.allclose(found.probabilities.sum(1), 1, atol=1e-3):
            found = replace(found, decision=found.probabilities.argmax(1))
            remarks.append("the class that was decided for was not kept: the most probable one stands in its place")
    return found, remarks


def take(found: Predictions, rows: NDArray[np.int64]) -> Predictions:
    """The predictions in some rows."""

    def rows_of(values: Any) -> Any:
        if values is None:
            return None
        return values[rows] if isinstance(values, np.ndarray) else [values[row] for row in rows]

    conditions = {name: values[rows] for name, values in found.conditions.items()}
    parts = {name: rows_of(value) for name, value in vars(found).items() if name != "conditions"}
    return Predictions(**parts, conditions=conditions)


def pool(found: Sequence[Predictions]) -> Predictions | None:
    """All predictions in one; what not all of them have is left out. None where there are none."""
    if not sum(len(one.clip_id) for one in found):
        return None
    parts: dict[str, Any] = {}
    for name in (name for name in vars(found[0]) if name != "conditions"):
        values = [getattr(one, name) for one in found]
        if all(isinstance(value, np.ndarray) for value in values):
            parts[name] = np.concatenate(values)
        else:
            whole = all(value is not None for value in values)
            parts[name] = [of_clip for value in values for of_clip in value] if whole else None
    shared = [name for name in found[0].conditions if all(name in one.conditions for one in found)]
    conditions = {name: np.concatenate([one.conditions[name] for one in found]) for name in shared}
    return Predictions(**parts, conditions=conditions)
