"""What the tables of a task are made of: its results with their statistics, and what is published."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from benchmark.published import PublishedRow, headline
from benchmark.registry import Task
from leaderboard import Run
from leaderboard.results import Result, TableKey, group_results
from leaderboard.statistics import RowStatistics, table_statistics


class Row(NamedTuple):
    """A row of a table: a result, how sure it is, and the published figure that it can be held against."""

    result: Result
    statistics: RowStatistics
    published: PublishedRow | None

    @property
    def unchanged(self) -> bool:
        """Whether all runs took the recipe as it is, if with a network of the user's own."""
        overrides = [record.overrides for record in self.result.records]
        return not any(changes[2:] if changes[:1] == ["--model"] else changes for changes in overrides)

    @property
    def last_run(self) -> str:
        """When its newest run ended, ISO 8601."""
        return max(record.created for record in self.result.records)


@dataclass(frozen=True)
class Board:
    """The tables of a task, in the order to show them, and its published rows."""

    task: Task
    tables: Mapping[TableKey, Sequence[Row]]
    published: Sequence[PublishedRow]

    def value(self, row: Row) -> float | None:
        """The score that ranks, the mean over folds and seeds; None where it is undefined or folds are missing."""
        score = row.result.scores.get(self.task.main_score)
        return None if score is None else score.mean


def make_board(task: Task, runs: Sequence[Run], published: Sequence[PublishedRow]) -> Board:
    """The board of a task.

    Args:
        task: The task.
        runs: Runs of any task; others than this task's are passed over.
        published: The task's published rows.
    """
    tables = {}
    for key, results in group_results(task, runs).items():
        statistics = table_statistics(task, results)
        rows = [Row(result, found, None) for result, found in zip(results, statistics, strict=True)]
        tables[key] = [row._replace(published=counterpart(task, key, row, published)) for row in rows]
    return Board(task, tables, published)


def counterpart(task: Task, key: TableKey, row: Row, published: Sequence[PublishedRow]) -> PublishedRow | None:
    """The published main score of the same system, protocol and split; none but for the recipe on all official data."""
    if key.variant != "full" or key.scale != 1 or not row.result.complete or not row.unchanged:
        return None
    of_protocol = [row for row in published if (row.metric, row.protocol) == (task.main_score, key.protocol)]
    if len({row.split for row in of_protocol}) != 1:  # which of them the run has scored is not known
        return None
    return headline(of_protocol, row.result.system, task.main_score, key.protocol)


def class_keys(task: Task, protocol: str, results: Sequence[Result]) -> dict[str, str]:
    """Class to the key of its score, in the family of the main score; empty where there are no such scores.

    Args:
        task: The task; its classes may be numbered, as in `1_engine`, and their keys end in the number then.
        protocol: A protocol of the task.
        results: Results whose keys to take.
    """
    family = task.main_score.partition("/")[0]
    keys = [key for result in results for key in result.scores if key.startswith(f"{family}/")]
    of_detail = {key.rpartition("/")[2]: key for key in keys if not task.is_shown(key)}
    found = {}
    for name in task.classes_of(protocol):
        number = name.partition("_")[0]
        if key := of_detail.get(name) or (of_detail.get(number) if number.isdigit() else None):
            found[name] = key
    return found
