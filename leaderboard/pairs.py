"""Runs of two results, joined by fold and seed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from benchmark.errors import InputError
from benchmark.records import RECORD, RunRecord, find_runs
from benchmark.registry import get_task
from benchmark.tabular import few
from leaderboard import Run, load_runs, read_checked

NAMES = ("A", "B")
SAME = ("task", "protocol", "variant", "dataset_fingerprint")


class Work(NamedTuple):
    """What A and B are joined by."""

    seed: int
    fold: str


@dataclass(frozen=True)
class Side:
    """The runs of A or of B.

    Attributes:
        name: `A` or `B`.
        runs: The newest run of each fold and seed.
        notes: What a reader must know of them.
    """

    name: str
    runs: Mapping[Work, Run]
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

    def runs(self, side: Side) -> dict[int, dict[str, Run]]:
        """Seed to fold to run of one side, as far as both sides have them."""
        return {seed: {fold: side.runs[Work(seed, fold)] for fold in self.folds} for seed in self.seeds}


def join(root: Path, records: Path, a: str, b: str) -> Pairs:
    """The runs that A and B mean, joined.

    Args:
        root: Folder of the runs.
        records: Folder of the committed records.
        a: What `find` takes.
        b: The same.

    Raises:
        InputError: No such run, runs of different work, or nothing in common.
    """
    first, second = sides = _side("A", find(root, records, a)), _side("B", find(root, records, b))
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


def find(root: Path, records: Path, name: str) -> list[Run]:
    """The runs that a name means.

    Args:
        root: Folder of the runs.
        records: Folder of the committed records.
        name: A run's folder, a unique id prefix, a group (all its members) or `last`; of the committed records a file,
            a group or `<task>-<system>`.

    Raises:
        InputError: Nothing, or more than one result, fits.
    """
    if Path(name).is_file():
        return [Run(read_checked(Path(name)), name, Path(name))]
    try:
        files = [folder / RECORD for folder in find_runs(root, name)]
    except InputError:
        committed, _ = load_runs(records, "*.json")
        found = [run for run in committed if name in (run.record.group, f"{run.record.task}-{run.record.system}")]
        if not found:
            raise
        if groups := sorted({run.record.group for run in found} - {found[0].record.group}):
            what = f"{len(groups) + 1} committed results are called {name!r}"
            raise InputError(what, records, f"name a group: {found[0].record.group}, {', '.join(groups)}") from None
        return found
    return [Run(read_checked(file), str(file), file) for file in files]


def _side(name: str, found: list[Run]) -> Side:
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
