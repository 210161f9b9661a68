"""Recipe + data + seed -> run record: trains and scores one system, fold by fold."""

import logging
import os
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping, ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger, Logger, WandbLogger

from benchmark import records
from benchmark.data.datamodule import ClipDataModule, Inventory, data_store
from benchmark.errors import BenchmarkError, InputError, Interrupted
from benchmark.paths import cache_root, data_root, runs_root
from benchmark.recipe import RecipeConfig, fingerprint, load_recipe
from benchmark.records import RunFolder, RunRecord
from benchmark.registry import Task, get_task
from benchmark.suggest import did_you_mean
from benchmark.training.callbacks import ProgressLine, RunKeeper
from benchmark.training.module import TaskModule

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
        devices: Devices (CPU processes without a GPU) on this machine.
        nodes: Machines.
        logger: Where metrics are logged beside the CSV file.
        resume: `auto` continues an interrupted run of the same recipe, `no` starts afresh, else the run to continue.
        model: Import path of the user's own model.
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
    overrides: Sequence[str] = ()


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
    group: str = field(init=False)

    def __post_init__(self) -> None:
        recipe = {k: v for k, v in self.config.as_dict().items() if k not in ("mini", "title", "citation")}
        self.group = fingerprint(
            self.task.name, self.system, recipe, self.variant, self.inventory.fingerprint, self.protocol
        )

    @property
    def variant(self) -> str:
        """What the data is."""
        return "mini" if self.source.mini else self.inventory.variant


def resolve_data(task: Task, choice: str) -> Source:
    """The data that `auto`, `mini`, `full` or a folder means for `task`; writes the mini variant if it is needed.

    Raises:
        InputError: `full` was asked for and is not there, or the folder does not exist.
    """
    if choice == "mini":
        return Source(write_mini(task), True, "synthetic, asked for")
    if choice == "full":
        return Source(data_root(), False, f"official data at {data_root()}")
    if choice != "auto":
        return Source(Path(choice), False, f"the folder {choice}")
    try:
        inventory: Inventory = task.load("datamodule").take_stock(data_root(), "stop")
    except InputError:
        return Source(
            write_mini(task),
            True,
            f"synthetic: no official data at {data_root()}; see: python -m benchmark data status {task.name}",
        )
    if inventory.variant != "full":
        return Source(
            write_mini(task),
            True,
            f"synthetic: {data_root()} holds {inventory.variant} data; DATA={data_root()} takes it all the same",
        )
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


def make_plan(options: RunOptions) -> Plan:
    """Resolve and check everything that can be checked before work begins.

    Raises:
        InputError: Unknown task, system, protocol, fold or key; missing or wrong data.
    """
    task = get_task(options.task)
    system = options.system or task.default_system
    protocol = options.protocol or next(iter(task.protocols))
    if protocol not in task.protocols:
        raise InputError(
            f"task {task.name} has no protocol {protocol!r}", remedy=did_you_mean(protocol, task.protocols)
        )
    folds = task.protocols[protocol]
    if options.fold and options.fold not in (*folds, "all"):
        raise InputError(
            f"protocol {protocol} has no fold {options.fold!r}", remedy=did_you_mean(options.fold, (*folds, "all"))
        )
    source = resolve_data(task, options.data)
    config = load_recipe(task, system, source.mini, options.model, options.overrides)
    inventory = task.load("datamodule").take_stock(source.root, config.as_dict()["data"]["on_error"])
    if options.fold not in ("", "all"):
        folds = (options.fold,)
    elif source.mini and not options.fold:
        folds = folds[:1]
    name = system if options.model is None else options.model.rpartition(".")[2]
    return Plan(task, name, config, source, inventory, protocol, tuple(folds), options)


