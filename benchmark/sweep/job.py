"""One run of a sweep, as it travels to the process that does it. Imports no torch."""

import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmark import records
from benchmark.paths import runs_root
from benchmark.records import Identity

LOOK_SECONDS = 10.0


@dataclass(frozen=True)
class Job:
    """One fold and seed of a system; calling it becomes the run's process.

    Attributes:
        task: Name of the task.
        system: Name of the system.
        protocol: Name of the protocol.
        identity: What makes two runs the same work.
        command: The run's command, the program first.
        environment: What its environment has beside ours.
    """

    task: str
    system: str
    protocol: str
    identity: Identity
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What tables and messages call it."""
        return f"{self.task} / {self.system}, {self.protocol}, fold {self.identity.fold}, seed {self.identity.seed}"

    def standing(self) -> records.Standing | None:
        """How its work stands."""
        return records.standings(runs_root(), self.task, self.system).get(self.identity)

    def __call__(self) -> None:
        """Do the work, unless it was done since the job was submitted; does not return where there is work.

        A job that a cluster starts again may find its own last process, on a node that died, not yet silent for long
        enough to be given up. It waits, because two processes would both leave a record.
        """
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # submitit's handler would only tell the log
        standing = self.standing()
        while standing is not None and standing.status == "running":
            print(f"waiting: {standing.path} goes on in another process", flush=True)  # noqa: T201 the job's log
            time.sleep(LOOK_SECONDS)
            standing = self.standing()
        if standing is not None and standing.status == "finished":
            print(f"finished already: {standing.path}", flush=True)  # noqa: T201
            return
        os.execvpe(self.command[0], self.command, {**os.environ, **self.environment})
