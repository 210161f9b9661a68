"""What a site comprises: committed records and the user's own runs, each with its origin and its page."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from benchmark.published import PublishedRow
from benchmark.records import RunRecord
from benchmark.registry import Task
from leaderboard import Run, load_runs
from leaderboard.boards import Board, Row, counterpart
from leaderboard.results import Result, group_results
from leaderboard.statistics import table_statistics

COMMITTED, OWN = "committed", "yours"


@dataclass(frozen=True)
class Entry:
    """A run that has a page.

    Attributes:
        run: The run.
        origins: `committed`, `yours`, or both.
        folder: The run's folder, where it is on this machine; of committed runs there are record and predictions.
        page: Its page, from the site's root.
    """

    run: Run
    origins: tuple[str, ...]
    folder: Path | None
    page: str


@dataclass(frozen=True)
class Site:
    """All runs of the site.

    Attributes:
        committed: Runs of the committed records.
        own: The user's runs.
        pages: A run's `path` to its entry; a committed run that is here as well has the same entry under both.
        left_out: A line for each file that was left out.
    """

    committed: Sequence[Run]
    own: Sequence[Run]
    pages: Mapping[str, Entry]
    left_out: Sequence[str]

    @cached_property
    def entries(self) -> list[Entry]:
        """Each run once."""
        return list({entry.page: entry for entry in self.pages.values()}.values())

    def board(self, task: Task, published: Sequence[PublishedRow]) -> Board:
        """The task's results of both origins, each of one origin, those together that may share a table.

        A result of the user's that is committed, run by run, is not shown a second time.
        """
        own, committed = group_results(task, self.own), group_results(task, self.committed)
        tables = {}
        for key in group_results(task, [*self.own, *self.committed]):
            both = list(committed.get(key, []))
            known = {self._pages_of(result) for result in both}
            both += [result for result in own.get(key, []) if self._pages_of(result) not in known]
            both.sort(key=lambda result: _rank(result, task.main_score))
            rows = [Row(*found, None) for found in zip(both, table_statistics(task, both), strict=True)]
            tables[key] = [row._replace(published=counterpart(task, key, row, published)) for row in rows]
        return Board(task, tables, published)

    def origins(self, result: Result) -> tuple[str, ...]:
        """Where a result's runs come from: what all of them have in common."""
        shared = [set(self.pages[run.path].origins) for runs in result.seeds.values() for run in runs.values()]
        return tuple(origin for origin in (COMMITTED, OWN) if all(origin in origins for origins in shared))

    def _pages_of(self, result: Result) -> frozenset[str]:
        return frozenset(self.pages[run.path].page for runs in result.seeds.values() for run in runs.values())


def _rank(result: Result, main: str) -> tuple[object, ...]:
    score = result.scores[main].mean if main in result.scores else None
    return (not result.complete, score is None, -(score or 0.0), result.system, result.group)


def load_site(records: Path, runs: Path) -> Site:
    """Read the committed records and the user's runs.

    Args:
        records: Folder of the committed records.
        runs: Folder of the user's runs.
    """
    committed, left_out = load_runs(records, "*.json", "leaderboard/records/")
    own, left_out_too = load_runs(runs, "*/*/*/record.json")
    pages = {run.path: Entry(run, (OWN,), run.file.parent, _page(run.record)) for run in own}
    by_name = {_name(run.record): run for run in own}
    for run in committed:
        twin = by_name.get(_name(run.record))
        if twin is not None and twin.record == run.record:
            pages[twin.path] = pages[run.path] = replace(pages[twin.path], origins=(COMMITTED, OWN))
        else:
            pages[run.path] = Entry(run, (COMMITTED,), None, _page(run.record, COMMITTED))
    return Site(committed, own, pages, [*left_out, *left_out_too])


def _name(record: RunRecord) -> tuple[str, str, str]:
    return record.task, record.system, record.id


def _page(record: RunRecord, *further: str) -> str:
    return page("runs", *further, *_name(record))


def page(folder: str, *names: str) -> str:
    """A page's place from names of unknown origin: other names, another place, and none leaves the folder."""
    return f"{'/'.join([folder, *map(_file_name, names)])}.html"


def _file_name(name: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9._@+-]+", "-", name)[:60]
    if plain == name and plain.strip("."):
        return name
    return f"{plain.strip('.')}-{hashlib.sha256(name.encode(errors='replace')).hexdigest()[:8]}"
