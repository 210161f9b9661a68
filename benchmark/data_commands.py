"""`python -m benchmark data {status,download,verify,prepare}`: official data, from publisher to waveform store."""

import argparse
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rich.filesize import decimal
from rich.markup import escape

from benchmark.errors import BenchmarkError, InputError, Interrupted
from benchmark.paths import cache_root, data_root
from benchmark.registry import Task, all_tasks, get_task, protocol_of
from benchmark.suggest import did_you_mean

if TYPE_CHECKING:
    from rich.console import Console, JustifyMethod

    from benchmark.data.files import Dataset
    from benchmark.data.inventory import Inventory, OnError
    from benchmark.data.steps import Step

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
    sub.add_argument("task", help="task name, or `all`")
    sub.add_argument("--jobs", type=_positive, metavar="N", help="threads (default: one a core)")
    sub.add_argument("--registry", type=Path, metavar="FILE", help="compare with another registry than the task's")
    sub.add_argument("--report", type=Path, metavar="TSV", help="write everything that was found to this file")

    sub = action("prepare", prepare, "Decode the audio once into the waveform store that runs read.")
    sub.add_argument("task", help="task name")
    sub.add_argument("--system", default="", help="the system whose rate is meant (default: the task's)")
    sub.add_argument("--rate", type=_positive, metavar="HZ", help="sample rate in place of a system's")
    sub.add_argument("--jobs", type=_positive, metavar="N", help="threads (default: one a core)")
    sub.add_argument("--skip-broken", action="store_true", help="leave out files that cannot be read")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text!r}")
    return int(text)


def _console() -> "Console":
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 200)


def registry_of(task: Task) -> "list[Dataset]":
    """The official files of a task."""
    from benchmark.data.files import read_registry

    return read_registry(task.folder / "files.yaml")


def take_stock(task: Task, root: Path, protocol: str) -> "tuple[Inventory, tuple[str, ...]]":
    """What is there, with each further subset of the data that is there, and which these are.

    Raises:
        InputError: The data without them is missing or wrong, or the list of a subset is.
    """
    module = task.load("datamodule")
    inventory: Inventory = module.take_stock(root, "skip", protocol)
    subsets: tuple[str, ...] = ()
    for subset in module.subsets:
        try:
            inventory = module.take_stock(root, "skip", protocol, (*subsets, subset))
            subsets = (*subsets, subset)
        except InputError as error:
            if Path(re.sub(r":\d+$", "", error.where)).is_file():  # it is there, but wrong
                raise
            print(f"without {subset}: {str(error).splitlines()[0]}")
    return inventory, subsets


def status(arguments: argparse.Namespace) -> None:
    """`data status`."""
    from benchmark.status import Format, print_overview, print_status

    root = arguments.data or data_root()
    if arguments.task is None:
        if arguments.protocol:
            raise InputError("--protocol is about one task", remedy="name the task")
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
    from benchmark.data.steps import check_space, downloads, make_steps

    console, root, cache = _console(), arguments.data or data_root(), cache_root()
    every, failed = _wanted(arguments), []
    steps = [make_steps(one.datasets, root, cache) for one in every]
    for one, found in zip(every, steps, strict=True):
        _print_plan(console, one, found, root)
    together = [step for found in steps for step in found]
    if len(every) > 1:
        _say(console, f"all together {_left(together)}")
    if arguments.dry_run:
        return
    from benchmark.data import download as work

    if len(every) > 1:
        check_space(together, root, cache, arguments.jobs, arguments.delete_archives)
    for one in every:
        try:
            work.download(one.datasets, root, cache, console, arguments.jobs, arguments.delete_archives)
        except BenchmarkError as error:
            if len(every) == 1 or isinstance(error, Interrupted):
                raise
            sys.stderr.write(f"error: {one.title}: {error}\n")
            failed.append(one.title)
            continue
        _say(console, f"{one.title}: the files are at {root}. Next: {one.then}")
    kept = [downloads(cache, step.dataset) / step.file.name for step in together]
    if size := sum(path.stat().st_size for path in kept if path.is_file()):
        _say(console, f"{decimal(size)} of archives are kept in {cache / 'downloads'}; --delete-archives removes them")
    if failed:
        what = f"{len(failed)} of {len(every)} downloads failed: {', '.join(failed)}; what was wrong stands above"
        raise BenchmarkError(what, remedy=work.AGAIN)


def _wanted(arguments: argparse.Namespace) -> list[_Wanted]:
    from benchmark.data.files import needed, read_registry
    from benchmark.weights import REGISTRY

    name, protocol = arguments.task, arguments.protocol
    if name == WEIGHTS:
        if protocol:
            raise InputError("--protocol is about a task, not about weights", remedy="leave it out")
        if arguments.data:
            what = "weights are loaded from the data root alone"
            raise InputError(what, "--data", f"set DCASE_BENCH_DATA={arguments.data}, also for the runs that use them")
        return [_Wanted(WEIGHTS, read_registry(arguments.registry or REGISTRY), "run the systems that use them")]
    if name == "all" and (arguments.registry or protocol not in ("", "all")):
        raise InputError("--registry and --protocol are about one task", remedy="name the task in place of `all`")
    if name not in (known := {**all_tasks(), "all": None, WEIGHTS: None}):
        raise InputError(f"there is no task {name!r}", remedy=did_you_mean(name, known))
    wanted = []
    for task in all_tasks().values() if name == "all" else [get_task(name)]:
        split = "all" if protocol == "all" else protocol_of(task, protocol)
        registry = read_registry(arguments.registry) if arguments.registry else registry_of(task)
        wanted.append(_Wanted(f"{task.name} ({split})", needed(registry, split), _then(task, arguments)))
    return wanted


