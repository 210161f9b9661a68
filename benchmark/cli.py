"""The command line: `python -m benchmark {run,sweep,score,predict,report,list,data}`.

`score` and `list` start without torch. Exit codes: 0 done; 1 the work failed; 2 the command or its input was wrong;
3 interrupted, can be resumed.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.data_commands import add_data_commands
from benchmark.errors import BenchmarkError, InputError, Interrupted, exit_code
from benchmark.predict_command import EPILOG as PREDICT_EPILOG
from benchmark.predict_command import add_predict_options, predict
from benchmark.registry import Task, all_tasks, get_task
from benchmark.suggest import did_you_mean
from benchmark.sweep.options import EPILOG as SWEEP_EPILOG
from benchmark.sweep.options import add_sweep_options

if TYPE_CHECKING:
    from rich.console import Console

    from benchmark.plan import Plan
    from benchmark.records import RunRecord

RUN_EPILOG = """\
Any key of the recipe can be overridden by its dotted name, e.g.
  --trainer.max_steps 300   --data.batch_size 32   --data.on_error skip   --optimizer.init_args.lr 0.0005
--print_config shows all keys with their values. Folders: DCASE_BENCH_DATA (default ./data), DCASE_BENCH_CACHE
(default ~/.cache/dcase-bench), DCASE_BENCH_RUNS (default ./runs)."""

SCORE_EPILOG = """\
Some tasks score further files beside the predictions; `list tasks` names their options."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    parser = build_parser()
    try:
        arguments, further = parser.parse_known_args(words)
        if further and arguments.command not in (run, sweep, score):
            parser.error(f"unrecognized arguments: {' '.join(further)}")
    except SystemExit as stop:
        return int(stop.code or 0)
    if arguments.command in (run, sweep):
        arguments.overrides = further
    if arguments.command is run:
        arguments.words = words
    elif arguments.command is score:
        arguments.further = further
    return exit_code(lambda: arguments.command(arguments), arguments.debug)


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmark", description="Benchmark suite for machine listening.", allow_abbrev=False
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--debug", action="store_true", help="show tracebacks")

    def command(name: str, function: object, text: str, epilog: str = "") -> argparse.ArgumentParser:
        sub = commands.add_parser(
            name,
            help=text,
            description=text,
            epilog=epilog,
            parents=[shared],
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        sub.set_defaults(command=function)
        return sub

    _add_run_options(command("run", run, "Train and score a system.", RUN_EPILOG))

    sub = command("sweep", sweep, "Run many systems, folds and seeds, here or on a cluster.", SWEEP_EPILOG)
    add_sweep_options(sub)
    _add_settings(sub)

    sub = command("score", score, "Score predictions in the task's official file format.", SCORE_EPILOG)
    sub.add_argument("task", help="task name")
    sub.add_argument("--reference", type=Path, required=True, metavar="FILE", help="official reference file")
    sub.add_argument("--predictions", type=Path, required=True, metavar="FILE", help="official submission file")
    sub.add_argument("--json", action="store_true", help="print one flat JSON object and nothing else")

    text = "Apply a finished run to audio of any rate, length and channel count: files, folders, streams."
    add_predict_options(command("predict", predict, text, PREDICT_EPILOG))

    sub = command("report", report, "Write one HTML file about a result: scores, errors, pictures, how to repeat it.")
    sub.add_argument("run", metavar="RUN", help="a run's folder, a unique id prefix, a group (all its runs) or `last`")
    sub.add_argument(
        "--out", type=Path, metavar="FILE", help="where to write (default: report.html in the run's folder)"
    )

    sub = command("list", list_names, "List tasks or systems.")
    sub.add_argument("what", choices=("tasks", "systems"))
    sub.add_argument("--task", help="systems of this task only")

    sub = command("data", None, "Fetch, check and prepare the official data, and say what is there.")
    add_data_commands(sub, shared)
    return parser


def _add_run_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--task", required=True, help="task name, or `all`")
    sub.add_argument("--system", default="", help="recipe (default: the task's)")
    sub.add_argument("--fold", default="", help="one fold or `all` (default: all; on mini the first)")
    sub.add_argument("--seed", type=int, default=0)
    sub.add_argument("--nodes", type=int, default=1, help="machines")
    sub.add_argument(
        "--resume", default="auto", metavar="auto|no|RUN", help="continue an interrupted run (default: auto)"
    )
    _add_settings(sub)
    sub.add_argument("--profile", action="store_true", help="say where the time of a step goes, and write a trace")
    sub.add_argument("--dry-run", action="store_true", help="print the trainings and an estimate of the time, and stop")
    sub.add_argument("--print_config", action="store_true", help="print the complete recipe and stop")


def _add_settings(sub: argparse.ArgumentParser) -> None:
    """What can be said of one run and of all runs of a sweep."""
    sub.add_argument(
        "--data",
        default="auto",
        metavar="auto|mini|full|DIR",
        help="auto: the official data if complete, else the synthetic mini variant",
    )
    sub.add_argument("--protocol", default="", help="split (default: the task's first)")
    sub.add_argument(
        "--devices",
        type=int,
        default=1,
        help="on each machine; they share the batches of a training or, in a system of several, the trainings",
    )
    sub.add_argument(
        "--logger", choices=("csv", "wandb", "tensorboard"), default="csv", help="where metrics go beside metrics.csv"
    )
    sub.add_argument("--model", metavar="pkg.Class", help="your own torch module in place of the recipe's backbone")
    sub.add_argument(
        "--allow-random-weights",
        action="store_true",
        help="run a pretrained system without its weights; the record is marked and kept out of leaderboards",
    )
    sub.add_argument(
        "--scale", type=float, default=1.0, metavar="SHARE", help="do a share of all steps, folds and turns, to try it"
    )


def run(arguments: argparse.Namespace) -> None:
    """`run`."""
    from rich.console import Console

    from benchmark.estimate import print_plan
    from benchmark.launch import start_processes
    from benchmark.plan import RunOptions, check_overrides, make_plan
    from benchmark.runner import repeats_stopped, settle
    from benchmark.summary import print_cross_task

    settle()
    check_overrides(arguments.overrides)
    ours = ("command", "debug", "print_config", "dry_run", "task", "words")
    options = {k: v for k, v in vars(arguments).items() if k not in ours}
    console = Console(width=None if sys.stdout.isatty() else 140)
    if arguments.task != "all":
        plan = make_plan(RunOptions(task=arguments.task, **options))
        if arguments.print_config:
            print(plan.config.as_yaml(), end="")
            return
        if arguments.dry_run:
            print_plan(console, plan)
            return
        if start_processes([plan], arguments.words):
            return
        _run_plan(console, plan, repeats_stopped([plan]), brief=False)
        return
    plans, failed = {}, []
    for name in all_tasks():
        try:
            plans[name] = make_plan(RunOptions(task=name, **options))
        except BenchmarkError as error:
            sys.stderr.write(f"{name} cannot run: {error}\n")
            failed.append(name)
    if arguments.print_config:
        for name, plan in plans.items():
            print(f"---\n# task: {name}\n{plan.config.as_yaml()}", end="")
        return
    if arguments.dry_run:
        for name, plan in plans.items():
            console.rule(name)
            print_plan(console, plan)
        return
    if plans and start_processes(list(plans.values()), arguments.words):
        return
    results, repeats = [], repeats_stopped(list(plans.values()))
    for number, (name, plan) in enumerate(plans.items(), 1):
        console.rule(f"{name} ({number} of {len(plans)})")

        def one_task(plan: "Plan" = plan) -> None:
            results.append((plan.task, _run_plan(console, plan, repeats, brief=True)))

        code = exit_code(one_task, arguments.debug)
        if code == Interrupted.exit_code:
            raise Interrupted("stopped", remedy="the same command goes on from here")
        failed += [name] if code else []
    print_cross_task(console, results)
    if failed:
        what = f"{len(failed)} of {len(all_tasks())} tasks failed: {', '.join(failed)}"
        raise (BenchmarkError if plans else InputError)(what, remedy="what was wrong stands above")


def sweep(arguments: argparse.Namespace) -> None:
    """`sweep`."""
    from benchmark.sweep.command import run_sweep

    run_sweep(arguments)


def _run_plan(console: "Console", plan: "Plan", repeats: bool, brief: bool) -> "list[RunRecord]":
    """The runs of one task, and what is printed about them."""
    from benchmark.records import read_record
    from benchmark.runner import runs_of
    from benchmark.summary import print_published, print_scores, print_traces

    console.print(
        f"data: {plan.variant} ({plan.source.reason}); {plan.inventory.summary}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    folders, finished = [], []
    for one in runs_of(plan, repeats):
        if isinstance(one, Path):
            console.print(f"finished already: {one}", highlight=False, markup=False)
            folders.append(one)
            finished.append(read_record(one / "record.json"))
            continue
        word = "resuming" if one.resumed else "running"
        about = f"{plan.task.name} / {plan.system}, {plan.protocol}, fold {one.fold}, seed {plan.options.seed}"
        console.print(f"{word} {about}", highlight=False, soft_wrap=True)
        finished.append(one.execute())
        folders.append(one.folder.path)
    print_scores(console, plan.task, finished, brief)
    if not brief:
        print_published(console, plan.task, finished)
    if plan.options.profile:
        from benchmark.training.profile import print_profile

        for folder in folders:
            print_profile(console, folder)
    print_traces(console, folders, finished, None if brief else plan.inventory.examples[0].path)
    return finished


def score(arguments: argparse.Namespace) -> None:
    """`score`."""
    task = get_task(arguments.task)
    options = _further_files(task, arguments.further)
    scores = task.score_files(arguments.reference, arguments.predictions, **options)
    if arguments.json:
        print(json.dumps(scores))
        return
    width = max(map(len, scores))
    for key, value in scores.items():
        print(f"{key:{width}}  {'undefined' if value is None else f'{value:.4f}'}")


def _further_files(task: Task, words: Sequence[str]) -> dict[str, Path]:
    """The files of a task's own options: `--name FILE` or `--name=FILE`."""
    options: dict[str, Path] = {}
    rest = [part for word in words for part in (word.split("=", 1) if word.startswith("--") else [word])]
    for place in range(0, len(rest), 2):
        name = rest[place].removeprefix("--")
        if not rest[place].startswith("--") or name not in task.score_options:
            known = (*task.score_options, "reference", "predictions", "json")
            raise InputError(f"unknown option {rest[place]!r}", "command line", did_you_mean(name, known))
        if place + 1 == len(rest):
            raise InputError(f"--{name} needs a file", "command line")
        options[name] = Path(rest[place + 1])
    return options


def report(arguments: argparse.Namespace) -> None:
    """`report`."""
    from benchmark.paths import runs_root
    from benchmark.records import find_runs
    from benchmark.report.page import write_report

    print(write_report(find_runs(runs_root(), arguments.run), arguments.out))


def list_names(arguments: argparse.Namespace) -> None:
    """`list`."""
    tasks = [get_task(arguments.task)] if arguments.task else list(all_tasks().values())
    if arguments.what == "tasks":
        for task in tasks:
            protocols = ", ".join(f"{name} ({len(folds)} folds)" for name, folds in task.protocols.items())
            print(f"{task.name:12} {task.title}, {task.url}\n{'':12} protocols: {protocols}")
            if task.score_options:
                print(f"{'':12} scores also: {', '.join(f'--{name} FILE' for name in task.score_options)}")
            print(f"{'':12} systems: {', '.join(task.systems)} (default {task.default_system})")
            print(f"{'':12} data: {task.licence}; cite {task.citation}")
        return
    for task in tasks:
        print(f"{task.name}: published {task.main_score} under the recipe's protocol, trainable parameters, title")
        for name, row in _system_rows(task).items():
            print(f"  {name:22} {row}")


def _system_rows(task: Task) -> dict[str, str]:
    from benchmark.published import headline, read_published
    from benchmark.yaml_files import parse_yaml

    published = read_published(task.folder / "published.csv")
    rows = {}
    for name, path in task.systems.items():
        recipe = parse_yaml(path.read_text(encoding="utf-8"))
        protocol = recipe.get("protocol") or next(iter(task.protocols))
        figure = headline(published, name, task.main_score, protocol)
        marks = " [official]" if recipe.get("official") else ""
        parameters = f"{recipe['parameters']:,}" if recipe["parameters"] is not None else "-"
        rows[name] = f"{figure.printed if figure else '-':>8} {parameters:>12}  {recipe['title']}{marks}"
    return rows
