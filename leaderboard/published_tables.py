"""Published rows as markdown: apart from the runs of this suite, each with its source and table."""

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from benchmark.published import PublishedRow, headline
from benchmark.registry import Task
from leaderboard.markdown import escape, markdown_table

ROLE_MARKS = {"baseline": " (official baseline)", "winner": " (winner)"}


def source_names(rows: Iterable[PublishedRow]) -> dict[str, str]:
    """Title of a source to its short name in tables."""
    return {title: f"S{number}" for number, title in enumerate(dict.fromkeys(row.source for row in rows), 1)}


def source_list(sources: Mapping[str, str]) -> list[str]:
    """The list that says what the short names stand for."""
    return ["### Sources", "", *(f"- {name}: {escape(title)}" for title, name in sources.items())]


def marked_system(row: PublishedRow) -> str:
    """The name of a published system, and whether it is the official baseline or the winner."""
    return row.system + ROLE_MARKS.get(row.role, "")


def published_score(row: PublishedRow) -> str:
    """The fraction with as many digits as the source prints, whether it prints a fraction or per cent."""
    number = re.search(r"\d*\.(\d+)|\d+", row.printed)
    if number is None:
        return f"{row.value:g}"
    per_cent = not math.isclose(float(number[0]), row.value)
    digits = len(number[1] or "") + (2 if per_cent else 0)
    return f"{row.value:.{digits}f}" + ("" if row.std is None else f" ± {row.std:.{digits}f}")


def headlines(task: Task, rows: Sequence[PublishedRow], protocol: str) -> list[PublishedRow]:
    """The main scores of a protocol, best first: of the suite's systems, the official baselines and the winner."""
    names = dict.fromkeys(row.system for row in rows if row.system in task.systems or row.role != "entry")
    found = [headline(rows, name, task.main_score, protocol) for name in names]
    return sorted((row for row in found if row is not None), key=lambda row: (-row.value, row.system))


def published_tables(task: Task, rows: Sequence[PublishedRow]) -> list[str]:
    """A table a protocol; what was selected on the scored data and what is given class by class stand apart."""
    lines = ["## Published scores", ""]
    if not rows:
        return [*lines, "None are recorded for this task.", ""]
    lines += ["As printed in the sources (listed at the end), not run here. Selection: did the scored data choose?", ""]
    protocols = list(dict.fromkeys([*task.protocols, *(row.protocol for row in rows)]))
    families = list(dict.fromkeys([task.main_score, *(row.metric.partition("/")[0] for row in rows)]))
    place = {row.metric: (families.index(row.metric.partition("/")[0]), "/" in row.metric) for row in rows}
    sources = source_names(rows)
    parts: dict[tuple[int, bool, bool], list[PublishedRow]] = defaultdict(list)
    for row in rows:
        parts[protocols.index(row.protocol), row.selection == "test", bool(row.class_name)].append(
            replace(row, source=sources[row.source])
        )
    for (protocol, on_test, by_class), part in sorted(parts.items(), key=lambda item: item[0]):
        remarks = (": selected on the scored data" if on_test else "") + (": by class" if by_class else "")
        heading = escape(f"Published, {protocols[protocol]}{remarks}")
        metrics = [metric for metric in sorted(place, key=place.__getitem__) if any(r.metric == metric for r in part)]
        lines += [f"### {heading}", "", *_table(metrics, part)]
    return [*lines, *source_list(sources)]


def _table(metrics: Sequence[str], rows: Sequence[PublishedRow]) -> list[str]:
    """One line for each system, split and place in a source; grouped by split, best first."""
    splits = list(dict.fromkeys(row.split for row in rows))
    lines: dict[tuple[str, ...], dict[str, PublishedRow]] = {}
    for row in rows:
        place: tuple[str, ...] = (row.system, row.role, row.class_name, row.split, row.selection, row.source, row.table)
        while row.metric in lines.setdefault(place, {}):
            place = (*place, "again")
        lines[place][row.metric] = row

    def rank(found: Mapping[str, PublishedRow]) -> tuple[object, ...]:
        row = next(iter(found.values()))
        values = [-found[metric].value if metric in found else math.inf for metric in metrics]
        return (splits.index(row.split), *values, row.system, row.class_name)

    return markdown_table([_cells(found, metrics) for found in sorted(lines.values(), key=rank)])


def _cells(found: Mapping[str, PublishedRow], metrics: Sequence[str]) -> dict[str, str]:
    row = next(iter(found.values()))
    return {
        "system": marked_system(row),
        **({"class": row.class_name} if row.class_name else {}),
        **{metric: published_score(found[metric]) if metric in found else "-" for metric in metrics},
        "split": row.split,
        "selection": row.selection,
        "source": row.source,
        "table": row.table,
    }
