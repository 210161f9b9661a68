"""The first page: all tasks with their best results, and systems across tasks."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.published import PublishedRow
from benchmark.registry import Task
from leaderboard.results import Result, TableKey
from leaderboard.site.entries import Site
from leaderboard.site.table import NOTHING, Cell, Column, Table, score_cell, score_text
from leaderboard.site.task_page import describe, system_page

Results = Mapping[str, Mapping[TableKey, Sequence[Result]]]


def index_context(site: Site, tasks: Mapping[str, Task], published: Mapping[str, Sequence[PublishedRow]]) -> dict[str, Any]:
    """What the first page shows."""
    results = {name: site.results(task) for name, task in tasks.items()}
    return {
        "tasks_table": _tasks(tasks, results, published),
        "cross": _cross_tables(tasks, results),
        "counts": {
            "tasks": len(tasks),
            "systems": sum(len(task.systems) for task in tasks.values()),
            "published": sum(map(len, published.values())),
            "committed": len([e for e in site.entries if "committed" in e.origins]),
            "yours": len(site.own),
        },
        "first": next(iter(tasks)),
        "left_out": site.left_out,
    }


def _tasks(tasks: Mapping[str, Task], results: Results, published: Mapping[str, Sequence[PublishedRow]]) -> Table:
    columns = [
        Column("Task"),
        Column("What", "Data set and challenge"),
        Column("Main score"),
        Column("Best result here", number=True),
        Column("System"),
        Column("On"),
        Column("Best published", "Not selected on the scored data, where that is known", number=True),
        Column("System, split"),
        Column("Results", number=True),
    ]
    rows = []
    for name, task in tasks.items():
        best = _best(task, results[name])
        top = _best_published(task, published[name])
        rows.append(
            [
                Cell(name, link=f"tasks/{name}.html"),
                Cell(task.title),
                Cell(task.main_score),
                score_cell(best[1].scores.get(task.main_score)) if best else Cell(NOTHING, order=math.inf),
                Cell(best[1].system, link=system_page(task, best[1].system)) if best else Cell("no run yet"),
                Cell(describe(best[0])[0]) if best else Cell(NOTHING),
                Cell(score_text(top.value), order=top.value, hint=f"{top.source}, {top.table}")
                if top
                else Cell(NOTHING, order=math.inf),
                Cell(f"{top.system}, {top.split}") if top else Cell(NOTHING),
                Cell(str(sum(map(len, results[name].values())))),
            ]
        )
    return Table("Tasks", columns, rows, tools=False)


def _best(task: Task, tables: Mapping[TableKey, Sequence[Result]]) -> tuple[TableKey, Result] | None:
    """The first complete result of the first table that has one: full data and the default protocol come first."""
    for key, found in tables.items():
        for result in found:
            if result.complete and task.main_score in result.scores and result.scores[task.main_score].mean is not None:
                return key, result
    return None


def _best_published(task: Task, rows: Sequence[PublishedRow]) -> PublishedRow | None:
    fit = [row for row in rows if row.metric == task.main_score and not row.class_name]
    return max(fit, key=lambda row: (row.selection != "test", row.value), default=None)


def _cross_tables(tasks: Mapping[str, Task], results: Results) -> list[tuple[str, Table]]:
    """Systems by tasks, for each kind of data; each task under the first protocol that has a result of it."""
    kinds: dict[tuple[str, float], dict[str, dict[str, Result]]] = {}
    for name, tables in results.items():
        for key, found in tables.items():
            by_system = kinds.setdefault((key.variant.partition(":")[0], key.scale), {}).setdefault(name, {})
            if by_system or key.selected_on_test:
                continue
            for result in found:
                by_system.setdefault(result.system, result)
    cross = []
    for (kind, scale), by_task in kinds.items():
        shown = [name for name in tasks if by_task.get(name)]
        systems = list(dict.fromkeys(system for name in shown for system in by_task[name]))
        systems.sort(key=lambda system: (-sum(system in by_task[name] for name in shown), system))
        columns = [Column("System"), *(Column(name, tasks[name].main_score, True, True) for name in shown)]
        rows = [[Cell(system), *(_cross_cell(tasks[name], by_task[name].get(system)) for name in shown)] for system in systems]
        title = f"{kind} data" + ("" if scale == 1 else f", scale {scale:g}")
        if rows:
            cross.append((title, Table(f"Systems across tasks, {title}", columns, rows)))
    return cross


def _cross_cell(task: Task, result: Result | None) -> Cell:
    if result is None:
        return Cell(NOTHING, order=math.inf)
    if not result.complete:
        return Cell(f"{result.found_folds}/{len(result.folds)} folds", order=math.inf)
    cell = score_cell(result.scores.get(task.main_score))
    return Cell(cell.text, order=cell.order, link=system_page(task, result.system))
