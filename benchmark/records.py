"""Run folders, their state and their record: the one schema, read and written here only.

A run lives at `runs/<task>/<system>/<id>/`. `state.json` is replaced while it goes on; `record.json` appears once,
whole, at the end. Imports no torch, so that many small processes can write and read records quickly.
"""

import dataclasses
import errno
import itertools
import json
import math
import os
import platform
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, NamedTuple

from benchmark.alive import is_alive, started
from benchmark.errors import BenchmarkError, InputError

SCHEMA = 1
RECORD = "record.json"
MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""Schema to what makes the content of its records that of the next schema."""
SILENT_SECONDS = 600  # a run beats every few seconds; another machine's clock and file system may lag
STANDING_ORDER = {"finished": 0, "running": 1, "stopped": 2}
RunStatus = Literal["running", "interrupted", "failed", "finished"]


@dataclass
class RunRecord:
    """What ran, on what, with which versions, and every score.

    Attributes:
        schema: Version of this schema.
        id: Name of the run's folder.
        group: Hash of recipe, data and protocol, without fold and seed: joins the runs of one result.
        variant: `full`, `partial:<coverage>`, `mini` or `custom:<fingerprint>`.
        selection: What chose the scored weights: `last`, `validation` or `test`.
        scale: Share of the recipe's steps that was run; 1.0 is the whole recipe.
        engine: What computed the spectrograms.
        fast_path: Switches that trade nothing but time, by name.
        sync_batchnorm: Whether several GPUs shared the statistics of each batch.
        parameters: Trainable parameters.
        macs: Multiply-accumulates of one forward pass of the network on one clip.
        seconds: Wall time of `data`, `train` and `eval`.
        steps: Optimiser steps taken.
        skipped_steps: Those of them that changed nothing, because the loss or the gradient was no number.
        coverage: Share of the listed clips that were there.
        skipped: Clip to the reason why it was left out.
        scores: Metric key to its value as a fraction; None where it is undefined.
        created: End of the run, ISO 8601, UTC.
        overrides: What the command line changed of the recipe.
        external_data: Whether the system has seen other data than the task's.
        random_weights: Whether a part that should be pretrained was not: the scores say nothing about the system.
    """

    id: str
    group: str
    task: str
    system: str
    variant: str
    protocol: str
    selection: str
    fold: str
    seed: int
    precision: str
    engine: str
    parameters: int
    macs: int
    device: str
    seconds: dict[str, float]
    steps: int
    dataset_fingerprint: str
    commit: str
    versions: dict[str, str]
    scores: dict[str, float | None]
    created: str
    scale: float = 1.0
    fast_path: list[str] = field(default_factory=list)
    sync_batchnorm: bool = False
    overrides: list[str] = field(default_factory=list)
    external_data: bool = False
    random_weights: bool = False
    skipped_steps: int = 0
    coverage: float = 1.0
    skipped: dict[str, str] = field(default_factory=dict)
    schema: int = SCHEMA


def write_text(path: Path, text: str) -> None:
    """Replace `path` by `text` at once: a reader sees the old file or the new one, never a part.

    Raises:
        BenchmarkError: The file cannot be written (full disk, read-only folder).
    """
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Replace `path` by `content` as `write_text` does."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise unwritable(path.parent, error) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        raise unwritable(path, error) from error


def unwritable(path: Path, error: OSError) -> BenchmarkError:
    """The error for a place that takes no more files, whatever the reason."""
    full = f" (the disk at {_disk_of(path)})" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
    return BenchmarkError(
        f"cannot write: {error.strerror or error}{full}",
        path,
        "free space, then the same command goes on; or choose another folder "
        "(DCASE_BENCH_DATA, DCASE_BENCH_RUNS, DCASE_BENCH_CACHE)",
    )


def _disk_of(path: Path) -> Path:
    """Where the disk that holds a file is mounted."""
    here = path.absolute()
    return next((folder for folder in (here, *here.parents) if folder.is_mount()), here)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Replace `path` by `content` as JSON, atomically; NaN is refused."""
    write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in `path`.

    Raises:
        InputError: The file is missing or not a JSON object.
    """
    try:
        content = json.loads(_read_text(path))
    except OSError as error:
        raise InputError(f"cannot read: {error.strerror}", path) from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"not a JSON file: {error}", path, "delete it or restore it from a copy") from error
    if not isinstance(content, dict):
        raise InputError("expected a JSON object", path)
    return content


def _read_text(path: Path) -> str:
    """The file's text; of a file that was replaced on another machine while it was read, the new one's."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        if error.errno != errno.ESTALE:
            raise
        return path.read_text(encoding="utf-8")


