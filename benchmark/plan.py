"""What a run is to do: its options, the data they mean, and the recipe, resolved and checked before work begins."""

import importlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from textwrap import shorten
from typing import Any, Literal

from benchmark import records
from benchmark.data.classes import class_places
from benchmark.data.datamodule import Inventory
from benchmark.devices import check_devices
from benchmark.errors import InputError
from benchmark.paths import cache_root, data_root
from benchmark.recipe import Recipe, RecipeConfig, fingerprint, load_recipe
from benchmark.records import Identity
from benchmark.registry import Task, get_task, protocol_of
from benchmark.suggest import did_you_mean

LoggerName = Literal["csv", "wandb", "tensorboard"]


@dataclass
class RunOptions:
    """What the command line says about a run, beside the recipe.

    Attributes:
        task: Name of the task.
        system: Name of the recipe; empty for the task's default.
        data: `auto`, `mini`, `full` or a folder.
        protocol: Name of the protocol; empty for the task's default.
        fold: One fold, or `all`; empty for all folds, and on the mini variant for the first.
        seed: Seed of weights, shuffles and augmentation.
        devices: Devices (CPU processes without a GPU) on each machine: they share the batches of one training or, in a
            system of several, its trainings.
        nodes: Machines.
        logger: Where metrics are logged beside the CSV file.
        resume: `auto` continues an interrupted run of the same recipe, `no` starts afresh, else the run to continue.
        model: Import path of the user's own model.
        allow_random_weights: Whether a part may start from random weights where its pretrained ones are not there.
        scale: Share of the system's steps, folds and turns that is done, to try it.
        profile: Whether the last training's first steps are timed and traced.
        overrides: Recipe keys from the command line.
    """

    task: str
    system: str = ""
    data: str = "auto"
    protocol: str = ""
    fold: str = ""
    seed: int = 0
    devices: int = 1
    nodes: int = 1
    logger: LoggerName = "csv"
    resume: str = "auto"
    model: str | None = None
    allow_random_weights: bool = False
    scale: float = 1.0
    profile: bool = False
    overrides: Sequence[str] = ()

    def __post_init__(self) -> None:
        if self.scale != 1 and "--trainer.scale" not in self.overrides:
            self.overrides = [*self.overrides, "--trainer.scale", str(self.scale)]


@dataclass(frozen=True)
class Source:
    """Where the data comes from, whether it is the mini variant, and why."""

    root: Path
    mini: bool
    reason: str


@dataclass
class Plan:
    """A run's settings, resolved: one recipe on one data set under one protocol."""

    task: Task
    system: str
    config: RecipeConfig
    source: Source
    inventory: Inventory
    protocol: str
    folds: tuple[str, ...]
    options: RunOptions
    scale: float
    group: str = field(init=False)

    def __post_init__(self) -> None:
        code = user_code(self.options.model) if self.options.model else ""
        data = (self.variant, self.inventory.fingerprint, self.protocol)
        recipe, random = self.config.identity(), self.options.allow_random_weights
        self.group = fingerprint(self.task.name, self.system, recipe, code, random, *data)

    @property
    def work(self) -> dict[str, Identity]:
        """What makes each fold's run the same work as another."""
        return {fold: Identity(self.group, fold, self.options.seed) for fold in self.folds}

    def labels(self, fold: str) -> dict[str, Any]:
        """What a run of this plan is called, in records and logs."""
        return {
            "task": self.task.name,
            "system": self.system,
            "variant": self.variant,
            "protocol": self.protocol,
            "fold": fold,
            "seed": self.options.seed,
        }

    @property
    def overrides(self) -> list[str]:
        """What the command line changed of the recipe."""
        return [*(["--model", self.options.model] if self.options.model else []), *self.options.overrides]

    @property
    def variant(self) -> str:
        """What the data is."""
        return "mini" if self.source.mini else self.inventory.variant


def resolve_data(task: Task, choice: str, protocol: str, subsets: Sequence[str] = ()) -> Source:
    """The data that `auto`, `mini`, `full` or a folder means for `task`; writes the mini variant if it is needed.

    Raises:
        InputError: `full` was asked for and is not there, or the folder does not exist.
    """
    if choice == "mini":
        return Source(write_mini(task), True, "synthetic, asked for")
    if choice not in ("auto", "full"):
        return Source(Path(choice), False, f"the folder {choice}")
    try:
        module = task.load("datamodule")
        inventory: Inventory = module.take_stock(data_root(), "stop", protocol, subsets)
        whole = inventory.variant == "full" or (module.may_be_partial and inventory.variant.startswith("partial:"))
        if not whole or not inventory.examples:
            remedy = f"DATA={data_root()} takes it all the same"
            raise InputError(f"{data_root()} holds {inventory.variant} data, not the official", remedy=remedy)
    except InputError as error:
        if choice == "full":
            raise
        reason = shorten(str(error).splitlines()[0], 100, placeholder=" …")
        return Source(write_mini(task), True, f"synthetic, because: {reason}")
    return Source(data_root(), False, f"official data at {data_root()}")


