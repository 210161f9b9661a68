"""A task's page: tables of its results, score against cost, scores by class, published scores."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from benchmark.published import PublishedRow
from benchmark.registry import Task
from leaderboard.results import Result, TableKey
from leaderboard.site.entries import Site, page
from leaderboard.site.published_tables import published_tables
from leaderboard.site.table import (
    NOTHING,
    Cell,
    Column,
    Interval,
    Table,
    duration,
    number_cell,
    score_cell,
    score_text,
    short_number,
)
from leaderboard.statistics import RowStatistics, table_statistics

REMARKS = {
    "full": "all official data",
    "partial": "part of the official data: not comparable with the whole",
    "custom": "custom data: not comparable",
    "mini": "pipeline check on synthetic data: not comparable",
}
COSTS = {
    "parameters": "trainable parameters",
    "macs": "multiply-accumulates for one clip",
    "train": "training time in s, summed over folds",
}


@dataclass(frozen=True)
class Section:
    """One table of results and what is drawn from it.

    Attributes:
        anchor: Its place on the page.
        title: Variant and protocol.
        remarks: What keeps these results apart.
        results: Scores and costs.
        folds: Main score by fold; None where there is one fold.
        runs: The runs behind the results.
        notes: What a reader must know of single rows: system and note.
        scatter: What the plot of score against cost is drawn from.
        classes: What the heat map is drawn from; None where no result has scores by class.
        best: The first row's system and main score.
    """

    anchor: str
    title: str
    remarks: Sequence[str]
    results: Table
    folds: Table | None
    runs: Table
    notes: Sequence[tuple[str, str]]
    scatter: Mapping[str, Any]
    classes: Mapping[str, Any] | None
    best: tuple[str, str]


def task_context(site: Site, task: Task, published: Sequence[PublishedRow]) -> dict[str, Any]:
    """What the task's page shows."""
    sections = [
        _section(site, task, place, key, results)
        for place, (key, results) in enumerate(site.results(task).items(), 1)
    ]
    return {"task": task, "sections": sections, "published": published_tables(task, published)}


def _section(site: Site, task: Task, place: int, key: TableKey, results: Sequence[Result]) -> Section:
    statistics = table_statistics(task, results)
    title, remarks = describe(key)
    main = task.main_score
    best = results[0].scores[main].mean if main in results[0].scores else None
    return Section(
        anchor=f"results-{place}",
        title=title,
        remarks=remarks,
        results=_results_table(site, task, title, results, statistics),
        folds=_folds_table(task, title, results) if len(results[0].folds) > 1 else None,
        runs=_runs_table(site, task, results),
        notes=[
            (result.system, note)
            for result, row in zip(results, statistics, strict=True)
            for note in (*result.notes, *([row.note] if row.note else []))
        ],
        scatter=_scatter(site, task, results, statistics),
        classes=_by_class(task, key.protocol, results),
        best=(results[0].system, NOTHING if best is None else score_text(best)),
    )


def describe(key: TableKey) -> tuple[str, list[str]]:
    """A table's title, and what keeps its results apart from others."""
    kind = key.variant.partition(":")[0]
    remarks = [REMARKS.get(kind, "unknown data: not comparable")]
    if key.fingerprint and key.fingerprint not in key.variant:
        remarks.append(f"data {key.fingerprint}")
    if key.scale != 1:
        remarks.append(f"scale {key.scale:g}, not the whole recipe: not comparable")
    if key.selected_on_test:
        remarks.append("weights selected on the scored data")
    return f"{key.variant}, {key.protocol}", remarks


