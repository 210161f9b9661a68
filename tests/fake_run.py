"""Stands in for `python -m benchmark run` in tests of sweeps: a run's folder, states and record, without torch.

It takes STEPS steps of a twentieth of a second, saves on SIGTERM, goes on from there, and fails where the file FAILS
counts down.
"""

import os
import signal
import sys
import time
from pathlib import Path

from sweep_runs import finish, save

from benchmark import records
from benchmark.paths import runs_root
from benchmark.records import Identity, RunFolder


def say(line):
    """Print."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(task, system, group, fold, seed, steps, fails=""):
    """Run."""
    identity = Identity(group, fold, int(seed))
    stopped = records.find_run(runs_root(), task, system, identity, finished=False)
    folder = stopped or RunFolder.create(runs_root(), task, system, identity)
    step = folder.read_state()["step"] if stopped else 0
    say(f"{'resuming' if stopped else 'running'} at step {step}")
    say(f"device {os.environ.get('CUDA_VISIBLE_DEVICES')}, threads {os.environ.get('OMP_NUM_THREADS')}")
    stops = []
    signal.signal(signal.SIGTERM, lambda *_: stops.append(True))
    if fails and (left := int(Path(fails).read_text())):
        Path(fails).write_text(str(left - 1))
        folder.write_state("failed", step, {}, "OSError: made up")
        say("the disk is made of cheese")
        return 1
    while step < int(steps):
        if stops:
            save(folder)
            folder.write_state("interrupted", step, {})
            return 3
        folder.write_state("running", step, {})
        time.sleep(0.05)
        step += 1
    finish(folder, task, system, step)
    return 0


sys.exit(main(*sys.argv[1:]))
