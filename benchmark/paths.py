"""Where things lie: the data root, the cache and the runs, each set by one environment variable or its default."""

import os
from pathlib import Path


def data_root() -> Path:
    """Folder that holds the official data sets (`DCASE_BENCH_DATA`, default `./data`)."""
    return Path(os.environ.get("DCASE_BENCH_DATA", "data"))


def cache_root() -> Path:
    """Folder of waveform stores and mini data sets (`DCASE_BENCH_CACHE`, default `$XDG_CACHE_HOME/dcase-bench`)."""
    if folder := os.environ.get("DCASE_BENCH_CACHE"):
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dcase-bench"


def runs_root() -> Path:
    """Folder of the runs (`DCASE_BENCH_RUNS`, default `./runs`)."""
    return Path(os.environ.get("DCASE_BENCH_RUNS", "runs"))
