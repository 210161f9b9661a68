"""Who starts the jobs: this machine or a SLURM cluster, through submitit, whose folders remember what was submitted."""

import getpass
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import submitit
from submitit.core.utils import FailedJobError

from benchmark.errors import InputError
from benchmark.paths import runs_root
from benchmark.sweep.job import Job

FOREVER = 60 * 24 * 365 * 10  # minutes
MOST_IN_ARRAY = 1000  # SLURM's own default is 1001
SAVE_SECONDS = 120  # before a job's time limit
LOST = ("BOOT_FAIL", "NODE_FAIL", "PREEMPTED")
ENDED = (*LOST, "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "OUT_OF_MEMORY", "REVOKED", "SPECIAL_EXIT", "TIMEOUT")


class Launcher(Protocol):
    """What starts jobs and knows which of them go on.

    Attributes:
        pause: Seconds between two looks.
        lag: Seconds until what a job has left is seen here.
    """

    pause: float
    lag: float

    def earlier(self) -> dict[str, Job]:
        """Jobs that an earlier session submitted and that wait or run, by id."""

    def room(self) -> int:
        """How many jobs can be submitted now."""

    def submit(self, jobs: Sequence[Job]) -> list[str]:
        """Submit jobs; their ids."""

    def look(self) -> dict[str, str]:
        """Of all jobs that wait or run: `queued`, `running` or the like."""

    def was_lost(self, number: str) -> bool:
        """Whether a job ended because it was pre-empted or its node failed."""

    def give_up(self, number: str) -> None:
        """Make sure that a job that has ended does not come back, because another takes its place."""

    def log(self, number: str) -> Path:
        """What a job has printed."""

    def stop(self) -> None:
        """Ask all jobs that run to save their checkpoint and end, and forget those that wait."""


class Local:
    """Processes on this machine, one a worker.

    Args:
        workers: What each worker's jobs have in their environment, e.g. their device.
    """

    pause, lag = 2.0, 0.0

    def __init__(self, workers: Sequence[Mapping[str, str]]) -> None:
        self.folder = runs_root() / "sweeps" / f"local-{socket.gethostname()}"
        self.workers = workers
        self.executor = submitit.LocalExecutor(self.folder)
        self.executor.update_parameters(timeout_min=FOREVER, stderr_to_stdout=True)
        self.jobs: dict[str, tuple[Callable[[], bool], int]] = {}  # whether it has ended, and its worker

    def earlier(self) -> dict[str, Job]:
        """Jobs of a session that was killed."""
        found = {}
        for number in _submitted(self.folder):
            if not self._has_ended(number):
                found[number] = _job_of(submitit.LocalJob(self.folder, number))
                self.jobs[number] = partial(self._has_ended, number), len(self.jobs)
        return found

    def _has_ended(self, number: str) -> bool:
        """Whether no process of this number is one of submitit's for our folder."""
        try:
            words = Path("/proc", number, "cmdline").read_bytes().split(b"\0")
        except OSError:
            return True
        return os.fsencode(self.folder.absolute()) not in words

    def room(self) -> int:
        """Workers without a job."""
        return max(0, len(self.workers) - len(self.jobs))

    def submit(self, jobs: Sequence[Job]) -> list[str]:
        """Start a process for each; the terminal's signals are for us alone, who pass on what is meant for them."""
        numbers = []
        ours = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGHUP))
        try:
            for job in jobs:
                taken = {worker for _, worker in self.jobs.values()}
                worker = next(place for place in range(len(self.workers)) if place not in taken)
                started = self.executor.submit(replace(job, environment=self.workers[worker]))
                self.jobs[started.job_id] = started.done, worker
                numbers.append(started.job_id)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, ours)
        return numbers

    def look(self) -> dict[str, str]:
        """Those whose process goes on."""
        self.jobs = {number: kept for number, kept in self.jobs.items() if not kept[0]()}
        return dict.fromkeys(self.jobs, "starting")

    def was_lost(self, number: str) -> bool:
        """Never: what kills a process here is no plan of a cluster's."""
        return False

    def give_up(self, number: str) -> None:
        """Nothing: no process comes back."""

    def log(self, number: str) -> Path:
        """What a job has printed."""
        return submitit.LocalJob[None](self.folder, number).paths.stdout

    def stop(self) -> None:
        """SIGTERM to submitit's process, which passes it on; its own `cancel` leaves a job one second."""
        for number in self.jobs:
            with suppress(ProcessLookupError):
                os.kill(int(number), signal.SIGTERM)


