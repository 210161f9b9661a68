"""The command line: `python -m leaderboard [--out DIR]`, `… submit RUN`, `… compare A B`, `… site`, `… dashboard`.

Exit codes: 0 done; 1 the work failed; 2 the command or its input was wrong; 3 interrupted.
"""

import argparse
import importlib.util
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from benchmark.errors import InputError, exit_code
from benchmark.paths import runs_root
from benchmark.published import read_published
from benchmark.records import write_text
from benchmark.registry import Task, all_tasks
from leaderboard import RECORDS, TABLES, Run, load_runs
from leaderboard.boards import Board, make_board
from leaderboard.compare import compare, print_comparison
from leaderboard.markdown import with_block
from leaderboard.overview import BEGIN, END, PAGE, SUMMARY, readme_block, render_overview
from leaderboard.submit import submit
from leaderboard.tables import render

README = TABLES.parents[1] / "README.md"
RUN = "a run's folder, a unique id prefix, a group (all its members) or `last`"
COMPARE_EPILOG = """\
The interval holds 95 % of the differences between resamples: clips are drawn with replacement, the same for A and B
and for all seeds, and with three seeds or more the seeds too; clips that were recorded together are drawn together.
Both must be runs of one task, protocol and data."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    try:
        arguments = build_parser().parse_args(argv)
    except SystemExit as stop:
        return int(stop.code or 0)
    return exit_code(lambda: arguments.command(arguments), arguments.debug)


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="python -m leaderboard",
        description="Write the tables of all tasks: leaderboard/tables and the summary in README.md from the committed "
        "records, and leaderboard/ in the runs folder from your own runs.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=TABLES,
        metavar="DIR",
        help="where the committed records' tables go; the summary in README.md stays as it is then",
    )
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    parser.set_defaults(command=write_tables)
    commands = parser.add_subparsers(metavar="COMMAND")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help="show tracebacks")
    text = "Copy a run's record and predictions into leaderboard/records."
    sub = commands.add_parser("submit", help=text, description=text, parents=[shared], allow_abbrev=False)
    sub.add_argument("run", metavar="RUN", help=RUN)
    sub.set_defaults(command=submit_runs)
    text = "Compare two results on the same clips: difference, interval, p-value, wins and losses per class."
    sub = commands.add_parser(
        "compare", help=text, description=text, epilog=COMPARE_EPILOG, parents=[shared], allow_abbrev=False
    )
    sub.add_argument("a", metavar="A", help=f"{RUN}; or a committed record: its file, its group or TASK-SYSTEM")
    sub.add_argument("b", metavar="B", help="the same; runs of A and B are joined by fold and seed")
    sub.add_argument(
        "--score", default="", metavar="KEY", help="a score of the records (default: the task's main score)"
    )
    sub.add_argument("--resamples", type=int, default=1000, metavar="N", help="resamples to draw (default: 1000)")
    sub.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    sub.set_defaults(command=compare_runs)
    text = "Save the dashboard of all tasks on Weights & Biases."
    sub = commands.add_parser("dashboard", help=text, description=text, parents=[shared], allow_abbrev=False)
    sub.add_argument("--dry-run", action="store_true", help="print its definition as JSON, and send nothing")
    sub.set_defaults(command=write_dashboard)
    text = "Write a static site of the committed records and your runs."
    sub = commands.add_parser("site", help=text, description=text, parents=[shared], allow_abbrev=False)
    # The tables' own --out has a default, which a subparser's default under the same name would replace.
    sub.add_argument(
        "--out", type=Path, dest="site", metavar="DIR", help="where it goes (default: site/ in the runs folder)"
    )
    sub.add_argument("--audio", action="store_true", help="copy the sound of example clips, that of real data too")
    sub.set_defaults(command=make_site)
    return parser


def write_tables(arguments: argparse.Namespace) -> None:
    """The tables of the committed records and, where there are runs, those of the runs."""
    committed, left_out = load_runs(RECORDS, "*.json", "leaderboard/records/")
    local, left_out_too = load_runs(runs_root(), "*/*/*/record.json")
    for line in [*left_out, *left_out_too]:
        warn(line)
    boards = [_board(task, committed) for task in all_tasks().values()]
    for board in boards:
        _write(arguments.out / f"{board.task.name}.md", render(board, local=False))
    _write(arguments.out / PAGE, render_overview(boards, local=False))
    if arguments.out == TABLES:
        _write(
            README, with_block(README.read_text(encoding="utf-8"), readme_block(boards), BEGIN, END, README, SUMMARY)
        )
    _write_local([_board(task, local) for task in all_tasks().values()])
    if not local:
        sys.stdout.write(
            f"no finished run in {runs_root()} yet; the first: make bench TASK={next(iter(all_tasks()))}\n"
        )


def _board(task: Task, runs: Sequence[Run]) -> Board:
    csv = task.folder / "published.csv"
    return make_board(task, runs, read_published(csv) if csv.is_file() else [])


def _write_local(boards: Sequence[Board]) -> None:
    """The tables of the user's runs, beside them; a page of runs that are gone would otherwise go on showing them."""
    folder = runs_root() / "leaderboard"
    pages = {folder / f"{board.task.name}.md": board for board in boards}
    for path, board in pages.items():
        if board.tables or path.exists():
            _write(path, render(board, local=True))
    if any(board.tables for board in boards) or (folder / PAGE).exists():
        _write(folder / PAGE, render_overview(boards, local=True))


def submit_runs(arguments: argparse.Namespace) -> None:
    """`submit`."""
    for path in submit(runs_root(), arguments.run, RECORDS, warn):
        sys.stdout.write(f"{_shown(path)}\n")
    sys.stdout.write("next: make leaderboard, then commit leaderboard and README.md\n")


def make_site(arguments: argparse.Namespace) -> None:
    """`site`."""
    from leaderboard.site.build import write_site

    out = arguments.site or runs_root() / "site"
    for line in write_site(out, RECORDS, runs_root(), arguments.audio):
        warn(line)
    sys.stdout.write(f"{_shown(out / 'index.html')}\n")


def compare_runs(arguments: argparse.Namespace) -> None:
    """`compare`."""
    found = compare(runs_root(), RECORDS, arguments.a, arguments.b, arguments.score, arguments.resamples)
    if arguments.json:
        sys.stdout.write(json.dumps(found.as_dict(), allow_nan=False) + "\n")
        return
    print_comparison(Console(width=None if sys.stdout.isatty() else 140), found)


def warn(line: str) -> None:
    """A warning on standard error."""
    sys.stderr.write(f"warning: {line}\n")


def write_dashboard(arguments: argparse.Namespace) -> None:
    """`dashboard`."""
    if importlib.util.find_spec("wandb_workspaces") is None:
        raise InputError(
            "the package wandb-workspaces is missing", "dashboard", "install it: pip install '.[dashboard]'"
        )
    from benchmark.wandb_result import project_name
    from leaderboard.dashboard import build, definition, save

    tasks = all_tasks().values()
    sys.stdout.write((definition(build("", project_name(), tasks)) if arguments.dry_run else save(tasks)) + "\n")


def _write(path: Path, text: str) -> None:
    write_text(path, text)
    sys.stdout.write(f"{_shown(path)}\n")


def _shown(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


if __name__ == "__main__":
    sys.exit(main())
