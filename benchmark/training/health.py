"""Notices the step that breaks a training, says which clips it learnt from, and stops there or passes over it."""

import math
import sys
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytorch_lightning as pl
import torch
import torch.distributed as dist
from pytorch_lightning.callbacks import Callback
from rich.console import Console
from torch import Tensor, nn

from benchmark.errors import BenchmarkError
from benchmark.processes import is_first, this_process, whole_batch

LOOK_STEPS = 10  # of an accelerator, which each look waits for
CLIPS_SHOWN = 3
SKIPS_TOLD = 5
SKIPS_IN_A_ROW = 20
RUNNING = ("running_mean", "running_var")


class Step(NamedTuple):
    """What is remembered of a step until the next look.

    Attributes:
        number: Steps before it.
        clips: Places of this process's clips among the examples `(batch,)`.
        loss: This process's loss.
        bad: Whether the loss or the gradient is no number, in any process.
    """

    number: int
    clips: Tensor
    loss: Tensor
    bad: Tensor


class Health(Callback):
    """Stops a training whose loss or gradient is no number any more, or leaves that step out.

    On a CPU, and where steps are to be left out, every step is looked at before the optimiser takes it; on an
    accelerator several at once, and all of them before anything is saved. So what is saved is good.

    In 16-bit precision an infinite gradient is usual and left out by the gradient's scaler: there the loss decides.

    Attributes:
        skipped: Steps that were left out.
        evaluates: Whether the network was last used for other things than learning.

    Args:
        folder: The run's.
        on_bad_loss: What is done about a bad step.
    """

    def __init__(self, folder: Path, on_bad_loss: Literal["stop", "skip"]) -> None:
        self.folder, self.skips = folder, on_bad_loss == "skip"
        self.skipped, self.evaluates = 0, True
        self._in_a_row = 0
        self._steps: list[Step] = []
        self._before: dict[str, Tensor] = {}

    def state_dict(self) -> dict[str, Any]:
        """How many steps were left out."""
        return {"skipped": self.skipped}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Count on."""
        self.skipped = state_dict["skipped"]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Check what the training goes on from.

        Raises:
            BenchmarkError: It is no numbers.
        """
        if not _has_numbers(pl_module):
            what = f"the weights after step {trainer.global_step}, to go on from, are no usable numbers"
            raise BenchmarkError(what, self.folder, "start afresh with RESUME=no")

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Remember what the step is taken with."""
        self.evaluates, self._clips = False, batch["clip"]
        if self.skips:
            learnt = {name for name, weight in pl_module.named_parameters() if weight.requires_grad}
            state = pl_module.state_dict()
            self._before = {name: state[name].clone() for name in state.keys() - learnt}

    def on_before_backward(self, trainer: pl.Trainer, pl_module: pl.LightningModule, loss: Tensor) -> None:
        """Remember the loss."""
        self._loss = loss.detach()

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Look at the step, or remember it until several are looked at."""
        bad = ~self._loss.isfinite()
        if getattr(trainer.precision_plugin, "scaler", None) is None:
            gradients = [weight.grad for weight in pl_module.parameters() if weight.grad is not None]
            bad = bad | ~nn.utils.get_total_norm(gradients).isfinite().to(bad.device)
        if this_process().size > 1:
            flag = bad.float()
            dist.all_reduce(flag, op=dist.ReduceOp.MAX)
            bad = flag > 0
        self._steps.append(Step(trainer.global_step, self._clips, self._loss, bad))
        if self.skips:
            self._skip_if_bad(trainer, pl_module, optimizer)
        elif len(self._steps) >= steps_of_a_look(pl_module.device):
            self._look(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take note of it."""
        self.evaluates = True

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look before the best weights are saved."""
        self.evaluates = True
        self.check(trainer)

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take note of it."""
        self.evaluates = True

    def check(self, trainer: pl.Trainer) -> None:
        """Look at everything, before it is saved.

        Raises:
            BenchmarkError: A step was bad, or the weights are no numbers.
        """
        self._look(trainer)
        if not _has_numbers(trainer.lightning_module):
            what = f"the weights are no usable numbers after step {trainer.global_step}"
            raise BenchmarkError(what, self.folder, f"{_REMEDY}; the last checkpoint is kept")

    def _look(self, trainer: pl.Trainer) -> None:
        step = self._first_bad()
        if step is not None:
            remedy = f"look at them; {_REMEDY}; or go on without such steps: --trainer.on_bad_loss skip"
            raise BenchmarkError(_about(step, trainer), self.folder, remedy)

    def _first_bad(self) -> Step | None:
        steps, self._steps = self._steps, []
        bad = torch.stack([step.bad for step in steps]).tolist() if steps else []
        return next((step for step, is_bad in zip(steps, bad, strict=True) if is_bad), None)

    def _skip_if_bad(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Take the gradient away, without which an optimiser does nothing, and what the step did to statistics."""
        step = self._first_bad()
        if step is None:
            self._in_a_row = 0
            return
        optimizer.zero_grad(set_to_none=True)
        pl_module.load_state_dict(self._before, strict=False)
        self.skipped, self._in_a_row = self.skipped + 1, self._in_a_row + 1
        about = _about(step, trainer)
        if self._in_a_row == SKIPS_IN_A_ROW:
            raise BenchmarkError(f"{about}; it is the {SKIPS_IN_A_ROW}th such step in a row", self.folder, _REMEDY)
        if self.skipped <= SKIPS_TOLD and is_first():
            Console(file=sys.stderr).print(f"left out: {about}", highlight=False, markup=False, soft_wrap=True)


_REMEDY = "lower the learning rate or clip gradients (--trainer.gradient_clip_val)"


def steps_of_a_look(device: torch.device) -> int:
    """How many steps are looked at together."""
    return 1 if device.type == "cpu" else LOOK_STEPS


def _has_numbers(module: nn.Module) -> bool:
    """Whether all weights and running statistics are finite, also their squares."""
    running = [buffer for name, buffer in module.named_buffers() if name.endswith(RUNNING)]
    weights = [weight.detach() for weight in (*module.parameters(), *running)]
    return bool(nn.utils.get_total_norm(weights).isfinite())


def _about(step: Step, trainer: pl.Trainer) -> str:
    """What a step gave, and of which clips: those of the processes whose loss is bad, or else of all."""
    loss, clips = step.loss.cpu().reshape(1), step.clips.cpu()
    found = whole_batch(torch.where(loss.isfinite(), -1, clips))
    if not bool((found >= 0).any()):
        found = whole_batch(clips)
    losses = [value for value in whole_batch(loss).tolist() if not math.isfinite(value)]
    examples = trainer.datamodule.examples  # type: ignore[attr-defined]
    ids = list(dict.fromkeys(examples[clip].clip_id for clip in found.tolist() if clip >= 0))
    names = ", ".join(ids[:CLIPS_SHOWN]) + (f" and {len(ids) - CLIPS_SHOWN} more" if len(ids) > CLIPS_SHOWN else "")
    what = f"the loss is {losses[0]}" if losses else "the gradient is no number"
    return f"{what} in step {step.number + 1}, of the clips {names}"
