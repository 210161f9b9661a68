"""The memory of a process; imports nothing large, so that it measures what others import."""

from contextlib import suppress
from pathlib import Path


def peak_memory() -> float | None:
    """The most MB that this process had in memory at once; None where the system does not say it (Linux does)."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
    return None
