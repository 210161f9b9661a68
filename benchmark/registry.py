"""The one registry of tasks: every package below `tasks/` whose `__init__` defines `TASK`.

Reading it imports neither torch nor any task's data code, so that `list` and `score` start at once.
"""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import tasks
from benchmark.errors import InputError
from benchmark.suggest import did_you_mean


@dataclass(frozen=True)
class Task:
    """What a task is, as data; its code is named by import path and loaded when it is needed.

    Attributes:
        name: Name on the command line, e.g. `bad`.
        title: One line for people.
        classes: Class names in the official order.
        main_score: Key of the score that ranks systems (larger is better).
        other_scores: Keys of the scores that tables show beside it; none: those that begin with the same word.
        chance: Main score on the mini variant of a system that has learnt nothing.
        mini_margin: How far above chance the default system must come on the mini variant; a test asserts it.
        protocols: Protocol name to its folds, the default protocol first.
        default_system: System that runs when none is named.
        datamodule: Import path of the `ClipDataModule` subclass.
        module: Import path of the `TaskModule` subclass.
        mini: Import path of the function `(folder, seed)` that writes the synthetic mini variant.
        mini_version: Changes when the mini variant does.
        scorer: Import path of the function `(reference, predictions, **options)` that scores official files; its
            keyword parameters are further files, which become options of the command line.
        rescorer: Import path of the `benchmark.predictions.Rescorer` by which runs are scored.
        licence: Licence of the data.
        citation: Who to cite for the data.
        url: The challenge's page.
        protocol_classes: Class names of the protocols whose classes are others.
        cluster: What clips of one cluster share, in a word: they were recorded together.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    main_score: str
    chance: float
    mini_margin: float
    protocols: Mapping[str, tuple[str, ...]]
    default_system: str
    datamodule: str
    module: str
    mini: str
    mini_version: int
    scorer: str
    rescorer: str
    licence: str
    citation: str
    url: str
    folder: Path = field(default=Path())
    other_scores: tuple[str, ...] = ()
    protocol_classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    cluster: str = "cluster"

    def classes_of(self, protocol: str) -> tuple[str, ...]:
        """Class names under a protocol, in the order of the outputs."""
        return self.protocol_classes.get(protocol, self.classes)

    def is_shown(self, key: str) -> bool:
        """Whether tables have a column for a score: the main score and those beside it, not those of single classes."""
        if key == self.main_score or self.other_scores:
            return key in (self.main_score, *self.other_scores)
        family, _, detail = key.partition("/")
        of_class = any(detail in self.classes_of(protocol) for protocol in self.protocols)
        return family in (self.main_score.partition("/")[0], "accuracy") and "/" not in detail and not of_class

    def load(self, part: str) -> Any:
        """The object that the attribute `part` names by import path (e.g. `load("datamodule")`)."""
        module, _, name = getattr(self, part).rpartition(".")
        return getattr(importlib.import_module(module), name)

    @property
    def systems(self) -> dict[str, Path]:
        """System name to its recipe file."""
        return {path.stem: path for path in sorted((self.folder / "systems").glob("*.yaml"))}

    @property
    def official_systems(self) -> list[str]:
        """The systems whose recipes say that they are the task's official baseline."""
        recipes = {name: path.read_text(encoding="utf-8") for name, path in self.systems.items()}
        return [name for name, text in recipes.items() if re.search(r"^official: *true\b", text, re.MULTILINE)]

    @property
    def score_options(self) -> tuple[str, ...]:
        """Names of the further files that the task's scorer can read."""
        parameters = inspect.signature(self.load("scorer")).parameters.values()
        return tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)

    def score_files(self, reference: Path, predictions: Path, **options: Path) -> dict[str, float | None]:
        """Scores of official files; the keys are those of the task's run records."""
        scorer: Callable[..., dict[str, float | None]] = self.load("scorer")
        return scorer(reference, predictions, **options)


@cache
def all_tasks() -> dict[str, Task]:
    """Every task by name."""
    found = {}
    for info in pkgutil.iter_modules(tasks.__path__):
        task: Task = importlib.import_module(f"tasks.{info.name}").TASK
        found[task.name] = task
    return found


def get_task(name: str) -> Task:
    """The task called `name`.

    Raises:
        InputError: There is no such task; the nearest name is suggested.
    """
    if name not in all_tasks():
        raise InputError(f"there is no task {name!r}", remedy=did_you_mean(name, all_tasks()))
    return all_tasks()[name]


def protocol_of(task: Task, name: str) -> str:
    """The task's protocol of this name, its first one if there is no name.

    Raises:
        InputError: There is no such protocol.
    """
    protocol = name or next(iter(task.protocols))
    if protocol not in task.protocols:
        raise InputError(
            f"task {task.name} has no protocol {protocol!r}", remedy=did_you_mean(protocol, task.protocols)
        )
    return protocol
