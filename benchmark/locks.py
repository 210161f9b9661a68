"""Keeping processes of one machine apart; the lock of a process that dies is free at once."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console


@contextmanager
def locked(path: Path, doing: str) -> Iterator[None]:
    """Hold the lock file `path`; wait, and say so, while another process holds it.

    Args:
        path: The lock file; its folder is there.
        doing: What the other process then does, e.g. `builds /cache/stores/bad`.
    """
    with path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            Console(stderr=True).print(f"waiting for another process that {doing}", soft_wrap=True)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