def read_record(path: Path) -> RunRecord:
    """The record in the file `path`, brought to this schema where it is of an older one.

    Raises:
        InputError: Not a record of this schema or of one that can be brought to it; says which field.
    """
    content = read_json(path)
    while (schema := content.get("schema")) != SCHEMA:
        if not isinstance(schema, int):
            raise InputError(f"not a run record: its schema is {schema!r}", path)
        known = f"run record of schema {schema}; this version reads {SCHEMA}"
        if schema > SCHEMA:
            raise InputError(known, path, "update: a newer version of this suite has written it")
        if schema not in MIGRATIONS:
            raise InputError(known, path, "repeat the run")
        try:
            content = MIGRATIONS[schema](content) | {"schema": schema + 1}
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"not a whole run record of schema {schema}: {error!r}", path) from error
    fields = {f.name: f for f in dataclasses.fields(RunRecord)}
    missing = [
        n
        for n, f in fields.items()
        if n not in content and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    ]
    unknown = sorted(content.keys() - fields.keys())
    if missing or unknown:
        raise InputError(f"not a whole run record: missing {missing}, unknown {unknown}", path)
    scores = content["scores"]
    if not isinstance(scores, dict) or not all(
        v is None or (isinstance(v, int | float) and math.isfinite(v)) for v in scores.values()
    ):
        raise InputError("scores must be finite numbers or null", path)
    return RunRecord(**content)


@dataclass(frozen=True)
class Identity:
    """What makes two runs the same work: what can be resumed by repeating a command."""

    group: str
    fold: str
    seed: int


class RunFolder:
    """The folder of one run; creating it never touches an existing run."""

    def __init__(self, path: Path, identity: Identity) -> None:
        self.path, self.identity = path, identity

    @classmethod
    def create(cls, root: Path, task: str, system: str, identity: Identity) -> "RunFolder":
        """A new folder with a new id: the time, the fold and the seed, counted on when taken."""
        parent = root / task / system
        stem = f"{time.strftime('%Y%m%d-%H%M%S')}-{identity.fold}-s{identity.seed}"
        for number in range(1, 1000):
            path = parent / (stem if number == 1 else f"{stem}-{number}")
            try:
                path.mkdir(parents=True)
            except FileExistsError:
                if path.is_dir():
                    continue
                raise
            except OSError as error:
                raise unwritable(path, error) from error
            return cls(path, identity)
        raise BenchmarkError("a thousand runs in one second", parent)

    @property
    def id(self) -> str:
        """The run's id."""
        return self.path.name

    def checkpoint(self, name: str) -> Path:
        """A file of weights: `last` (with optimiser and schedule), `best`, `scored`; stages add their name."""
        return self.path / "checkpoints" / f"{name}.ckpt"

    @property
    def can_resume(self) -> bool:
        """Whether something was saved to go on from."""
        return any(self.path.glob("*/*.ckpt"))

    def write_state(self, status: RunStatus, step: int, seconds: dict[str, float], message: str = "") -> None:
        """Replace `state.json`.

        Args:
            status: How it goes.
            step: Optimiser steps so far.
            seconds: Wall time of each part so far.
            message: Why it ended, if it did.
        """
        state = {
            **dataclasses.asdict(self.identity),
            "status": status,
            "step": step,
            "seconds": seconds,
            "message": message,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "started": started(os.getpid()),
            "heartbeat": time.time(),
        }
        write_json(self.path / "state.json", state)

    def read_state(self) -> dict[str, Any]:
        """What `write_state` wrote last."""
        return read_json(self.path / "state.json")

    def finish(self, record: RunRecord) -> None:
        """Write the record, once."""
        path = self.path / RECORD
        if path.exists():
            raise BenchmarkError("this run already has a record; runs are never overwritten", path)
        write_json(path, dataclasses.asdict(record))


class SilentFolder(RunFolder):
    """The folder of a run whose state another process keeps."""

    def write_state(self, status: RunStatus, step: int, seconds: dict[str, float], message: str = "") -> None:
        """Nothing: the process that waits for this one does it."""


def find_run(root: Path, task: str, system: str, identity: Identity, finished: bool) -> RunFolder | None:
    """The newest run of the same work that is finished, or else that was stopped and can be resumed."""
    for path in sorted((root / task / system).glob("*/state.json"), reverse=True):
        state = read_json(path)
        folder = RunFolder(path.parent, identity)
        if all(state.get(key) == value for key, value in dataclasses.asdict(identity).items()):
            done = (path.parent / RECORD).exists()
            if done if finished else not done and is_stopped(state) and folder.can_resume:
                return folder
    return None


