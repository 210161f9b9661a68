"""What holds for every miniature in a process of its own."""

import os
import subprocess
import sys

import pytest

from benchmark.registry import all_tasks

CODE = """
import hashlib, sys
from pathlib import Path
import soundfile
from benchmark.registry import get_task

root = Path(sys.argv[2])
get_task(sys.argv[1]).load("mini")(root)
digest = hashlib.sha256()
for path in sorted(root.rglob("*")):
    if path.is_file():
        # The number of an Ogg stream is drawn by the encoder.
        content = soundfile.read(path)[0].tobytes() if path.suffix == ".ogg" else path.read_bytes()
        digest.update(path.relative_to(root).as_posix().encode() + content)
print(digest.hexdigest())
"""


@pytest.mark.parametrize("name", sorted(all_tasks()))
def test_making_it_does_not_import_torch(name):
    module = all_tasks()[name].mini.rpartition(".")[0]
    check = f"import {module}, sys; sys.exit(any(name in sys.modules for name in ('torch', 'pandas')))"
    assert subprocess.run([sys.executable, "-c", check], env={"PYTHONPATH": ":".join(sys.path)}).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(all_tasks()))
def test_a_miniature_does_not_depend_on_the_process(name, tmp_path):
    found = set()
    for seed in ("1", "2"):  # the order of a set of strings depends on it
        words = [sys.executable, "-c", CODE, name, str(tmp_path / seed)]
        environment = os.environ | {"PYTHONHASHSEED": seed}
        found.add(subprocess.run(words, env=environment, capture_output=True, text=True, check=True).stdout)
    assert len(found) == 1
