"""The main score under each condition of recording, with an interval, so that nobody reads noise."""

from collections import Counter
from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from benchmark.metrics import mean_over_folds
from benchmark.predictions import Indices, Predictions, Rescore, Scores
from benchmark.report.result import Result

RESAMPLES = 200
RANDOM_SEED = 2018
TAILS = (2.5, 97.5)
SHOWN = 20
EVERYTHING = "all clips"
FEWEST_CLUSTERS = 10  # draws of fewer say little
DEFINED = 0.9  # share of the resamples that must have a score

Rows = Sequence[Indices]
"""Rows of each run's predictions."""


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
    rescore: Rescore

    def scores(self, rows: Indices) -> Scores:
        """Scores of the clips in some rows; a row that occurs twice counts twice."""
        return self.rescore(rows)


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
    rescorer, runs = result.task.load("rescorer"), list[_Run]()
    for member in result.members:
        if member.found is not None and len(member.found.clip_id):
            rescore = rescorer(member.found, result.classes)
            runs.append(_Run(member.record.seed, member.record.fold, member.found, rescore))
    if not runs:
        return []
    kept = [name for name in runs[0].found.conditions if all(name in run.found.conditions for run in runs)]
    kinds = {name: [run.found.conditions[name] for run in runs] for name in kept}
    kinds = kinds or {"group": [run.found.group for run in runs]}
    work = {name: parts for name, values in kinds.items() if len(parts := _parts(runs, values)) > 2}
    console, conditions = Console(stderr=True), []
    main = result.task.main_score
    keys = sorted(filter(result.task.is_shown, result.scores), key=lambda key: (key != main, key.count("/")))
    for name, parts in work.items():
        scores = {value: _scores(runs, rows) for value, rows in list(parts.items())[: SHOWN + 1]}
        # A score of some devices alone is no score of the others: the first that most values have.
        key = max(keys, key=lambda key: sum(found.get(key) is not None for found in scores.values()))
        steps = track(scores.items(), f"scores by {name}", console=console, disable=not console.is_terminal)
        rated = [
            Part(value, _count(runs, parts[value]), found.get(key), *_interval(runs, parts[value], key))
            for value, found in steps
        ]
        conditions.append(Condition(name, key, [rated[0], *sorted(rated[1:])], len(parts) - len(scores)))
    return conditions


def _parts(runs: Sequence[_Run], values: Sequence[NDArray[np.str_]]) -> dict[str, Rows]:
    """Rows of all clips, and of those of each value, the value with the most clips first."""
    counts: Counter[str] = Counter()
    for of_run in values:
        counts.update(of_run.tolist())
    order = sorted(counts, key=lambda value: (-counts[value], value))
    everything: dict[str, Rows] = {EVERYTHING: [run.found.rows for run in runs]}
    return everything | {value: [np.flatnonzero(of_run == value) for of_run in values] for value in order}


def _count(runs: Sequence[_Run], rows: Rows) -> int:
    return len({clip for run, chosen in zip(runs, rows, strict=True) for clip in run.found.clip_id[chosen].tolist()})


def _scores(runs: Sequence[_Run], rows: Rows) -> Scores:
    """The mean over the folds that have some of the rows, and over seeds."""
    folds: dict[int, list[Scores]] = {}
    for run, chosen in zip(runs, rows, strict=True):
        if len(chosen):
            folds.setdefault(run.seed, []).append(run.scores(chosen))
    seeds = [mean_over_folds(found) for found in folds.values()]
    means: Scores = {}
    for key in dict.fromkeys(key for scores in seeds for key in scores):
        values = [value for scores in seeds if (value := scores.get(key)) is not None]
        means[key] = fmean(values) if values and len(values) == len(seeds) else None
    return means


def _interval(runs: Sequence[_Run], rows: Rows, key: str) -> tuple[tuple[float, float] | None, bool]:
    """The middle 95 % of resampled scores, and whether clusters were drawn."""
    clips = [run.found.clip_id[chosen] for run, chosen in zip(runs, rows, strict=True)]
    names = [
        clips[place] if run.found.cluster is None else run.found.cluster[rows[place]] for place, run in enumerate(runs)
    ]
    clusters = all(run.found.cluster is not None for run in runs) and all(
        FEWEST_CLUSTERS <= len(set(own.tolist())) < len(own) for own in names if len(own)
    )
    units, folds = [_Units(own) for own in (names if clusters else clips)], sorted({run.fold for run in runs})
    values = []
    for resample in range(RESAMPLES):
        drawn = []
        for run, chosen, of_unit in zip(runs, rows, units, strict=True):
            generator = np.random.default_rng([RANDOM_SEED, resample, folds.index(run.fold)])
            drawn.append(chosen[of_unit.draw(generator)] if len(chosen) else chosen)
        if (value := _scores(runs, drawn).get(key)) is not None:
            values.append(value)
    if len(values) < DEFINED * RESAMPLES:
        return None, clusters
    low, high = np.percentile(values, TAILS).tolist()
    # Where all clips are right, so are all resamples, however few: that is no certainty.
    return (None if low == high else (low, high)), clusters


class _Units:
    """What is drawn together: the places of each name.

    Args:
        names: Of each place.
    """

    def __init__(self, names: NDArray[np.str_]) -> None:
        self.order = np.argsort(names, kind="stable")
        _, self.first, self.size = np.unique(names[self.order], return_index=True, return_counts=True)

    def draw(self, generator: np.random.Generator) -> Indices:
        """The places of as many names as there are, drawn with replacement."""
        picked = generator.integers(len(self.first), size=len(self.first))
        size = self.size[picked]
        within = np.arange(size.sum()) - np.repeat(np.cumsum(size) - size, size)
        drawn: Indices = self.order[np.repeat(self.first[picked], size) + within]
        return drawn
