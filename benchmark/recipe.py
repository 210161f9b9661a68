"""A system's recipe: one YAML file, typed and validated by jsonargparse, with command-line overrides.

Parts are named by import path (`class_path` / `init_args`). Unknown keys are errors that name the nearest valid one.
"""

import copy
import hashlib
import inspect
import json
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from jsonargparse import ArgumentParser, Namespace
from torch import nn

from benchmark.data.settings import DataSettings
from benchmark.errors import InputError
from benchmark.explain import errors_of_parts, explained
from benchmark.fusion.base import Fusion
from benchmark.postprocessing import ClassDecision, EventDecoder
from benchmark.registry import Task
from benchmark.settings import Changes, Selection, Stage, TrainerSettings, check_name, check_scale
from benchmark.suggest import did_you_mean
from benchmark.training.adversarial import Adaptation
from benchmark.yaml_files import parse_yaml

OutputName = Literal["clips", "frames"]
OUTPUTS: tuple[OutputName, ...] = ("clips", "frames")


@dataclass
class Recipe:
    """One system on one task.

    Attributes:
        title: One line for people.
        citation: Paper or repository that the recipe follows.
        parameters: Trainable parameters; a test compares them with the built model. Null for a user's own.
        data: How waveforms are cut and batched.
        transforms: Feature transforms in order, in training and evaluation (normalisation, wrapping).
        augmentations: Random changes of waveforms or features, in training only.
        backbone: Features (or the waveform) to a feature map, a sequence or a vector.
        head: Called with (dim, n_classes); its result makes clip logits of what the backbone gives.
        loss: Called with (logits, target).
        adaptation: Takes the place of the loss in training, where not all training clips are of the domain that has
            labels; null: they are.
        regularizers: Called with the network, its input and the clip logits that it gave; added to the loss.
        optimizer: Called with the parameters.
        frontend: Waveform to time-frequency features; null where the backbone takes the waveform.
        scheduler: Called with the optimiser; stepped after every optimiser step.
        trainer: Length and precision of the training.
        selection: Which weights are scored.
        postprocessing: What makes decisions of probabilities: of clips (classes) or of frames (events).
        members: Networks of the system, by name: keys of the recipe that are different in each; none: one.
        stages: What is trained one after the other; the last stage is scored. None: the recipe as it is.
        fusion: What makes one prediction of those of the last stage's members; null: their mean.
        outputs: Which of the predictions of its network count there: those of clips, of frames, or both.
        protocol: Protocol that the source's figures are for, where it is not the task's first.
        external_data: Whether the system has seen other data than the task's (subtask 1C; pretrained weights).
        official: Whether this is the task's official baseline.
        mini: Keys that shrink on the mini variant.
    """

    title: str
    citation: str
    parameters: int | None
    data: DataSettings
    backbone: nn.Module
    head: Callable[[int, int], nn.Module]
    loss: nn.Module
    optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
    frontend: nn.Module | None = None
    scheduler: Callable[[torch.optim.Optimizer], torch.optim.lr_scheduler.LRScheduler] | None = None
    transforms: list[nn.Module] = field(default_factory=list)
    augmentations: list[nn.Module] = field(default_factory=list)
    adaptation: Adaptation | None = None
    regularizers: list[nn.Module] = field(default_factory=list)
    trainer: TrainerSettings = field(default_factory=TrainerSettings)
    selection: Selection = field(default_factory=Selection)
    postprocessing: ClassDecision | EventDecoder | None = None
    members: dict[str, Changes | None] = field(default_factory=dict)
    stages: list[Stage] = field(default_factory=list)
    fusion: Fusion | None = None
    outputs: list[OutputName] = field(default_factory=lambda: list(OUTPUTS))
    protocol: str | None = None
    external_data: bool = False
    official: bool = False
    mini: Changes = field(default_factory=dict)


DESCRIPTION = ("title", "citation", "parameters", "official", "external_data", "protocol", "mini")
CHANGEABLE = {
    "data": ("eval_batch_size", "cache_features", "resident"),
    "trainer": ("on_bad_loss", "channels_last", "fused", "compile"),
}
WHOLE = ("members", "stages", "fusion")
USER_HEAD = {"class_path": "benchmark.heads.GlobalMeanPool"}


