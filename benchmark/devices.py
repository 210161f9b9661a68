"""Where a run computes, and what records call it."""

import os
from pathlib import Path

import torch

from benchmark.errors import InputError
from benchmark.processes import this_process


def default_device() -> torch.device:
    """The accelerator, or the CPU where there is none."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def device_name(device: torch.device, number: int = 1) -> str:
    """The accelerator's product name, or the CPU with the number of threads; before it the number of several."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    else:
        shared = 1 if this_process().size > 1 else number  # processes of a group have divided the threads already
        name = f"cpu ({max(1, torch.get_num_threads() // shared)} threads)"
    return f"{number} x {name}" if number > 1 else name


def check_devices(number: int) -> None:
    """Check that there are so many accelerators, where there are any.

    Raises:
        InputError: There are fewer.
    """
    there = torch.cuda.device_count()
    if there and number > there:
        raise InputError(f"{number} devices asked for, {there} there", "DEVICES", f"take at most {there}")


def has_room(device: torch.device, size: int) -> bool:
    """Whether so many bytes leave half of a device's free memory, or three quarters of the host's, to other things."""
    if device.type == "cuda":
        return size < torch.cuda.mem_get_info(device)[0] / 2
    return size < _host_memory() / 4 / this_process().size


def _host_memory() -> int:
    """Bytes of memory that this machine, or the container around this process, has."""
    found = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = Path("/sys/fs/cgroup/memory.max")
    said = limit.read_text().strip() if limit.is_file() else "max"
    return min(found, int(said)) if said.isdigit() else found
