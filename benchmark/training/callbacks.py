"""What watches a training: progress, the run's state, checkpoints to resume from, and a clean stop."""

import math
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, Checkpoint, EarlyStopping, ModelCheckpoint
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from benchmark.errors import InputError, Interrupted
from benchmark.processes import any_of, is_first
from benchmark.records import RunFolder
from benchmark.settings import Selection
from benchmark.suggest import did_you_mean
from benchmark.training.health import Health

HEARTBEAT_SECONDS = 5.0
# What a terminal, a system that shuts down, and a cluster that wants its machine back send.
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)


class RunKeeper(Checkpoint):
    """Keeps a run's state and its checkpoint, and ends it cleanly on Ctrl-C, SIGTERM, SIGUSR1 or SIGUSR2.

    A first signal lets the present step end, saves a checkpoint and raises `Interrupted`; a second one stops at once.
    Where a validation follows a step, the checkpoint is saved after it, so that it knows what was the best.

    Args:
        folder: The run's folder.
        checkpoint: Where to save.
        every: Steps between two checkpoints.
        val_every: Steps between two validations, if there are any.
        seconds: Wall time of each part so far, kept by the runner.
        health: Asked before anything is saved.
    """

    def __init__(
        self,
        folder: RunFolder,
        checkpoint: Path,
        every: int,
        val_every: int | None,
        seconds: dict[str, float],
        health: Health,
    ) -> None:
        self.checkpoint, self.health = checkpoint, health
        self.folder, self.every, self.val_every, self.seconds = folder, every, val_every, seconds
        self.stop = self._asked = False
        self._beaten = self._began = self._before = 0.0
        self._handlers: dict[int, Any] = {}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take over the signals."""
        self._began, self._before = time.monotonic(), self.seconds.get("train", 0.0)
        for number in STOPS:
            self._handlers[number] = signal.signal(number, self._request_stop)

    def _request_stop(self, number: int, frame: FrameType | None) -> None:
        self._asked = True  # which the processes agree on after the step: `stop`
        self._release()

    def _release(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Heartbeat, checkpoint when due, stop when asked."""
        step = trainer.global_step
        self.stop = any_of(self._asked)
        self._beat(trainer)
        validates = self.val_every is not None and step % self.val_every == 0
        if not validates and (self.stop or step % self.every == 0):
            self._save(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save what the validation found."""
        self.stop = any_of(self._asked)
        self._save(trainer)

    def on_validation_batch_end(self, trainer: pl.Trainer, *args: Any, **kwargs: Any) -> None:
        """Heartbeat."""
        self._beat(trainer)

    def on_test_batch_end(self, trainer: pl.Trainer, *args: Any, **kwargs: Any) -> None:
        """Heartbeat."""
        self._beat(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the last weights; give the signals back."""
        self._release()
        self._save(trainer)

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Give the signals back."""
        self._release()

    def _beat(self, trainer: pl.Trainer) -> None:
        """Every few seconds: say that the run is alive."""
        if time.monotonic() - self._beaten < HEARTBEAT_SECONDS or not is_first():
            return
        self._measure(trainer)
        self.folder.write_state("running", trainer.global_step, self.seconds)
        self._beaten = time.monotonic()

    def _measure(self, trainer: pl.Trainer) -> None:
        if trainer.training:
            self.seconds["train"] = self._before + time.monotonic() - self._began

    def _save(self, trainer: pl.Trainer) -> None:
        """Replace the checkpoint at once, and stop here if that was asked for."""
        self.health.check(trainer)
        self._measure(trainer)
        trainer.save_checkpoint(self.checkpoint)
        if self.stop:
            where = f"stopped after step {trainer.global_step}"
            raise Interrupted(where, self.folder.path, "the same command resumes it")


class BestCheckpoint(ModelCheckpoint):
    """Keeps the weights with the best validation score, or with so many best ones.

    Of several, a file that is no longer among them is removed only at the next validation: until the run's own
    checkpoint has been saved, a killed run goes on from one that counts on it.

    Args:
        selection: Which score, and from which step on.
        checkpoint: Where to save.
    """

    def __init__(self, selection: Selection, checkpoint: Path) -> None:
        super().__init__(
            checkpoint.parent,
            checkpoint.stem if selection.average == 1 else f"{checkpoint.stem}-{{step}}",
            f"val/{selection.monitor}",
            mode=selection.mode,
            save_top_k=selection.average,
            save_weights_only=True,
            enable_version_counter=False,
        )
        self.start = selection.start
        self._outdone: list[str] = []

    @property
    def best_first(self) -> list[str]:
        """The files that it keeps, the best first, of equals the earlier one."""
        return sorted(self.best_k_models, key=lambda path: float(self.best_k_models[path]), reverse=self.mode == "max")

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the weights if they are among the best so far and count."""
        while self._outdone:
            super()._remove_checkpoint(trainer, self._outdone.pop())
        if trainer.global_step >= self.start:
            super().on_validation_end(trainer, pl_module)

    def _remove_checkpoint(self, trainer: pl.Trainer, filepath: str) -> None:
        self._outdone.append(filepath)


class TellSchedule(Callback):
    """Tells a schedule that follows validations what each has found, before any checkpoint is saved.

    Such a schedule has a `monitor`, and a method `validated` that gets its value: NaN where it is undefined.
    """

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Check that there are validations, where a schedule waits for them.

        Raises:
            InputError: There are none.
        """
        if self._schedules(trainer) and not trainer.limit_val_batches:
            raise InputError(
                "the schedule follows validations, and there are none", "scheduler", "set selection.monitor"
            )

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Tell.

        Raises:
            InputError: The schedule wants a score that there is not.
        """
        found = {name.removeprefix("val/"): value for name, value in trainer.callback_metrics.items()}
        for schedule in self._schedules(trainer):
            known = {*found, *getattr(pl_module, "scores", ())}  # an undefined score is not logged
            if schedule.monitor not in known:
                remedy = did_you_mean(schedule.monitor, known - {"train/loss"})
                raise InputError(f"{schedule.monitor!r} is no score", "scheduler.monitor", remedy)
            schedule.validated(float(found.get(schedule.monitor, math.nan)))

    @staticmethod
    def _schedules(trainer: pl.Trainer) -> list[Any]:
        schedules = [config.scheduler for config in trainer.lr_scheduler_configs]
        return [schedule for schedule in schedules if hasattr(schedule, "validated")]


class Patience(EarlyStopping):
    """Stops a training whose validation score has not risen for some validations.

    Args:
        selection: Which score, how long to wait, and from which step on.
    """

    def __init__(self, selection: Selection) -> None:
        assert selection.patience is not None
        super().__init__(
            f"val/{selection.monitor}", selection.min_delta, selection.patience, mode=selection.mode, verbose=False
        )
        self.start = selection.start

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop if it is time."""
        if trainer.global_step >= self.start:
            super().on_validation_end(trainer, pl_module)


class ProgressLine(Callback):
    """A live bar with loss, rate and time left; ten plain lines where the output is no terminal.

    Args:
        title: What is trained, for people.
    """

    def __init__(self, title: str = "training") -> None:
        self.title = title
        self.console = Console(file=sys.stderr, quiet=not is_first())
        self.bar: Progress | None = None
        self.task = TaskID(0)
        self.began = 0.0
        self.first = 0

    def _start(self, title: str, total: int, completed: int = 0) -> None:
        if self.console.is_terminal:
            columns = (
                MofNCompleteColumn(),
                TextColumn("{task.fields[note]}"),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
            )
            self.bar = Progress(TextColumn("{task.description}"), BarColumn(), *columns, console=self.console)
            self.bar.start()
            self.task = self.bar.add_task(title, total=total, completed=completed, note="")

    def _stop(self) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the bar."""
        self.began, self.first = time.monotonic(), trainer.global_step
        self._start(self.title, trainer.max_steps, self.first)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Advance."""
        step, total = trainer.global_step, trainer.max_steps
        if self.bar is None and step % max(total // 10, 1):
            return
        if self.bar is not None and step % 5 and step != total:
            return
        rate = (step - self.first) / (time.monotonic() - self.began)
        note = f"loss {float(trainer.callback_metrics['train/loss']):.3f}  {rate:.1f} steps/s"
        if self.bar is not None:
            self.bar.update(self.task, completed=step, note=note)
        else:
            left = f"{(total - step) / rate:.0f} s left"
            self.console.print(f"{self.title} {step}/{total}  {note}  {left}", highlight=False)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Close the bar."""
        self._stop()

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the bar."""
        self._start("scoring", int(trainer.num_test_batches[0]))

    def on_test_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any, **kwargs: Any) -> None:
        """Advance."""
        if self.bar is not None:
            self.bar.advance(self.task)

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Close the bar."""
        self._stop()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Close the bar."""
        self._stop()
