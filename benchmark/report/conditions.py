"""The main score under each condition of recording, with an interval, so that nobody reads noise."""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from statistics import fmean
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from benchmark.metrics import mean_over_folds
from benchmark.metrics.bootstrap import interval, resample
from benchmark.metrics.folds import score_over_folds
from benchmark.metrics.measures import Measures, all_once
from benchmark.predictions import Indices, Predictions, Scores
from benchmark.report.result import Result

RESAMPLES = 200
SHOWN = 20
EVERYTHING = "all clips"
FEWEST_CLUSTERS = 10  # draws of fewer say little
DEFINED = 0.9  # share of the resamples that must have a score

Rows = Sequence[Indices]
"""Rows of each run's predictions."""

Rescorer = Callable[[Predictions], Measures]


class Part(NamedTuple):
    """Clips that were recorded alike.

    Attributes:
        value: What they share.
        clips: How many there are.
        score: Theirs; None where it is undefined.
        interval: The middle 95 % of resamples; None where too few of them have a score, or all have the same.
        clusters: Whether what was recorded together was drawn together, not clip by clip.
    """

    value: str
    clips: int
    score: float | None
    interval: tuple[float, float] | None
    clusters: bool


class Condition(NamedTuple):
    """A kind of condition.

    Attributes:
        name: E.g. `city`.
        key: Which score its parts have.
        parts: All clips, then those of each value; of many values, those with the most clips.
        hidden: How many values are not among the parts.
    """

    name: str
    key: str
    parts: list[Part]
    hidden: int


class _Run(NamedTuple):
    seed: int
    fold: str
    found: Predictions


def by_condition(result: Result) -> list[Condition]:
    """Scores by every condition of the runs' clips; by their group where they have none.

    A score is the mean over folds and seeds, as everywhere. Its interval is of a bootstrap over clips, or over what was
    recorded together where there is enough of it; the same clips are drawn for all seeds.

    Args:
        result: The runs.

    Returns:
        Conditions with more than one value.

    Raises:
        InputError: The predictions cannot be scored.
    """
    runs = [
        _Run(member.record.seed, member.record.fold, member.found.take(np.argsort(member.found.clip_id)))
        for member in result.members
        if member.found is not None and len(member.found.clip_id)
    ]
    if not runs:
        return []
    kept = [name for name in runs[0].found.conditions if all(name in run.found.conditions for run in runs)]
    kinds = {name: [run.found.conditions[name] for run in runs] for name in kept}
    kinds = kinds or {"group": [run.found.group for run in runs]}
    work = {name: parts for name, values in kinds.items() if len(parts := _parts(runs, values)) > 2}
    console, conditions = Console(stderr=True), []
    main = result.task.main_score
    rescorer: Rescorer = partial(result.task.load("rescorer"), classes=result.classes)
    keys = sorted(filter(result.task.is_shown, result.scores), key=lambda key: (key != main, key.count("/")))
    for name, parts in work.items():
        chosen = [_chosen(value, runs, rows, rescorer) for value, rows in list(parts.items())[: SHOWN + 1]]
        # A score of some devices alone is no score of the others: the first that most values have.
        key = max(keys, key=lambda key: sum(part.scores.get(key) is not None for part in chosen))
        steps = track(chosen, f"scores by {name}", console=console, disable=not console.is_terminal)
        rated = [Part(p.value, p.clips, p.scores.get(key), *_interval(p, key)) for p in steps]
        conditions.append(Condition(name, key, [rated[0], *sorted(rated[1:])], len(parts) - len(chosen)))
    return conditions


def _parts(runs: Sequence[_Run], values: Sequence[NDArray[np.str_]]) -> dict[str, Rows]:
    """Rows of all clips, and of those of each value, the value with the most clips first."""
    counts: Counter[str] = Counter()
    for of_run in values:
        counts.update(of_run.tolist())
    order = sorted(counts, key=lambda value: (-counts[value], value))
    everything: dict[str, Rows] = {EVERYTHING: [np.arange(len(run.found.clip_id)) for run in runs]}
    return everything | {value: [np.flatnonzero(of_run == value) for of_run in values] for value in order}


class _Chosen(NamedTuple):
    """The clips of one value.

    Attributes:
        value: The value.
        runs: The runs that have some, with these clips alone.
        measures: The task's, of each of these runs.
        clips: How many different ones there are.
        scores: Theirs, the mean over the folds that have some of them, and over seeds.
    """

    value: str
    runs: list[_Run]
    measures: list[Measures]
    clips: int
    scores: Scores


def _chosen(value: str, runs: Sequence[_Run], rows: Rows, rescorer: Rescorer) -> _Chosen:
    """What there is of a value, by the rows of each run's predictions."""
    kept = [run._replace(found=run.found.take(own)) for run, own in zip(runs, rows, strict=True) if len(own)]
    measures = [rescorer(run.found) for run in kept]
    folds: dict[int, list[Scores]] = {}
    for run, measured in zip(kept, measures, strict=True):
        folds.setdefault(run.seed, []).append(all_once(measured, len(run.found.clip_id)))
    seeds = [mean_over_folds(found) for found in folds.values()]
    scores: Scores = {}
    for key in dict.fromkeys(key for found in seeds for key in found):
        known = [score for found in seeds if (score := found.get(key)) is not None]
        scores[key] = fmean(known) if known and len(known) == len(seeds) else None
    clips = len({clip for run in kept for clip in run.found.clip_id.tolist()})
    return _Chosen(value, kept, measures, clips, scores)


def _interval(part: _Chosen, key: str) -> tuple[tuple[float, float] | None, bool]:
    """The middle 95 % of resampled scores, and whether clusters were drawn."""
    by_fold = {run.fold: run.found for run in part.runs}
    clusters = {fold: found.cluster for fold, found in by_fold.items() if found.cluster is not None}
    together = len(clusters) == len(by_fold) and all(
        FEWEST_CLUSTERS <= len(np.unique(names)) < len(names) for names in clusters.values()
    )
    names = clusters if together else {fold: found.clip_id for fold, found in by_fold.items()}
    units = {fold: np.unique(of_clip, return_inverse=True)[1] for fold, of_clip in names.items()}
    seeds: dict[int, dict[str, Measures]] = {}
    for run, measures in zip(part.runs, part.measures, strict=True):
        if len(run.found.clip_id) != len(units[run.fold]):
            return None, together
        seeds.setdefault(run.seed, {})[run.fold] = measures
    values = resample(
        [{seed: partial(score_over_folds, key, folds) for seed, folds in seeds.items()}], units, RESAMPLES
    )[:, 0]
    values = values[~np.isnan(values)]
    if len(values) < DEFINED * RESAMPLES:
        return None, together
    low, high = interval(values)
    # Where all clips are right, so are all resamples, however few: that is no certainty.
    return (None if low == high else (low, high)), together