class Slurm:
    """Jobs of a SLURM cluster, submitted as an array, and later one by one what has to be done again.

    A job is the batch script's own process, so that SLURM's signals reach it: SIGTERM when it is pre-empted or
    cancelled, and some time before its time limit. SLURM puts a job that was pre-empted, or whose node failed, back
    into the queue.

    Args:
        limit: Jobs at once.
        parameters: What `submitit.SlurmExecutor` takes.
        further: Options of `sbatch` that it does not know.

    Raises:
        InputError: There is no SLURM here, or it takes no such option.
    """

    pause = 10.0  # many users ask the same server
    lag = 15.0  # a network file system shows other machines' files late

    def __init__(self, limit: int, parameters: Mapping[str, Any], further: Mapping[str, str | bool]) -> None:
        for program in ("sbatch", "squeue", "srun"):
            if shutil.which(program) is None:
                what = f"there is no SLURM here: no {program}"
                raise InputError(what, "LAUNCHER=slurm", "repeat this where sbatch works, or take LAUNCHER=local")
        self.folder, self.limit = runs_root() / "sweeps" / "slurm", limit
        self.executor = submitit.SlurmExecutor(self.folder, python=f"exec {shlex.quote(sys.executable)}")
        self.executor.update_parameters(
            **parameters,
            job_name="dcase-bench",
            array_parallelism=limit,
            use_srun=False,
            stderr_to_stdout=True,
            additional_parameters={"requeue": True, "signal": f"B:TERM@{SAVE_SECONDS}", **further},
        )
        cpus = parameters.get("cpus_per_task")
        self.environment = {"OMP_NUM_THREADS": str(cpus)} if cpus else {}
        self.states: dict[str, str] = {}  # of all jobs that SLURM still knows
        self.jobs: set[str] = set()
        self.live: set[str] = set()

    def earlier(self) -> dict[str, Job]:
        """Jobs of ours that are in the queue."""
        self._ask()
        submitted = _submitted(self.folder)
        found = [number for number, state in self.states.items() if state not in ENDED and number in submitted]
        self.jobs.update(found)
        self.live.update(found)
        return {number: _job_of(submitit.SlurmJob(self.folder, number)) for number in found}

    def room(self) -> int:
        """An array keeps to the limit by itself; beside it, as many as are missing."""
        return max(0, self.limit - len(self.live)) if self.live else MOST_IN_ARRAY

    def submit(self, jobs: Sequence[Job]) -> list[str]:
        """`sbatch`."""
        try:
            fitted = [replace(job, environment=self.environment) for job in jobs]
            numbers = [job.job_id for job in self.executor.submit_array(fitted)]
        except FailedJobError as error:
            said = next((line for line in str(error).splitlines() if "error:" in line), str(error)).strip()
            raise InputError(f"SLURM does not take the jobs: {said}", "LAUNCHER=slurm") from error
        self.jobs.update(numbers)
        self.live.update(numbers)
        return numbers

    def look(self) -> dict[str, str]:
        """What `squeue` says, which needs no accounting as `sacct` does; while it is silent, what it said last.

        A job whose node failed has ended for a while before SLURM puts it back.
        """
        if self._ask():
            self.live = {number for number in self.jobs if self.states.get(number, "COMPLETED") not in ENDED}
        words = {"PENDING": "queued", "RUNNING": "starting"}
        return {n: words.get(self.states.get(n, "PENDING"), self.states.get(n, "").lower()) for n in self.live}

    def _ask(self) -> bool:
        command = ["squeue", "--noheader", "--array", "--states=all", f"--user={getpass.getuser()}", "--format=%i %T"]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        if answer.returncode == 0:
            self.states = dict(line.split() for line in answer.stdout.splitlines() if len(line.split()) == 2)
        return answer.returncode == 0

    def was_lost(self, number: str) -> bool:
        """Whether SLURM says so; it puts such jobs back by itself, where it is allowed to."""
        return self.states.get(number) in LOST

    def give_up(self, number: str) -> None:
        """`scancel`, which SLURM keeps to where it would have put the job back."""
        self.jobs.discard(number)
        subprocess.run(["scancel", number], capture_output=True, check=False)

    def log(self, number: str) -> Path:
        """What a job has printed."""
        return submitit.SlurmJob[None](self.folder, number).paths.stdout

    def stop(self) -> None:
        """`scancel`."""
        subprocess.run(["scancel", *self.live], capture_output=True, check=False)


def _submitted(folder: Path) -> set[str]:
    """Numbers of all jobs that were ever submitted from a folder."""
    return {path.name.removesuffix("_submitted.pkl") for path in folder.glob("*_submitted.pkl")}


def _job_of(submitted: submitit.Job[None]) -> Job:
    job = submitted.submission().function
    assert isinstance(job, Job)
    return job
