"""What a run prints at its end: its scores, the published rows for orientation, and what to do next."""

import sys
from collections.abc import Sequence
from pathlib import Path
from textwrap import shorten

from rich import box
from rich.console import Console
from rich.table import Table

from benchmark.metrics import mean_over_folds
from benchmark.published import PublishedRow, read_published
from benchmark.records import RunRecord
from benchmark.registry import Task


def print_scores(console: Console, task: Task, runs: Sequence[RunRecord]) -> None:
    """The scores of one result: a column a fold and, with several folds, their mean.

    Args:
        console: Where to print.
        task: The task.
        runs: Runs of one group and seed, one a fold.
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
    for key in sorted(mean, key=lambda key: (key.split("/")[0] != task.main_score, key != task.main_score)):
        cells = [_shown(run.scores[key]) if key in run.scores else "" for run in runs]
        if len(runs) > 1:
            cells.append(_shown(mean[key]))
        table.add_row(key, *cells, style="bold" if key == task.main_score else None)
    console.print(table)
    if any(value is None for run in runs for value in run.scores.values()):
        console.print("undefined: the scored clips of that group are all of one class")
    if first.variant == "mini":
        console.print("synthetic data: a check of the pipeline, not comparable with any published score")
    elif first.variant != "full":
        console.print("not comparable with published scores: the data is not the complete official data")


def print_published(console: Console, task: Task, runs: Sequence[RunRecord]) -> None:
    """Published rows of the runs' scores: the same system, baseline and winner, and clean rows of the protocol.

    Args:
        console: Where to print.
        task: The task.
        runs: Runs of one group and seed, one a fold.
    """
    keys = [key for key in mean_over_folds([run.scores for run in runs]) if key.split("/")[0] == task.main_score]
    everything = [row for row in read_published(task.folder / "published.csv") if row.metric in keys]
    near = [
        row
        for row in everything
        if row.system == runs[0].system
        or row.role != "entry"
        or (row.protocol == runs[0].protocol and row.selection != "test")
    ]
    rows: dict[tuple[str, str, str, str], dict[str, PublishedRow]] = {}
    for row in near:
        split = row.split + (", selected on it" if row.selection == "test" else "")
        rows.setdefault((row.system, row.protocol, split, f"{shorten(row.source, 40)}, {row.table}"), {})[
            row.metric
        ] = row
    shown = [key for key in dict.fromkeys((task.main_score, *keys)) if any(key in cells for cells in rows.values())]
    console.print("\n[bold]published, for orientation[/] (real data; protocol and split as named)")
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("system", "protocol", "split", *shown, "source"):
        table.add_column(name, justify="right" if name in shown else "left", no_wrap=name in shown, overflow="fold")
    order = sorted(
        rows.items(), key=lambda item: (item[0][1] != runs[0].protocol, -max(row.value for row in item[1].values()))
    )
    for (system, protocol, split, source), cells in order:
        role = next(iter(cells.values())).role
        mark = {"baseline": " (official baseline)", "winner": " (winner)"}.get(role, "")
        table.add_row(
            system + mark,
            protocol,
            split,
            *(f"{cells[key].value:.3f}" if key in cells else "" for key in shown),
            source,
        )
    console.print(table)
    console.print(
        f"all {len(everything)} published figures: make leaderboard, or tasks/{task.folder.name}/published.csv",
        highlight=False,
    )


def print_traces(console: Console, folders: Sequence[Path], runs: Sequence[RunRecord], example: Path) -> None:
    """Where the records lie, and commands to try next.

    Args:
        console: Where to print.
        folders: The runs' folders.
        runs: Their records.
        example: A recording to predict.
    """
    for folder, run in zip(folders, runs, strict=True):
        seconds = ", ".join(f"{part} {value:.0f} s" for part, value in run.seconds.items())
        console.print(
            f"fold {run.fold}: {run.parameters:,} parameters, {run.steps} steps, {seconds}, on {run.device}",
            f"  {folder}/  record.json  predictions.npz  submission.csv  scores.png",
            sep="\n",
            highlight=False,
            soft_wrap=True,
        )
        if run.skipped:
            console.print(
                f"  {len(run.skipped)} clips were left out; record.json names them under `skipped`", highlight=False
            )
    python = Path(sys.executable)
    python = python.relative_to(Path.cwd()) if python.is_relative_to(Path.cwd()) else python
    console.print(
        f"next: {python} -m benchmark predict {runs[0].group} {example} --plot out.png",
        "      make leaderboard",
        sep="\n",
        highlight=False,
        soft_wrap=True,
    )


def _shown(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"