class Standing(NamedTuple):
    """How a piece of work stands.

    Attributes:
        status: Whether a run of it is finished, goes on, or was stopped.
        path: The run's folder.
        state: What the run said last.
    """

    status: Literal["finished", "running", "stopped"]
    path: Path
    state: dict[str, Any]


def standings(root: Path, task: str, system: str) -> dict[Identity, Standing]:
    """How the work of a system stands: finished if any run of it is, else running if one is, else by its newest run."""
    found: dict[Identity, Standing] = {}
    for path in sorted((root / task / system).glob("*/state.json"), reverse=True):
        try:
            state = read_json(path)
        except InputError:
            if path.exists():
                raise
            continue  # the run was deleted meanwhile
        identity = Identity(*(state.get(field.name) for field in dataclasses.fields(Identity)))  # type: ignore[arg-type]
        done = (path.parent / "record.json").exists()
        standing = Standing("finished" if done else "stopped" if is_stopped(state) else "running", path.parent, state)
        if identity not in found or STANDING_ORDER[standing.status] < STANDING_ORDER[found[identity].status]:
            found[identity] = standing
    return found


def was_stopped(root: Path, task: str, system: str, identity: Identity) -> bool:
    """Whether the newest run of this work ended without a record, at whatever point."""
    for path in sorted((root / task / system).glob("*/state.json"), reverse=True):
        state = read_json(path)
        if all(state.get(key) == value for key, value in dataclasses.asdict(identity).items()):
            return not (path.parent / RECORD).exists() and is_stopped(state)
    return False


def is_stopped(state: dict[str, Any]) -> bool:
    """Whether the run with this state goes on no more: it says so, its process is gone, or it is silent for long."""
    if state["status"] != "running":
        return True
    if state["host"] != socket.gethostname():
        return time.time() - float(state["heartbeat"]) > SILENT_SECONDS
    return state["pid"] == os.getpid() or not is_alive(state["pid"], state.get("started"))


def find_runs(root: Path, name: str, holding: str = RECORD) -> list[Path]:
    """The runs that RUN means: a path, a unique id prefix, `last`, or a group (all its members).

    Args:
        root: Folder of the runs.
        name: What the user wrote.
        holding: Only runs with this file count: `record.json` for finished ones, `state.json` for all.

    Raises:
        InputError: Nothing, or more than one run, fits.
    """
    if Path(name, holding).is_file():
        return [Path(name)]
    folders = {path.parent: path for path in root.glob(f"*/*/*/{holding}")}
    kind = "finished run" if holding == RECORD else "run"
    if not folders:
        raise InputError(f"there is no {kind} yet", root, "start one: make bench TASK=…")
    if name == "last":
        return [max(folders, key=lambda f: (folders[f].stat().st_mtime, f.name))]
    group = [f for f, file in folders.items() if name and read_json(file).get("group") == name]
    matches = group or [f for f in folders if f.name.startswith(name)]
    if not matches:
        raise InputError(f"no {kind} is called {name!r}", root, "give a path, an id prefix, a group or `last`")
    if len(matches) > 1 and not group:
        some = ", ".join(sorted(f.name for f in matches)[:4])
        raise InputError(f"{len(matches)} runs begin with {name!r}: {some} …", root, "give more of the id")
    return sorted(matches)


def config_header(config: str) -> dict[str, str]:
    """What a run's `config.yaml` says in the comments before the recipe, e.g. where its `data` lay.

    Args:
        config: The file's text.
    """
    comments = itertools.takewhile(lambda line: line.startswith("#"), config.splitlines())
    pairs = (line.removeprefix("# ").partition(": ") for line in comments)
    return {key: value for key, _, value in pairs}


def versions() -> dict[str, str]:
    """Versions that can change a score."""
    packages = (
        "torch",
        "torchaudio",
        "pytorch-lightning",
        "torchmetrics",
        "nnAudio",
        "numpy",
        "soundfile",
        "soxr",
        "dcase-bench",
    )
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


def commit() -> str:
    """Commit of the checkout this code runs from, with `+` when it has changes; empty outside a checkout."""
    git = shutil.which("git")
    here = Path(__file__).resolve().parent.parent
    if git is None or not (here / ".git").exists():
        return ""
    head = subprocess.run(
        [git, "-C", str(here), "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=False
    )
    dirty = subprocess.run(
        [git, "-C", str(here), "status", "--porcelain", "--", "benchmark", "tasks"],
        capture_output=True,
        text=True,
        check=False,
    )
    return head.stdout.strip() + ("+" if dirty.stdout.strip() else "")
