"""Several processes that train one network together: who they are, and what they tell each other.

One process, the usual case, is a group of one, for which all of this does nothing. Everything that is random in a batch
is drawn for the batch of all processes, so that their number changes no score.
"""

import os
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from benchmark.errors import BenchmarkError, InputError

if TYPE_CHECKING:
    from pytorch_lightning.plugins.environments import ClusterEnvironment  # type: ignore[attr-defined]

PATIENCE = timedelta(hours=24)  # while the first process builds a store; who starts processes ends them with a dead one
Made = TypeVar("Made")


class Place(NamedTuple):
    """Which of how many processes this is, on all machines."""

    rank: int
    size: int

    @property
    def is_first(self) -> bool:
        """Whether it is the one that writes and prints."""
        return self.rank == 0


def this_process() -> Place:
    """This process among those of its group."""
    if dist.is_available() and dist.is_initialized():
        return Place(dist.get_rank(), dist.get_world_size())
    return Place(0, 1)


def is_first() -> bool:
    """Whether this process is the one that writes and prints."""
    return this_process().is_first


def environment() -> "ClusterEnvironment | None":
    """What started this process as one of several, torchrun or SLURM; None if nothing did."""
    from pytorch_lightning.plugins import environments

    for kind in (environments.TorchElasticEnvironment, environments.SLURMEnvironment):  # type: ignore[attr-defined]
        if kind.detect():
            found: ClusterEnvironment = kind()
            return found
    return None


def join_group(devices: int, nodes: int) -> bool:
    """Join the processes that were started with this one.

    Args:
        devices: Processes on each machine, as the command says.
        nodes: Machines.

    Returns:
        Whether there are several, or only one is asked for; False: they have yet to be started.

    Raises:
        InputError: There are others in number than the command says.
    """
    started = environment()
    size = started.world_size() if started is not None else 1
    if started is None or (size == 1 and devices * nodes > 1):
        return devices * nodes == 1
    if size != devices * nodes:
        what = f"{size} processes were started, and DEVICES={devices} NODES={nodes} are {devices * nodes}"
        raise InputError(what, "DEVICES, NODES", f"start {devices * nodes}, or say how they are divided")
    if size > 1 and not dist.is_initialized():
        backend = "gloo"
        if torch.cuda.is_available():
            torch.cuda.set_device(started.local_rank())
            backend = "cpu:gloo,cuda:nccl"
        os.environ.setdefault("MASTER_ADDR", started.main_address)
        os.environ.setdefault("MASTER_PORT", str(started.main_port))
        dist.init_process_group(backend, timeout=PATIENCE, rank=started.global_rank(), world_size=size)
    return True


def share(make: Callable[[], Made]) -> Made:
    """What the first process makes, on all of them; an error of it is raised by all."""
    if this_process().size == 1:
        return make()
    told: list[Any] = [None, None]
    if is_first():
        try:
            told[0] = make()
        except BenchmarkError as error:
            told[1] = error
    dist.broadcast_object_list(told, src=0, device=torch.device("cpu"))
    if told[1] is not None:
        raise told[1]
    made: Made = told[0]
    return made


def any_of(flag: bool) -> bool:
    """Whether the flag is up in any process."""
    if this_process().size == 1:
        return flag
    up = torch.tensor(int(flag))
    dist.all_reduce(up, op=dist.ReduceOp.MAX)
    return bool(up)


def drawn(make: Callable[[int], Tensor], count: int) -> Tensor:
    """This process's rows of what is drawn for the batch of all.

    Args:
        make: Draws for so many clips, the same in every process if their generators are.
        count: Clips of this process.
    """
    here = this_process()
    return make(count * here.size)[here.rank :: here.size]


def whole_batch(x: Tensor) -> Tensor:
    """The rows of all processes, in the order of the batch that they share; without gradient.

    Args:
        x: This process's rows, as many as every other's `(batch, ...)`.
    """
    here = this_process()
    if here.size == 1:
        return x
    parts = [torch.empty_like(x) for _ in range(here.size)]
    dist.all_gather(parts, x.detach().contiguous())
    return torch.stack(parts, dim=1).flatten(0, 1)