def _results_table(
    site: Site, task: Task, title: str, results: Sequence[Result], statistics: Sequence[RowStatistics]
) -> Table:
    main = task.main_score
    others = [key for key in dict.fromkeys(k for r in results for k in r.scores) if key != main and task.is_shown(key)]
    values = [value for row in statistics if row.interval for value in (row.interval.low, row.interval.high)]
    scale = (min(values, default=0.0), max(values, default=1.0))
    several = any(row.to_baseline for row in statistics)
    columns = [
        Column("Rank", "Where its score and those that cannot be told apart from it stand", number=True),
        Column("System", filter=True),
        Column(main, "Mean over folds, then over seeds; in brackets the 95 % interval", number=True, falls=True),
        *([Column("To baseline", "Difference to the official baseline on the same clips", True, True)] * several),
        *(Column(key, number=True, falls=True) for key in others),
        Column("Parameters", "Trainable", number=True),
        Column("MACs", "Multiply-accumulates of one forward pass on one clip", number=True),
        Column("Training", "Time summed over folds, mean over seeds", number=True),
        Column("Seeds", number=True),
        Column("Folds", number=True),
        Column("Origin", "Committed with the suite, or a run of yours", filter=True),
        Column("Last run"),
    ]
    rows = []
    for place, (result, row) in enumerate(zip(results, statistics, strict=True), 1):
        costs = costs_of(result)
        cells = [
            _rank_cell(place, row),
            Cell(result.system, link=system_page(task, result.system), chips=_marks(task, result)),
            _main_cell(result, main, row, scale),
            *([_difference_cell(row)] * several),
            *(score_cell(result.scores.get(key)) for key in others),
            number_cell(costs["parameters"], short_number(costs["parameters"]), f"{costs['parameters']:,.0f}"),
            number_cell(costs["macs"], short_number(costs["macs"]), f"{costs['macs']:,.0f}"),
            number_cell(costs["train"], duration(costs["train"]), ", ".join(sorted({r.device for r in result.records}))),
            number_cell(len(result.seeds), str(len(result.seeds))),
            Cell(f"{result.found_folds}/{len(result.folds)}", order=result.found_folds),
            Cell(", ".join(site.origins(result))),
            Cell(max(record.created for record in result.records)[:10]),
        ]
        rows.append(cells)
    return Table(f"Results, {title}", columns, rows, header=1)


def _rank_cell(place: int, row: RowStatistics) -> Cell:
    if row.rank is None:
        return Cell(NOTHING, order=place + 0.5)
    first, last = row.rank
    return Cell(str(first) if first == last else f"{first} to {last}", order=place)


def _main_cell(result: Result, main: str, row: RowStatistics, scale: tuple[float, float]) -> Cell:
    if not result.complete:
        return Cell("incomplete", order=math.inf, hint="runs of some folds are missing, so there is no mean")
    cell = score_cell(result.scores.get(main))
    if row.interval is None:
        return cell
    value, low, high = row.interval.value, row.interval.low, row.interval.high
    start, span = scale[0], (scale[1] - scale[0]) or 1.0
    drawn = Interval(*((number - start) / span for number in (value, low, high)))
    hint = f"95 % interval {low:.3f} to {high:.3f}; resampled: {row.resampled}"
    return Cell(f"{cell.text} [{low:.3f}, {high:.3f}]", order=cell.order, hint=hint, interval=drawn)


def _difference_cell(row: RowStatistics) -> Cell:
    difference = row.to_baseline
    if difference is None:
        return Cell(NOTHING, order=math.inf)
    found = difference.estimate
    hint = f"95 % interval {found.low:+.3f} to {found.high:+.3f}; p {difference.p:.3g}, after Holm {difference.p_holm:.3g}"
    return Cell(f"{found.value:+.3f}, p {difference.p_holm:.2g}", order=found.value, hint=hint)


def _marks(task: Task, result: Result) -> tuple[str, ...]:
    changed = any(record.overrides for record in result.records)
    external = any(record.external_data for record in result.records)
    return ("changed recipe",) * changed + ("external data",) * external


def costs_of(result: Result) -> dict[str, float]:
    """What a result costs: the largest counts of its runs, and the training time of all folds, the mean over seeds."""
    train = [sum(run.record.seconds.get("train", math.nan) for run in runs.values()) for runs in result.seeds.values()]
    return {
        "parameters": max(record.parameters for record in result.records),
        "macs": max(record.macs for record in result.records),
        "train": fmean(train),
    }


def system_page(task: Task, system: str) -> str:
    """The page of a system."""
    return page("systems", task.name, system)


