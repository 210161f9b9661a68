"""What a run prints at its end: its scores, the published rows for orientation, and what to do next."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from textwrap import shorten
from typing import NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table

from benchmark.metrics import mean_over_folds
from benchmark.published import PublishedRow, headline, read_published
from benchmark.records import RunRecord
from benchmark.registry import Task

CLASSES_SHOWN = 12
METRICS_SHOWN = 3


def print_scores(console: Console, task: Task, runs: Sequence[RunRecord], brief: bool = False) -> None:
    """The scores of one result: a column a fold and, with several folds, their mean.

    Args:
        console: Where to print.
        task: The task.
        runs: Runs of one group and seed, one a fold.
        brief: Leave the scores of single classes out.
    """
    first = runs[0]
    console.print(
        f"\n[bold]{task.name} / {first.system}: this run[/] ({first.variant}, {first.protocol}, seed {first.seed})",
        highlight=False,
    )
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("score")
    for run in runs:
        table.add_column(f"fold {run.fold}", justify="right")
    mean = mean_over_folds([run.scores for run in runs])
    if len(runs) > 1:
        table.add_column("all folds", justify="right")
    classes = set(task.classes_of(first.protocol))
    of_classes = {key for key in mean if key.rpartition("/")[2] in classes}
    hidden = of_classes if brief or len(classes) > CLASSES_SHOWN else set()
    family = task.main_score.split("/")[0]
    for key in sorted(mean, key=lambda key: (key != task.main_score, key.split("/")[0] != family)):
        if key in hidden:
            continue
        cells = [_shown(run.scores[key]) if key in run.scores else "" for run in runs]
        if len(runs) > 1:
            cells.append(_shown(mean[key]))
        table.add_row(key, *cells, style="bold" if key == task.main_score else None)
    console.print(table)
    if hidden:
        console.print(f"{len(hidden)} scores of single classes: record.json, scores.png", highlight=False)
    if any(value is None for run in runs for value in run.scores.values()):
        missing = dict.fromkeys(key.rpartition("/")[2] for key in of_classes if mean[key] is None)
        names = [name for name in task.classes_of(first.protocol) if name in missing]
        about = f": {', '.join(names)}" if names else ""
        console.print(f"undefined: there are no scored clips that could tell{about}", highlight=False, soft_wrap=True)
    if first.variant == "mini":
        console.print("synthetic data: a check of the pipeline, not comparable with any published score")
    elif first.variant != "full":
        console.print("not comparable with published scores: the data is not the complete official data")


class PublishedLine(NamedTuple):
    """Published scores of one system from one place.

    Attributes:
        system: The system, marked where it is the official baseline or the winner.
        split: What was scored, marked where it chose the model.
        source: The source's title, shortened, and its table.
        cells: Score key to its row.
    """

    system: str
    protocol: str
    split: str
    source: str
    cells: dict[str, PublishedRow]


class Orientation(NamedTuple):
    """Published scores to see a run's beside.

    Attributes:
        keys: The scores that there are, the main score first.
        lines: Those of the run's protocol first, the best first.
        everything: All published rows of the task.
    """

    keys: list[str]
    lines: list[PublishedLine]
    everything: list[PublishedRow]


def for_orientation(task: Task, runs: Sequence[RunRecord]) -> Orientation:
    """Published rows of the runs' scores: the same system, baseline and winner, and clean rows of the protocol.

    Args:
        task: The task.
        runs: Runs of one group.
    """
    keys = [key for key in mean_over_folds([run.scores for run in runs]) if task.is_shown(key)]
    everything = read_published(task.folder / "published.csv")
    near = [
        row
        for row in everything
        if (row.metric in keys and not row.class_name)
        and (
            row.system == runs[0].system
            or row.role != "entry"
            or (row.protocol == runs[0].protocol and row.selection != "test")
        )
    ]
    rows: dict[tuple[str, str, str, str], dict[str, PublishedRow]] = {}
    for row in near:
        mark = {"baseline": " (official baseline)", "winner": " (winner)"}.get(row.role, "")
        split = row.split + (", selected on it" if row.selection == "test" else "")
        place = (row.system + mark, row.protocol, split, f"{shorten(row.source, 40)}, {row.table}")
        rows.setdefault(place, {})[row.metric] = row
    found = [key for key in dict.fromkeys((task.main_score, *keys)) if any(key in cells for cells in rows.values())]
    shown = found[:METRICS_SHOWN]
    lines = [PublishedLine(*place, cells) for place, cells in rows.items() if cells.keys() & set(shown)]
    lines.sort(key=lambda line: (line.protocol != runs[0].protocol, -max(row.value for row in line.cells.values())))
    return Orientation(shown, lines, everything)


def print_published(console: Console, task: Task, runs: Sequence[RunRecord]) -> None:
    """The published rows for orientation.

    Args:
        console: Where to print.
        task: The task.
        runs: Runs of one group and seed, one a fold.
    """
    found = for_orientation(task, runs)
    console.print("\n[bold]published, for orientation[/] (real data; protocol and split as named)")
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("system", "protocol", "split", *found.keys, "source"):
        of_score = name in found.keys
        table.add_column(name, justify="right" if of_score else "left", no_wrap=of_score, overflow="fold")
    for line in found.lines:
        scores = (f"{line.cells[key].value:.3f}" if key in line.cells else "" for key in found.keys)
        table.add_row(line.system, line.protocol, line.split, *scores, line.source)
    console.print(table)
    console.print(
        f"all {len(found.everything)} published figures: make leaderboard, or tasks/{task.folder.name}/published.csv",
        highlight=False,
    )


def print_cross_task(console: Console, results: Sequence[tuple[Task, Sequence[RunRecord]]]) -> None:
    """One line a task: the main score of these runs, and below, in a block of its own, what is published.

    Args:
        console: Where to print.
        results: Tasks with the runs of one group and seed.
    """
    if not results:
        return
    system = ", ".join(dict.fromkeys(runs[0].system for _, runs in results))
    table = Table(box=box.SIMPLE_HEAD, title=f"all tasks: {system}", title_justify="left")
    for name, right in {
        "task": 0,
        "data": 0,
        "protocol": 0,
        "score": 0,
        "this run": 1,
        "chance": 1,
        "train": 1,
    }.items():
        table.add_column(name, justify="right" if right else "left")
    for task, runs in results:
        first = runs[0]
        value = mean_over_folds([run.scores for run in runs]).get(task.main_score)
        seconds = sum(run.seconds.get("train", 0.0) for run in runs)
        chance = f"{task.chance:.3f}" if first.variant == "mini" else "-"
        what = (task.name, first.variant, first.protocol, task.main_score)
        table.add_row(*what, _shown(value), chance, f"{seconds:.0f} s")
    console.print(table)
    if any(runs[0].variant != "full" for _, runs in results):
        console.print("not comparable with published scores where the data is not `full`; mini is synthetic")
    console.print("\n[bold]published, for orientation[/] (real data; protocol and split as named)")
    table = Table("task", "system", "protocol", "split", "score", box=box.SIMPLE_HEAD)
    table.add_column("published", justify="right")
    for task, runs in results:
        for row in _headlines(task, runs[0]):
            selected = ", selected on it" if row.selection == "test" else ""
            mark = {"baseline": " (official)", "winner": " (winner)"}.get(row.role, "")
            place = (task.name, row.system + mark, row.protocol, row.split + selected)
            table.add_row(*place, row.metric, f"{row.value:.3f}")
    console.print(table)


def _headlines(task: Task, run: RunRecord) -> list[PublishedRow]:
    """Published main scores of the same system, the official baseline and the winner, one a protocol."""
    rows = [row for row in read_published(task.folder / "published.csv") if row.metric == task.main_score]
    names = [row.system for row in rows if not row.class_name and (row.system == run.system or row.role != "entry")]
    protocols = dict.fromkeys([run.protocol, *(row.protocol for row in rows)])
    found = [headline(rows, name, task.main_score, protocol) for protocol in protocols for name in dict.fromkeys(names)]
    return [row for row in found if row is not None]


def print_traces(console: Console, folders: Sequence[Path], runs: Sequence[RunRecord], example: Path | None) -> None:
    """Where the records lie, and commands to try next.

    Args:
        console: Where to print.
        folders: The runs' folders.
        runs: Their records.
        example: A recording to predict; nothing: do not say what to do next.
    """
    for folder, run in zip(folders, runs, strict=True):
        seconds = ", ".join(f"{part} {value:.0f} s" for part, value in run.seconds.items())
        console.print(
            f"fold {run.fold}: {run.parameters:,} parameters, {run.steps} steps, {seconds}, on {run.device}",
            f"  {folder}/  record.json  predictions.npz  submission.csv  scores.png",
            sep="\n",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
        if run.skipped_steps:
            what = "steps were left out, because their loss or gradient was no number"
            console.print(f"  {run.skipped_steps} of {run.steps} {what}", highlight=False, soft_wrap=True)
        if run.skipped:
            console.print(
                f"  {len(run.skipped)} clips were left out; record.json names them under `skipped`", highlight=False
            )
    if example is None:
        return
    python = Path(sys.executable)
    python = python.relative_to(Path.cwd()) if python.is_relative_to(Path.cwd()) else python
    console.print(
        f"next: {python} -m benchmark predict {runs[0].group} {shlex.quote(str(example))} --plot out.png",
        "      make leaderboard",
        sep="\n",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


def _shown(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"
