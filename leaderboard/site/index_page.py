"""The first page: all tasks with their best results, and systems across tasks."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from benchmark.published import PublishedRow
from leaderboard.boards import Board, Row
from leaderboard.published_tables import published_score
from leaderboard.results import TableKey
from leaderboard.site.entries import Site, page
from leaderboard.site.results_table import folds_text, main_cell, shown_scores
from leaderboard.site.table import NOTHING, Cell, Column, Table, number_cell, score_text

KINDS = ("full", "mini")


def index_context(site: Site, boards: Sequence[Board]) -> dict[str, Any]:
    """What the first page shows."""
    return {
        "tasks_table": _tasks(boards),
        "published_table": _published(boards),
        "cross": [(kind, table) for kind in KINDS if (table := _cross_table(kind, boards))],
        "counts": {
            "tasks": len(boards),
            "systems": sum(len(board.task.systems) for board in boards),
            "published": sum(len(board.published) for board in boards),
            "committed": len(site.committed),
            "yours": len(site.own),
        },
        "first": boards[0].task.name,
        "left_out": site.left_out,
    }


def _tasks(boards: Sequence[Board]) -> Table:
    columns = [
        Column("Task"),
        Column("Main score"),
        Column("Best result", number=True),
        Column("Results", number=True),
    ]
    return Table("Tasks", columns, [_task_cells(board) for board in boards], tools=False)


def _task_cells(board: Board) -> list[Cell]:
    task, best = board.task, _best(board)
    here = Cell(NOTHING, note="no run yet")
    if best:
        key, row = best
        of_fold = "" if row.result.complete else f", fold {folds_text(row.result)}"
        note = f"{row.result.system}; {key.variant}, {key.protocol}{of_fold}"
        here = replace(main_cell(task, row), interval=None, note=note)
    number = sum(map(len, board.tables.values()))
    return [
        Cell(task.name, link=f"tasks/{task.name}.html", note=task.title),
        Cell(task.main_score),
        here,
        number_cell(number, str(number)),
    ]


def _published(boards: Sequence[Board]) -> Table:
    """The best published main score of each task, apart from the results: most of those are of other data."""
    columns = [Column("Task"), Column("Main score"), Column("Best published", number=True)]
    columns += [Column(name) for name in ("System", "Protocol", "Split", "Source")]
    rows = [
        [
            Cell(board.task.name, link=f"tasks/{board.task.name}.html#published"),
            Cell(board.task.main_score),
            Cell(published_score(top)),
            *(Cell(text) for text in (top.system, top.protocol, top.split, f"{top.source}, {top.table}")),
        ]
        for board in boards
        if (top := _best_published(board)) is not None
    ]
    return Table("Published scores", columns, rows, tools=False)


def _best(board: Board) -> tuple[TableKey, Row] | None:
    """The first result with a score of the first table that has one: full data and the default protocol come first."""
    found = [(key, row) for key, rows in board.tables.items() for row in rows if _value(board, row) is not None]
    whole = [(key, row) for key, row in found if key.scale == 1 and not key.selected_on_test]
    return next(iter([*whole, *found]), None)


def _value(board: Board, row: Row) -> float | None:
    score = shown_scores(row.result).get(board.task.main_score)
    return None if score is None else score.mean


def _best_published(board: Board) -> PublishedRow | None:
    fit = [row for row in board.published if row.metric == board.task.main_score and not row.class_name]
    return max(fit, key=lambda row: (row.selection != "test", row.value), default=None)


def _cross_table(kind: str, boards: Sequence[Board]) -> Table | None:
    """Systems by tasks on one kind of data: whole recipes, under the first protocol that has results."""
    columns: dict[str, tuple[Board, dict[str, Row]]] = {}
    for board in boards:
        tables = [rows for key, rows in board.tables.items() if (key.variant, *key[3:]) == (kind, 1, False)]
        found: dict[str, Row] = {}
        for row in next(iter(tables), []):
            found.setdefault(row.result.system, row)
        if found:
            columns[board.task.name] = (board, found)
    systems = list(dict.fromkeys(system for _, found in columns.values() for system in found))
    systems.sort(key=lambda system: -sum(system in found for _, found in columns.values()))
    heads = [Column(name, board.task.main_score, True, True) for name, (board, _) in columns.items()]
    rows = [
        [Cell(system), *(_cross_cell(board, found.get(system)) for board, found in columns.values())]
        for system in systems
    ]
    return Table(f"Systems across tasks, {kind} data", [Column("System"), *heads], rows) if rows else None


def _cross_cell(board: Board, row: Row | None) -> Cell:
    if row is None:
        return Cell(NOTHING, order=math.inf)
    link = page("systems", board.task.name, row.result.system)
    cell = replace(main_cell(board.task, row), interval=None, link=link)
    score = shown_scores(row.result).get(board.task.main_score)
    return cell if score is None or score.mean is None else replace(cell, text=score_text(score.mean, score.std))
