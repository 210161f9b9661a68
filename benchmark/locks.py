"""Keeping processes apart, also those of several machines that share a file system; locks of the dead are taken over.

The system's own lock (`flock`) is exact, and free as soon as its holder dies, but some shared file systems keep it to
one machine, and some have none. So its holder also writes a file, which one alone can create, and touches it every few
seconds: on the same machine a look at the process tells whether it still holds, on another one the touches do.
"""

import errno
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO

from rich.console import Console

from benchmark.alive import is_alive, repeating, started

TOUCH_SECONDS = 5.0
SILENT_SECONDS = 120.0  # a shared file system may show touches a minute late
LOOK_SECONDS = 1.0
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


@contextmanager
def locked(path: Path, doing: str) -> Iterator[None]:
    """Hold the lock file `path`; wait, and say so, while another process holds it.

    Args:
        path: The lock file; its folder is there.
        doing: What the other process then does, e.g. `builds /cache/stores/bad`.
    """
    holder = path.with_name(f"{path.name}.holder")
    mine = json.dumps([socket.gethostname(), os.getpid(), started(os.getpid())])
    with path.open("w") as handle:
        on_this_machine = _lock(handle, doing)
        _claim(holder, mine, doing, on_this_machine)
        try:
            with repeating(partial(_touch, holder), TOUCH_SECONDS):
                yield
        finally:
            if _look(holder)[0] == mine:
                holder.unlink(missing_ok=True)


def _lock(handle: IO[str], doing: str) -> bool:
    """Take the system's lock; whether there is one here."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        _say_waiting(doing)
        fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        return False
    return True


def _claim(holder: Path, mine: str, doing: str, on_this_machine: bool) -> None:
    """Create the holder's file, as soon as no other process has a claim.

    Args:
        holder: The file.
        mine: What to write.
        doing: What another process then does.
        on_this_machine: Whether no other process of this machine can hold the lock.
    """
    seen, since, told = "", time.monotonic(), False
    while not _create(holder, mine):
        theirs, touched = _look(holder)
        if f"{theirs} {touched}" != seen:
            seen, since = f"{theirs} {touched}", time.monotonic()
        ours = _machine_of(theirs) == socket.gethostname()
        if ours and on_this_machine:
            holder.write_text(mine, encoding="utf-8")
            return
        if not _is_alive(theirs) if ours else time.monotonic() - since > SILENT_SECONDS:
            _remove(holder, theirs)
            continue
        if not told:
            _say_waiting(doing)
            told = True
        time.sleep(LOOK_SECONDS)


def _create(holder: Path, content: str) -> bool:
    """Create the file; False where it is there already."""
    try:
        file = holder.open("x", encoding="utf-8")
    except FileExistsError:
        return False
    try:
        with file:
            file.write(content)
    except OSError:
        holder.unlink(missing_ok=True)
        raise
    return True


def _remove(holder: Path, content: str) -> None:
    """Remove the file if it still holds this, and not what another process has written meanwhile."""
    aside = holder.with_name(f"{holder.name}.{socket.gethostname()}.{os.getpid()}")
    with suppress(FileNotFoundError):
        holder.replace(aside)
        if (found := aside.read_text(encoding="utf-8")) != content:
            _create(holder, found)
        aside.unlink()


def _look(holder: Path) -> tuple[str, int]:
    """What the file says, and when it was touched; opening it asks a file server anew."""
    try:
        with holder.open(encoding="utf-8") as file:
            return file.read(), os.fstat(file.fileno()).st_mtime_ns
    except FileNotFoundError:
        return "", 0


def _machine_of(content: str) -> str:
    """The machine whose process wrote this; empty where it is not written to its end."""
    return str(json.loads(content)[0]) if content.endswith("]") else ""


def _is_alive(content: str) -> bool:
    """Whether the process of this machine that wrote this goes on."""
    _, pid, since = json.loads(content)
    return is_alive(pid, since)


def _touch(holder: Path) -> None:
    with suppress(OSError):
        os.utime(holder)


def _say_waiting(doing: str) -> None:
    Console(stderr=True).print(f"waiting for another process that {doing}", soft_wrap=True)
