"""What the machine does to a run: no memory, no room, a disk that is gone, a process that is killed; and what then."""

import errno
import re
import signal
from pathlib import Path

import torch

from benchmark.data.settings import DataSettings
from benchmark.errors import BenchmarkError
from benchmark.records import unwritable

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)
GONE = (
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EIO,
    errno.ESTALE,
    errno.ENODEV,
    errno.ENXIO,
    errno.ENOTCONN,
    errno.EHOSTDOWN,
)
NO_MEMORY = re.compile(r"out of memory|(can't|cannot|unable to) allocate memory|not enough memory|alloc_failed", re.I)


def is_want_of_memory(error: BaseException) -> bool:
    """Whether an accelerator, or the machine itself, has no memory left."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and bool(NO_MEMORY.search(str(error))))


def out_of_memory(error: BaseException, settings: DataSettings, evaluates: bool, processes: int) -> BenchmarkError:
    """The error for a batch that does not fit.

    Args:
        error: What was raised.
        settings: Those of the training.
        evaluates: Whether the batch was one that nothing is learnt from.
        processes: How many share a batch.
    """
    key, size = ("eval_batch_size", settings.eval_batch_size) if evaluates else ("batch_size", settings.batch_size)
    whose, peak = "the GPU" if isinstance(error, torch.OutOfMemoryError) else "the machine", ""
    if isinstance(error, torch.OutOfMemoryError) and torch.cuda.is_available():
        total = torch.cuda.get_device_properties().total_memory
        peak = f" (at most {torch.cuda.max_memory_allocated() / 2**30:.1f} of {total / 2**30:.1f} GiB were used)"
    share = 1 if evaluates else processes
    half = size // 2 // share * share
    remedy = f"--data.{key} {half} should fit (an estimate: half)"
    if not half:
        remedy = "a batch cannot be smaller: shorten data.clip_seconds, or take a device with more memory"
    elif settings.domains and not evaluates:
        remedy += ", with half as many of each of data.domains"
    elif evaluates:
        remedy += "; the run then goes on from its last checkpoint"
    what = f"{whose} has no memory left in {'evaluation' if evaluates else 'training'}{peak}"
    return BenchmarkError(what, f"data.{key} {size}", remedy)


def trouble_with_files(error: OSError, folder: Path) -> BenchmarkError | None:
    """The error for a disk that is full or gone; None for anything else.

    Args:
        error: What was raised.
        folder: Where, if the error does not say.
    """
    path = Path(error.filename) if isinstance(error.filename, str) else folder
    if error.errno in NO_ROOM:
        return unwritable(path, error)
    if error.errno in GONE:
        remedy = "bring back the disk or the file, then the same command goes on"
        return BenchmarkError(f"cannot read: {error.strerror}", path, remedy)
    return None


def how_it_ended(code: int) -> str:
    """What became of a process that ended with this code, below 0 the number of a signal."""
    reasons = {
        signal.SIGKILL: "by the system, perhaps for want of memory",
        signal.SIGBUS: "because a file that it read was cut or its disk is gone",
    }
    if code >= 0:
        return f"ended with exit code {code}"
    number = signal.Signals(-code)
    return f"was killed ({number.name}) {reasons.get(number, '')}".strip()
