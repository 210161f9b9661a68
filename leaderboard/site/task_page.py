"""A task's page: tables of its results, score against cost, scores by class, published scores."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.registry import Task
from leaderboard.boards import Board, Row
from leaderboard.results import Result, Score, TableKey
from leaderboard.site.entries import Site, page
from leaderboard.site.published_tables import published_tables
from leaderboard.site.results_table import costs_of, results_table, shown_scores
from leaderboard.site.table import Cell, Column, Table, duration, number_cell, score_text

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


def task_context(site: Site, board: Board) -> dict[str, Any]:
    """What the task's page shows."""
    task = board.task
    sections = [_section(site, task, place, *found) for place, found in enumerate(board.tables.items(), 1)]
    return {"task": task, "sections": sections, "published": published_tables(task, board.published)}


def _section(site: Site, task: Task, place: int, key: TableKey, rows: Sequence[Row]) -> Section:
    title, remarks = describe(key)
    results = [row.result for row in rows]
    return Section(
        anchor=f"results-{place}",
        title=title,
        remarks=remarks,
        results=results_table(site, task, title, rows),
        folds=_folds_table(task, title, results) if len(results[0].folds) > 1 else None,
        runs=_runs_table(site, task, results),
        notes=[
            (row.result.system, note)
            for row in rows
            for note in (*row.result.notes, *([row.statistics.note] if row.statistics.note else []))
        ],
        scatter=_scatter(site, task, rows),
        classes=_by_class(task, key.protocol, results),
    )


def describe(key: TableKey) -> tuple[str, list[str]]:
    """A table's title, and what keeps its results apart from others."""
    kind = key.variant.partition(":")[0]
    title = f"{key.variant} data, {key.protocol}"
    remarks = [REMARKS.get(kind, "unknown data: not comparable")]
    if key.fingerprint and key.fingerprint not in key.variant:
        remarks.append(f"data {key.fingerprint}")
    if key.scale != 1:
        title += f", scale {key.scale:g}"
        remarks.append(f"scale {key.scale:g}, not the whole recipe: not comparable")
    if key.selected_on_test:
        title += ", selected on the scored data"
        remarks.append("weights selected on the scored data: optimistic")
    return title, remarks


def _folds_table(task: Task, title: str, results: Sequence[Result]) -> Table:
    folds = results[0].folds
    columns = [Column("System"), *(Column(f"fold {fold}", number=True, falls=True) for fold in folds)]
    rows = [
        [
            Cell(result.system, link=page("systems", task.name, result.system)),
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
        record = entry.run.record
        score, train = record.scores.get(task.main_score), record.seconds.get("train")
        rows.append(
            [
                Cell(record.id, link=entry.page),
                Cell(record.system, link=page("systems", task.name, record.system)),
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


def _scatter(site: Site, task: Task, rows: Sequence[Row]) -> dict[str, Any]:
    points = []
    for row in rows:
        score = shown_scores(row.result).get(task.main_score)
        if score is None or score.mean is None:
            continue
        costs = {name: None if math.isnan(cost) or cost <= 0 else cost for name, cost in costs_of(row.result).items()}
        interval = row.statistics.interval
        points.append(
            {
                "name": row.result.system,
                "origin": ", ".join(site.origins(row.result)),
                "score": score.mean,
                "interval": [interval.low, interval.high] if interval else None,
                **costs,
            }
        )
    return {"score": task.main_score, "costs": COSTS, "points": points}


def _by_class(task: Task, protocol: str, results: Sequence[Result]) -> dict[str, Any] | None:
    """Scores of single classes, systems x classes, for each kind of score that has them."""
    scores = [shown_scores(result) for result in results]
    families: dict[str, dict[str, str]] = {}
    for key in dict.fromkeys(key for found in scores for key in found):
        if place := class_of(task, protocol, key):
            families.setdefault(place[0], {})[key] = place[1]
    tables = []
    for family, keys in families.items():
        there = [place for place, found in enumerate(scores) if any(key in found for key in keys)]
        means = [[scores[place].get(key, Score(None, None)).mean for key in keys] for place in there]
        names = [results[place].system for place in there]
        tables.append({"name": family, "columns": list(keys.values()), "rows": names, "values": means})
    first = task.main_score.partition("/")[0]
    tables.sort(key=lambda table: not str(table["name"]).startswith(first))
    return {"tables": tables} if tables else None


def class_of(task: Task, protocol: str, key: str) -> tuple[str, str] | None:
    """The kind of score and the class that a key is about, which it may name by its number, as `1` of `1_engine`."""
    classes = task.classes_of(protocol)
    for name in classes:
        if key.endswith(f"/{name}"):
            return key.removesuffix(f"/{name}"), name
    family, _, detail = key.rpartition("/")
    if family and detail.isdecimal():
        return family, next((name for name in classes if name.startswith(f"{detail}_")), detail)
    return None