class RecipeConfig:
    """A validated recipe that can be shown, hashed, saved and built."""

    def __init__(self, namespace: Namespace, parser: ArgumentParser, overrides: Sequence[str]) -> None:
        self._namespace = namespace
        self._parser = parser
        self._overrides = overrides

    @classmethod
    def parse(cls, content: dict[str, Any], source: object, overrides: Sequence[str] = ()) -> "RecipeConfig":
        """Validate the mapping `content`, read from `source`, with command-line `overrides`.

        Raises:
            InputError: An unknown key, an unknown class or a value of the wrong type.
        """
        parser = ArgumentParser(prog="benchmark run", exit_on_error=False, allow_abbrev=False)
        parser.add_class_arguments(Recipe)
        place = source
        try:
            namespace = parser.parse_object(content)
            if overrides:
                place = "command line: " + " ".join(overrides)
                namespace = parser.parse_args(list(overrides), namespace=namespace)
        except Exception as error:  # jsonargparse raises ArgumentError, TypeError and others for bad input
            raise explained(error, Recipe, place) from error
        return cls(namespace, parser, overrides)

    def as_dict(self) -> dict[str, Any]:
        """The complete recipe as plain values."""
        return copy.deepcopy(self._plain)

    @cached_property
    def _plain(self) -> dict[str, Any]:
        return _plain_value(self._namespace)  # type: ignore[no-any-return]

    def as_yaml(self) -> str:
        """The complete recipe as YAML; parsing it again gives the same recipe."""
        return str(self._parser.dump(self._namespace, skip_unset=False))

    def identity(self) -> dict[str, Any]:
        """What a system computes: the keys that differ from their defaults, without those that only describe it.

        Nor does it say what only makes it faster, or what a stopped run may go on with when it has failed: smaller
        batches that nothing is learnt from, and bad steps left out.
        """
        stated = parse_yaml(str(self._parser.dump(self._namespace, skip_default=True)))
        for part, names in CHANGEABLE.items():
            for name in names:
                stated.get(part, {}).pop(name, None)
        return {key: value for key, value in stated.items() if key not in DESCRIPTION and value != {}}

    def build(self) -> Recipe:
        """New instances of all parts, drawn from torch's global random state."""
        with errors_of_parts():
            return Recipe(**vars(self._parser.instantiate(self._namespace)))

    def build_fusion(self) -> Fusion | None:
        """A new instance of the fusion alone."""
        parser = ArgumentParser(exit_on_error=False)
        parser.add_argument("--fusion", type=Fusion | None)
        with errors_of_parts():
            fusion: Fusion | None = parser.instantiate(parser.parse_object({"fusion": self._plain["fusion"]})).fusion
        return fusion

    def trainings(self) -> list["Training"]:
        """The trainings of the system in order; those of the last stage are scored.

        Each is the recipe with the stage's changes, then the member's, and with the command line's again.

        Raises:
            InputError: Two stages have one name, a member is unknown, a stage needs something that the one before does
                not leave, or a change is wrong.
        """
        return list(self._trainings)

    @cached_property
    def _trainings(self) -> list["Training"]:
        content = self.as_dict()
        members, stages = content.pop("members") or {"": {}}, content.pop("stages")
        fusion = content.pop("fusion")
        scale = content["trainer"]["scale"]
        check_scale(scale)
        if not stages and list(members) == [""] and fusion is None:
            if content["selection"]["also"]:
                what = "a recipe without stages keeps the weights of one monitor"
                raise InputError(what, "selection.also", "take it out, or give the recipe a stage")
            _check_outputs([content["outputs"]], False)
            return [Training("", "", 0, (0, 0), Stage("whole"), None, _scaled(self, scale), True)]
        for name in members:
            check_name("member", name or "whole")
        places = {name: place for place, name in enumerate(members)}
        built = [_stage(stage) for stage in stages] or [Stage("train")]
        _check_stages(built, members)
        last, found = built[-1], []
        if fusion is not None and last.keep == "best" and last.labels is not None and not last.has_own_labels:
            what = f"the fusion would learn from the labels of another turn of {last.name} than those that are kept"
            raise InputError(what, "stages, fusion", "take keep: best out, or the fusion")
        for number, stage in enumerate(built):
            configs, plain = {}, stages[number] if stages else {"changes": {}, "labels": None}
            for member in stage.members or members:
                changed = merge(merge(content, plain["changes"] or {}), members[member] or {})
                place = f"stage {stage.name}, member {member}" if member else f"stage {stage.name}"
                if whole := [key for key in WHOLE if key in changed]:
                    raise InputError(f"{whole[0]} cannot change", place, "they are of the whole recipe")
                configs[member] = _scaled(RecipeConfig.parse(changed, place, _of_one(self._overrides)), scale)
                if stage.keep == "best" and configs[member].as_dict()["selection"]["monitor"] is None:
                    raise InputError("no score says which turn is the best", place, "set selection.monitor")
            turns = _turns(stage, scale)
            stage.folds = stage.folds and max(2, round(stage.folds * scale))
            for turn, name in enumerate(turns):
                is_last = number == len(built) - 1 and (stage.keep == "best" or turn == len(turns) - 1)
                found += [
                    Training(name, member, part, (places[member], turn), stage, plain["labels"], config, is_last)
                    for member, config in configs.items()
                    for part in (range(1, stage.folds + 1) if stage.folds else [0])
                ]
        _check_outputs([training.outputs for training in found if training.is_last], fusion is not None)
        return found


