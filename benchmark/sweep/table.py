"""What a sweep shows: how its jobs stand, live on a terminal and line by line elsewhere; what failed, and why."""

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich import box
from rich.console import Console
from rich.filesize import decimal
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from benchmark.errors import BenchmarkError
from benchmark.sweep.launchers import Launcher
from benchmark.sweep.loop import Progress, count

if TYPE_CHECKING:
    from benchmark.sweep.forecast import Cost

TAIL = 15
STYLES = {"finished": "green", "failed": "bold red", "running": "cyan", "stopped": "yellow"}
ORDER = ("failed", "submitted", "running elsewhere", "stopped", "to do", "finished")


class Board:
    """Shows how the jobs stand while the sweep goes on."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self.began = time.monotonic()
        self.shown: dict[str, str] = {}

    def __enter__(self) -> Self:
        """Take the terminal."""
        if self.live:
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give it back."""
        if self.live:
            self.live.stop()

    def __call__(self, rows: Sequence[Progress]) -> None:
        """Show them."""
        if self.live:
            self.live.update(self._table(rows), refresh=True)
            return
        for row in rows:
            word = _word(row)
            if row.status == "finished" and not row.number:
                continue  # before the sweep
            if self.shown.get(row.job.name, "to do") != word:
                self.shown[row.job.name] = word
                number = f" (job {row.number})" if row.status == "submitted" else ""
                line = f"{time.strftime('%H:%M:%S')}  {row.job.name}: {word}{number}"
                self.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def _table(self, rows: Sequence[Progress]) -> Table:
        room = max(3, self.console.height - 6)
        first = sorted(rows, key=lambda row: ORDER.index(row.status))
        passed = timedelta(seconds=round(time.monotonic() - self.began))
        left = f"; {len(rows) - room} more not shown" if len(rows) > room else ""
        table = Table("job", "state", "step", "number", box=box.SIMPLE_HEAD, caption=f"{count(rows)}; {passed}{left}")
        for row in first[:room]:
            word = _word(row)
            step = str(row.standing.state["step"]) if row.standing else ""
            table.add_row(escape(row.job.name), word, step, row.number, style=STYLES.get(word.split(",")[0]))
        return table


def _word(row: Progress) -> str:
    word = row.word if row.status == "submitted" else row.status
    again = f", failed {'once' if row.failures == 1 else f'{row.failures} times'} before"
    return word + again if row.failures and row.status not in ("failed", "finished") else word


def print_plan(
    console: Console,
    rows: Sequence[Progress],
    refused: Mapping[str, BenchmarkError],
    costs: Mapping[str, "Cost"],
    stores: int,
    free: int,
    at_once: int,
) -> None:
    """What `--dry-run` prints: each job, and what all of them take.

    Args:
        console: Where to print.
        rows: The jobs.
        refused: What cannot run, and why.
        costs: What one run of a group takes.
        stores: Bytes of waveform stores that have still to be built.
        free: Bytes that are free where the runs lie.
        at_once: Jobs that run at the same time.
    """
    table = Table("job", "state", box=box.SIMPLE_HEAD)
    table.add_column("hours", justify="right")
    table.add_column("disk", justify="right")
    seconds, size = 0.0, 0
    for row in rows:
        cells = ["", ""]
        if row.is_open:
            cost = costs[row.job.identity.group]
            seconds, size = seconds + cost.seconds, size + cost.size
            cells = [f"{'' if cost.measured else 'about '}{cost.seconds / 3600:.2f}", decimal(cost.size)]
        table.add_row(escape(row.job.name), row.status, *cells)
    console.print(table)
    print_refused(console, refused)
    to_do = sum(row.is_open for row in rows)
    hours = seconds / 3600
    shared = f", {hours / min(at_once, to_do):.2f} h with {at_once} at once" if to_do > 1 and at_once > 1 else ""
    built = f", and {decimal(stores)} of waveform stores" if stores else ""
    for line in (
        f"{len(rows)} jobs: {count(rows)}",
        f"to do: about {hours:.2f} h one after the other{shared}",
        f"disk: {decimal(size)} of runs{built}; {decimal(free)} are free",
        "hours of finished runs of the same group; `about`: training steps alone, timed on this machine",
    ):
        console.print(line, highlight=False, soft_wrap=True)


def print_refused(console: Console, refused: Mapping[str, BenchmarkError]) -> None:
    """What cannot run."""
    for name, error in refused.items():
        console.print(f"{name} cannot run: {error}", highlight=False, markup=False, soft_wrap=True)


def print_failed(console: Console, rows: Sequence[Progress], launcher: Launcher) -> None:
    """The end of each failed job's log."""
    for row in rows:
        if row.status == "failed":
            path = launcher.log(row.number)
            console.print(f"\nfailed: {row.job.name}\n  log: {path}", highlight=False, markup=False, soft_wrap=True)
            for line in tail(path):
                console.print(f"  | {line}", highlight=False, markup=False, soft_wrap=True)


def tail(path: Path) -> list[str]:
    """The last lines of a log; a line that was written over shows its last state."""
    if not path.exists():
        return ["(it has printed nothing)"]
    text = path.read_bytes()[-20_000:].decode(errors="replace")
    return [line.rstrip("\r").rpartition("\r")[2] for line in text.removesuffix("\n").split("\n")][-TAIL:]
