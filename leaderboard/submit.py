"""Finished runs to committed records and predictions: what may enter the leaderboard, and under which name."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmark.errors import BenchmarkError, InputError
from benchmark.metrics.measures import all_once
from benchmark.predictions import Predictions, read_predictions
from benchmark.records import RECORD, RunRecord, find_runs, write_text
from benchmark.registry import get_task
from leaderboard import Run, read_checked
from leaderboard.scored import load


def submit(runs: Path, name: str, records: Path, warn: Callable[[str], None]) -> list[Path]:
    """Copy the records of finished runs, with their predictions; all of them or, where one is refused, none.

    Frame probabilities stay behind: no score is computed from them.

    Args:
        runs: Folder of the runs.
        name: A run's folder, a unique id prefix, `last`, or a group (all its members).
        records: Folder of the committed records.
        warn: Takes what the user should know of a run, in one line.

    Returns:
        The copies, also those that were there already.

    Raises:
        InputError: No such run; not the official data; not the whole recipe; code that is not committed; or a
            different record has the name.
    """
    copies: dict[Path, str] = {}
    predictions: dict[Path, Predictions] = {}
    for folder in find_runs(runs, name):
        run = Run(read_checked(folder / RECORD), str(folder / RECORD), folder / RECORD)
        check_fit(run.record, run.file)
        text = run.file.read_text(encoding="utf-8")
        target = records / f"{run.record.task}-{run.record.system}-{run.record.id}.json"
        there = copies.get(target) or (target.read_text(encoding="utf-8") if target.exists() else text)
        if there != text:
            what = f"another record is called {target.name}"
            raise InputError(what, run.file, "records are never overwritten; run again for a new id")
        copies[target] = text
        try:
            predictions[target.with_suffix(".npz")] = _checked_predictions(run)
        except BenchmarkError as error:
            warn(f"{run.record.id} is submitted without predictions, its row will have no interval: {error.what}")
    for target, text in copies.items():
        if not target.exists():
            write_text(target, text)
    for target, found in predictions.items():
        if not target.exists():
            found.write(target)
    return [*copies, *predictions]


def _checked_predictions(run: Run) -> Predictions:
    """The run's predictions, which give its scores; in half as many bytes if they still do."""
    task = get_task(run.record.task)
    load(task, "", {run.record.seed: {run.record.fold: run}})
    found = read_predictions(run.predictions)
    rescorer, classes = task.load("rescorer"), task.classes_of(run.record.protocol)
    small = replace(found, probabilities=found.probabilities.astype(np.float32))
    scores, again = (all_once(rescorer(kept, classes), len(kept.clip_id)) for kept in (found, small))
    return small if scores == again else found


def check_fit(record: RunRecord, path: Path) -> None:
    """Whether a record may be committed.

    Raises:
        InputError: It may not; says why.
    """
    if record.variant != "full" and not record.variant.startswith("partial:"):
        raise InputError(
            f"a run on {record.variant} data is not for the committed leaderboard",
            path,
            "run it on the official data: DATA=full",
        )
    if record.scale != 1 or record.overrides:
        changes = " ".join(record.overrides) or f"scale {record.scale:g}"
        raise InputError(f"not the recipe as it is committed: {changes}", path, "commit a recipe of its own, run that")
    if not record.commit or record.commit.endswith("+"):
        state = "with uncommitted changes" if record.commit else "outside a checkout"
        raise InputError(f"the run was made {state}, so nobody can repeat it", path, "commit, then run again")
    for key in ("system", "id"):
        if not re.fullmatch(r"\w[\w.+-]*", getattr(record, key)):
            raise InputError(f"{key} {getattr(record, key)!r} does not make a file name", path)