class Training(NamedTuple):
    """One training.

    Attributes:
        turn: Its stage's name, with the number of the turn where the stage is repeated; empty without stages.
        member: Its member's name; empty where there is one.
        part: The part that it leaves out, from 1; 0 where the training part is not divided.
        draw: Its member's place in the recipe and the number of the turn of its stage, both from 0.
        stage: Its stage.
        labels: What its stage's label source is, in plain values; None: the given labels.
        config: Its recipe.
        is_last: Whether its network is scored, or may be: where the best of its stage's turns counts.
    """

    turn: str
    member: str
    part: int
    draw: tuple[int, int]
    stage: Stage
    labels: Any
    config: RecipeConfig
    is_last: bool

    @property
    def name(self) -> str:
        """Names its files."""
        return ".".join(part for part in (self.turn, self.member, f"part{self.part}" if self.part else "") if part)

    def seed(self, seed: int) -> int:
        """Seed of its weights and augmentations in a run with this seed: like members and turns draw other ones."""
        return int(np.random.SeedSequence([seed, *self.draw]).generate_state(1)[0]) if any(self.draw) else seed

    @property
    def outputs(self) -> list[str]:
        """Which of its network's predictions count: of `clips`, of `frames`."""
        return self.config.as_dict()["outputs"]  # type: ignore[no-any-return]