def _folds_table(task: Task, title: str, results: Sequence[Result]) -> Table:
    folds = results[0].folds
    columns = [Column("System"), *(Column(f"fold {fold}", number=True, falls=True) for fold in folds)]
    rows = [
        [
            Cell(result.system, link=system_page(task, result.system)),
            *(
                number_cell(value, "" if value is None else score_text(value))
                for value in (result.fold_scores.get(fold) for fold in folds)
            ),
        ]
        for result in results
    ]
    return Table(f"{task.main_score} by fold, {title}", columns, rows)


def _runs_table(site: Site, task: Task, results: Iterable[Result]) -> Table:
    paths = [run.path for result in results for runs in result.seeds.values() for run in runs.values()]
    return runs_table(site, task, paths)


def runs_table(site: Site, task: Task, paths: Sequence[str]) -> Table:
    """A table of single runs."""
    columns = [
        Column("Run"),
        Column("System", filter=True),
        Column("Data", filter=True),
        Column("Protocol", filter=True),
        Column("Fold", filter=True),
        Column("Seed", number=True),
        Column(task.main_score, number=True, falls=True),
        Column("Steps", number=True),
        Column("Training", number=True),
        Column("Device", filter=True),
        Column("Origin", filter=True),
    ]
    rows = []
    for entry in (site.pages[path] for path in paths):
        record = entry.record
        score, train = record.scores.get(task.main_score), record.seconds.get("train")
        rows.append(
            [
                Cell(record.id, link=entry.page),
                Cell(record.system, link=system_page(task, record.system)),
                Cell(record.variant),
                Cell(record.protocol),
                Cell(record.fold),
                number_cell(record.seed, str(record.seed)),
                number_cell(score, "" if score is None else score_text(score)),
                number_cell(record.steps, f"{record.steps:,}"),
                number_cell(train, "" if train is None else duration(train)),
                Cell(record.device),
                Cell(", ".join(entry.origins)),
            ]
        )
    return Table("Runs", columns, rows)


def _scatter(
    site: Site, task: Task, results: Sequence[Result], statistics: Sequence[RowStatistics]
) -> dict[str, Any]:
    points = []
    for result, row in zip(results, statistics, strict=True):
        score = result.scores[task.main_score].mean if task.main_score in result.scores else None
        if score is None:
            continue
        costs = {name: None if math.isnan(cost) or cost <= 0 else cost for name, cost in costs_of(result).items()}
        ends = [row.interval.low, row.interval.high] if row.interval else None
        origin = ", ".join(site.origins(result))
        points.append({"name": result.system, "origin": origin, "score": score, "interval": ends, **costs})
    return {"kind": "scatter", "score": task.main_score, "costs": COSTS, "points": points}


def _by_class(task: Task, protocol: str, results: Sequence[Result]) -> dict[str, Any] | None:
    """Scores of single classes, systems x classes, for each kind of score that has them."""
    families: dict[str, list[str]] = {}
    for key in dict.fromkeys(key for result in results for key in result.scores):
        if (found := class_of(task, protocol, key)) and found[1] not in families.setdefault(found[0], []):
            families[found[0]].append(found[1])
    tables = []
    for family, classes in families.items():
        scored = [result for result in results if any(f"{family}/{name}" in result.scores for name in classes)]
        means = [[result.scores.get(f"{family}/{name}") for name in classes] for result in scored]
        values = [[None if score is None else score.mean for score in row] for row in means]
        tables.append({"name": family, "columns": classes, "rows": [r.system for r in scored], "values": values})
    first = task.main_score.partition("/")[0]
    tables.sort(key=lambda table: not str(table["name"]).startswith(first))
    return {"kind": "heatmap", "tables": tables} if tables else None


def class_of(task: Task, protocol: str, key: str) -> tuple[str, str] | None:
    """The kind of score and the class that a key is about; numbers name the groups of classes of a hierarchy."""
    for name in task.classes_of(protocol):
        if key.endswith(f"/{name}"):
            return key.removesuffix(f"/{name}"), name
    family, _, detail = key.rpartition("/")
    return (family, detail) if family and detail.isdecimal() else None
