"""What tests of sweeps write in place of runs, and the jobs that they sweep."""

import dataclasses
import sys
from pathlib import Path

from benchmark.paths import runs_root
from benchmark.records import Identity, RunFolder, RunRecord
from benchmark.sweep.job import Job

FAKE = Path(__file__).with_name("fake_run.py")
RECORD = {
    "task": "bad",
    "system": "cnn8",
    "variant": "mini",
    "protocol": "random-3-fold",
    "selection": "last",
    "precision": "32-true",
    "engine": "torch",
    "parameters": 4686657,
    "macs": 2_500_000,
    "device": "cpu (2 threads)",
    "seconds": {"data": 60.0, "train": 600.0, "eval": 60.0},
    "dataset_fingerprint": "fedcba",
    "commit": "",
    "versions": {},
    "scores": {"auc": 0.5},
    "created": "2026-01-01T00:00:00+00:00",
}


def save(folder: RunFolder) -> None:
    """A checkpoint to go on from."""
    path = folder.checkpoint("last")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"weights")


def finish(folder: RunFolder, task: str, system: str, steps: int) -> None:
    """The record, and the last state."""
    named = {"id": folder.id, "task": task, "system": system, "steps": steps} | dataclasses.asdict(folder.identity)
    folder.finish(RunRecord(**(RECORD | named)))
    folder.write_state("finished", steps, {})


def job(seed=0, system="cnn8", steps=3, fails=""):
    """A job of the stand-in."""
    identity = Identity("abc", "1", seed)
    words = ("bad", system, *map(str, dataclasses.astuple(identity)), str(steps), str(fails))
    return Job("bad", system, "random-3-fold", identity, (sys.executable, str(FAKE), *words))


def run_of(job):
    """A new run folder of a job's work."""
    return RunFolder.create(runs_root(), job.task, job.system, job.identity)


def record_paths():
    """All records there are."""
    return sorted(runs_root().glob("*/*/*/record.json"))
