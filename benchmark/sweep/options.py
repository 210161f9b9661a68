"""Options of `sweep`, apart from what does it, so that other commands start at once."""

import argparse

JOBS_OF_A_CLUSTER = 256
HOURS = 24.0
OF_RUNS = ("data", "protocol", "devices", "logger", "model", "allow_random_weights", "scale", "overrides")
OF_SLURM = ("partition", "hours", "gpus", "memory", "cpus", "slurm")

EPILOG = """\
Other options and keys of the recipe are those of `run` and hold for all jobs. The same command again goes on: what is
finished is left out, what was stopped is resumed. A job that SLURM pre-empts waits in its queue and is resumed."""


def add_sweep_options(sub: argparse.ArgumentParser) -> None:
    """Add what a sweep takes beside the options of a run."""
    sub.add_argument("--tasks", required=True, metavar="A,B|all", help="task names, or `all`")
    sub.add_argument("--systems", default="", metavar="A,B|all", help="recipes (default: each task's default)")
    sub.add_argument("--folds", default="", metavar="A,B|all", help="folds (default: all; on mini the first)")
    sub.add_argument("--seeds", default="0", metavar="0,1|0-4", help="seeds (default: 0)")
    sub.add_argument("--launcher", choices=("local", "slurm"), default="local", help="who runs the jobs")
    sub.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help=f"at most N at once (default: one a GPU or one; {JOBS_OF_A_CLUSTER} of SLURM)",
    )
    sub.add_argument(
        "--retries", type=int, default=1, metavar="N", help="how often a failed job is done again (default: 1)"
    )
    sub.add_argument("--dry-run", action="store_true", help="print the jobs, hours and disk, and stop")
    slurm = sub.add_argument_group("of each SLURM job")
    slurm.add_argument("--partition", help="partition (default: the cluster's)")
    slurm.add_argument(
        "--hours", type=float, metavar="H", help=f"time limit; a job goes on in another (default: {HOURS:g})"
    )
    slurm.add_argument("--gpus", type=int, metavar="N", help="GPUs")
    slurm.add_argument("--memory", type=float, metavar="GB", help="memory")
    slurm.add_argument("--cpus", type=int, metavar="N", help="cores")
    slurm.add_argument("--slurm", action="append", default=[], metavar="KEY[=VALUE]", help="any other option of sbatch")
