"""Trainings that do not depend on each other, side by side: one process a device.

A process takes the next training as soon as it has finished one. What trainings leave are artifacts in the run's folder
(`benchmark.stages`), so nothing but names goes from process to process, and a stopped run resumes like any other.
"""

import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Self

from benchmark.errors import BenchmarkError
from benchmark.mishaps import how_it_ended
from benchmark.plan import LoggerName, RunOptions
from benchmark.records import Identity, SilentFolder

LOOK_SECONDS = 2.0
PATIENCE_SECONDS = 60.0  # until a process that was asked to stop has saved its checkpoint


class Work(NamedTuple):
    """The run that the processes work for.

    Attributes:
        options: Its options.
        fold: Its fold.
        folder: Its folder.
        identity: What work it is.
        resumed: Whether an earlier session has begun it.
    """

    options: RunOptions
    fold: str
    folder: Path
    identity: Identity
    resumed: bool


class SideBySide:
    """Processes, one a device, that do the jobs of a system; they start with the first and stay until the last.

    Args:
        work: The run.
        beat: Called every few seconds while they work.
    """

    def __init__(self, work: Work, beat: Callable[[], None]) -> None:
        self.work, self.beat = work, beat
        self.context = multiprocessing.get_context("spawn")
        self.waiting, self.done = self.context.Queue(), self.context.Queue()
        self.processes: list[multiprocessing.process.BaseProcess] = []

    def __enter__(self) -> Self:
        """Start nothing yet."""
        return self

    def __exit__(self, *error: object) -> None:
        """Stop the processes: what they train is kept in checkpoints."""
        before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.join(PATIENCE_SECONDS)
            process.kill()
        signal.signal(signal.SIGTERM, before)

    def do(self, jobs: Sequence[Any]) -> None:
        """Do the jobs of one turn.

        Args:
            jobs: What `System.do` takes.

        Raises:
            BenchmarkError: A training failed, or a process died.
        """
        if jobs and not self.processes:
            number = self.work.options.devices
            for place in range(number):
                words = (self.work, place, number, self.waiting, self.done)
                self.processes.append(self.context.Process(target=_serve, args=words))
                self.processes[-1].start()
        for job in jobs:
            self.waiting.put(job)
        for _ in jobs:
            error = self._next()
            if error is not None:
                raise error

    def _next(self) -> BenchmarkError | None:
        """What came of the next job that is finished; None if it went well."""
        while True:
            self.beat()
            dead = [process for process in self.processes if not process.is_alive()]
            try:
                found: BenchmarkError | None = self.done.get(timeout=LOOK_SECONDS)
                return found
            except queue.Empty:
                if dead:
                    what = f"a training's process {how_it_ended(dead[0].exitcode or 0)}"
                    remedy = "the same command goes on; with fewer DEVICES it needs less memory"
                    return BenchmarkError(what, self.work.folder, remedy)


def _serve(work: Work, place: int, number: int, waiting: Any, done: Any) -> None:
    """Do jobs on one device until told to stop."""
    _watch_parent()
    os.environ["TTY_COMPATIBLE"] = "0"  # several live bars would overwrite each other
    _take_device(place, number)
    import torch

    from benchmark.fitting import Fitting
    from benchmark.plan import make_plan
    from benchmark.runner import settle
    from benchmark.stages import System
    from benchmark.weights import random_weights_allowed

    torch.set_num_threads(max(1, torch.get_num_threads() // number))
    settle()
    fitting: Fitting | None = None
    try:
        # The process that waits for this one has the run's one page on W&B.
        logger: LoggerName = "csv" if work.options.logger == "wandb" else work.options.logger
        plan = make_plan(replace(work.options, devices=1, logger=logger))
        folder = SilentFolder(work.folder, work.identity)
        fitting = Fitting(plan, work.fold, folder, work.resumed, {})
        system = System(fitting)
        with random_weights_allowed(work.options.allow_random_weights):
            while True:
                system.do(waiting.get())
                done.put(None)
    except BenchmarkError as error:
        done.put(error)
    except Exception as error:
        told = fitting.explain(error) if fitting is not None else None
        done.put(
            told or BenchmarkError(f"unexpected {type(error).__name__}: {' '.join(str(error).split())}", work.folder)
        )


def _take_device(place: int, number: int) -> None:
    """See one accelerator alone, of those that the run may use."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = visible.split(",") if visible else [str(index) for index in range(number)]
    if visible != "" and place < len(names):
        os.environ["CUDA_VISIBLE_DEVICES"] = names[place]


def _watch_parent() -> None:
    """Take no Ctrl-C, which is for the process that waits for this one, and end if that is gone."""
    os.setpgid(0, 0)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
