"""How sure the scores of a table are: intervals, differences to the official baseline, and ranks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmark.errors import BenchmarkError, InputError
from benchmark.metrics.bootstrap import Estimate, holm, interval, p_value, rank_intervals
from benchmark.metrics.measures import Floats
from benchmark.registry import Task
from leaderboard.results import Result
from leaderboard.scored import Scored, draw, load, on_same_clips, remarks, what_was_drawn


@dataclass(frozen=True)
class Difference:
    """A result minus the official baseline, on the same clips.

    Attributes:
        estimate: The difference of the main scores.
        p: Two-sided, that there is none.
        p_holm: The same, corrected for all comparisons of the table.
    """

    estimate: Estimate
    p: float
    p_holm: float


@dataclass(frozen=True)
class RowStatistics:
    """What resampling says about a row.

    Attributes:
        interval: The main score, the mean over seeds, and its 95 % interval; None without predictions.
        resampled: What was drawn: `seeds and clips` or `clips only`, and by what clips were recorded together.
        to_baseline: The difference to the official baseline, where the table has it and this is another system.
        rank: Best and worst rank that the result takes in 95 % of the joint resamples of its table.
        note: Why something is missing, or less sure than it looks.
    """

    interval: Estimate | None = None
    resampled: str = ""
    to_baseline: Difference | None = None
    rank: tuple[int, int] | None = None
    note: str = ""


def table_statistics(task: Task, results: Sequence[Result], resamples: int = 1000) -> list[RowStatistics]:
    """Statistics of the rows of a table; a row that cannot be resampled says why.

    Results that scored the same clips are resampled jointly. Ranks are those within the largest such set.

    Args:
        task: The task.
        results: The results that share a table, in its order.
        resamples: How many to draw.
    """
    scored: dict[int, Scored] = {}
    rows: dict[int, RowStatistics] = {}
    for place, result in enumerate(results):
        try:
            if not result.complete:
                raise InputError("folds are missing")
            scored[place] = load(task, "", result.seeds)
        except BenchmarkError as error:
            rows[place] = RowStatistics(note=f"no interval: {error.what}")
    sets = _on_same_clips(scored)
    ranked = max(sets, key=len, default=[])
    official = task.official_systems
    baseline = next((place for place in scored if results[place].system in official), None)
    for places in sets:
        drawn = draw([scored[place] for place in places], resamples)
        values = dict(zip(places, drawn.values.T, strict=True))
        ranks = _ranks(values) if places == ranked else {}
        differences = _differences(scored, values, baseline) if baseline in values else {}
        for place in places:
            notes = remarks(task, drawn, values[place])
            if place not in ranks:
                notes.append("no rank: it scored other clips than most results")
            elif len(ranks) < sum(result.complete for result in results):
                notes.append(f"rank among {len(ranks)} results on the same clips")
            rows[place] = RowStatistics(
                interval=_estimate(scored[place].once(), values[place]),
                resampled=what_was_drawn(task, len(results[place].seeds), drawn.clusters),
                to_baseline=differences.get(place),
                rank=ranks.get(place),
                note="; ".join(notes),
            )
    return [rows[place] for place in range(len(results))]


def _on_same_clips(scored: Mapping[int, Scored]) -> list[list[int]]:
    """The results' places, those together that scored the same clips."""
    sets: list[list[int]] = []
    for place, result in scored.items():
        known = next((places for places in sets if on_same_clips(scored[places[0]], result)), None)
        if known is None:
            sets.append([place])
        else:
            known.append(place)
    return sets


def _estimate(value: Floats, resampled: Floats) -> Estimate | None:
    defined = resampled[~np.isnan(resampled)]
    return Estimate(float(value.mean()), *interval(defined)) if len(defined) else None


def _ranks(values: Mapping[int, Floats]) -> dict[int, tuple[int, int]]:
    together = np.stack(list(values.values()), axis=1)
    defined = together[~np.isnan(together).any(axis=1)]
    return dict(zip(values, rank_intervals(defined), strict=True)) if len(defined) else {}


def _differences(scored: Mapping[int, Scored], values: Mapping[int, Floats], baseline: int) -> dict[int, Difference]:
    found: dict[int, tuple[Estimate, float]] = {}
    of_baseline = scored[baseline].once().mean()
    for place in values.keys() - {baseline}:
        resampled = values[place] - values[baseline]
        value = scored[place].once().mean() - of_baseline
        if estimate := _estimate(value, resampled):
            found[place] = (estimate, p_value(resampled[~np.isnan(resampled)]))
    corrected = holm([p for _, p in found.values()])
    return {
        place: Difference(estimate, p, p_holm)
        for (place, (estimate, p)), p_holm in zip(found.items(), corrected, strict=True)
    }
