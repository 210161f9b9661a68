"""Tiny systems: networks of a few weights with any members, stages and fusion, and what a run of them left."""

import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
import yaml
from helpers import read_records
from torch.nn import functional as F

from benchmark.cli import main
from benchmark.fusion.base import Fusion
from benchmark.paths import runs_root
from benchmark.recipe import merge
from benchmark.registry import get_task
from benchmark.training import callbacks
from benchmark.training.labels import LabelSource

BAD, SED, UST = get_task("bad"), get_task("sed"), get_task("ust")
NEAR = {"sample_rate": 16000, "clip_seconds": 0.8, "hop_seconds": 0.5, "drop_rest": True}
# Two networks that hear audio of other rates in other windows, one also in overlapping ones without the rest.
MEMBERS = {"near": {"data": NEAR, "frontend": {"init_args": {"sample_rate": 16000}}}, "far": {}}


SMALL = {
    "bad": ("logistic-regression", {"data": {"clip_seconds": 1, "batch_size": 4, "eval_batch_size": 64}}),
    "sed": (
        "baseline-crnn",
        {
            "data": {"clip_seconds": 2, "batch_size": 4, "valid_fraction": 0.0, "subsets": []},
            "backbone": {"init_args": {"channels": [4, 4, 4], "hidden": 4}},
            "selection": {"monitor": None},
            "postprocessing": {"init_args": {"threshold": 0.25, "frames": 3}},
            "stages": [],
        },
    ),
    "ust": (
        "cnn4",
        {
            "data": {"clip_seconds": 1, "batch_size": 4, "eval_batch_size": 64},
            "backbone": {"class_path": "benchmark.backbones.Frames"},
            "head": {"class_path": "benchmark.heads.GlobalMeanPool"},
        },
    ),
}


def install(patch, folder, task=BAD):
    """A system `tiny` of a task; gives a function that writes it with other keys."""
    (folder / "systems").mkdir(parents=True, exist_ok=True)
    (folder / "published.csv").write_bytes((task.folder / "published.csv").read_bytes())
    register(patch, folder, task)
    base, small = SMALL[task.name]

    def write(**keys):
        content = yaml.safe_load(task.systems[base].read_text())
        content = merge(content, small | {"scheduler": None, "trainer": {"max_steps": 3, "val_every": 1}})
        content["mini"] = {}
        (folder / "systems" / "tiny.yaml").write_text(yaml.safe_dump(merge(content, keys), sort_keys=False))

    write()
    return write


def register(patch, folder, task=BAD):
    """Let the task's systems be those in a folder."""
    there = replace(task, folder=folder)
    patch.setattr("benchmark.registry.all_tasks", lambda: {task.name: there})


def run(*words, task="bad"):
    """The exit code of a run on mini data."""
    return main(["run", "--task", task, "--system", "tiny", "--data", "mini", *words])


def stop(what, step, *words):
    """Run and stop after a step of a training, as Ctrl-C does; the exit code."""
    original = callbacks.RunKeeper.on_train_batch_end

    def stop_then(self, trainer, *args):
        if (self.checkpoint.stem, trainer.global_step) == (f"last-{what}", step):
            os.kill(os.getpid(), signal.SIGINT)
        original(self, trainer, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(callbacks.RunKeeper, "on_train_batch_end", stop_then)
        return run(*words)


def watch(patch):
    """A list that fills with the steps that are taken, as (training, step)."""
    steps = []
    original = callbacks.RunKeeper.on_train_batch_end

    def watched(self, trainer, *args):
        steps.append((self.checkpoint.stem.removeprefix("last-"), trainer.global_step))
        original(self, trainer, *args)

    patch.setattr(callbacks.RunKeeper, "on_train_batch_end", watched)
    return steps


def newest():
    """What the newest finished run left: folder, record, predictions, artifacts by name, weights and tables of them."""
    record = read_records(runs_root())[-1]
    folder = runs_root() / record.task / record.system / record.id
    return left_in(folder, record)


def left_in(folder, record=None):
    """What a run has left in its folder."""
    files = {path.stem[:-13] + path.suffix: path for path in sorted((folder / "artifacts").iterdir())}
    there = folder / "predictions.npz"
    return SimpleNamespace(
        folder=folder,
        record=record,
        files=files,
        weights={name[:-5]: torch.load(path) for name, path in files.items() if name.endswith(".ckpt")},
        tables={name[:-4]: dict(np.load(path)) for name, path in files.items() if name.endswith(".npz")},
        predictions=dict(np.load(there)) if there.exists() else None,
        config=Path(folder / "config.yaml").read_text(),
    )


class Thirds(Fusion):
    """A fusion that keeps what it is fitted on, and weighs two members 1 to 2."""

    def __init__(self, first: float = 1 / 3) -> None:
        self.first, self.learnt = first, {}

    def fit(self, probability, target, weight):
        self.learnt = {"probability": probability, "target": target, "weight": weight}

    def __call__(self, probability):
        return self.first * probability[0] + (1 - self.first) * probability[1]


class WeightedBCE(torch.nn.Module):
    """A weighted loss that keeps the targets and weights that it was given in training."""

    weighted = True
    seen: list = []  # noqa: RUF012

    def forward(self, logits, target, weight):
        if self.training:
            self.seen.append(torch.cat([target, weight[:, None]], dim=1))
        return (F.binary_cross_entropy_with_logits(logits, target, reduction="none") * weight[:, None]).mean()


class Half(torch.nn.BCEWithLogitsLoss):
    """Half the loss, by a share that is kept with the weights."""

    def __init__(self):
        super().__init__()
        self.register_buffer("share", torch.tensor(0.5))

    def forward(self, logits, target):
        return self.share * super().forward(logits, target)


class Layer(torch.nn.Module):
    """A backbone that has weights: five dimensions of a clip's statistics."""

    input = "features"

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(120, 5)

    def forward(self, x):
        return self.layer(x.mean((1, 2))).tanh()


class MixReversed(torch.nn.Module):
    """Three quarters of each example and a quarter of the one at the same place from the end."""

    domain = "features"

    def forward(self, x, lengths, target):
        return x.lerp(x.flip(0), 0.25), torch.maximum(lengths, lengths.flip(0)), target.lerp(target.flip(0), 0.25)


class Counting(pl.LightningModule):
    """Its weight grows by 1 a step."""

    def __init__(self, monitor, values):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.monitor, self.values = monitor, iter(values)

    def training_step(self, batch, index):
        return -self.weight

    def validation_step(self, batch, index):
        self.log(self.monitor, next(self.values))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=1.0)


