"""Which jobs a sweep consists of: tasks x systems x folds x seeds, each system planned once."""

import re
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benchmark.errors import BenchmarkError, InputError
from benchmark.records import Identity
from benchmark.registry import Task, all_tasks, get_task
from benchmark.suggest import did_you_mean
from benchmark.sweep.job import Job

if TYPE_CHECKING:
    from benchmark.plan import Plan

ALL = "all"


@dataclass(frozen=True)
class Matrix:
    """What the user asks for.

    Attributes:
        tasks: Names of tasks, or `all`.
        systems: Names of systems, `all`, or nothing for the tasks' defaults.
        folds: Names of folds, `all`, or nothing for what `run` does without `--fold`.
        seeds: Seeds.
    """

    tasks: Sequence[str]
    systems: Sequence[str]
    folds: Sequence[str]
    seeds: Sequence[int]

    def pairs(self) -> list[tuple[Task, str]]:
        """Tasks and systems; a task without a system that another has is left out.

        Raises:
            InputError: There is no such task, or none that is asked for has such a system or fold.
        """
        tasks = list(all_tasks().values()) if ALL in self.tasks else [get_task(name) for name in self.tasks]
        _check("system", self.systems, {name for task in tasks for name in task.systems})
        _check("fold", self.folds, {fold for task in tasks for folds in task.protocols.values() for fold in folds})
        if not self.systems:
            return [(task, task.default_system) for task in tasks]
        return [(task, name) for task in tasks for name in task.systems if {ALL, name} & set(self.systems)]

    def identities(self, plan: "Plan") -> Iterator[Identity]:
        """The runs of one plan, seed by seed."""
        for seed in self.seeds:
            for fold in plan.folds:
                if not self.folds or {ALL, fold} & set(self.folds):
                    yield Identity(plan.group, fold, seed)


@dataclass
class Planned:
    """The jobs of a matrix.

    Attributes:
        jobs: The jobs.
        plans: Plan of each group of jobs.
        refused: What cannot run, and why.
    """

    jobs: list[Job] = field(default_factory=list)
    plans: dict[str, "Plan"] = field(default_factory=dict)
    refused: dict[str, BenchmarkError] = field(default_factory=dict)


def make_jobs(matrix: Matrix, settings: Mapping[str, Any]) -> Planned:
    """Plan each system once, and name its runs.

    Args:
        matrix: What to run.
        settings: What `RunOptions` takes for every run, beside task, system, fold and seed.

    Raises:
        InputError: A name is unknown, or nothing can run.
        BenchmarkError: The same, for a reason outside the command.
    """
    from benchmark.plan import RunOptions, check_overrides, make_plan
    from benchmark.runner import settle

    settle()
    check_overrides(settings["overrides"])
    planned = Planned()
    for task, system in matrix.pairs():
        fold = ALL if matrix.folds else ""
        try:
            plan = make_plan(RunOptions(task=task.name, system=system, fold=fold, **settings))
        except BenchmarkError as error:
            planned.refused[f"{task.name} / {system}"] = error
            continue
        planned.plans[plan.group] = plan
        for identity in matrix.identities(plan):
            planned.jobs.append(Job(task.name, plan.system, plan.protocol, identity, command(plan, system, identity)))
    if not planned.plans:
        raise next(iter(planned.refused.values()))
    if not planned.jobs:
        folds = ", ".join(dict.fromkeys(fold for plan in planned.plans.values() for fold in plan.folds))
        raise InputError(f"no run has a fold {' or '.join(matrix.folds)} here", "--folds", f"choose of: {folds}")
    return planned


def command(plan: "Plan", system: str, identity: Identity) -> tuple[str, ...]:
    """The command of one run, with everything said that could be another when it starts."""
    options = plan.options
    named = {
        "task": plan.task.name,
        "system": system,
        "data": "mini" if plan.source.mini else options.data,
        "protocol": plan.protocol,
        "fold": identity.fold,
        "seed": str(identity.seed),
        "devices": str(options.devices),
        "logger": options.logger,
        **({"model": options.model} if options.model else {}),
    }
    words = [word for name, value in named.items() for word in (f"--{name}", value)]
    allowed = ["--allow-random-weights"] if options.allow_random_weights else []
    return (sys.executable, "-u", "-m", "benchmark", "run", *words, *allowed, *options.overrides)


def names_of(text: str) -> list[str]:
    """The names in a list with commas or spaces."""
    return list(dict.fromkeys(name for name in re.split(r"[,\s]+", text) if name))


def seeds_of(text: str) -> list[int]:
    """The numbers in a list such as `0,1,2`, `0-4` or both.

    Raises:
        InputError: It is not one.
    """
    seeds: dict[int, None] = {}
    for part in names_of(text):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", part)
        if match is None or (match[2] and int(match[2]) < int(match[1])):
            raise InputError(f"no seeds: {part!r}", "--seeds", "write e.g. 0,1,2 or 0-4")
        seeds.update(dict.fromkeys(range(int(match[1]), int(match[2] or match[1]) + 1)))
    if not seeds:
        raise InputError("no seeds", "--seeds", "write e.g. 0,1,2 or 0-4")
    return list(seeds)


def _check(kind: str, names: Sequence[str], known: Collection[str]) -> None:
    for name in names:
        if name not in {*known, ALL}:
            raise InputError(f"no task of this sweep has a {kind} {name!r}", f"--{kind}s", did_you_mean(name, known))
