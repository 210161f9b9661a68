"""Environments of their own, for packages whose pins the project's environment must not take over."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmark.errors import BenchmarkError


def python_with(folder: Path, packages: Sequence[str]) -> Path:
    """Interpreter of the environment in `folder`, which is made once and again when other packages are asked for.

    Args:
        folder: Where it lies; whatever is there is replaced.
        packages: What pip is asked for.

    Raises:
        BenchmarkError: The environment cannot be made, as without a network.
    """
    python, stamp = folder / "bin" / "python", folder / "packages.txt"
    wanted = "".join(f"{package}\n" for package in packages)
    if python.exists() and stamp.exists() and stamp.read_text() == wanted:
        return python
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.exists() else shutil.which("uv")
    options = ["--clear", "--without-pip"] if uv else ["--clear"]
    install = [uv, "pip", "install", "--python", str(python)] if uv else [str(python), "-m", "pip", "install"]
    _run([sys.executable, "-m", "venv", *options, str(folder)])
    (folder / ".gitignore").write_text("*\n")
    _run([*install, *packages])
    stamp.write_text(wanted)
    return python


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise BenchmarkError(f"cannot make the environment: {' '.join((done.stderr or done.stdout).split())[-500:]}")


class Child:
    """A process that says one line of JSON when it is ready, then one for each line it is sent."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = " ".join(command)
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            self.ready = self._answer()
        except BaseException:
            self.close()
            raise

    def ask(self, question: Any) -> Any:
        """The answer to a question.

        Raises:
            BenchmarkError: The process ended instead.
        """
        assert self._process.stdin
        with suppress(BrokenPipeError):  # the answer says that it ended
            self._process.stdin.write(f"{json.dumps(question)}\n")
            self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        """End it."""
        self._process.communicate()

    def _answer(self) -> Any:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise BenchmarkError(f"{self._command} ended with status {self._process.wait()}")
        return json.loads(line)