def validate_four_times(callback, values):
    """Train a model whose weight is the step, with validations of these values at the steps 10 to 40.

    Args:
        callback: What watches, by `callback.monitor`, a validation score.
        values: What is found.
    """
    trainer = pl.Trainer(
        max_steps=40,
        val_check_interval=10,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        accelerator="cpu",
        logger=False,
        callbacks=[callback],
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    loader = torch.utils.data.DataLoader(torch.zeros(10, 1))
    model = Counting(callback.monitor, values)
    trainer.fit(model, loader, torch.utils.data.DataLoader(torch.zeros(1, 1)))


class HeldOutTags(LabelSource):
    """Targets are the held-out probabilities where there are any; keeps those."""

    of_member = False
    seen: list = []  # noqa: RUF012

    def __init__(self, weight: float = 1.0) -> None:
        self.weight = weight

    def relabel(self, before):
        probability, given = torch.from_numpy(before.held_out()).float(), before.data.given
        self.seen.append(probability)
        known = ~probability.isnan()
        targets = torch.where(known, probability, given.targets)
        weights = torch.where(known.all(dim=1), self.weight, given.weights)
        return replace(given, targets=targets, weights=weights)


class OwnTags(HeldOutTags):
    """The same, for each member by itself."""

    of_member = True


def kill_often(folder, kills, seed):
    """Start runs and kill them at random moments, compare those that end, and say how many there were.

    Every start is a fork of this process, which has imported everything and computed nothing.

    Args:
        folder: Where everything lies.
        kills: How many starts to kill.
        seed: Seed of the moments.
    """
    patch, generator = pytest.MonkeyPatch(), np.random.default_rng(seed)
    install(patch, folder / "bad")(
        members=MEMBERS,
        trainer={"max_steps": 6, "val_every": 2, "checkpoint_every": 1},
        stages=[
            {"name": "one", "folds": 2, "changes": {"selection": {"monitor": "auc"}}},
            {
                "name": "two",
                "folds": 2,
                "start": "previous",
                "labels": {"class_path": "tiny_systems.HeldOutTags"},
                "repeat": 2,
            },
        ],
        fusion={"class_path": "tiny_systems.Thirds"},
    )
    whole, took = _ended(patch, folder / "undisturbed")
    done = attempts = compared = 0
    while done < kills or not compared:
        patch.setenv("DCASE_BENCH_RUNS", str(folder / f"killed-{compared}"))
        began, child = time.monotonic(), _start(folder)
        moment = began + generator.uniform(0.1, 0.55) * took
        while (ended := os.waitpid(child, os.WNOHANG))[0] == 0 and (time.monotonic() < moment or done == kills):
            time.sleep(0.01)
        attempts += 1
        if ended[0] == 0:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            done += 1
            continue
        assert os.waitstatus_to_exitcode(ended[1]) == 0, (folder / "said").read_text()[-2000:]
        found = newest()
        np.testing.assert_allclose(found.predictions["probabilities"], whole.predictions["probabilities"], atol=1e-5)
        assert found.record.scores == pytest.approx(whole.record.scores, abs=1e-5)
        assert found.record.steps == whole.record.steps
        compared += 1
    said = f"{done} kills of {attempts} starts; {compared} runs ended as the undisturbed one, which took {took:.1f} s"
    sys.stdout.write(said + "\n")


def _ended(patch, runs):
    """What an undisturbed run left, and how long it took once the data were there."""
    for name in (f"{runs}-first", str(runs)):
        patch.setenv("DCASE_BENCH_RUNS", name)
        began = time.monotonic()
        _, status = os.waitpid(_start(runs.parent), 0)
        assert os.waitstatus_to_exitcode(status) == 0, (runs.parent / "said").read_text()[-2000:]
    return newest(), time.monotonic() - began


def _start(folder):
    """Fork a process that runs the system; its id."""
    child = os.fork()
    if child:
        return child
    with (folder / "said").open("w") as said:
        for stream in (1, 2):
            os.dup2(said.fileno(), stream)
        code = 1
        try:
            code = run()
        finally:
            os._exit(code)
