"""One training of a run: a recipe's parts on its data, from fresh or given weights to those that are scored."""

import math
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import CSVLogger, Logger
from pytorch_lightning.strategies import DDPStrategy

from benchmark.alive import repeating
from benchmark.checkpoints import WholeCheckpoints, save
from benchmark.data.datamodule import ClipDataModule, Labels
from benchmark.data.store_index import store_folder
from benchmark.devices import default_device
from benchmark.errors import BenchmarkError, InputError
from benchmark.mishaps import is_want_of_memory, out_of_memory, trouble_with_files
from benchmark.paths import cache_root
from benchmark.plan import Plan
from benchmark.postprocessing import FittedDecoder
from benchmark.processes import is_first, share, this_process
from benchmark.recipe import Recipe, Training
from benchmark.records import RunFolder, RunStatus
from benchmark.training.callbacks import BestCheckpoint, Patience, ProgressLine, RunKeeper, TellSchedule
from benchmark.training.health import Health
from benchmark.training.module import TaskModule
from benchmark.training.network import scored_weights
from benchmark.training.profile import FOLDER, StepProfiler

BEAT_SECONDS = 60.0


class Trained(NamedTuple):
    """What a training leaves for the next one, or for scoring."""

    recipe: Recipe
    module: TaskModule
    data: ClipDataModule