def _then(task: Task, arguments: argparse.Namespace) -> str:
    """The commands that come after a download."""
    protocol = arguments.protocol if arguments.protocol != "all" else ""
    words = ["python", "-m", "benchmark", "data", "verify", task.name]
    words += ["--data", str(arguments.data)] if arguments.data else []
    words += ["--protocol", protocol] if protocol else []
    bench = ["make", "bench", f"TASK={task.name}", f"DATA={arguments.data or 'full'}"]
    bench += [f"PROTOCOL={protocol}"] if protocol else []
    return f"{shlex.join(words)}, then {shlex.join(bench)}"


def _print_plan(console: "Console", wanted: _Wanted, steps: "Sequence[Step]", root: Path) -> None:
    from rich import box
    from rich.table import Table

    console.rule(wanted.title)
    for dataset in wanted.datasets:
        console.print(f"[bold]{escape(dataset.title)}[/]: {escape(dataset.holds)}", highlight=False)
        about = {"licence": dataset.licence, "cite": dataset.citation, "from": dataset.record, "note": dataset.remark}
        for name, text in about.items():
            if text:
                _say(console, f"  {name}: {text}")
        mine = [step for step in steps if step.dataset is dataset]
        elsewhere = not all(step.file.urls[0].startswith(f"{dataset.record}/") for step in mine)
        table = Table(box=box.SIMPLE_HEAD)
        for name in ("file", "size", "confirmed by", "state", *(["address"] if elsewhere else [])):
            justify: JustifyMethod = "right" if name == "size" else "left"
            table.add_column(name, no_wrap=name == "file", overflow="fold", justify=justify)
        for step in mine:
            table.add_row(*map(escape, [*_cells(step), *([step.file.urls[0]] if elsewhere else [])]))
        console.print(table)
    _say(console, f"{_left(steps)}, to {root}")


def _left(steps: "Sequence[Step]") -> str:
    unknown = sum(step.file.size is None for step in steps if step.state in ("to do", "begun"))
    more = f" and {unknown} files of unknown size" if unknown else ""
    return f"to fetch: {decimal(sum(step.missing for step in steps))}{more}"


def _say(console: "Console", text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def _cells(step: "Step") -> tuple[str, ...]:
    file = step.file
    size = "?" if file.size is None else f"{'~ ' if file.bytes is None else ''}{decimal(file.size)}"
    published = "SHA-256" if file.sha256 else "MD5"
    confirmed = {"registry": published, "record": "record's list"}.get(step.confirmed, step.confirmed)
    state = f"{decimal(step.have)} fetched" if step.state == "begun" else step.state
    return file.name, size, confirmed, state


def verify(arguments: argparse.Namespace) -> None:
    """`data verify`."""
    from benchmark.data.files import needed, read_registry
    from benchmark.verify import print_report, write_findings
    from benchmark.verify import verify as check

    root, console = arguments.data or data_root(), _console()

    def one(task: Task) -> None:
        protocol = protocol_of(task, arguments.protocol)
        registry = read_registry(arguments.registry) if arguments.registry else registry_of(task)
        try:
            _, subsets = take_stock(task, root, protocol)
        except (InputError, OSError):  # what is wrong is reported
            subsets = task.load("datamodule").subsets
        report = check(task, root, protocol, subsets, needed(registry, protocol), arguments.jobs, console)
        if arguments.report:
            write_findings(arguments.report, report)
        print_report(console, report, arguments.report)
        if report.wrong:
            things = "1 thing is" if len(report.wrong) == 1 else f"{len(report.wrong):,} things are"
            raise BenchmarkError(f"{things} wrong with the data of {task.name}", root)

    _each_task(arguments, one)


def prepare(arguments: argparse.Namespace) -> None:
    """`data prepare`."""
    from benchmark.prepare import prepare as build
    from benchmark.prepare import stores_of

    root = arguments.data or data_root()

    def one(task: Task) -> None:
        protocol = protocol_of(task, arguments.protocol)
        _, subsets = take_stock(task, root, protocol)
        settings = stores_of(task, [arguments.system or task.default_system])
        if arguments.rate:
            settings = list(dict.fromkeys((arguments.rate, mono) for _, mono in settings))
        for rate, mono in settings:
            on_error: OnError = "skip" if arguments.skip_broken else "stop"
            build(task, root, protocol, subsets, rate, mono, on_error, arguments.jobs, _console())

    _each_task(arguments, one)


def _each_task(arguments: argparse.Namespace, work: Callable[[Task], None]) -> None:
    """Do it for the task that is named, or for all, also where one fails."""
    if arguments.task != "all":
        work(get_task(arguments.task))
        return
    if getattr(arguments, "report", None) or getattr(arguments, "registry", None) or arguments.protocol:
        what = "--report, --registry and --protocol are about one task"
        raise InputError(what, remedy="name the task in place of `all`")
    failed = []
    for task in all_tasks().values():
        try:
            work(task)
        except Interrupted:
            raise
        except BenchmarkError as error:
            sys.stderr.write(f"{task.name}: {error}\n")
            failed.append(task.name)
    if failed:
        raise BenchmarkError(f"not so for {', '.join(failed)}", remedy="what was wrong stands above")