def _plain_value(value: Any) -> Any:
    """What YAML would give back: lists and dictionaries for tuples and namespaces, functions by import path."""
    value = vars(value) if isinstance(value, Namespace) else value
    if isinstance(value, dict):
        return {name: _plain_value(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain_value(one) for one in value]
    return f"{value.__module__}.{value.__qualname__}" if inspect.isfunction(value) else value


def _of_one(overrides: Sequence[str]) -> list[str]:
    """The words of the command line that concern one training, not the recipe as a whole."""
    kept, concerns = [], True
    for word in overrides:
        if word.startswith("--"):
            concerns = re.split(r"[.=]", word[2:], maxsplit=1)[0] not in WHOLE
        kept += [word] if concerns else []
    return kept


def _turns(stage: Stage, scale: float) -> list[str]:
    """Names of the turns of a stage."""
    turns = max(1, round(stage.repeat * scale))
    return [stage.name] if turns == 1 else [f"{stage.name}-{turn}" for turn in range(1, turns + 1)]


def _scaled(config: RecipeConfig, scale: float) -> RecipeConfig:
    """A recipe whose training takes a share of its steps, at least 2; its schedule runs through its whole course."""
    if scale == 1:
        return config
    content = config.as_dict()
    trainer, selection, whole = content["trainer"], content["selection"], content["trainer"]["max_steps"]
    reached = selection["start"] <= whole // min(trainer["val_every"], whole) * trainer["val_every"]
    for name, least in (("max_steps", min(2, whole)), ("val_every", 1), ("checkpoint_every", 1)):
        trainer[name] = max(least, round(trainer[name] * scale))
    trainer["scale"] = trainer["max_steps"] / whole
    selection["start"] = int(selection["start"] * scale)
    if reached:  # by rounding, the last validation may have come to lie before it
        every = min(trainer["val_every"], trainer["max_steps"])
        selection["start"] = min(selection["start"], trainer["max_steps"] // every * every)
    return RecipeConfig.parse(content, f"scale {scale}")


def _check_stages(stages: Sequence[Stage], members: Collection[str]) -> None:
    for names in ([stage.name for stage in stages], [turn for stage in stages for turn in _turns(stage, 1)]):
        if len(set(names)) < len(names):
            raise InputError(f"two of the stages {', '.join(names)} have one name", "stages", "name their files apart")
    if stages[0].labels is not None:
        what = f"there is no stage before {stages[0].name} to label its clips"
        raise InputError(what, "stages", "take its labels out")
    if stages[0].start is not None:
        raise InputError(f"there is no stage before {stages[0].name} to start from", "stages", "take its start out")
    for stage in stages:
        for member in stage.members:
            if member not in members:
                raise InputError(f"there is no member {member!r}", f"stage {stage.name}", did_you_mean(member, members))
    for before, stage in pairwise(stages):
        known = set(stage.members or members) <= set(before.members or members)
        if stage.start == "previous" and not (known and stage.folds == before.folds):
            what = f"stage {stage.name} goes on from {before.name}, which has other members or folds"
            raise InputError(what, "stages", "give both the same")
        if stage.has_own_labels and not known:
            what = f"members of stage {stage.name} get labels of their own from {before.name}, which has other members"
            raise InputError(what, "stages", "give both the same members")


def _check_outputs(outputs: Sequence[Sequence[str]], fused: bool) -> None:
    for name in OUTPUTS:
        if not any(name in given for given in outputs):
            raise InputError(f"no member's predictions of {name} count", "outputs", f"add {name} to one of them")
    if fused and any(set(given) != set(OUTPUTS) for given in outputs):
        raise InputError("a fusion takes all predictions of every member", "outputs, fusion", "take one of them out")


def load_recipe(
    task: Task, system: str, mini: bool = False, model: str | None = None, overrides: Sequence[str] = ()
) -> RecipeConfig:
    """The recipe of `system`, changed by its `mini` block, the user's model and the command line, in this order.

    Args:
        task: The task.
        system: Name of a file in the task's `systems/`, without `.yaml`.
        mini: Whether to shrink the recipe as its `mini` block says.
        model: Import path of a user's own model, which replaces the backbone and gets a linear head.
        overrides: Command-line words such as `--trainer.max_steps 300`.

    Raises:
        InputError: Unknown system, key, class or value.
    """
    if system not in task.systems:
        raise InputError(f"task {task.name} has no system {system!r}", remedy=did_you_mean(system, task.systems))
    path = task.systems[system]
    place = str(path)
    content = parse_yaml(path.read_text(encoding="utf-8"))
    if mini:
        content = merge(content, content.get("mini", {}))
        for changes in _changes(content):
            changes |= merge(changes, changes.pop("mini", {}))
    if model is not None:
        for key in ("members", "fusion"):
            content.pop(key, None)
        for changes in _changes(content):
            for key in ("backbone", "head"):
                changes.pop(key, None)
        for stage in content.get("stages") or []:
            stage.pop("members", None)
        content = content | {"backbone": {"class_path": model}, "head": USER_HEAD}
        content |= {"title": f"the user's own {model}", "citation": "", "parameters": None, "official": False}
        place += f" with --model {model}"
    return RecipeConfig.parse(content, place, overrides)


def _changes(content: dict[str, Any]) -> list[dict[str, Any]]:
    """What the stages and the members of a recipe change, to be changed in place."""
    stages, members = content.get("stages") or [], content.get("members") or {}
    for stage in stages:
        stage["changes"] = stage.get("changes") or {}
    for name in members:
        members[name] = members[name] or {}
    return [stage["changes"] for stage in stages] + list(members.values())


def _stage(content: dict[str, Any]) -> Stage:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(Stage)
    return Stage(**vars(parser.instantiate(parser.parse_object(content))))


def fingerprint(*parts: Any) -> str:
    """Twelve hexadecimal digits that stand for plain values."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`base` with some keys changed, mapping by mapping; another class does not inherit the old one's arguments."""
    merged = dict(base)
    for key, value in changes.items():
        old = base.get(key)
        if (
            isinstance(value, dict)
            and isinstance(old, dict)
            and value.get("class_path") in (None, old.get("class_path"))
        ):
            merged[key] = merge(old, value)
        else:
            merged[key] = value
    return merged