def write_mini(task: Task) -> Path:
    """The folder of the task's mini variant, written on first use and never half."""
    folder = cache_root() / "mini" / f"{task.name}-v{task.mini_version}"
    if folder.is_dir():
        return folder
    fresh = folder.with_name(f"{folder.name}.{os.getpid()}")
    try:
        task.load("mini")(fresh)
        fresh.rename(folder)
    except OSError as error:
        if not folder.is_dir():
            raise records.unwritable(fresh, error) from error
    return folder


def check_overrides(words: Sequence[str]) -> None:
    """Whether the command line's further words are keys of the recipe.

    Raises:
        InputError: One is not.
    """
    keys = {field.name for field in fields(Recipe)}
    for word in words:
        name = word.removeprefix("--").split("=")[0].split(".")[0]
        if word.startswith("--") and name not in keys:
            known = keys | {field.name for field in fields(RunOptions)}
            raise InputError(f"unknown option {word!r}", "command line", did_you_mean(name, known))


def make_plan(options: RunOptions) -> Plan:
    """Resolve and check everything that can be checked before work begins.

    Raises:
        InputError: Unknown task, system, protocol, fold or key; missing or wrong data.
    """
    task = get_task(options.task)
    system = options.system or task.default_system
    config = load_recipe(task, system, False, options.model, options.overrides)
    stated = config.as_dict()
    if options.nodes > 1 and len(config.trainings()) > 1:
        what = "a system of several trainings does them side by side on one machine"
        raise InputError(what, "NODES", "run with NODES=1 and as many DEVICES as the machine has")
    check_devices(options.devices)
    for training in config.trainings():
        _check_data_settings(task, training.config.as_dict()["data"])
    protocol = protocol_of(task, options.protocol or stated["protocol"] or "")
    folds = task.protocols[protocol]
    _check_classes(config, task.classes_of(protocol))
    if options.fold and options.fold not in (*folds, "all"):
        raise InputError(
            f"protocol {protocol} has no fold {options.fold!r}", remedy=did_you_mean(options.fold, (*folds, "all"))
        )
    subsets = _subsets(config)
    source = resolve_data(task, options.data, protocol, subsets)
    if source.mini:
        config = load_recipe(task, system, True, options.model, options.overrides)
    inventory = task.load("datamodule").take_stock(source.root, stated["data"]["on_error"], protocol, subsets)
    if options.fold not in ("", "all"):
        folds = (options.fold,)
    elif source.mini and not options.fold:
        folds = folds[:1]
    plain = load_recipe(task, system, source.mini, options.model) if options.overrides else config
    scale = round(_steps(config) / _steps(plain), 6)
    return Plan(task, options.model or system, config, source, inventory, protocol, tuple(folds), options, scale)


def _steps(config: RecipeConfig) -> int:
    """Optimiser steps of all trainings."""
    return sum(training.config.as_dict()["trainer"]["max_steps"] for training in config.trainings())


def _subsets(config: RecipeConfig) -> list[str]:
    """Further parts of the data that any training of the system learns from."""
    every = [name for training in config.trainings() for name in training.config.as_dict()["data"]["subsets"]]
    return list(dict.fromkeys(every))


def _check_data_settings(task: Task, settings: Mapping[str, Any]) -> None:
    """Whether the task has the subsets and the label rule that the recipe asks for."""
    module = task.load("datamodule")
    for key, names, known in (
        ("subsets", settings["subsets"], module.subsets),
        ("labels", [settings["labels"]] if settings["labels"] else [], module.label_rules),
    ):
        for name in names:
            if name not in known:
                remedy = did_you_mean(name, known) if known else f"take data.{key} out"
                raise InputError(f"task {task.name} has no {name!r}", f"data.{key}", remedy)


def _check_classes(config: RecipeConfig, classes: Sequence[str]) -> None:
    """Whether there are the classes that networks learn, and what such networks need."""
    fused = config.as_dict()["fusion"] is not None
    for training in config.trainings():
        stated = training.config.as_dict()
        learnt, with_class = stated["data"]["classes"], stated["data"]["with_class"]
        class_places([*learnt, *([with_class] if with_class else [])], classes, "data.classes, data.with_class")
        if not learnt:
            continue
        if not {stated["selection"]["monitor"], *stated["selection"]["also"]} <= {None, "loss"}:
            what = f"a network of the classes {', '.join(learnt)} alone has no validation score but its loss"
            raise InputError(what, "selection.monitor", "take loss")
        if training.is_last and not fused:
            what = f"a network learns the classes {', '.join(learnt)} alone, and nothing joins it with others"
            raise InputError(what, "fusion", "name one, e.g. benchmark.fusion.hierarchy.HierarchicalGate")


def user_code(model: str) -> str:
    """The source of the file that defines the user's class: another network under the same name is another system."""
    module = importlib.import_module(model.rpartition(".")[0])
    return Path(module.__file__).read_text(encoding="utf-8") if module.__file__ else ""
