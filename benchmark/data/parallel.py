"""Work in threads, in order, without piling it up."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

CPU_SHARE = Path("/sys/fs/cgroup/cpu.max")  # microseconds of time in a period of so many, or `max`
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def usable_cores() -> int:
    """Cores this process may use, where the system can tell: those it may run on, or a container's share of time."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, _, period = (CPU_SHARE.read_text().strip() if CPU_SHARE.is_file() else "max").partition(" ")
    return max(1, min(cores, int(quota) // int(period))) if quota.isdigit() and period.isdigit() else cores


def in_order(
    work: Callable[[_Item], _Result], items: Iterable[_Item], jobs: int | None = None
) -> Generator[_Result, None, None]:
    """`work` of each item, in order; threads run at most `2 * jobs` items ahead of what was taken.

    Close it when it is not read to its end.

    Args:
        work: Called in threads: what takes time there should release the interpreter's lock.
        items: Its arguments.
        jobs: Threads; by default one for each core that this process may use.
    """
    jobs = jobs or usable_cores()
    ahead: deque[Future[_Result]] = deque()
    with ThreadPoolExecutor(jobs) as pool:
        try:
            for item in items:
                ahead.append(pool.submit(work, item))
                if len(ahead) > 2 * jobs:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()
