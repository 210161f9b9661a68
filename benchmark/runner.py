"""Recipe + data + seed -> run record: trains and scores one system, fold by fold."""

import dataclasses
import errno
import logging
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger, Logger, WandbLogger

from benchmark import records
from benchmark.data.datamodule import ClipDataModule
from benchmark.data.store import store_folder
from benchmark.errors import BenchmarkError, InputError, Interrupted
from benchmark.paths import cache_root, runs_root
from benchmark.plan import Plan
from benchmark.recipe import Recipe, Training
from benchmark.records import Identity, RunFolder, RunRecord, RunStatus
from benchmark.training.callbacks import BestCheckpoint, Patience, ProgressLine, RunKeeper
from benchmark.training.counting import count_parameters
from benchmark.training.labels import Predict
from benchmark.training.module import TaskModule
from benchmark.weights import random_weights_allowed

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)
SCORED = "scored"


class Trained(NamedTuple):
    """What a training leaves for the next one, or for scoring."""

    recipe: Recipe
    module: TaskModule
    data: ClipDataModule


class Run:
    """One training and its evaluation: one fold, one seed, one record."""

    def __init__(self, plan: Plan, fold: str) -> None:
        self.plan, self.fold, self.options = plan, fold, plan.options
        self.identity = Identity(plan.group, fold, plan.options.seed)
        self.folder, self.resumed = self._folder()
        self.seconds: dict[str, float] = self.folder.read_state()["seconds"] if self.resumed else {}
        self.trainer: pl.Trainer | None = None
        self.steps = 0

    def _folder(self) -> tuple[RunFolder, bool]:
        """The run's folder, and whether it is one to resume."""
        resume, root, names = self.options.resume, runs_root(), (self.plan.task.name, self.plan.system)
        if resume == "auto":
            stopped = records.find_run(root, *names, self.identity, finished=False)
            if stopped is not None:
                return stopped, True
        elif resume != "no":
            return self._stopped_run(root, resume), True
        return RunFolder.create(root, *names, self.identity), False

    def _stopped_run(self, root: Path, name: str) -> RunFolder:
        """The run that the user names, if it is this work and waits to be resumed."""
        paths = records.find_runs(root, name, "state.json")
        folder = RunFolder(paths[0], self.identity)
        state, expected = folder.read_state(), dataclasses.asdict(self.identity)
        differs = [key for key, value in expected.items() if state.get(key) != value]
        reasons = {
            "this is a group of several runs": len(paths) > 1,
            "this run is finished": (folder.path / "record.json").exists(),
            "this run goes on in another process": not records.is_stopped(state),
            "this run left no checkpoint": not folder.can_resume,
            f"this run had another {' and '.join(differs)}": bool(differs),
        }
        for reason, holds in reasons.items():
            if holds:
                raise InputError(reason, folder.path, "repeat the run's own command, or start afresh with RESUME=no")
        return folder

    def execute(self) -> RunRecord:
        """Train, score, and leave the record; the state says how it ended."""
        self._say("running")
        records.write_text(self.folder.path / "config.yaml", self._header() + self.plan.config.as_yaml())
        try:
            record = self._train_and_score()
        except (KeyboardInterrupt, SystemExit, Interrupted) as error:  # Lightning turns Ctrl-C into SystemExit
            self._say("interrupted", str(error))
            if isinstance(error, Interrupted):
                raise
            raise Interrupted("stopped", self.folder.path, "the same command resumes it") from error
        except OSError as error:
            self._fail(error)
            if error.errno in NO_ROOM:
                raise records.unwritable(Path(error.filename or self.folder.path), error) from error
            raise
        except BaseException as error:
            self._fail(error)
            raise
        finally:
            for logger in self.trainer.loggers if self.trainer else []:
                if isinstance(logger, WandbLogger):
                    logger.experiment.finish()
        return record

    def _say(self, status: RunStatus, message: str = "") -> None:
        step = self.trainer.global_step if self.trainer is not None else 0
        self.folder.write_state(status, step, self.seconds, message)

    def _device(self) -> torch.device:
        return self.trainer.strategy.root_device if self.trainer is not None else torch.device("cpu")

    def _fail(self, error: BaseException) -> None:
        try:
            self._say("failed", f"{type(error).__name__}: {error}")
        except BenchmarkError:
            logging.getLogger(__name__).warning("the run's state could not be written")

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
        before = None
        with random_weights_allowed() if self.options.allow_random_weights else nullcontext():
            for training in self.plan.config.trainings():
                before = self._train(training, before)
        assert before is not None
        recipe, module, data = before
        trainer = self.trainer
        assert trainer is not None
        parameters, macs = module.count()
        with self._timed("eval"):
            trainer.test(module, datamodule=data, verbose=False)
        record = self._record(recipe, data, module, parameters, macs, trainer.strategy.root_device)
        self._leave(data, module, record, trainer.loggers)
        return record

    def _train(self, training: Training, before: "Trained | None") -> "Trained":
        """One training; what an earlier session has finished is read, not repeated."""
        plan, last = self.plan, training.is_last
        pl.seed_everything(self.options.seed, workers=True, verbose=False)
        recipe = training.config.build()
        settings = recipe.data
        store = store_folder(cache_root(), plan.task.name, plan.source.root, settings.sample_rate, settings.mono)
        data: ClipDataModule = plan.task.load("datamodule")(
            plan.inventory, store, settings, plan.protocol, self.fold, self.options.seed
        )
        with self._timed("data"):
            data.prepare_data()
        module: TaskModule = plan.task.load("module")(recipe, plan.task.classes_of(plan.protocol), self.options.seed)
        scored = self.folder.checkpoint(SCORED if last else f"scored-{training.name}")
        suffix = f"-{training.name}" if training.name else ""
        saved = self.folder.checkpoint(f"last{suffix}")
        if not scored.exists() and training.labels is not None:
            assert before is not None, "the first stage has no labels to make"
            with self._timed("data"):
                predict = Predict(before.module, before.data, self._device(), lambda: self._say("running"))
                data.labels = training.labels.relabel(before.data, predict)
        if scored.exists():
            data.setup()
            module.load_state_dict(torch.load(scored, weights_only=True, map_location="cpu"))
            self.steps += torch.load(saved, weights_only=True, map_location="cpu", mmap=True)["global_step"]
            if last:
                self.trainer = self._make_trainer(training, recipe, None, saved, module)
            return Trained(recipe, module, data)
        best = self._best_checkpoint(recipe, training, f"best{suffix}")
        trainer = self.trainer = self._make_trainer(training, recipe, best, saved, module)
        resumes = self.resumed and saved.exists()
        with self._timed("train"):
            trainer.fit(
                module,
                datamodule=data,
                ckpt_path=saved if resumes else None,
                weights_only=True if resumes else None,
            )
        self.steps += trainer.global_step
        self._keep_scored_weights(module, best, scored)
        return Trained(recipe, module, data)

    @contextmanager
    def _timed(self, part: str) -> Iterator[None]:
        """Add the block's wall time to what earlier sessions of the run took."""
        before, began = self.seconds.get(part, 0.0), time.monotonic()
        yield
        self.seconds[part] = before + time.monotonic() - began

    def _best_checkpoint(self, recipe: Recipe, training: Training, name: str) -> ModelCheckpoint | None:
        """What keeps the best weights, where the recipe selects on a validation part."""
        selection = recipe.selection
        if selection.monitor is None:
            return None
        if not recipe.data.valid_fraction and training.labels is None:
            remedy = "hold one out, e.g. --data.valid_fraction 0.1"
            raise InputError("selection.monitor needs a validation part", "data.valid_fraction", remedy)
        every = min(recipe.trainer.val_every, recipe.trainer.max_steps)
        if selection.start > recipe.trainer.max_steps // every * every:
            what = f"no validation counts: the last is before step {selection.start}"
            raise InputError(what, "selection.start", "lower it, or raise trainer.max_steps")
        folder = self.folder.checkpoint(name).parent
        return BestCheckpoint(selection, folder, name)

    def _keep_scored_weights(self, module: TaskModule, best: ModelCheckpoint | None, scored: Path) -> None:
        """Give the module the weights to score, and keep exactly these for `predict`."""
        if best is not None:
            if not best.best_model_path:
                raise BenchmarkError(
                    "no validation took place", self.folder.path, "lower trainer.val_every or selection.start"
                )
            state = torch.load(best.best_model_path, weights_only=True, map_location="cpu")
            module.load_state_dict(state["state_dict"])
        fresh = scored.with_suffix(".part")
        torch.save(module.state_dict(), fresh)
        fresh.replace(scored)

    def _make_trainer(
        self, training: Training, recipe: Recipe, best: ModelCheckpoint | None, saved: Path, module: TaskModule
    ) -> pl.Trainer:
        settings, selection = recipe.trainer, recipe.selection
        val_every = min(settings.val_every, settings.max_steps) if best else None
        callbacks: list[Callback] = [ProgressLine(f"training {training.name}".strip())]
        if best is not None:
            callbacks.append(best)
            if selection.patience is not None:
                callbacks.append(Patience(selection))
        callbacks.append(RunKeeper(self.folder, saved, settings.checkpoint_every, val_every, self.seconds))
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
                devices=1,
                logger=self._loggers(training, count_parameters(module)),
                callbacks=callbacks,
                enable_progress_bar=False,
                enable_model_summary=False,
                num_sanity_val_steps=0,
                use_distributed_sampler=False,
                deterministic="warn",
                log_every_n_steps=min(10, settings.max_steps),
            )

    def _loggers(self, training: Training, parameters: int) -> list[Logger]:
        keep_earlier_metrics(self.folder.path)
        loggers: list[Logger] = [CSVLogger(self.folder.path, name="", version="")]
        config = {**self.plan.config.as_dict(), **self._labels(), "parameters": parameters}
        if not training.is_last:
            return loggers
        if self.options.logger == "wandb":
            from benchmark.wandb_log import wandb_logger

            loggers.append(wandb_logger(self.folder, config))
        elif self.options.logger == "tensorboard":
            from pytorch_lightning.loggers import TensorBoardLogger

            loggers.append(TensorBoardLogger(self.folder.path, name="", version="tensorboard"))
        return loggers

    def _labels(self) -> dict[str, Any]:
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
        self, recipe: Recipe, data: ClipDataModule, module: TaskModule, parameters: int, macs: int, device: torch.device
    ) -> RunRecord:
        plan = self.plan
        coverage = round(len(data.examples) / plan.inventory.listed, 6)
        official = plan.variant == "full" or plan.variant.startswith("partial:")
        variant = f"partial:{coverage:.4f}" if official and coverage < 1 else plan.variant
        return RunRecord(
            **self._labels() | {"variant": variant},
            id=self.folder.id,
            group=plan.group,
            selection="validation" if recipe.selection.monitor else "last",
            precision=recipe.trainer.precision,
            engine=module.engine_on(device.type),
            fast_path=["channels_last"] if module.is_channels_last() else [],
            scale=plan.scale,
            overrides=plan.overrides,
            external_data=recipe.external_data,
            random_weights=module.has_random_weights,
            parameters=parameters,
            macs=macs,
            device=_device_name(device),
            seconds={part: round(value, 2) for part, value in self.seconds.items()},
            steps=self.steps,
            coverage=coverage,
            skipped=data.skipped,
            dataset_fingerprint=plan.inventory.fingerprint,
            commit=records.commit(),
            versions=records.versions(),
            scores=module.scores,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def _leave(self, data: ClipDataModule, module: TaskModule, record: RunRecord, loggers: Sequence[Logger]) -> None:
        """Predictions, submission, the record, and a picture, without which the run counts all the same."""
        table = module.table
        assert table is not None
        examples = [data.examples[clip] for clip in table.clip]
        frames: dict[str, Any] = {}
        if table.frames:
            frames = {
                "frames": np.concatenate(table.frames),
                "frame_counts": np.array([len(part) for part in table.frames]),
                "frame_seconds": module.frame_seconds,
            }
        np.savez_compressed(
            self.folder.path / "predictions.npz",
            clip_id=np.array([e.clip_id for e in examples]),
            group=np.array([e.group for e in examples]),
            target=table.target,
            probabilities=table.probability,
            **frames,
        )
        data.write_submission(self.folder.path / "submission.csv", table, examples, module.decisions(table))
        self.folder.finish(record)
        picture = self.folder.path / "scores.png"
        module.plot(picture, table, examples, f"{record.task} / {record.system} / {record.fold} ({record.variant})")
        for logger in loggers:
            if isinstance(logger, WandbLogger):
                logger.log_image("scores", [str(picture)])
        self._say("finished")


def repeats_stopped(plans: Sequence[Plan]) -> bool:
    """Whether a command repeats one that was stopped: the newest run of some of its work has no record."""
    root = runs_root()
    return any(
        plan.options.resume == "auto" and records.was_stopped(root, plan.task.name, plan.system, work)
        for plan in plans
        for work in plan.work.values()
    )


def runs_of(plan: Plan, repeats: bool) -> Iterator[Run | Path]:
    """The plan's runs, fold by fold; where the command repeats one that was stopped, folders of folds already done."""
    root, names = runs_root(), (plan.task.name, plan.system)
    for fold, work in plan.work.items():
        stopped = records.was_stopped(root, *names, work)
        done = records.find_run(root, *names, work, finished=True) if repeats and not stopped else None
        yield done.path if done is not None else Run(plan, fold)


def keep_earlier_metrics(folder: Path) -> None:
    """Move what an earlier session of the run logged out of the way of the CSV logger, which starts a new file."""
    path = folder / "metrics.csv"
    if path.exists():
        path.rename(folder / f"metrics-{len(list(folder.glob('metrics-*.csv'))) + 1}.csv")


def quiet() -> None:
    """Silence what the libraries say about themselves; the suite says what matters."""
    for name in ("pytorch_lightning", "lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning|lightning_fabric|torch")


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu ({torch.get_num_threads()} threads)"
