"""What watches a training: progress, the run's state, checkpoints to resume from, and a clean stop."""

import signal
import sys
import time
from types import FrameType
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
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

from benchmark.errors import Interrupted
from benchmark.records import RunFolder

HEARTBEAT_SECONDS = 5.0


class RunKeeper(Callback):
    """Keeps a run's state and its checkpoint, and ends it cleanly on Ctrl-C or SIGTERM.

    A first signal lets the present step end, saves a checkpoint and raises `Interrupted`; a second one stops at once.

    Args:
        folder: The run's folder.
        group: The run's group.
        every: Steps between two checkpoints.
    """

    def __init__(self, folder: RunFolder, group: str, every: int) -> None:
        self.folder, self.group, self.every = folder, group, every
        self.stop = False
        self._written = 0.0
        self._handlers: dict[int, Any] = {}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take over the signals."""
        for number in (signal.SIGINT, signal.SIGTERM):
            self._handlers[number] = signal.signal(number, self._request_stop)

    def _request_stop(self, number: int, frame: FrameType | None) -> None:
        self.stop = True
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
        if self.stop or step % self.every == 0:
            trainer.save_checkpoint(self.folder.checkpoint)
        if self.stop:
            raise Interrupted(f"stopped after step {step}", self.folder.path, "the same command resumes it")
        if trainer.is_global_zero and time.monotonic() - self._written > HEARTBEAT_SECONDS:
            self.folder.write_state("running", self.group, step)
            self._written = time.monotonic()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the last weights; give the signals back."""
        self._release()
        trainer.save_checkpoint(self.folder.checkpoint)

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Give the signals back."""
        self._release()


class ProgressLine(Callback):
    """A live bar with loss, rate and time left; ten plain lines where the output is no terminal."""

    def __init__(self) -> None:
        self.console = Console(file=sys.stderr)
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
        self._start("training", trainer.max_steps, self.first)

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
            self.console.print(f"training {step}/{total}  {note}  {(total - step) / rate:.0f} s left", highlight=False)

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
