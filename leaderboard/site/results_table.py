"""The table of a task's results: scores with intervals, ranks and differences, and what they cost."""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, stdev

from benchmark.registry import Task
from leaderboard.boards import Row
from leaderboard.results import Result, Score
from leaderboard.site.entries import Site, page
from leaderboard.site.table import (
    NOTHING,
    Cell,
    Column,
    Interval,
    Table,
    duration,
    number_cell,
    score_cell,
    short_number,
)
from leaderboard.statistics import RowStatistics

MAIN_HINT = (
    "Mean over folds, then over seeds, ± the sample deviation over seeds; in brackets and drawn below, what holds 95 % "
    "of the scores of 1,000 resamples of the clips and, from three seeds on, of the seeds"
)
BASELINE_HINT = "Difference to the official baseline on the same clips; p is corrected for all comparisons of the table"


def results_table(site: Site, task: Task, title: str, rows: Sequence[Row]) -> Table:
    """The results that share a table; columns that no row has a value for are left out."""
    main = task.main_score
    keys = dict.fromkeys(key for row in rows for key in shown_scores(row.result))
    others = [key for key in keys if key != main and task.is_shown(key)]
    intervals = [row.statistics.interval for row in rows if row.statistics.interval]
    scale = (min((i.low for i in intervals), default=0.0), max((i.high for i in intervals), default=1.0))
    ranked = any(row.statistics.rank for row in rows)
    compared, printed = any(row.statistics.to_baseline for row in rows), any(row.published for row in rows)
    columns = [
        *([Column("Rank", "The best and the worst rank that it takes in 95 % of the resamples", number=True)] * ranked),
        Column("System", filter=True),
        Column(main, MAIN_HINT, number=True, falls=True),
        *([Column("To baseline", BASELINE_HINT, True, True)] * compared),
        *([Column("To published", "Difference to the published score of the same system", True, True)] * printed),
        *(Column(key, number=True, falls=True) for key in others),
        Column("Parameters", "Trainable", number=True),
        Column("MACs", "Multiply-accumulates of one forward pass on one clip", number=True),
        Column("Training", "Time summed over folds, mean over seeds", number=True),
        Column("Seeds", "How many seeds have these folds", number=True),
        Column("Folds", "Which folds of the protocol have been run", filter=True),
        Column("Origin", "Committed with the suite, or a run of yours", filter=True),
        Column("Last run"),
    ]
    cells = []
    for place, row in enumerate(rows, 1):
        result, costs, scores = row.result, costs_of(row.result), shown_scores(row.result)
        devices = ", ".join(sorted({record.device for record in result.records}))
        cells.append(
            [
                *([_rank_cell(place, row.statistics)] * ranked),
                Cell(result.system, link=page("systems", task.name, result.system), chips=_marks(task, row)),
                main_cell(task, row, scale),
                *([_difference_cell(row.statistics)] * compared),
                *([_published_cell(task, row)] * printed),
                *(score_cell(scores.get(key)) for key in others),
                number_cell(costs["parameters"], short_number(costs["parameters"]), f"{costs['parameters']:,.0f}"),
                number_cell(costs["macs"], short_number(costs["macs"]), f"{costs['macs']:,.0f}"),
                number_cell(costs["train"], duration(costs["train"]), f"on {devices}"),
                number_cell(len(result.seeds), str(len(result.seeds))),
                Cell(folds_text(result)),
                Cell(", ".join(site.origins(result))),
                Cell(row.last_run[:10]),
            ]
        )
    return Table(f"Results, {title}", columns, cells, header=int(ranked))


def shown_scores(result: Result) -> Mapping[str, Score]:
    """A result's scores; of one with runs of a single fold, which has no mean over folds, those of this fold."""
    found = _found_folds(result)
    if result.complete or len(found) > 1:
        return result.scores
    records = [runs[found[0]].record for runs in result.seeds.values()]
    return {key: _over_seeds([record.scores.get(key) for record in records]) for key in records[0].scores}


def _over_seeds(values: Sequence[float | None]) -> Score:
    defined = [value for value in values if value is not None]
    if len(defined) < len(values):
        return Score(None, None)
    return Score(fmean(defined), stdev(defined) if len(defined) > 1 else None)


def _found_folds(result: Result) -> list[str]:
    return [fold for fold in result.folds if any(fold in runs for runs in result.seeds.values())]


def folds_text(result: Result) -> str:
    """Which folds a result is of."""
    found, number = _found_folds(result), len(result.folds)
    if not result.complete:
        return f"{found[0] if len(found) == 1 else len(found)} of {number}"
    return f"all {number}" if number > 1 else "1 of 1"


def _rank_cell(place: int, statistics: RowStatistics) -> Cell:
    if statistics.rank is None:
        return Cell(NOTHING, order=math.inf)
    first, last = statistics.rank
    return Cell(str(first) if first == last else f"{first} to {last}", order=place)


def main_cell(task: Task, row: Row, scale: tuple[float, float] = (0.0, 1.0)) -> Cell:
    """The main score with its interval.

    Args:
        task: The task.
        row: A result.
        scale: The ends of the scale on which the interval is drawn.
    """
    scores, interval = shown_scores(row.result), row.statistics.interval
    if not row.result.complete and task.main_score not in scores:
        return Cell("incomplete", order=math.inf, hint="runs of some folds are missing, so there is no mean")
    cell = score_cell(scores.get(task.main_score))
    if interval is None:
        return cell
    start, span = scale[0], (scale[1] - scale[0]) or 1.0
    drawn = Interval(*((number - start) / span for number in (interval.value, interval.low, interval.high)))
    hint = f"95 % interval {interval.low:.3f} to {interval.high:.3f}; resampled: {row.statistics.resampled}"
    return Cell(f"{cell.text} [{interval.low:.3f}, {interval.high:.3f}]", cell.order, hint=hint, interval=drawn)


def _difference_cell(statistics: RowStatistics) -> Cell:
    difference = statistics.to_baseline
    if difference is None:
        return Cell(NOTHING, order=math.inf)
    found, p = difference.estimate, difference.p_holm
    hint = f"95 % interval {found.low:+.3f} to {found.high:+.3f}; p {difference.p:.3g}, corrected by Holm {p:.3g}"
    return Cell(f"{found.value:+.3f} (p {p:.2g})", order=found.value, hint=hint)


def _published_cell(task: Task, row: Row) -> Cell:
    score, found = shown_scores(row.result).get(task.main_score), row.published
    if found is None or score is None or score.mean is None:
        return Cell(NOTHING, order=math.inf)
    selected = "; there the scored data chose" if found.selection == "test" else ""
    hint = f"printed {found.printed}: {found.source}, {found.table}{selected}"
    return Cell(f"{score.mean - found.value:+.3f}", order=score.mean - found.value, hint=hint)


def _marks(task: Task, row: Row) -> tuple[str, ...]:
    official = row.result.system in task.official_systems
    external = any(record.external_data for record in row.result.records)
    return (
        *(["official baseline"] * official),
        *(["changed recipe"] * (not row.unchanged)),
        *(["external data"] * external),
    )


def costs_of(result: Result) -> dict[str, float]:
    """What a result costs: the largest counts of its runs, and the training time of all folds, the mean over seeds."""
    train = [sum(run.record.seconds.get("train", math.nan) for run in runs.values()) for runs in result.seeds.values()]
    return {
        "parameters": max(record.parameters for record in result.records),
        "macs": max(record.macs for record in result.records),
        "train": fmean(train),
    }
