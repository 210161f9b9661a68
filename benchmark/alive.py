"""Signs of life: of processes of this machine, whose number alone may by now be another's, and to other machines."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def started(pid: int) -> int | None:
    """When a process was started, in the system's ticks; None where it has ended or the system does not tell."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state, *others = status.rpartition(")")[2].split()  # the name before may hold spaces and brackets
    return None if state in "ZX" else int(others[18])


def is_alive(pid: int, since: int | None) -> bool:
    """Whether a process goes on.

    Args:
        pid: Its number.
        since: What `started` said of it; None where that is not known, and any process of this number counts.
    """
    now = started(pid)
    if now is not None:
        return since in (None, now)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's, whose processes the system may hide
        return True
    return not Path("/proc/self/stat").exists()  # where it is, the process has ended and nobody has asked how


@contextmanager
def repeating(sign: Callable[[], object], seconds: float) -> Iterator[None]:
    """Give a sign of life every so many seconds while the block goes on."""
    done = threading.Event()

    def repeat() -> None:
        while not done.wait(seconds):
            sign()

    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
