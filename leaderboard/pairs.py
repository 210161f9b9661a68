"""Runs of two results, joined by fold and seed, with what they predicted of the same clips."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmark.errors import InputError
from benchmark.metrics import mean_over_folds
from benchmark.predictions import Indices, Rescore, Rescorer, read_predictions
from benchmark.records import RunRecord, find_runs
from benchmark.registry import get_task
from benchmark.suggest import did_you_mean
from benchmark.tabular import few
from leaderboard import read_checked

NAMES = ("A", "B")
SAME = ("task", "protocol", "variant", "dataset_fingerprint")
TOLERANCE = 1e-9


class Work(NamedTuple):
    """What A and B are joined by."""

    seed: int
    fold: str


class Found(NamedTuple):
    """A run's folder and its record."""

    folder: Path
    record: RunRecord


class Clips(NamedTuple):
    """A run's score of any of its clips, and the rows of the clips in the order that all runs share."""

    rescore: Rescore
    order: Indices


@dataclass(frozen=True)
class Side:
    """The runs of A or of B.

    Attributes:
        name: `A` or `B`.
        runs: The newest run of each fold and seed.
        notes: What a reader must know of them.
    """

    name: str
    runs: Mapping[Work, Found]
    notes: tuple[str, ...]

    @property
    def record(self) -> RunRecord:
        """The record of one of the runs, for what all of them share."""
        return next(iter(self.runs.values())).record


@dataclass(frozen=True)
class Pairs:
    """Runs of both sides that can be compared.

    Attributes:
        sides: A and B.
        seeds: Seeds that both have, with all of `folds`.
        folds: Folds that both have.
        notes: What was left out, and what a reader must know.
    """

    sides: tuple[Side, Side]
    seeds: tuple[int, ...]
    folds: tuple[str, ...]
    notes: tuple[str, ...]


def join(root: Path, a: str, b: str) -> Pairs:
    """The runs that A and B mean, joined.

    Args:
        root: Folder of the runs.
        a: A run's folder, a unique id prefix, a group (all its members) or `last`.
        b: The same.

    Raises:
        InputError: No such run, runs of different work, or nothing in common.
    """
    first, second = sides = _side(root, "A", a), _side(root, "B", b)
    _require_same(sides)
    common = first.runs.keys() & second.runs.keys()
    if not common:
        where = "; ".join(f"{side.name}: {_listed(side.runs)}" for side in sides)
        raise InputError("A and B have no fold and seed in common", where, "run both with the same folds and seeds")
    all_folds = get_task(first.record.task).protocols[first.record.protocol]
    folds = tuple(fold for fold in all_folds if any(work.fold == fold for work in common))
    seeds = tuple(seed for seed in sorted({w.seed for w in common}) if all(Work(seed, f) in common for f in folds))
    if not seeds:
        raise InputError("no seed has all folds in common", _listed(common), "run the folds that are missing")
    notes = [*first.notes, *second.notes]
    for side, other in (sides, sides[::-1]):
        if only := side.runs.keys() - other.runs.keys():
            notes.append(f"only {side.name} has {_listed(only)}: left out")
    if partly := {work for work in common if work.seed not in seeds}:
        notes.append(f"not in all folds: {_listed(partly)}: left out")
    if len(folds) < len(all_folds):
        notes.append(f"folds {', '.join(folds)} of {', '.join(all_folds)}")
    return Pairs(sides, seeds, folds, tuple(notes))


def _side(root: Path, name: str, runs: str) -> Side:
    found = [Found(folder, read_checked(folder / "record.json")) for folder in find_runs(root, runs)]
    by_age = sorted(found, key=lambda run: (run.record.created, run.record.id))
    newest = {Work(run.record.seed, run.record.fold): run for run in by_age}
    records = [run.record for run in newest.values()]
    notes = []
    if repeated := len(found) - len(newest):
        notes.append(
            f"{name}: {repeated} older {'run' if repeated == 1 else 'runs'} of the same fold and seed left out"
        )
    if scales := {record.scale for record in records} - {1.0}:
        notes.append(f"{name}: scale {', '.join(f'{scale:g}' for scale in sorted(scales))}, not the whole recipe")
    if changes := sorted({" ".join(record.overrides) for record in records} - {""}):
        notes.append(f"{name}: recipe changed by {'; '.join(changes)}")
    if any(record.selection == "test" for record in records):
        notes.append(f"{name}: weights selected on the scored data")
    return Side(name, newest, tuple(notes))


