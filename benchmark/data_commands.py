"""`python -m benchmark data {status,download,verify,prepare}`: official data, from publisher to waveform store."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rich.filesize import decimal

from benchmark.errors import BenchmarkError, InputError
from benchmark.paths import cache_root, data_root
from benchmark.registry import Task, all_tasks, get_task, protocol_of
from benchmark.weights import REGISTRY

if TYPE_CHECKING:
    from rich.console import Console, JustifyMethod

    from benchmark.data.download import Step
    from benchmark.data.files import Dataset
    from benchmark.data.inventory import Inventory, OnError

WEIGHTS = "weights"


def add_data_commands(parent: argparse.ArgumentParser, shared: argparse.ArgumentParser) -> None:
    """Add the four actions to the parser of `data`."""
    actions = parent.add_subparsers(required=True, metavar="ACTION")

    def action(name: str, function: object, text: str, epilog: str = "") -> argparse.ArgumentParser:
        sub = actions.add_parser(name, help=text, description=text, epilog=epilog, parents=[shared], allow_abbrev=False)
        sub.set_defaults(command=function)
        sub.add_argument("--data", type=Path, metavar="DIR", help="data root (default: DCASE_BENCH_DATA or ./data)")
        sub.add_argument("--protocol", default="", help="the split whose data is meant (default: the task's first)")
        return sub

    sub = action("status", status, "Say what data is there: of all tasks at a glance, or of one in detail.")
    sub.add_argument("task", nargs="?", help="task name (default: all)")

    sub = action(
        "download",
        download,
        "Bring the official files to the data root: resumed where it was stopped, checked against published hashes.",
        "The addresses, sizes and hashes are in tasks/<task>/files.yaml and benchmark/weights.yaml.",
    )
    sub.add_argument("task", help="task name, `all`, or `weights` (pretrained weights)")
    sub.add_argument("--dry-run", action="store_true", help="list files, sizes and addresses, and stop")
    sub.add_argument("--jobs", type=_positive, default=4, metavar="N", help="files at once (default: 4)")
    sub.add_argument(
        "--delete-archives", action="store_true", help="delete each archive once its content is unpacked and checked"
    )
    sub.add_argument("--registry", type=Path, metavar="FILE", help="take another registry, e.g. of a mirror of yours")

    sub = action("verify", verify, "Check every file: hashes, decoding, durations, rates, and the lists' counts.")
    sub.add_argument("task", help="task name")
    sub.add_argument("--jobs", type=_positive, metavar="N", help="threads (default: one a core)")
    sub.add_argument("--report", type=Path, metavar="TSV", help="write everything that was found to this file")

    sub = action("prepare", prepare, "Decode the audio once into the waveform store that runs read.")
    sub.add_argument("task", help="task name")
    sub.add_argument("--system", default="", help="the system whose rate is meant (default: the task's)")
    sub.add_argument("--rate", type=_positive, metavar="HZ", help="sample rate in place of a system's")
    sub.add_argument("--jobs", type=_positive, metavar="N", help="threads (default: one a core)")
    sub.add_argument("--skip-broken", action="store_true", help="leave out files that cannot be read")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {text}")
    return number


def _console() -> "Console":
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 140)


def registry_of(task: Task) -> "list[Dataset]":
    """The official files of a task."""
    from benchmark.data.files import read_registry

    return read_registry(task.folder / "files.yaml")


def take_stock(task: Task, root: Path, protocol: str) -> "tuple[Inventory, tuple[str, ...]]":
    """What is there, with the further subsets of the data where they are there, and which these are."""
    module = task.load("datamodule")
    try:
        return module.take_stock(root, "skip", protocol, module.subsets), module.subsets
    except InputError as error:
        if not module.subsets:
            raise
        inventory = module.take_stock(root, "skip", protocol, ())
        print(f"without {', '.join(module.subsets)}: {str(error).splitlines()[0]}")
        return inventory, ()


def status(arguments: argparse.Namespace) -> None:
    """`data status`."""
    from benchmark.status import Format, print_overview, print_status

    root = arguments.data or data_root()
    if arguments.task is None:
        tasks = list(all_tasks().values())
        print_overview(_console(), tasks, root, {task.name: registry_of(task) for task in tasks})
        return
    task = get_task(arguments.task)
    protocol = protocol_of(task, arguments.protocol)
    inventory, _ = take_stock(task, root, protocol)
    print(f"{task.name} at {root}: {inventory.variant} for {protocol}; {inventory.summary}")
    module = task.load("datamodule")
    official = Format(module.rate, module.channels, module.seconds)
    print_status(_console(), inventory, task.classes_of(protocol), official)


class _Wanted(NamedTuple):
    title: str
    datasets: "list[Dataset]"
    then: str


def download(arguments: argparse.Namespace) -> None:
    """`data download`."""
    from benchmark.data import download as work

    console, root, cache = _console(), arguments.data or data_root(), cache_root()
    every = _wanted(arguments)
    steps = {one.title: work.make_steps(one.datasets, root, cache) for one in every}
    for one in every:
        _print_plan(console, one, steps[one.title], root)
    if len(every) > 1:
        total = sum(step.missing for found in steps.values() for step in found)
        console.print(f"all together: {decimal(total)} to fetch", highlight=False)
    if arguments.dry_run:
        return
    for one in every:
        if one.datasets:
            work.download(one.datasets, root, cache, console, arguments.jobs, arguments.delete_archives)
        console.print(f"{one.title}: the files are at {root}. Next: {one.then}", highlight=False, soft_wrap=True)
    kept = sum(
        path.stat().st_size
        for one in every
        for dataset in one.datasets
        for path in work.downloads(cache, dataset).iterdir()
    )
    if kept:
        about = f"{decimal(kept)} of archives are kept in {cache / 'downloads'}"
        console.print(f"{about}; --delete-archives removes them", highlight=False, soft_wrap=True)


def _wanted(arguments: argparse.Namespace) -> list[_Wanted]:
    from benchmark.data.files import needed, read_registry

    if arguments.task == WEIGHTS:
        return [_Wanted(WEIGHTS, read_registry(arguments.registry or REGISTRY), "run the systems that use them")]
    if arguments.task == "all" and (arguments.registry or arguments.protocol not in ("", "all")):
        raise InputError("--registry and --protocol are about one task", remedy="name the task in place of `all`")
    tasks = list(all_tasks().values()) if arguments.task == "all" else [get_task(arguments.task)]
    wanted = []
    for task in tasks:
        protocol = "all" if arguments.protocol == "all" else protocol_of(task, arguments.protocol)
        registry = read_registry(arguments.registry) if arguments.registry else registry_of(task)
        then = f"python -m benchmark data verify {task.name}, then make bench TASK={task.name} DATA=full"
        wanted.append(_Wanted(f"{task.name} ({protocol})", needed(registry, protocol), then))
    return wanted


def _print_plan(console: "Console", wanted: _Wanted, steps: "Sequence[Step]", root: Path) -> None:
    from rich import box
    from rich.table import Table

    console.rule(wanted.title)
    for dataset in wanted.datasets:
        console.print(f"[bold]{dataset.title}[/]: {dataset.holds}", highlight=False)
        about = {"licence": dataset.licence, "cite": dataset.citation, "from": dataset.record, "note": dataset.remark}
        for name, text in about.items():
            if text:
                console.print(f"  {name}: {text}", highlight=False, markup=False, soft_wrap=True)
        mine = [step for step in steps if step.dataset is dataset]
        elsewhere = not all(step.file.urls[0].startswith(f"{dataset.record}/") for step in mine)
        table = Table(box=box.SIMPLE_HEAD)
        for name in ("file", "size", "confirmed by", "state", *(["address"] if elsewhere else [])):
            justify: JustifyMethod = "right" if name == "size" else "left"
            table.add_column(name, no_wrap=name == "file", overflow="fold", justify=justify)
        for step in mine:
            table.add_row(*_cells(step), *([step.file.urls[0]] if elsewhere else []))
        console.print(table)
    left = sum(step.missing for step in steps)
    unknown = sum(step.file.size is None for step in steps if step.state != "there")
    more = f" and {unknown} files of unknown size" if unknown else ""
    console.print(f"to fetch: {decimal(left)}{more}, to {root}", highlight=False, markup=False, soft_wrap=True)


def _cells(step: "Step") -> tuple[str, ...]:
    file = step.file
    size = "?" if file.size is None else f"{'~ ' if file.bytes is None else ''}{decimal(file.size)}"
    published = "SHA-256" if file.sha256 else "MD5"
    confirmed = {"registry": published, "record": "record's list"}.get(step.confirmed, step.confirmed)
    state = f"{decimal(step.have)} fetched" if step.state == "begun" else step.state
    return file.name, size, confirmed, state


def verify(arguments: argparse.Namespace) -> None:
    """`data verify`."""
    from benchmark.data.files import needed
    from benchmark.verify import print_report, write_findings
    from benchmark.verify import verify as check

    task, root, console = get_task(arguments.task), arguments.data or data_root(), _console()
    protocol = protocol_of(task, arguments.protocol)
    try:
        _, subsets = take_stock(task, root, protocol)
    except InputError:  # what is wrong is reported
        subsets = ()
    report = check(task, root, protocol, subsets, needed(registry_of(task), protocol), arguments.jobs, console)
    if arguments.report:
        write_findings(arguments.report, report)
    print_report(console, report, arguments.report)
    if report.wrong:
        raise BenchmarkError(f"{len(report.wrong)} things are wrong with the data of {task.name}", root)


def prepare(arguments: argparse.Namespace) -> None:
    """`data prepare`."""
    from benchmark.prepare import prepare as build
    from benchmark.prepare import stores_of

    task, root = get_task(arguments.task), arguments.data or data_root()
    protocol = protocol_of(task, arguments.protocol)
    _, subsets = take_stock(task, root, protocol)
    settings = stores_of(task, [arguments.system or task.default_system])
    if arguments.rate:
        settings = [(arguments.rate, mono) for _, mono in settings]
    for rate, mono in settings:
        on_error: OnError = "skip" if arguments.skip_broken else "stop"
        build(task, root, protocol, subsets, rate, mono, on_error, arguments.jobs, _console())
