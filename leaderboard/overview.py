"""The boards of all tasks to one page, and to the block of the README that names the best results."""

from collections.abc import Mapping, Sequence

from benchmark.published import PublishedRow
from leaderboard.boards import Board, Row
from leaderboard.markdown import NONE, Markdown, bold_best, escape, fraction, markdown_table
from leaderboard.published_tables import headlines, marked_system, published_score, source_list, source_names
from leaderboard.results import TableKey
from leaderboard.tables import interval_cell, score_cell

PAGE = "README.md"
BEGIN = "<!-- leaderboard: begin, written by `make leaderboard` -->"
END = "<!-- leaderboard: end -->"
SUMMARY = "the leaderboard's summary"
SHARED = {
    "full": "all official data",
    "mini": "pipeline check on synthetic data, not comparable with any published score",
}
LEGEND = """\
Main score of each task under its default protocol, of the recipe as it is, with the 95 % interval; how it is made, and
everything else, is in the tables of the tasks. Tasks have scores of different kinds: read down, not across. Of several
results of a system the newest is shown; the best of a column is bold."""
NO_RESULT = "None yet. The first: `make bench TASK=all`."
PUBLISHED = """\
The same scores as printed in the sources (listed at the end), not run here: of the systems of this suite, the official
baselines and the winners. Selection: did the scored data choose?"""
README_BEST = """\
## Leaderboard

The best committed result of each task and protocol: the recipe as it is, on all official data, with weights that the
scored data did not choose. Differences, costs, scores of single classes and all published figures are in
[the tables](leaderboard/tables/README.md)."""
README_PUBLISHED = """\
The official baselines as published, not run here, for the default protocols and those above. Selection: did the scored
data choose?"""


def render_overview(boards: Sequence[Board], local: bool) -> str:
    """The markdown document of all tasks.

    Args:
        boards: The boards of all tasks.
        local: Whether the runs are the user's own, not the committed ones.
    """
    kind, source = ("local runs", "the runs folder") if local else ("leaderboard", "`leaderboard/records`")
    lines = [f"# All tasks: {kind}", "", f"Made by `make leaderboard` from {source} and `tasks/*/published.csv`.", ""]
    lines += markdown_table([_index_cells(board, linked=bool(board.tables) or not local) for board in boards])
    lines += ["## Runs of this suite", ""]
    tables = []
    for variant, remark in SHARED.items():
        columns = {board.task.name: (board, newest) for board in boards if (newest := _newest(board, variant))}
        if columns:
            tables += [f"### {variant}: {remark}", "", *_cross_table(columns, with_chance=variant == "mini")]
    lines += [LEGEND, "", *tables] if tables else [NO_RESULT, ""]
    published = [
        (board, row) for board in boards for row in headlines(board.task, board.published, _default_protocol(board))
    ]
    sources = source_names(row for _, row in published)
    lines += ["## Published scores", "", PUBLISHED, ""]
    lines += markdown_table([_published_cells(board, row, sources[row.source]) for board, row in published])
    return "\n".join([*lines, *source_list(sources)]) + "\n"


def readme_block(boards: Sequence[Board]) -> str:
    """The best results, and in a table of their own the published figures of the official baselines, as markdown."""
    best = [(board, protocol, row) for board in boards for protocol, row in _best(board).items()]
    protocols = [(board, protocol) for board in boards for protocol in {_default_protocol(board): None, **_best(board)}]
    found = [(board, headlines(board.task, board.published, protocol)) for board, protocol in protocols]
    baselines = [(board, row) for board, rows in found for row in [r for r in rows if r.role == "baseline"][:1]]
    lines = [README_BEST, ""]
    lines += markdown_table([_best_cells(*place) for place in best]) or [NO_RESULT, ""]
    lines += [README_PUBLISHED, ""]
    lines += markdown_table(
        [_published_cells(board, row, row.source) | {"system": row.system} for board, row in baselines]
    )
    return "\n".join(lines)


def _default_protocol(board: Board) -> str:
    return next(iter(board.task.protocols))


def _usable(board: Board, row: Row) -> bool:
    """Whether a row is about the recipe as it is, and has a score."""
    return row.unchanged and board.value(row) is not None


def _is_open(key: TableKey, variant: str) -> bool:
    """Whether a table has whole recipes on data of this kind, the scored part of which chose nothing."""
    return (key.variant, key.scale, key.selected_on_test) == (variant, 1, False)


def _newest(board: Board, variant: str) -> dict[str, Row]:
    """System to its newest result under the default protocol; of synthetic data, only on the newest."""
    tables = [
        rows
        for key, rows in board.tables.items()
        if _is_open(key, variant) and key.protocol == _default_protocol(board)
    ]
    newest = max(tables, key=lambda rows: max(row.last_run for row in rows), default=())
    by_age = sorted((row for row in newest if _usable(board, row)), key=lambda row: row.last_run)
    return {row.result.system: row for row in by_age}


def _best(board: Board) -> dict[str, Row]:
    """Protocol to its best result on all official data."""
    tables = {key.protocol: rows for key, rows in board.tables.items() if _is_open(key, "full")}
    usable = {protocol: [row for row in rows if _usable(board, row)] for protocol, rows in tables.items()}
    return {protocol: rows[0] for protocol, rows in usable.items() if rows}


def _index_cells(board: Board, linked: bool) -> dict[str, str]:
    name = board.task.name
    return {
        "task": Markdown(f"[{escape(name)}]({name}.md)") if linked else name,
        "title": board.task.title,
        "protocol": _default_protocol(board),
        "score": board.task.main_score,
    }


def _cross_table(columns: Mapping[str, tuple[Board, Mapping[str, Row]]], with_chance: bool) -> list[str]:
    """Systems by tasks, first those of most tasks; at the end what a system has that has learnt nothing."""
    systems = sorted({system for _, found in columns.values() for system in found})
    systems.sort(key=lambda system: -sum(system in found for _, found in columns.values()))
    lines: list[dict[str, str]] = [{"system": system} for system in systems]
    for name, (board, found) in columns.items():
        cells = bold_best({system: (_cross_cell(board, row), board.value(row)) for system, row in found.items()})
        for line in lines:
            line[name] = cells.get(line["system"], NONE)
    if with_chance:
        lines.append(
            {"system": "(chance)"} | {name: fraction(board.task.chance) for name, (board, _) in columns.items()}
        )
    return markdown_table(lines)


def _cross_cell(board: Board, row: Row) -> str:
    score, interval = row.result.scores[board.task.main_score], row.statistics.interval
    return score_cell(score) + (f" ({interval_cell(interval)})" if interval else "")


def _best_cells(board: Board, protocol: str, row: Row) -> dict[str, str]:
    return {
        "task": board.task.name,
        "protocol": protocol,
        "score": board.task.main_score,
        "system": row.result.system,
        "result": score_cell(row.result.scores[board.task.main_score]),
        "95 % interval": interval_cell(row.statistics.interval),
        "resampled": row.statistics.resampled or NONE,
        "seeds": str(len(row.result.seeds)),
        "last run": row.last_run[:10],
    }


def _published_cells(board: Board, row: PublishedRow, source: str) -> dict[str, str]:
    return {
        "task": board.task.name,
        "protocol": row.protocol,
        "score": row.metric,
        "system": marked_system(row),
        "published": published_score(row),
        "split": row.split,
        "selection": row.selection,
        "source": source,
        "table": row.table,
    }
