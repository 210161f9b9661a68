"""What `run --dry-run` prints: the trainings that a system takes, and about how long they take on this machine."""

import time
from itertools import groupby
from typing import NamedTuple

import torch
from rich import box
from rich.console import Console
from rich.table import Table

from benchmark.devices import default_device, device_name
from benchmark.plan import Plan
from benchmark.recipe import Training
from benchmark.training.module import TaskModule
from benchmark.weights import random_weights_allowed

CLIPS = 2  # that a step is timed on


class Effort(NamedTuple):
    """Some like trainings.

    Attributes:
        training: The first of them.
        number: How many.
        steps: Optimiser steps of each.
        seconds: Estimated time of each, in training steps alone.
        weights: Bytes of its network's weights.
    """

    training: Training
    number: int
    steps: int
    seconds: float
    weights: int


def estimate(plan: Plan) -> list[Effort]:
    """The trainings of one fold, those of one turn and member together."""
    efforts = []
    timed: dict[str, tuple[float, int]] = {}
    for _, group in groupby(plan.config.trainings(), key=lambda training: (training.turn, training.member)):
        trainings = list(group)
        settings = trainings[0].config.as_dict()
        name = f"{trainings[0].stage.name}.{trainings[0].member}"
        if name not in timed:
            timed[name] = _try_out(plan, trainings[0])
        steps = settings["trainer"]["max_steps"]
        per_clip, weights = timed[name]
        seconds = steps * settings["data"]["batch_size"] * per_clip
        efforts.append(Effort(trainings[0], len(trainings), steps, seconds, weights))
    return efforts


def _try_out(plan: Plan, training: Training) -> tuple[float, int]:
    """Seconds a clip of forward, backward and update on silence, the second time; and bytes of the weights."""
    device = default_device()
    with random_weights_allowed():
        module: TaskModule = plan.task.load("module")(training.config.build(), plan.task.classes_of(plan.protocol))
    module = module.to(device).train()
    silence = module.example_input().to(device)
    x = silence.expand(CLIPS, *silence.shape[1:]).contiguous()
    target = torch.zeros(CLIPS, len(module.classes), device=device)
    target[:, module.learnt[0]] = 1
    module.fit_loss(target)
    labels = module.labels_of(target)
    ones = torch.ones(CLIPS, device=device)
    optimizer = module.recipe.optimizer(p for p in module.parameters() if p.requires_grad)
    seconds = 0.0
    for _ in range(2):
        began = time.perf_counter()
        parts = module.loss_parts(x, ones, labels, ones)
        torch.stack(list(parts.values())).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds = time.perf_counter() - began
    return seconds / CLIPS, sum(tensor.nbytes for tensor in module.state_dict().values())


def print_plan(console: Console, plan: Plan) -> None:
    """Print what would be trained, and the estimate."""
    efforts = estimate(plan)
    table = Table(
        "stage", "member", "trainings", "steps each", "labels", "starts from", "about, in all", box=box.SIMPLE_HEAD
    )
    for training, number, steps, seconds, _ in efforts:
        source = training.labels["class_path"].rpartition(".")[2] if training.labels else "given"
        cells = (training.turn or "-", training.member or "-", str(number), f"{steps:,}", source)
        table.add_row(*cells, training.stage.start or "fresh weights", duration(number * seconds))
    console.print(table)
    total = sum(effort.number for effort in efforts)
    trainings = f"{total} training{'s' if total > 1 else ''}"
    folds = f" in each of {len(plan.folds)} folds" if len(plan.folds) > 1 else ""
    seconds = len(plan.folds) * sum(effort.number * effort.seconds for effort in efforts)
    where = device_name(default_device())
    console.print(
        f"{trainings}{folds}; about {duration(seconds)} of training steps on {where}, each timed once on "
        f"{CLIPS} clips, without front end, data and scoring",
        highlight=False,
        soft_wrap=True,
    )


def duration(seconds: float) -> str:
    """A time for people."""
    for unit, name in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.1f} {name}"
    return f"{seconds:.0f} s"
