"""Packages that the project's environment must not take over: in environments, or a folder, of their own."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmark.errors import BenchmarkError

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT, LIBROSA = ROOT / ".venv-perf", "librosa==0.11.0"
PACKAGES, H5PY = ROOT / ".venv-perf-packages", "h5py==3.14.0"
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")


def python_with(folder: Path, packages: Sequence[str]) -> Path:
    """Interpreter of the environment in `folder`, which is made once and again when other packages are asked for.

    Args:
        folder: Where it lies; whatever is there is replaced.
        packages: What pip is asked for.

    Raises:
        BenchmarkError: The environment cannot be made, as without a network.
    """
    python = folder / "bin" / "python"
    if python.exists() and _holds(folder, packages):
        return python
    uv = _uv()
    _run([sys.executable, "-m", "venv", *(["--clear", "--without-pip"] if uv else ["--clear"]), str(folder)])
    install = [uv, "pip", "install", "--python", str(python)] if uv else [str(python), "-m", "pip", "install"]
    _run([*install, *packages])
    _sign(folder, packages)
    return python


def import_from(folder: Path, packages: Sequence[str]) -> None:
    """Let this process import packages that lie in a folder of their own, without what they depend on.

    Args:
        folder: Where they lie; whatever is there is replaced.
        packages: What pip is asked for.

    Raises:
        BenchmarkError: They cannot be installed, as without a network.
    """
    if not _holds(folder, packages):
        shutil.rmtree(folder, ignore_errors=True)
        uv = _uv()
        install = [uv, "pip", "install", "--python", sys.executable] if uv else [sys.executable, "-m", "pip", "install"]
        _run([*install, "--no-deps", "--target", str(folder), *packages])
        _sign(folder, packages)
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def _uv() -> str | None:
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.exists() else shutil.which("uv")


def _holds(folder: Path, packages: Sequence[str]) -> bool:
    stamp = folder / "packages.txt"
    return stamp.exists() and stamp.read_text() == _list(packages)


def _sign(folder: Path, packages: Sequence[str]) -> None:
    (folder / ".gitignore").write_text("*\n")
    (folder / "packages.txt").write_text(_list(packages))


def _list(packages: Sequence[str]) -> str:
    return "".join(f"{package}\n" for package in packages)


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise BenchmarkError(f"cannot install: {' '.join((done.stderr or done.stdout).split())[-500:]}")


class Child:
    """A process that says one line of JSON when it is ready, then one for each line it is sent."""

    def __init__(self, command: Sequence[str], settings: Mapping[str, str] | None = None) -> None:
        self._command = " ".join(command)
        environment = os.environ | dict(settings or {})
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
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


def start_librosa() -> Child | str:
    """A process with librosa on one core (`perf/librosa_child.py`), or the reason why there is none."""
    same = [f"{name}=={version(name)}" for name in ("soundfile", "soxr")]  # so that only librosa differs
    try:
        python = python_with(ENVIRONMENT, [LIBROSA, *same])
        return Child([str(python), str(ROOT / "perf" / "librosa_child.py")], ONE_THREAD)
    except (BenchmarkError, OSError) as error:
        return " ".join(str(error).split())
