"""`python -m benchmark sweep`."""

import argparse
import os
import sys

from rich.console import Console

from benchmark.data.parallel import usable_cores
from benchmark.errors import BenchmarkError, InputError, Interrupted
from benchmark.sweep.launchers import Local, Slurm
from benchmark.sweep.loop import Sweep, count, look_up
from benchmark.sweep.matrix import Matrix, Planned, make_jobs, names_of, seeds_of
from benchmark.sweep.options import HOURS, JOBS_OF_A_CLUSTER, OF_RUNS, OF_SLURM
from benchmark.sweep.table import Board, print_failed, print_plan, print_refused


def run_sweep(arguments: argparse.Namespace) -> None:
    """Do the sweep.

    Args:
        arguments: Its options, and those of `run` that hold for all jobs.

    Raises:
        InputError: The command is wrong, or there is no such launcher here.
        BenchmarkError: Something failed in the end, or could not run.
        Interrupted: It was stopped.
    """
    console = Console(width=None if sys.stdout.isatty() else 140)
    names = (names_of(arguments.tasks), names_of(arguments.systems), names_of(arguments.folds))
    matrix = Matrix(*names, seeds_of(arguments.seeds))
    matrix.pairs()
    cluster = _cluster(arguments)
    planned = make_jobs(matrix, {name: getattr(arguments, name) for name in OF_RUNS})
    workers = [] if cluster else workers_of(arguments.jobs, arguments.devices)
    if arguments.dry_run:
        _print_forecast(console, planned, len(workers) or arguments.jobs or JOBS_OF_A_CLUSTER)
        return
    board = Board(console)
    sweep = Sweep(planned.jobs, cluster or Local(workers), arguments.retries, board)
    print_refused(console, planned.refused)
    console.print(f"{len(sweep.rows)} jobs: {count(sweep.rows)}", highlight=False)
    with board:
        sweep.run()
    print_failed(console, sweep.rows, sweep.launcher)
    if sweep.was_stopped:
        raise Interrupted(f"stopped: {count(sweep.rows)}", remedy="the same command goes on from here")
    if planned.refused or any(row.status == "failed" for row in sweep.rows):
        refused = f", {len(planned.refused)} cannot run" if planned.refused else ""
        remedy = "what was wrong stands above; the same command does what is missing"
        raise BenchmarkError(f"not everything is done: {count(sweep.rows)}{refused}", remedy=remedy)
    console.print("nothing is left to do; next: make leaderboard", highlight=False)


def _cluster(arguments: argparse.Namespace) -> Slurm | None:
    """The cluster, if it is asked for."""
    if (arguments.jobs is not None and arguments.jobs < 1) or arguments.retries < 0:
        raise InputError("--jobs is at least 1, and --retries at least 0", "command line")
    if arguments.launcher == "local":
        if given := [f"--{word}" for word in OF_SLURM if getattr(arguments, word)]:
            raise InputError(f"{', '.join(given)}: for SLURM's jobs alone", "command line", "add --launcher slurm")
        return None
    parameters = {
        "time": max(1, round(60 * (arguments.hours or HOURS))),
        "partition": arguments.partition,
        "gpus_per_node": arguments.gpus,
        "mem": arguments.memory and f"{round(1024 * arguments.memory)}MB",
        "cpus_per_task": arguments.cpus,
    }
    stated = {key: value for key, value in parameters.items() if value is not None}
    further = {key: value or True for key, _, value in (option.partition("=") for option in arguments.slurm)}
    return Slurm(arguments.jobs or JOBS_OF_A_CLUSTER, stated, further)


def workers_of(jobs: int | None, devices: int) -> list[dict[str, str]]:
    """What each worker on this machine has in its environment: GPUs of its own, or its share of the cores.

    Args:
        jobs: Number of workers; None: as many as there are GPUs for, and one without a GPU.
        devices: GPUs of one job.
    """
    import torch

    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    there = torch.cuda.device_count()
    gpus = (visible.split(",") if visible else list(map(str, range(there))))[:there]
    number = jobs or max(1, len(gpus) // max(1, devices))
    workers: list[dict[str, str]] = [{} for _ in range(number)]
    for place, worker in enumerate(workers):
        if gpus:
            own = [gpus[(place * devices + index) % len(gpus)] for index in range(devices)]
            worker["CUDA_VISIBLE_DEVICES"] = ",".join(dict.fromkeys(own))
        if number > 1 and "OMP_NUM_THREADS" not in os.environ:
            worker["OMP_NUM_THREADS"] = str(max(1, usable_cores() // number))
    return workers


def _print_forecast(console: Console, planned: Planned, at_once: int) -> None:
    from benchmark.sweep.forecast import costs, free_bytes, stores_bytes

    rows = look_up(planned.jobs)
    with console.status("estimating"):
        taken, stores = costs(rows, planned.plans), stores_bytes(planned.plans.values())
    print_plan(console, rows, planned.refused, taken, stores, free_bytes(), at_once)
