"""Writes the site: all pages into a fresh folder, which then takes the old one's place."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from rich.console import Console
from rich.progress import track

from benchmark.errors import InputError
from benchmark.published import PublishedRow, read_published
from benchmark.records import unwritable
from benchmark.registry import Task, all_tasks
from leaderboard.site.assets import write_assets
from leaderboard.site.clips import ClipPictures
from leaderboard.site.entries import load_site, page
from leaderboard.site.index_page import index_context
from leaderboard.site.run_page import run_context
from leaderboard.site.system_page import system_context, system_names
from leaderboard.site.task_page import task_context

MARK = "assets/site.css"


def write_site(out: Path, records: Path, runs: Path, with_audio: bool = False) -> list[str]:
    """Write the site of the committed records and the user's runs.

    Args:
        out: Folder of the site; an older site there is replaced as a whole.
        records: Folder of the committed records.
        runs: Folder of the user's runs.
        with_audio: Whether to copy the sound of example clips that are not synthetic.

    Returns:
        A line for each record that was left out.

    Raises:
        InputError: There is something else at `out`.
        BenchmarkError: The folder cannot be written.
    """
    if out.exists() and not (out / MARK).is_file() and not (out.is_dir() and not any(out.iterdir())):
        raise InputError("there is something else than a site of this suite", out, "name another folder with --out")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as name:
            fresh, old = Path(name, "new"), Path(name, "old")
            fresh.mkdir()
            left_out = _write_pages(fresh, records, runs, with_audio)
            if out.exists():
                out.rename(old)
            fresh.rename(out)
    except OSError as error:
        raise unwritable(out, error) from error
    return left_out


def _write_pages(folder: Path, records: Path, runs: Path, with_audio: bool) -> list[str]:
    site = load_site(records, runs)
    boards = {name: site.board(task, _published(task)) for name, task in all_tasks().items()}
    environment = Environment(
        loader=PackageLoader("leaderboard.site"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["all_tasks"] = list(boards)

    def write(template: str, path: str, context: Mapping[str, Any]) -> None:
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        text = environment.get_template(template).render(**context, root="../" * path.count("/"), here=path)
        file.write_text(text, encoding="utf-8", errors="replace")

    write_assets(folder / "assets")
    write("index.html", "index.html", index_context(site, list(boards.values())))
    for name, board in boards.items():
        write("task.html", f"tasks/{name}.html", task_context(site, board))
        for system in system_names(site, board.task):
            write("system.html", page("systems", name, system), system_context(site, board, system))
    pictures, console = ClipPictures(folder, with_audio), Console(stderr=True)
    for entry in track(site.entries, "pages of runs", console=console, disable=not console.is_terminal):
        write("run.html", entry.page, run_context(entry, boards[entry.run.record.task].task, pictures))
    return list(site.left_out)


def _published(task: Task) -> list[PublishedRow]:
    csv = task.folder / "published.csv"
    return read_published(csv) if csv.is_file() else []