def _require_same(sides: tuple[Side, Side]) -> None:
    """Check that all runs did the same work on the same data, all of it or a share.

    Raises:
        InputError: They did not; says what differs.
    """
    a, b = ([run.record for run in side.runs.values()] for side in sides)
    differing = []
    for key in SAME:
        values = [sorted({str(getattr(record, key)) for record in records}) for records in (a, b)]
        if len({*values[0], *values[1]}) > 1:
            differing.append(f"{key} ({', '.join(values[0])} and {', '.join(values[1])})")
    if len({record.scale == 1 for record in [*a, *b]}) > 1:
        scales = (", ".join(sorted({f"{record.scale:g}" for record in records})) for records in (a, b))
        differing.append(f"scale ({' and '.join(scales)}), where one is the whole recipe and one is not")
    if differing:
        remedy = "run both on the same task, protocol and data (also data.subsets), both whole or both scaled"
        raise InputError(f"A and B cannot be compared, they differ in {'; '.join(differing)}", remedy=remedy)


def _listed(works: Iterable[Work]) -> str:
    return few([f"seed {work.seed} fold {work.fold}" for work in sorted(works)])


class PairedScores:
    """Scores of both sides on any rows of the clips, in an order of clips that all runs of a fold share.

    Args:
        pairs: The runs.
        key: Which score; empty for the task's main score.

    Raises:
        InputError: A run kept no predictions, has no such score or an undefined one, or its predictions do not give the
            score that its record has; or the runs of a fold scored different clips.
    """

    def __init__(self, pairs: Pairs, key: str = "") -> None:
        record = pairs.sides[0].record
        task = get_task(record.task)
        self.key, self.pairs = key or task.main_score, pairs
        self.rescorer: Rescorer = task.load("rescorer")
        self.classes = task.classes_of(record.protocol)
        self.clips: dict[str, int] = {}
        self.runs: dict[tuple[str, Work], Clips] = {}
        for fold in pairs.folds:
            self._load(fold)

    def _load(self, fold: str) -> None:
        """Read the runs of a fold, and bring their clips into one order."""
        shared = None
        for side in self.pairs.sides:
            for seed in self.pairs.seeds:
                run = side.runs[Work(seed, fold)]
                found = read_predictions(run.folder)
                rescore, order = self.rescorer(found, self.classes), np.argsort(found.clip_id)
                self._require_recorded(run, rescore(found.rows))
                ids, target = found.clip_id[order], found.target[order]
                shared = shared or (ids, target, run.folder)
                if not np.array_equal(ids, shared[0]):
                    strangers = np.setxor1d(ids, shared[0]).tolist()
                    what = f"the runs did not score the same clips: {few(strangers)} only in one of them"
                    raise InputError(what, f"{shared[2]}, {run.folder}", "run both on the same data")
                if not np.array_equal(target, shared[1], equal_nan=True):
                    what = "the runs did not score by the same labels"
                    raise InputError(what, f"{shared[2]}, {run.folder}", "run both on the same data")
                self.runs[side.name, Work(seed, fold)] = Clips(rescore, order)
                self.clips[fold] = len(ids)

    def _require_recorded(self, run: Found, scores: Mapping[str, float | None]) -> None:
        """Check that the predictions give the score that the record has."""
        recorded, again = (known.get(self.key) for known in (run.record.scores, scores))
        if self.key not in run.record.scores:
            raise InputError(f"there is no score {self.key!r}", "--score", did_you_mean(self.key, run.record.scores))
        if recorded is None:
            raise InputError(f"{self.key} is undefined", run.folder, "name a score that is defined: --score KEY")
        if again is None or abs(again - recorded) > TOLERANCE:
            what = f"the predictions give {self.key} {again}, the record {recorded}"
            raise InputError(what, run.folder, "one of them was changed, or the rules were: repeat the run")

    def score(self, name: str, seed: int, rows: Mapping[str, Indices]) -> float:
        """Score of a side's runs with one seed, the mean over folds.

        Args:
            name: `A` or `B`.
            seed: Place of the seed.
            rows: Rows of each fold's clips.

        Returns:
            NaN where the score is undefined.
        """
        runs = {fold: self.runs[name, Work(self.pairs.seeds[seed], fold)] for fold in self.pairs.folds}
        folds = [run.rescore(run.order[rows[fold]]) for fold, run in runs.items()]
        value = mean_over_folds(folds).get(self.key)
        return float("nan") if value is None else value
