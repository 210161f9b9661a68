"""Published scores as tables: those of all classes together, and those of single classes."""

from collections.abc import Iterable, Mapping, Sequence

from benchmark.published import PublishedRow
from benchmark.registry import Task
from leaderboard.published_tables import published_score
from leaderboard.site.entries import page
from leaderboard.site.table import NOTHING, Cell, Column, Table


def published_tables(task: Task, rows: Sequence[PublishedRow]) -> list[Table]:
    """A table of what is printed for all classes together, and one of what is printed by class."""
    whole = _table(task, "Published scores", [row for row in rows if not row.class_name])
    by_class = _table(task, "Published scores by class", [row for row in rows if row.class_name])
    return [table for table in (whole, by_class) if table.rows]


def _table(task: Task, caption: str, rows: Sequence[PublishedRow]) -> Table:
    """One line for each system, split and place in a source, best first."""
    families = list(dict.fromkeys([task.main_score, *(row.metric.partition("/")[0] for row in rows)]))
    metrics = sorted(
        dict.fromkeys(row.metric for row in rows),
        key=lambda metric: (metric != task.main_score, families.index(metric.partition("/")[0]), "/" in metric),
    )
    lines: dict[tuple[str, ...], dict[str, PublishedRow]] = {}
    for row in rows:
        place: tuple[str, ...] = (row.system, row.role, row.class_name, row.split, row.protocol, row.selection)
        place += (row.source, row.table)
        while row.metric in lines.setdefault(place, {}):
            place = (*place, "again")
        lines[place][row.metric] = row
    by_class = any(row.class_name for row in rows)
    columns = [
        Column("System", filter=True),
        *([Column("Class", filter=True)] * by_class),
        *(Column(metric, number=True, falls=True) for metric in metrics),
        Column("Protocol", filter=True),
        Column("Split", filter=True),
        Column("Selection", "Whether the scored data chose the model", filter=True),
        Column("Source", filter=True),
        Column("Table"),
    ]
    cells = [_cells(task, found, metrics, by_class) for found in _ranked(lines.values(), metrics)]
    return Table(caption, columns, cells)


def _ranked(lines: Iterable[Mapping[str, PublishedRow]], metrics: Sequence[str]) -> list[Mapping[str, PublishedRow]]:
    def rank(found: Mapping[str, PublishedRow]) -> tuple[object, ...]:
        row = next(iter(found.values()))
        return (*(-found[m].value if m in found else 2.0 for m in metrics), row.system, row.class_name)

    return sorted(lines, key=rank)


def _cells(task: Task, found: Mapping[str, PublishedRow], metrics: Sequence[str], by_class: bool) -> list[Cell]:
    row = next(iter(found.values()))
    role = {"baseline": ("official baseline",), "winner": ("winner",)}.get(row.role, ())
    link = page("systems", task.name, row.system) if row.system in task.systems else ""
    return [
        Cell(row.system, link=link, chips=role),
        *([Cell(row.class_name)] * by_class),
        *(_score(found.get(metric)) for metric in metrics),
        Cell(row.protocol),
        Cell(row.split),
        Cell(row.selection),
        Cell(row.source),
        Cell(row.table),
    ]


def _score(row: PublishedRow | None) -> Cell:
    if row is None:
        return Cell(NOTHING, order=float("inf"))
    return Cell(published_score(row), order=row.value, hint=f"printed: {row.printed}")
