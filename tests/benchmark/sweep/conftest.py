"""What the tests of sweeps share."""

from pathlib import Path

import pytest

from benchmark.sweep.launchers import Local

TESTS = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def in_haste(monkeypatch):
    """Processes of a sweep find the stand-in for the run, and are looked at often."""
    monkeypatch.setenv("PYTHONPATH", f"{TESTS.parent}:{TESTS}")
    monkeypatch.setattr(Local, "pause", 0.05)
