"""Starting the processes of one training on this machine, one a device, and what becomes of them."""

import logging
import os
import sys
import tempfile
import uuid
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException, Std
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from benchmark.data.parallel import usable_cores
from benchmark.errors import BenchmarkError, InputError, Interrupted
from benchmark.mishaps import how_it_ended
from benchmark.plan import Plan
from benchmark.processes import environment, is_first, join_group

LINES_SHOWN = 5


def start_processes(plans: Sequence[Plan], words: Sequence[str]) -> bool:
    """Make this process one of those that share each training's batches, or start all of them.

    Args:
        plans: What is to be done.
        words: The command's words.

    Returns:
        Whether others were started and have done it.

    Raises:
        InputError: There are not so many processes as the command says, or a system of several trainings is told to
            share batches.
    """
    options = plans[0].options
    if any(len(plan.config.trainings()) > 1 for plan in plans):
        started = environment()
        if started is not None and started.world_size() > 1:
            what = f"{started.world_size()} processes were started for a system of several trainings"
            raise InputError(what, "DEVICES", "start one: it does its trainings side by side on DEVICES")
        return False
    if join_group(options.devices, options.nodes):
        if not is_first():
            sys.stdout = Path(os.devnull).open("w")
        return False
    if options.nodes > 1:
        what = f"{options.nodes} machines are asked for, and nothing has started processes on them"
        raise InputError(what, "NODES", "start one process a device on each, with torchrun or srun")
    launch(options.devices, words)
    return True


def launch(devices: int, words: Sequence[str]) -> None:
    """Run `python -m benchmark` in as many processes, which find each other; the first prints for all.

    Args:
        devices: How many.
        words: The command's words.

    Raises:
        SystemExit: With the exit code of the first process, if it is not 0: it has said why.
        BenchmarkError: Another process died.
    """
    logging.getLogger("torch.distributed").setLevel(logging.CRITICAL)
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, usable_cores() // devices)))
    with tempfile.TemporaryDirectory() as logs:
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=devices,
            rdzv_backend="c10d",
            rdzv_endpoint="127.0.0.1:0",
            run_id=uuid.uuid4().hex,
            max_restarts=0,
            monitor_interval=0.2,
            signals_to_handle="SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1,SIGUSR2",  # which are passed on
            logs_specs=DefaultLogsSpecs(logs, redirects=dict.fromkeys(range(1, devices), Std.ALL)),
        )
        try:
            elastic_launch(config, sys.executable)("-m", "benchmark", *words)
        except SignalException as stop:
            raise SystemExit(Interrupted.exit_code) from stop
        except ChildFailedError as failed:
            raise _end_of(failed.failures) from failed


def _end_of(failures: dict[int, ProcessFailure]) -> SystemExit | BenchmarkError:
    """What to raise for processes that ended so."""
    rank, first = min(failures.items(), key=lambda item: item[1].timestamp)
    if first.exitcode > 0 and 0 in failures and failures[0].exitcode > 0:
        return SystemExit(failures[0].exitcode)
    said = _last_lines(Path(first.error_file).with_name("stderr.log")) if rank else []
    remedy = "the same command goes on" + ("; smaller batches need less memory" if first.exitcode == -9 else "")
    return BenchmarkError("\n".join([f"process {rank} {how_it_ended(first.exitcode)}", *said]), "DEVICES", remedy)


def _last_lines(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return [line.rstrip("\n") for line in deque(file, LINES_SHOWN)]
    except OSError:
        return []
