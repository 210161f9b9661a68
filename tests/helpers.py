"""What several tests build."""

from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.data.store_index import store_folder
from benchmark.paths import cache_root
from benchmark.records import RunRecord, read_record
from benchmark.registry import Task

if TYPE_CHECKING:
    from benchmark.data.datamodule import ClipDataModule
    from benchmark.data.settings import DataSettings


def read_records(root: Path) -> list[RunRecord]:
    """Every finished run's record below `root`, oldest first."""
    paths = sorted(root.glob("*/*/*/record.json"), key=lambda path: path.stat().st_mtime_ns)
    return [read_record(path) for path in paths]


def mini_data(task: Task, settings: "DataSettings", protocol: str, fold: str) -> "ClipDataModule":
    """The task's data module on its mini variant."""
    from benchmark.plan import write_mini  # here, because most tests of records need no Lightning

    root = write_mini(task)
    data_class = task.load("datamodule")
    store = store_folder(cache_root(), task.name, root, settings.sample_rate, settings.mono)
    return data_class(
        data_class.take_stock(root, "stop", protocol, settings.subsets), store, settings, protocol, fold, 0
    )


def make_record(**changes):
    """A record of a made-up run, with some fields changed."""
    fields = {
        "id": "20260101-000000-1-s0",
        "group": "abc",
        "task": "bad",
        "system": "cnn8",
        "variant": "full",
        "protocol": "random-3-fold",
        "selection": "last",
        "fold": "1",
        "seed": 0,
        "precision": "32-true",
        "engine": "torch",
        "parameters": 4686657,
        "macs": 2_500_000,
        "device": "cpu (2 threads)",
        "seconds": {"data": 1.0, "train": 10.0, "eval": 1.0},
        "steps": 5000,
        "dataset_fingerprint": "fedcba",
        "commit": "0123456789ab",
        "versions": {},
        "scores": {"auc": 0.5},
        "created": "2026-01-01T00:00:00+00:00",
    }
    return RunRecord(**(fields | changes))
