"""The sweep itself: submits what is to do, looks how it stands, and does again what was stopped or has failed."""

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Literal

from benchmark import records
from benchmark.paths import runs_root
from benchmark.records import Standing
from benchmark.sweep.job import Job
from benchmark.sweep.launchers import Launcher

Status = Literal["to do", "stopped", "running elsewhere", "submitted", "finished", "failed"]


@dataclass
class Progress:
    """How a job stands.

    Attributes:
        job: The job.
        status: `to do` and `stopped` are submitted when there is room; `running elsewhere` is watched.
        number: What the launcher calls its last submission.
        word: What the launcher says about it.
        standing: How its work stood at the last look.
        before: How it stood when the job was submitted.
        failures: How often it has failed.
        ended: When it was first seen to have left the launcher; None while it is there.
    """

    job: Job
    status: Status = "to do"
    number: str = ""
    word: str = ""
    standing: Standing | None = None
    before: Standing | None = None
    failures: int = 0
    ended: float | None = None

    @property
    def waits(self) -> bool:
        """Whether it is to be submitted."""
        return self.status in ("to do", "stopped")

    @property
    def is_open(self) -> bool:
        """Whether something is still to come."""
        return self.status not in ("finished", "failed")


class Sweep:
    """Does jobs.

    Args:
        jobs: What is to do; what is finished already is left out.
        launcher: Who does it.
        retries: How often a job that failed is done again; one that was stopped from outside is done again in any case.
        show: Called at every look, and after the last one.
    """

    def __init__(
        self, jobs: Sequence[Job], launcher: Launcher, retries: int, show: Callable[[Sequence[Progress]], None]
    ) -> None:
        self.launcher, self.retries, self.show = launcher, retries, show
        self.rows = look_up(jobs)
        self.stops = 0
        self._woken = threading.Event()

    def run(self) -> None:
        """Go on until nothing is open, or until stopped by a signal and all jobs have ended."""
        for number, job in self.launcher.earlier().items():
            for row in self.rows:
                if row.is_open and row.job.identity == job.identity:
                    row.status, row.number = "submitted", number
        with self._signals():
            passed_on = 0
            while True:
                self._look()
                if self.stops > passed_on:
                    passed_on = self.stops
                    self.launcher.stop()
                elif not self.stops:
                    self._submit()
                self.show(self.rows)
                if not any(row.status == "submitted" if self.stops else row.is_open for row in self.rows):
                    return
                self._woken.wait(self.launcher.pause)
                self._woken.clear()

    @property
    def was_stopped(self) -> bool:
        """Whether a signal ended it before its time."""
        return bool(self.stops) and any(row.is_open for row in self.rows)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """While it lasts, signals are counted: an exception in the middle of a submission would lose a job.

        Those that are ignored (by nohup, by a shell in the background) stay so.
        """

        def stop(number: int, frame: FrameType | None) -> None:
            self.stops += 1
            self._woken.set()

        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        before = {number: handler for number, handler in before.items() if handler is not signal.SIG_IGN}
        for number in before:
            signal.signal(number, stop)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _submit(self) -> None:
        """Fill the room there is; what was stopped goes first."""
        waiting = sorted((row for row in self.rows if row.waits), key=lambda row: row.status != "stopped")
        chosen = waiting[: self.launcher.room()]
        if not chosen:
            return
        for row, number in zip(chosen, self.launcher.submit([row.job for row in chosen]), strict=True):
            row.status, row.number, row.before, row.ended, row.word = "submitted", number, row.standing, None, "queued"

    def _look(self) -> None:
        """See what has changed."""
        alive = self.launcher.look()
        refresh(row for row in self.rows if row.status in ("submitted", "running elsewhere"))
        for row in self.rows:
            if row.status == "running elsewhere":
                row.status = _found(row.standing)
            elif row.status == "submitted" and row.number in alive:
                row.ended = None
                row.word = {"running elsewhere": "running", "finished": "ending"}.get(
                    _found(row.standing), alive[row.number]
                )
            elif row.status == "submitted":
                row.ended = row.ended or time.monotonic()
                settled = _found(row.standing) == "finished" or self.stops
                if settled or time.monotonic() - row.ended >= self.launcher.lag:
                    row.status = self._outcome(row)

    def _outcome(self, row: Progress) -> Status:
        """What becomes of a job that has left the launcher."""
        if _found(row.standing) == "finished" or self.stops:
            return _found(row.standing)
        self.launcher.give_up(row.number)
        if self.launcher.was_lost(row.number):
            return "stopped"
        if row.standing is not None and row.standing != row.before and row.standing.state["status"] == "interrupted":
            return "stopped"
        row.failures += 1
        return "failed" if row.failures > self.retries else "to do"


def look_up(jobs: Sequence[Job]) -> list[Progress]:
    """How jobs stand before anything is done."""
    rows = [Progress(job) for job in jobs]
    refresh(rows)
    for row in rows:
        row.status = _found(row.standing)
    return rows


def refresh(rows: Iterator[Progress] | Sequence[Progress]) -> None:
    """Read anew how the work of some jobs stands, the runs of one system once."""
    rows, root = list(rows), runs_root()
    known = {
        names: records.standings(root, *names)
        for names in dict.fromkeys((row.job.task, row.job.system) for row in rows)
    }
    for row in rows:
        row.standing = known[row.job.task, row.job.system].get(row.job.identity)


def count(rows: Sequence[Progress]) -> str:
    """How many jobs stand how, e.g. `3 finished, 1 running`."""
    words = Counter(row.word if row.status == "submitted" else row.status for row in rows)
    return ", ".join(f"{number} {word}" for word, number in words.most_common())


def _found(standing: Standing | None) -> Status:
    if standing is None:
        return "to do"
    words: dict[str, Status] = {"finished": "finished", "running": "running elsewhere", "stopped": "stopped"}
    return words[standing.status]
