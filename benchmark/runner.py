"""Recipe + data + seed -> run record: trains and scores one system, fold by fold."""

import logging
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping, ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger, Logger, WandbLogger

from benchmark import records
from benchmark.data.datamodule import ClipDataModule, data_store
from benchmark.errors import BenchmarkError, InputError, Interrupted
from benchmark.paths import cache_root, runs_root
from benchmark.plan import Plan
from benchmark.records import RunFolder, RunRecord
from benchmark.training.callbacks import ProgressLine, RunKeeper
from benchmark.training.module import TaskModule


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
        """The run's folder, and whether it is one to resume."""
        plan, seed, resume = self.plan, self.options.seed, self.options.resume
        root, names = runs_root(), (plan.task.name, plan.system)
        if resume == "auto":
            stopped = records.find_interrupted(root, *names, plan.group, self.fold, seed)
            if stopped is not None:
                return stopped, True
        elif resume != "no":
            return self._stopped_run(root, resume), True
        return RunFolder.create(root, *names, self.fold, seed), False

    def _stopped_run(self, root: Path, name: str) -> RunFolder:
        remedy = "repeat its command, or start afresh with RESUME=no"
        folder = RunFolder(records.find_runs(root, name, "state.json")[-1])
        if (folder.path / "record.json").exists():
            raise InputError("this run is finished", folder.path, "start afresh with RESUME=no")
        if not folder.checkpoint.exists():
            raise InputError("this run left no checkpoint to resume from", folder.path, remedy)
        if records.read_json(folder.path / "state.json")["group"] != self.plan.group:
            raise InputError("this run had another recipe, data or protocol", folder.path, remedy)
        return folder

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
