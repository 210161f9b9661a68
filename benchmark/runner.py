"""Recipe + data + seed -> run record: trains and scores one system, fold by fold."""

import dataclasses
import logging
import signal
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch

from benchmark import records
from benchmark.data.datamodule import ClipDataModule
from benchmark.data.parallel import usable_cores
from benchmark.decoding import learn
from benchmark.devices import device_name
from benchmark.errors import BenchmarkError, InputError, Interrupted
from benchmark.fitting import Fitting, syncs_batchnorm
from benchmark.metrics.clips import mean_of_tables
from benchmark.paths import runs_root
from benchmark.plan import Plan
from benchmark.processes import is_first, share
from benchmark.products import fuse, held_out_of, join
from benchmark.recipe import Recipe, Training
from benchmark.records import Identity, RunFolder, RunRecord, SilentFolder
from benchmark.stages import System
from benchmark.training.callbacks import STOPS
from benchmark.training.labels import Predict
from benchmark.training.module import TaskModule
from benchmark.weights import random_weights_allowed

SCORED = "scored"


class Run:
    """One training and its evaluation: one fold, one seed, one record."""

    def __init__(self, plan: Plan, fold: str) -> None:
        self.plan, self.fold, self.options = plan, fold, plan.options
        self.identity = Identity(plan.group, fold, plan.options.seed)
        path, self.resumed = share(self._folder)
        self.folder = (RunFolder if is_first() else SilentFolder)(path, self.identity)
        seconds: dict[str, float] = self.folder.read_state()["seconds"] if self.resumed else {}
        self.fitting = Fitting(plan, fold, self.folder, self.resumed, seconds)

    def _folder(self) -> tuple[Path, bool]:
        """The run's folder, and whether it is one to resume."""
        resume, root, names = self.options.resume, runs_root(), (self.plan.task.name, self.plan.system)
        if resume == "auto":
            stopped = records.find_run(root, *names, self.identity, finished=False)
            if stopped is not None:
                return stopped.path, True
        elif resume != "no":
            return self._stopped_run(root, resume), True
        return RunFolder.create(root, *names, self.identity).path, False

    def _stopped_run(self, root: Path, name: str) -> Path:
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
        return folder.path

    def execute(self) -> RunRecord:
        """Train, score, and leave the record; the state says how it ended."""
        self.fitting.say("running")
        config = self._header() + self.plan.config.as_yaml()
        share(lambda: records.write_text(self.folder.path / "config.yaml", config))
        try:
            with _stopped_as_by_ctrl_c():
                record = self._train_and_score()
        except (KeyboardInterrupt, SystemExit, Interrupted) as error:  # Lightning turns Ctrl-C into SystemExit
            self.fitting.say("interrupted", str(error))
            if isinstance(error, Interrupted):
                raise
            raise Interrupted("stopped", self.folder.path, "the same command resumes it") from error
        except BaseException as error:
            told = self.fitting.explain(error)
            self._fail(told or error)
            if told is not None:
                raise told from error
            raise
        finally:
            if self.options.logger == "wandb":
                from benchmark.wandb_log import finish

                finish()
        return record

    def _fail(self, error: BaseException) -> None:
        try:
            self.fitting.say("failed", str(error) if isinstance(error, BenchmarkError) else repr(error))
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
        trainings = self.plan.config.trainings()
        with random_weights_allowed(self.options.allow_random_weights):
            if trainings[0].turn:
                return self._train_system(trainings)
            (training,) = trainings
            recipe, module, data = trained = self.fitting.train(training, self.folder.checkpoint(SCORED))
        trainer = self.fitting.trainer
        assert trainer is not None
        parameters, macs = module.count()
        predict = Predict(module, data, self.fitting.device, self.fitting.say)
        on_test = learn(trained, lambda: predict(np.unique(data.valid.clip)), self.fitting)
        with self.fitting.timed("eval"):
            tables = []
            for network in module.each():
                trainer.test(network, datamodule=data, verbose=False)
                assert network.table is not None
                tables.append(network.table)
            if len(tables) > 1:
                module.take_scores(mean_of_tables(tables), [data.examples[clip] for clip in tables[0].clip])

        def leave() -> RunRecord:
            record = self._record(recipe, data, module, parameters, macs, on_test)
            self._leave(data, module, record)
            return record

        return share(leave)

    def _train_system(self, trainings: Sequence[Training]) -> RunRecord:
        """Train all stages, and score what is made of the last one's predictions."""
        system = System(self.fitting)
        products = system.train()
        self.fitting.steps, self.fitting.skipped_steps = system.steps, system.skipped_steps
        decides = [product for product in products if "frames" in product.training.outputs][-1]
        recipe, module, data = trained = self.fitting.prepare(decides.training)
        data.setup()
        module.load_scored(decides.weights)
        fusion = self.plan.config.build_fusion()
        on_test = fusion is not None and self.plan.config.as_dict()["selection"]["fusion"] == "test"
        with self.fitting.timed("eval"):
            table = fuse(products, fusion, system.labels or data.given, self.folder.path, on_test)
        held_out = partial(join, products, fusion, held_out_of(products))
        on_test |= learn(trained, held_out, self.fitting, len(products))
        with self.fitting.timed("eval"):
            module.take_scores(table, [data.examples[clip] for clip in table.clip])
        members = {product.training.member: product for product in products}.values()
        parameters, macs = (sum(values) for values in zip(*((p.parameters, p.macs) for p in members), strict=True))
        record = self._record(recipe, data, module, parameters, macs, on_test)
        record = dataclasses.replace(record, random_weights=any(product.random_weights for product in products))
        self._leave(data, module, record)
        return record

    def _record(
        self,
        recipe: Recipe,
        data: ClipDataModule,
        module: TaskModule,
        parameters: int,
        macs: int,
        on_test: bool = False,
    ) -> RunRecord:
        plan = self.plan
        coverage = round(len(data.examples) / plan.inventory.listed, 6)
        official = plan.variant == "full" or plan.variant.startswith("partial:")
        variant = f"partial:{coverage:.4f}" if official and coverage < 1 else plan.variant
        return RunRecord(
            **plan.labels(self.fold) | {"variant": variant},
            id=self.folder.id,
            group=plan.group,
            selection="test" if on_test else "validation" if recipe.selection.monitor else "last",
            precision=recipe.trainer.precision,
            engine=module.engine_on(self.fitting.device.type),
            fast_path=sorted(self.fitting.fast_path),
            sync_batchnorm=syncs_batchnorm(recipe),
            scale=plan.scale,
            overrides=plan.overrides,
            external_data=recipe.external_data,
            random_weights=module.has_random_weights,
            parameters=parameters,
            macs=macs,
            device=device_name(self.fitting.device, plan.options.devices * plan.options.nodes),
            seconds={part: round(value, 2) for part, value in self.fitting.seconds.items()},
            steps=self.fitting.steps,
            skipped_steps=self.fitting.skipped_steps,
            coverage=coverage,
            skipped=data.skipped,
            dataset_fingerprint=plan.inventory.fingerprint,
            commit=records.commit(),
            versions=records.versions(),
            scores=module.scores,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def _leave(self, data: ClipDataModule, module: TaskModule, record: RunRecord) -> None:
        """Predictions, submission, the record, and pictures, without which the run counts all the same."""
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
        module.stored(table, examples).write(self.folder.path, **frames)
        data.write_submission(self.folder.path / "submission.csv", table, examples, module.decisions(table))
        self.folder.finish(record)
        picture = self.folder.path / "scores.png"
        module.plot(picture, table, examples, f"{record.task} / {record.system} / {record.fold} ({record.variant})")
        if self.options.logger == "wandb":
            from benchmark.wandb_log import log_finished

            log_finished(self.folder, self.fitting.about(record.parameters))
        self.fitting.say("finished")


@contextmanager
def _stopped_as_by_ctrl_c() -> Iterator[None]:
    """What asks for an end does so also outside of trainings, which take these signals themselves."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in STOPS if number != signal.SIGINT}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def repeats_stopped(plans: Sequence[Plan]) -> bool:
    """Whether a command repeats one that was stopped: the newest run of some of its work has no record."""
    root = runs_root()
    return share(
        lambda: any(
            plan.options.resume == "auto" and records.was_stopped(root, plan.task.name, plan.system, work)
            for plan in plans
            for work in plan.work.values()
        )
    )


def runs_of(plan: Plan, repeats: bool) -> Iterator[Run | Path]:
    """The plan's runs, fold by fold; where the command repeats one that was stopped, folders of folds already done."""
    for fold, work in plan.work.items():
        done = share(partial(_done, plan, work)) if repeats else None
        yield done if done is not None else Run(plan, fold)


def _done(plan: Plan, work: Identity) -> Path | None:
    """The folder of the newest run of this work, if it is finished."""
    root, names = runs_root(), (plan.task.name, plan.system)
    stopped = records.was_stopped(root, *names, work)
    done = None if stopped else records.find_run(root, *names, work, finished=True)
    return done.path if done is not None else None


def settle() -> None:
    """Take no more threads than there are cores, and silence what the libraries say about themselves."""
    torch.set_num_threads(min(torch.get_num_threads(), usable_cores()))
    for name in ("pytorch_lightning", "lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning|lightning_fabric|torch")
