"""What the recipes of all tasks use, so that everything that is measured is what somebody trains with."""

import importlib
import inspect
import json
import pkgutil
from collections.abc import Iterator
from typing import Any, NamedTuple

from torch import nn

import benchmark.backbones
from benchmark.frontends import LogMel
from benchmark.frontends.log_mel import Engine
from benchmark.recipe import load_recipe
from benchmark.registry import Task, all_tasks
from benchmark.training.module import TaskModule
from benchmark.weights import random_weights_allowed
from benchmark.yaml_files import parse_yaml


class Preset(NamedTuple):
    """Settings of a spectrogram that recipes use.

    Attributes:
        kind: Its class.
        settings: Its arguments.
        systems: `task/system` of the recipes.
    """

    kind: type[LogMel]
    settings: dict[str, Any]
    systems: list[str]

    def build(self, engine: Engine) -> LogMel:
        """A front end."""
        return self.kind(**self.settings, engine=engine)

    @property
    def all_settings(self) -> dict[str, Any]:
        """The arguments of a `LogMel`, those that were not given too, without the engine."""
        parameters = inspect.signature(LogMel).parameters.values()
        found = {one.name: one.default for one in parameters if one.name != "engine"} | self.settings
        found["f_max"] = found["f_max"] or found["sample_rate"] / 2
        found["win_length"] = found["win_length"] or found["n_fft"]
        return found

    @property
    def name(self) -> str:
        """The settings in words."""
        built = self.build("torch")
        rate, bands = f"{built.sample_rate / 1000:g} kHz", f"{built.n_mels} bands"
        return f"{self.kind.__name__}, {rate}, {built.n_fft} / {built.hop_length}, {bands}"


class Used(NamedTuple):
    """A backbone and a recipe that uses it.

    Attributes:
        name: Class name of the backbone, with those of the networks inside it.
        task: The recipe's task.
        system: The recipe's name.
        member: The member of it that has the backbone; empty where there are none.
    """

    name: str
    task: Task
    system: str
    member: str

    def build(self) -> TaskModule:
        """The network of the recipe, with random weights."""
        trainings = load_recipe(self.task, self.system).trainings()
        training = next(one for one in trainings if one.member == self.member)
        with random_weights_allowed():
            module: TaskModule = self.task.load("module")(training.config.build(), self.task.classes)
        return module


def presets() -> list[Preset]:
    """The distinct spectrograms of all recipes, in the order of tasks and systems."""
    found: dict[str, Preset] = {}
    for task, system, content in _recipes():
        for part in _parts(content):
            kind = _class(part["class_path"])
            if not issubclass(kind, LogMel):
                continue
            settings = part.get("init_args") or {}
            key = json.dumps([part["class_path"], settings], sort_keys=True)
            systems = found.setdefault(key, Preset(kind, settings, [])).systems
            if (name := f"{task.name}/{system}") not in systems:
                systems.append(name)
    return list(found.values())


def used_backbones() -> tuple[list[Used], list[str]]:
    """Each backbone with the first recipe that uses it by itself, and the names of those that none uses."""
    found: dict[str, Used] = {}
    inside: set[str] = set()
    for task, system, content in _recipes():
        members = content.get("members") or {"": {}}
        for member, changes in members.items():
            part = (changes or {}).get("backbone") or {}
            whole = part if "class_path" in part else content["backbone"]
            kinds = [_class(one["class_path"]) for one in _parts(whole)]
            ours = [kind.__name__ for kind in kinds if kind.__module__.startswith(benchmark.backbones.__name__)]
            networks = list(dict.fromkeys(ours))
            inside.update(networks)
            label = f"{networks[0]} ({', '.join(networks[1:])})" if networks[1:] else networks[0]
            found.setdefault(networks[0], Used(label, task, system, member))
    return list(found.values()), sorted(_networks() - inside)


def _networks() -> set[str]:
    """Names of all backbones: classes of `benchmark.backbones` that say what they take."""
    found = set()
    for info in pkgutil.iter_modules(benchmark.backbones.__path__, "benchmark.backbones."):
        module = importlib.import_module(info.name)
        for name, kind in inspect.getmembers(module, inspect.isclass):
            if kind.__module__ == info.name and issubclass(kind, nn.Module) and not name.startswith("_"):
                found |= {name} if hasattr(kind, "input") else set()
    return found


def _recipes() -> Iterator[tuple[Task, str, dict[str, Any]]]:
    for task in all_tasks().values():
        for system, path in task.systems.items():
            content = parse_yaml(path.read_text(encoding="utf-8"))
            content.pop("mini", None)
            yield task, system, content


def _parts(value: Any) -> Iterator[dict[str, Any]]:
    """Everything that names a class, outside in."""
    if isinstance(value, dict):
        if "class_path" in value:
            yield value
        for one in value.values():
            yield from _parts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _parts(one)


def _class(path: str) -> type:
    module, _, name = path.rpartition(".")
    found = getattr(importlib.import_module(module), name)
    return found if isinstance(found, type) else type(None)