class Fitting:
    """Trains the recipes of a run one after the other; what an earlier session has finished is read, not repeated.

    Attributes:
        seconds: Wall time of `data`, `train` and `eval` so far.
        steps: Optimiser steps of all trainings so far.
        fast_path: What made the trainings fast, by name.
        skipped_steps: Steps that were left out.
        health: What watches the last training.
        trainer: The last training's.

    Args:
        plan: What the run is to do.
        fold: Its fold.
        folder: Its folder.
        resumed: Whether an earlier session has begun it.
        seconds: Wall time of earlier sessions.
    """

    def __init__(self, plan: Plan, fold: str, folder: RunFolder, resumed: bool, seconds: dict[str, float]) -> None:
        self.plan, self.fold, self.folder, self.resumed, self.seconds = plan, fold, folder, resumed, seconds
        self.trainer: pl.Trainer | None = None
        self.health: Health | None = None
        self.steps = self.skipped_steps = 0
        self.fast_path: list[str] = []
        self._data: ClipDataModule | None = None

    def say(self, status: RunStatus = "running", message: str = "") -> None:
        """Say how the run stands, and that it is alive."""
        step = self.trainer.global_step if self.trainer is not None else 0
        self.folder.write_state(status, step, self.seconds, message)

    def explain(self, error: BaseException) -> BenchmarkError | None:
        """What to tell of a failure that is the machine's; None for any other."""
        if is_want_of_memory(error) and self._data is not None:
            evaluates = self.health is None or self.health.evaluates
            return out_of_memory(error, self._data.settings, evaluates, this_process().size)
        if isinstance(error, OSError):
            return trouble_with_files(error, self.folder.path if self._data is None else self._data.store_path)
        return None

    @property
    def device(self) -> torch.device:
        """Where the last training computed, and before it, where it will."""
        if self.trainer is None:
            return default_device()
        return self.trainer.strategy.root_device

    def prepare(self, training: Training) -> Trained:
        """The parts of a training, with fresh weights, and its data."""
        plan, seed = self.plan, self.plan.options.seed
        drawn = training.seed(seed)
        pl.seed_everything(drawn, workers=True, verbose=False)
        recipe, classes = training.config.build(), plan.task.classes_of(plan.protocol)
        settings = recipe.data
        store = store_folder(cache_root(), plan.task.name, plan.source.root, settings.sample_rate, settings.mono)
        data: ClipDataModule = plan.task.load("datamodule")(
            plan.inventory, store, settings, plan.protocol, self.fold, seed, classes
        )
        self._data = data
        with self.timed("data"), repeating(self.say, BEAT_SECONDS):
            share(data.prepare_data)
        module: TaskModule = plan.task.load("module")(recipe, classes, drawn)
        return Trained(recipe, module, data)

    def train(
        self,
        training: Training,
        scored: Path,
        labels: Callable[[ClipDataModule], Labels] | None = None,
        start: Path | None = None,
        also: Sequence[Path] = (),
    ) -> Trained:
        """Train, unless the weights to score are there already.

        Args:
            training: What to train.
            scored: Where to keep the weights that are scored.
            labels: What it learns from, asked of the data if it is to be trained at all; None: the given labels.
            start: Weights to start from in place of fresh ones.
            also: Where to keep the best weights by each further monitor of its recipe.
        """
        recipe, module, data = self.prepare(training)
        saved = self._checkpoint("last", training)
        if all(map(is_whole, (scored, *also))) and saved.exists():
            data.setup()
            module.load_scored(scored)
            state = torch.load(saved, weights_only=True, map_location="cpu", mmap=True)
            skipped = state["callbacks"].get("Health", {"skipped": 0})["skipped"]
            self._count(state["global_step"], skipped, state["fast_path"])
            self.trainer = self._make_trainer(training, recipe, [], saved, module)
            return Trained(recipe, module, data)
        if labels is not None:
            with self.timed("data"):
                data.setup()
                data.labels = labels(data)
        if start is not None:
            _start_from(start, module, training)
        best = self._best_checkpoints(recipe, training)
        trainer = self.trainer = self._make_trainer(training, recipe, best, saved, module)
        module.beat = self.say
        resumes = self.resumed and saved.exists()
        with self.timed("train"):
            trainer.fit(
                module,
                datamodule=data,
                ckpt_path=saved if resumes else None,
                weights_only=True if resumes else None,
            )
        assert self.health is not None
        self._count(trainer.global_step, self.health.skipped, module.fast_path)
        for place, checkpoint in zip(also, best[1:], strict=True):
            self._keep_weights(module, checkpoint, place)
        self._keep_weights(module, best[0] if best else None, scored)
        return Trained(recipe, module, data)

    def _count(self, steps: int, skipped: int, fast_path: Sequence[str]) -> None:
        """Add a training to what the record says of all."""
        self.steps, self.skipped_steps = self.steps + steps, self.skipped_steps + skipped
        self.fast_path += [name for name in fast_path if name not in self.fast_path]

    def best_score(self, training: Training, place: int = 0) -> float:
        """The validation score that selected the weights of a finished training; NaN where none did.

        Args:
            training: Which.
            place: Place of the monitor among those of its recipe.
        """
        state = torch.load(self._checkpoint("last", training), weights_only=True, map_location="cpu", mmap=True)
        found = [kept["best_model_score"] for kept in state["callbacks"].values() if "best_model_score" in kept]
        return float(found[place]) if found else math.nan

    def forget(self, training: Training) -> None:
        """Delete the checkpoints of a training of which everything is kept elsewhere."""
        further = len(training.config.as_dict()["selection"]["also"])
        for name in ("last", "best", *(f"best{number}" for number in range(2, further + 2))):
            path = self._checkpoint(name, training)
            for kept in (path, *path.parent.glob(f"{path.stem}-step=*{path.suffix}")):
                kept.unlink(missing_ok=True)

    def _checkpoint(self, name: str, training: Training) -> Path:
        return self.folder.checkpoint(f"{name}-{training.name}" if training.name else name)

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Add the block's wall time to what earlier sessions of the run took."""
        before, began = self.seconds.get(part, 0.0), time.monotonic()
        try:
            yield
        finally:
            self.seconds[part] = before + time.monotonic() - began

    def _best_checkpoints(self, recipe: Recipe, training: Training) -> list[BestCheckpoint]:
        """What keeps the best weights by each monitor, where the recipe selects on a validation part."""
        selection = recipe.selection
        learns = {
            "selection.monitor": selection.monitor is not None,
            "postprocessing": training.is_last and isinstance(recipe.postprocessing, FittedDecoder),
        }
        for name in [name for name, needs_clips in learns.items() if needs_clips]:
            if not recipe.data.valid_fraction and training.stage.labels is None and not training.part:
                remedy = "hold one out, e.g. --data.valid_fraction 0.1"
                raise InputError(f"{name} needs a validation part", "data.valid_fraction", remedy)
        if selection.monitor is None:
            return []
        every = min(recipe.trainer.val_every, recipe.trainer.max_steps)
        if selection.start > recipe.trainer.max_steps // every * every:
            what = f"no validation counts: the last is before step {selection.start}"
            raise InputError(what, "selection.start", "lower it, or raise trainer.max_steps")
        return [
            BestCheckpoint(
                replace(selection, monitor=monitor, also=[]),
                self._checkpoint(f"best{number if number > 1 else ''}", training),
            )
            for number, monitor in enumerate(selection.monitors, 1)
        ]

    def _keep_weights(self, module: TaskModule, best: BestCheckpoint | None, scored: Path) -> None:
        """Give the module the weights to score, and keep exactly these for `predict`."""
        weights = [module.state_dict()]
        if best is not None:
            if not best.best_model_path:
                raise BenchmarkError(
                    "no validation took place", self.folder.path, "lower trainer.val_every or selection.start"
                )
            kept = [torch.load(path, weights_only=True, map_location="cpu", mmap=True) for path in best.best_first]
            weights = [state["state_dict"] for state in kept]
        share(lambda: save(scored, weights if len(weights) > 1 else weights[0]))
        module.load_scored(scored)

    def _make_trainer(
        self, training: Training, recipe: Recipe, best: Sequence[BestCheckpoint], saved: Path, module: TaskModule
    ) -> pl.Trainer:
        settings, selection, several = recipe.trainer, recipe.selection, this_process().size > 1
        val_every = min(settings.val_every, settings.max_steps) if best else None
        # Nothing reads such memory, and filling it takes an eighth of a step.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        health = self.health = Health(self.folder.path, settings.on_bad_loss)
        callbacks: list[Callback] = [ProgressLine(f"training {training.name}".strip()), health, TellSchedule(), *best]
        if best and selection.patience is not None:
            callbacks.append(Patience(selection))
        callbacks.append(RunKeeper(self.folder, saved, settings.checkpoint_every, val_every, self.seconds, health))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return pl.Trainer(
                max_steps=settings.max_steps,
                max_epochs=-1,
                val_check_interval=val_every,
                check_val_every_n_epoch=None,
                limit_val_batches=1.0 if best else 0,
                precision=settings.precision,
                gradient_clip_val=settings.gradient_clip_val,
                devices=self.plan.options.devices if several else 1,
                num_nodes=self.plan.options.nodes,
                strategy=DDPStrategy(find_unused_parameters=recipe.adaptation is not None) if several else "auto",
                sync_batchnorm=syncs_batchnorm(recipe),
                logger=self._loggers(training, module.n_parameters),
                callbacks=callbacks,
                plugins=[WholeCheckpoints()],
                profiler=StepProfiler(self.folder.path / FOLDER) if self._profiles(training) else None,
                enable_progress_bar=False,
                enable_model_summary=False,
                num_sanity_val_steps=0,
                use_distributed_sampler=False,
                deterministic="warn",
                log_every_n_steps=max(1, min(50, settings.max_steps // 10)),
            )

    def _profiles(self, training: Training) -> bool:
        return self.plan.options.profile and training.is_last and is_first()

    def about(self, parameters: int) -> dict[str, Any]:
        """The recipe and what the run is called, for dashboards.

        Args:
            parameters: Trainable parameters.
        """
        return {**self.plan.config.as_dict(), **self.plan.labels(self.fold), "parameters": parameters}

    def _loggers(self, training: Training, parameters: int) -> list[Logger]:
        folder = self.folder.path / "metrics" / training.name if training.name else self.folder.path
        if is_first():
            keep_earlier_metrics(folder)
        loggers: list[Logger] = [CSVLogger(folder, name="", version="")]
        if not training.is_last:
            return loggers
        if self.plan.options.logger == "wandb":
            from benchmark.wandb_log import wandb_logger

            loggers.append(wandb_logger(self.folder, self.about(parameters)))
        elif self.plan.options.logger == "tensorboard":
            from pytorch_lightning.loggers import TensorBoardLogger

            loggers.append(TensorBoardLogger(self.folder.path, name="", version="tensorboard"))
        return loggers


def syncs_batchnorm(recipe: Recipe) -> bool:
    """Whether the processes of a training share the statistics of their batches."""
    return recipe.trainer.sync_batchnorm and this_process().size > 1 and default_device().type == "cuda"


def is_whole(path: Path) -> bool:
    """Whether a file of weights or of arrays is there to its end, where both keep their list of contents."""
    return zipfile.is_zipfile(path)


def _start_from(path: Path, module: TaskModule, training: Training) -> None:
    """Take weights over from an earlier stage, whose loss, augmentations and adaptation may have been others.

    Raises:
        InputError: They are those of another network.
    """
    # What an earlier stage adapted against is no part of the network, and another adaptation starts afresh.
    state = {name: value for name, value in scored_weights(path)[0].items() if not name.startswith("adaptation.")}
    try:
        differing = [name for names in module.load_state_dict(state, strict=False) for name in names]
    except RuntimeError as error:
        raise _other_network(training) from error
    if not all(name.startswith(("loss.", "regularizers.", "augmentations.", "adaptation.")) for name in differing):
        raise _other_network(training)


def _other_network(training: Training) -> InputError:
    what = "the weights to go on from are those of another network"
    return InputError(what, f"training {training.name}", "take `start` out, or change no part of the network")


def keep_earlier_metrics(folder: Path) -> None:
    """Move what was logged before out of the way of the CSV logger, which starts a new file."""
    path = folder / "metrics.csv"
    if path.exists():
        path.rename(folder / f"metrics-{len(list(folder.glob('metrics-*.csv'))) + 1}.csv")
