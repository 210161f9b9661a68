"""Runs joined to results (a group's folds and seeds), and results to tables.

A table never mixes variants, protocols, scales, or results whose scored data chose the weights with others.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import NamedTuple

from benchmark.metrics import mean_over_folds
from benchmark.records import RunRecord
from benchmark.registry import Task
from leaderboard import Run

VARIANT_ORDER = ("full", "partial", "custom", "mini")


class TableKey(NamedTuple):
    """What results must have in common to stand in one table; `fingerprint` is empty for `full`."""

    variant: str
    fingerprint: str
    protocol: str
    scale: float
    selected_on_test: bool


class Score(NamedTuple):
    """Mean over seeds, None where it is undefined, and sample standard deviation, None below two seeds."""

    mean: float | None
    std: float | None


@dataclass(frozen=True)
class Result:
    """One row of a table: the runs of one group.

    Attributes:
        system: Name of the system.
        group: Hash that the runs share.
        folds: The protocol's folds.
        seeds: Seed to fold to run, for the runs that the row shows: the seeds with all folds or, where there is none,
            all seeds.
        scores: Metric key to its mean over folds, then over seeds; empty where no seed has all folds.
        fold_scores: Fold to its main score, the mean over seeds; None where undefined, absent where no run has it.
        notes: What a reader must know of this row.
    """

    system: str
    group: str
    folds: tuple[str, ...]
    seeds: Mapping[int, Mapping[str, Run]]
    scores: Mapping[str, Score]
    fold_scores: Mapping[str, float | None]
    notes: tuple[str, ...]

    @property
    def found_folds(self) -> int:
        """Folds of the seed that has most."""
        return max(len(runs) for runs in self.seeds.values())

    @property
    def complete(self) -> bool:
        """Whether the row's seeds have all folds."""
        return self.found_folds == len(self.folds)

    @property
    def records(self) -> list[RunRecord]:
        """The records of the row's runs."""
        return [run.record for runs in self.seeds.values() for run in runs.values()]


def group_results(task: Task, runs: Iterable[Run]) -> dict[TableKey, list[Result]]:
    """The task's results, those together that may share a table; tables and rows in the order to show them."""
    tables: dict[TableKey, dict[tuple[str, str], list[Run]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        if run.record.task == task.name:
            tables[_table_key(run.record)][run.record.system, run.record.group].append(run)
    return {
        key: sorted((_join(members, task) for members in tables[key].values()), key=lambda r: _rank(r, task.main_score))
        for key in sorted(tables, key=lambda key: _table_rank(key, task))
    }


def _table_key(record: RunRecord) -> TableKey:
    # The same share of the official clips need not be the same clips, and a mini variant changes with its version.
    fingerprint = "" if record.variant == "full" else record.dataset_fingerprint
    return TableKey(record.variant, fingerprint, record.protocol, record.scale, record.selection == "test")


def _table_rank(key: TableKey, task: Task) -> tuple[object, ...]:
    kind = key.variant.partition(":")[0]
    place = VARIANT_ORDER.index(kind) if kind in VARIANT_ORDER else len(VARIANT_ORDER)
    protocol = list(task.protocols).index(key.protocol)
    return (place, key.variant, key.fingerprint, protocol, -key.scale, key.selected_on_test)


def _rank(result: Result, main: str) -> tuple[object, ...]:
    """Complete results first, then by score; what is undefined or missing comes last."""
    score = result.scores[main].mean if main in result.scores else None
    values = [score, *(result.fold_scores.get(fold) for fold in result.folds)]
    return (not result.complete, *(math.inf if v is None else -v for v in values), result.system, result.group)


def _join(members: Sequence[Run], task: Task) -> Result:
    """The row of one group's runs: the newest run of each fold and seed counts."""
    first = members[0].record
    folds = task.protocols[first.protocol]
    by_age = sorted(members, key=lambda run: (run.record.created, run.record.id))
    newest = {(run.record.seed, run.record.fold): run for run in by_age}
    by_seed = {
        seed: {fold: newest[seed, fold] for fold in folds if (seed, fold) in newest}
        for seed in sorted({seed for seed, _ in newest})
    }
    complete = {seed: runs for seed, runs in by_seed.items() if len(runs) == len(folds)}
    used = complete or by_seed
    notes = _notes_on_missing(by_seed, folds, bool(complete)) + _notes_on_undefined(used, task)
    if repeated := len(members) - len(newest):
        notes.append(f"{repeated} older {'run' if repeated == 1 else 'runs'} of the same fold and seed left out")
    changes = {" ".join(run.record.overrides) for runs in used.values() for run in runs.values()} - {""}
    if first.system not in task.systems:
        notes.append("no recipe of this name here")
    if any(member.record.external_data for member in members):
        notes.append("uses external data")
    notes += [f"recipe changed by {change}" for change in sorted(changes)]
    return Result(
        system=first.system,
        group=first.group,
        folds=folds,
        seeds=used,
        scores=_over_seeds([mean_over_folds([r.record.scores for r in runs.values()]) for runs in complete.values()]),
        fold_scores=_fold_scores(used, folds, task.main_score),
        notes=tuple(notes),
    )


def _notes_on_missing(by_seed: Mapping[int, Mapping[str, Run]], folds: Sequence[str], any_complete: bool) -> list[str]:
    consequence = ", is left out" if any_complete else ""
    missing = {seed: [fold for fold in folds if fold not in runs] for seed, runs in by_seed.items()}
    return [f"seed {seed} lacks {_folds(names)}{consequence}" for seed, names in missing.items() if names]


def _notes_on_undefined(seeds: Mapping[int, Mapping[str, Run]], task: Task) -> list[str]:
    notes = []
    for seed, runs in seeds.items():
        for key in dict.fromkeys(key for run in runs.values() for key in run.record.scores if task.is_shown(key)):
            values = {fold: run.record.scores[key] for fold, run in runs.items() if key in run.record.scores}
            undefined = [fold for fold, value in values.items() if value is None]
            if 0 < len(undefined) < len(values):
                notes.append(f"seed {seed}: {key} is undefined in {_folds(undefined)}, its mean is over the others")
    return notes


def _folds(names: Sequence[str]) -> str:
    return f"fold{'' if len(names) == 1 else 's'} {', '.join(names)}"


def _over_seeds(seeds: Sequence[Mapping[str, float | None]]) -> dict[str, Score]:
    keys = dict.fromkeys(key for scores in seeds for key in scores)
    return {key: _score([scores.get(key) for scores in seeds]) for key in keys}


def _fold_scores(seeds: Mapping[int, Mapping[str, Run]], folds: Sequence[str], main: str) -> dict[str, float | None]:
    found = {fold: [runs[fold].record.scores.get(main) for runs in seeds.values() if fold in runs] for fold in folds}
    return {fold: _score(values).mean for fold, values in found.items() if values}


def _score(values: Sequence[float | None]) -> Score:
    defined = [value for value in values if value is not None]
    if len(defined) < len(values):
        return Score(None, None)
    return Score(fmean(defined), stdev(defined) if len(defined) > 1 else None)