class Run:
    """One training and its evaluation: one fold, one seed, one record."""

    def __init__(self, plan: Plan, fold: str) -> None:
        self.plan, self.fold, self.options = plan, fold, plan.options
        pl.seed_everything(self.options.seed, workers=True, verbose=False)
        self.recipe = plan.config.build()
        self.folder, self.resumed = self._folder()
        self.seconds: dict[str, float] = {}
        self.trainer: pl.Trainer | None = None

    def _folder(self) -> tuple[RunFolder, bool]:
        plan, seed = self.plan, self.options.seed
        root = runs_root()
        if self.options.resume not in ("auto", "no"):
            folder = RunFolder(Path(self.options.resume))
            if not folder.checkpoint.exists():
                raise InputError(
                    "this run left no checkpoint to resume from", folder.path, "start afresh with RESUME=no"
                )
            if records.read_json(folder.path / "state.json")["group"] != plan.group:
                raise InputError(
                    "this run had another recipe, data or protocol",
                    folder.path,
                    "repeat its command, or start afresh with RESUME=no",
                )
            return folder, True
        if self.options.resume == "auto":
            folder_or_none = records.find_interrupted(root, plan.task.name, plan.system, plan.group, self.fold, seed)
            if folder_or_none is not None:
                return folder_or_none, True
        return RunFolder.create(root, plan.task.name, plan.system, self.fold, seed), False

    def execute(self) -> RunRecord:
        """Train, score, and leave the record; the state says how it ended."""
        self.folder.write_state("running", self.plan.group, 0)
        records.write_text(self.folder.path / "config.yaml", self._header() + self.plan.config.as_yaml())
        try:
            record = self._train_and_score()
        except (KeyboardInterrupt, SystemExit, Interrupted) as error:  # Lightning turns Ctrl-C into SystemExit
            self.folder.write_state("interrupted", self.plan.group, self._step(), str(error))
            if isinstance(error, Interrupted):
                raise
            raise Interrupted("stopped", self.folder.path, "the same command resumes it") from error
        except OSError as error:
            self._fail(error)
            raise records.unwritable(Path(error.filename or self.folder.path), error) from error
        except BaseException as error:
            self._fail(error)
            raise
        finally:
            for logger in self.trainer.loggers if self.trainer else []:
                if isinstance(logger, WandbLogger):
                    logger.experiment.finish()
        self.folder.write_state("finished", self.plan.group, record.steps)
        return record

    def _fail(self, error: BaseException) -> None:
        try:
            self.folder.write_state("failed", self.plan.group, self._step(), f"{type(error).__name__}: {error}")
        except BenchmarkError:
            logging.getLogger(__name__).warning("the run's state could not be written")

    def _step(self) -> int:
        return self.trainer.global_step if self.trainer is not None else 0

    def _header(self) -> str:
        plan, options = self.plan, self.options
        lines = {
            "task": plan.task.name,
            "system": plan.system,
            "protocol": plan.protocol,
            "fold": self.fold,
            "seed": options.seed,
            "data": plan.source.root,
        }
        return "".join(f"# {key}: {value}\n" for key, value in lines.items())

    def _train_and_score(self) -> RunRecord:
        plan, recipe = self.plan, self.recipe
        data: ClipDataModule = plan.task.load("datamodule")(
            plan.inventory,
            data_store(cache_root(), plan.task.name, plan.source.root, recipe.data),
            recipe.data,
            plan.protocol,
            self.fold,
            self.options.seed,
        )
        with self._timed("data"):
            data.prepare_data()
        module: TaskModule = plan.task.load("module")(recipe, plan.task.classes, self.options.seed)
        parameters, macs = module.count()
        trainer, best = self._trainer(parameters)
        self.trainer = trainer
        with self._timed("train"):
            trainer.fit(
                module,
                datamodule=data,
                ckpt_path=self.folder.checkpoint if self.resumed else None,
                weights_only=True if self.resumed else None,
            )
        if best is not None and best.best_model_path:
            module.load_state_dict(
                torch.load(best.best_model_path, weights_only=True, map_location="cpu")["state_dict"]
            )
        steps = trainer.global_step
        with self._timed("eval"):
            trainer.test(module, datamodule=data, verbose=False)
        record = self._record(data, module, parameters, macs, steps, trainer.strategy.root_device)
        self._leave(data, module, record, trainer.loggers)
        return record

    @contextmanager
    def _timed(self, part: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.seconds[part] = time.monotonic() - began

    def _trainer(self, parameters: int) -> tuple[pl.Trainer, ModelCheckpoint | None]:
        settings, selection = self.recipe.trainer, self.recipe.selection
        callbacks: list[Callback] = [RunKeeper(self.folder, self.plan.group, settings.checkpoint_every), ProgressLine()]
        best = None
        if selection.monitor is not None:
            if not self.recipe.data.valid_fraction:
                raise InputError(
                    "selection.monitor needs a validation part",
                    "data.valid_fraction",
                    "hold one out, e.g. --data.valid_fraction 0.1",
                )
            key = f"val/{selection.monitor}"
            best = ModelCheckpoint(
                self.folder.path / "checkpoints", "best", key, mode=selection.mode, save_weights_only=True
            )
            callbacks.append(best)
            if selection.patience is not None:
                callbacks.append(EarlyStopping(key, mode=selection.mode, patience=selection.patience))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trainer = pl.Trainer(
                max_steps=settings.max_steps,
                max_epochs=-1,
                val_check_interval=min(settings.val_every, settings.max_steps) if best else None,
                check_val_every_n_epoch=None,
                limit_val_batches=1.0 if best else 0,
                precision=settings.precision,
                gradient_clip_val=settings.gradient_clip_val,
                devices=self.options.devices,
                num_nodes=self.options.nodes,
                logger=self._loggers(parameters),
                callbacks=callbacks,
                enable_progress_bar=False,
                enable_model_summary=False,
                enable_checkpointing=best is not None,
                num_sanity_val_steps=0,
                use_distributed_sampler=False,
                deterministic="warn",
                log_every_n_steps=min(10, settings.max_steps),
            )
        return trainer, best

    def _loggers(self, parameters: int) -> list[Logger]:
        loggers: list[Logger] = [CSVLogger(self.folder.path, name="", version="")]
        config = {**self.plan.config.as_dict(), **self._identity(), "parameters": parameters}
        if self.options.logger == "wandb":
            from benchmark.wandb_log import wandb_logger

            loggers.append(wandb_logger(self.folder, self.plan.group, config))
        elif self.options.logger == "tensorboard":
            from pytorch_lightning.loggers import TensorBoardLogger

            loggers.append(TensorBoardLogger(self.folder.path, name="", version="tensorboard"))
        return loggers

    def _identity(self) -> dict[str, Any]:
        plan = self.plan
        return {
            "task": plan.task.name,
            "system": plan.system,
            "variant": plan.variant,
            "protocol": plan.protocol,
            "fold": self.fold,
            "seed": self.options.seed,
        }

    def _record(
        self, data: ClipDataModule, module: TaskModule, parameters: int, macs: int, steps: int, device: torch.device
    ) -> RunRecord:
        plan = self.plan
        coverage = round(1 - len(data.skipped) / plan.inventory.listed, 6)
        complete = coverage == 1 or plan.variant != "full"
        return RunRecord(
            **self._identity() | {"variant": plan.variant if complete else f"partial:{coverage:.4f}"},
            id=self.folder.id,
            group=plan.group,
            selection="validation" if self.recipe.selection.monitor else "last",
            precision=self.recipe.trainer.precision,
            engine=module.engine_on(device.type),
            fast_path=["channels_last"] if self.recipe.trainer.channels_last else [],
            parameters=parameters,
            macs=macs,
            device=_device_name(device),
            seconds={part: round(value, 2) for part, value in self.seconds.items()},
            steps=steps,
            coverage=coverage,
            skipped=data.skipped,
            dataset_fingerprint=plan.inventory.fingerprint,
            commit=records.commit(),
            versions=records.versions(),
            scores=module.scores,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def _leave(self, data: ClipDataModule, module: TaskModule, record: RunRecord, loggers: Sequence[Logger]) -> None:
        """Predictions, submission, picture, and last of all the record."""
        table = module.table
        assert table is not None
        clip_ids = np.array(data.clip_ids)[table.clip]
        groups = data.groups[table.clip]
        np.savez_compressed(
            self.folder.path / "predictions.npz",
            clip_id=clip_ids,
            group=groups,
            target=table.target,
            probabilities=table.probability,
        )
        data.write_submission(self.folder.path / "submission.csv", clip_ids.tolist(), table.probability)
        picture = self.folder.path / "scores.png"
        module.plot(
            picture, table, groups.tolist(), f"{record.task} / {record.system} / {record.fold} ({record.variant})"
        )
        for logger in loggers:
            if isinstance(logger, WandbLogger):
                logger.log_image("scores", [str(picture)])
        self.folder.finish(record)


def quiet() -> None:
    """Silence what the libraries say about themselves; the suite says what matters."""
    for name in ("pytorch_lightning", "lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning|lightning_fabric|torch")


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu ({torch.get_num_threads()} threads)"
