"""Fixtures of the tests of a task, which is that of their folder's name."""

import subprocess
import sys

import pytest

from benchmark.plan import write_mini
from benchmark.registry import all_tasks


@pytest.fixture(scope="module")
def task(request):
    return next(task for task in all_tasks().values() if task.folder.name == request.path.parent.name)


@pytest.fixture(scope="module")
def root(task):
    """The task's miniature, to be read only."""
    return write_mini(task)


@pytest.fixture(scope="module")
def real_audio(task, reference, tmp_path_factory):
    """Real audio in the task's official layout, built from the pool."""
    folder = tmp_path_factory.mktemp("real")
    command = [sys.executable, str(reference / "realdata" / "build.py"), "--out", str(folder), "--only", task.name]
    subprocess.run(command, check=True, capture_output=True)
    return folder
