"""Systems of several trainings: in which order, what each leaves, and how the last ones' predictions become one.

What a training leaves lies in the run's `artifacts/`: its weights, and its predictions of clips that it did not learn
from. The names end in a hash of all that they came from: recipe, data, labels, starting weights. So a stopped run goes
on behind the last whole artifact, and a changed setting redoes what depends on it: the rest is taken over from earlier
runs of the task.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from benchmark.data.datamodule import ClipDataModule, Indices, Labels
from benchmark.errors import InputError
from benchmark.fitting import Fitting, Trained, is_whole
from benchmark.metrics.clips import ClipTable, table_arrays, table_of
from benchmark.paths import runs_root
from benchmark.plan import user_code
from benchmark.products import Product, best_turns, by_member, held_out_of, mean_of, save
from benchmark.recipe import Training, fingerprint
from benchmark.records import write_text
from benchmark.side_by_side import SideBySide, Work
from benchmark.suggest import did_you_mean
from benchmark.training.labels import Network, Predict

PARTS, KEPT = "artifacts", "kept.json"
FORMAT = 2  # of artifacts: another one makes those that were left before no artifacts any more


class Job(NamedTuple):
    """A training, and what it gets from the stage before.

    Attributes:
        name: Its name.
        labels_key: Hash of all that its labels came from; empty where they are the given ones.
        labels: File of its labels, where they are not the given ones.
        start_key: Hash of the training that it goes on from; empty where it starts afresh.
        start: File of the weights that it goes on from.
    """

    name: str
    labels_key: str
    labels: Path | None
    start_key: str
    start: Path | None


class Artifact(NamedTuple):
    """Where what a training leaves lies, or will.

    Attributes:
        key: Hash of all that it came from.
        weights: File of its weights.
        tables: File of its predictions.
    """

    key: str
    weights: Path
    tables: Path

    @property
    def is_whole(self) -> bool:
        """Whether it is there to its end."""
        return is_whole(self.weights) and is_whole(self.tables)


class System:
    """Trains the stages of a system.

    Attributes:
        steps: Optimiser steps of all trainings, also of those that were taken over.
        skipped_steps: Those of them that were left out.
        labels: What all members of the last stage learnt from; None: the given labels, or each member its own.

    Args:
        fitting: Trains one recipe.
    """

    def __init__(self, fitting: Fitting) -> None:
        self.fitting, self.plan = fitting, fitting.plan
        self.folder = fitting.folder.path / PARTS
        self.folder.mkdir(exist_ok=True)
        self.trainings = {training.name: training for training in self.plan.config.trainings()}
        self.steps = self.skipped_steps = 0
        self.labels: Labels | None = None

    def train(self) -> list[Product]:
        """Train everything; what the last stage left."""
        fitting, options, products = self.fitting, self.plan.options, list[Product]()
        work = Work(options, fitting.fold, fitting.folder.path, fitting.folder.identity, fitting.resumed)
        with SideBySide(work, fitting.say) if options.devices > 1 else nullcontext() as devices:
            for _, of_stage in groupby(self.trainings.values(), key=lambda training: training.stage.name):
                turns = []
                for _, group in groupby(of_stage, key=lambda training: training.turn):
                    jobs = self._jobs(list(group), products)
                    if devices is not None:
                        with fitting.timed("train"):
                            devices.do([job for job in jobs if not next(self._artifacts(job)).is_whole])
                    products = [self.do(job) for job in jobs]
                    self.steps += sum(product.steps for product in products)
                    self.skipped_steps += sum(product.skipped_steps for product in products)
                    turns.append(products)
                if products[0].training.stage.keep == "best":
                    products = best_turns(turns)
        self.labels = None if products[0].training.stage.has_own_labels else _read_labels(jobs[0].labels)
        kept = {product.training.name: product.weights.name for product in products}
        write_text(self.fitting.folder.path / KEPT, json.dumps(kept, indent=1) + "\n")
        return products

    def _jobs(self, trainings: Sequence[Training], before: Sequence[Product]) -> list[Job]:
        """The trainings of one turn, and what each gets from the turn before."""
        stage = trainings[0].stage
        made: dict[str, tuple[str, Path | None]] = {}
        jobs = []
        for training in trainings:
            whose = training.member if stage.has_own_labels else ""
            if whose not in made:
                mine = [product for product in before if whose in ("", product.training.member)]
                made[whose] = self._labels(training, whose, mine)
            start: tuple[str, Path | None] = ("", None)
            if stage.start == "previous":
                same = (training.member, training.part)
                start = next((p.key, p.weights) for p in before if (p.training.member, p.training.part) == same)
            jobs.append(Job(training.name, *made[whose], *start))
        return jobs

    def _labels(self, training: Training, whose: str, before: Sequence[Product]) -> tuple[str, Path | None]:
        """The hash of all that a stage's labels came from, and their file; None where they are the given ones."""
        source = training.stage.labels
        if source is None:
            return "", None
        key = fingerprint(training.labels, *(product.key for product in before))
        path = self._find(".".join(part for part in ("labels", training.turn, whose) if part), key, "npz")
        if not is_whole(path):
            with self.fitting.timed("data"):
                labels = source.relabel(Left(self.fitting, before))
            save(path, {name: np.asarray(value) for name, value in vars(labels).items() if value is not None})
        return key, path

    def _artifacts(self, job: Job) -> Iterator[Artifact]:
        """Where what a training leaves lies, or will, for each of its monitors; first the one that is taken."""
        training = self.trainings[job.name]
        key, selection = self.key_of(training, job.labels_key, job.start_key), training.config.as_dict()["selection"]
        for further, monitor in enumerate([selection["monitor"], *selection["also"]]):
            own = fingerprint(key, monitor) if selection["also"] else key
            name = f"{job.name}.{monitor.replace('/', '-')}" if further else job.name
            yield Artifact(own, *(self._find(name, own, suffix) for suffix in ("ckpt", "npz")))

    def do(self, job: Job) -> Product:
        """What a training leaves; it is trained unless it has left that before."""
        training, further = self.trainings[job.name], self._artifacts(job)
        first = next(further)
        if not first.is_whole:
            before, skipped = self.fitting.steps, self.fitting.skipped_steps
            labels, also = _read_labels(job.labels), list(further)
            trained = self.fitting.train(
                training,
                first.weights,
                lambda data: part_of(data, training, labels)[0],
                job.start,
                [artifact.weights for artifact in also],
            )
            held_out = part_of(trained.data, training, labels)[1]
            for place, artifact in (*enumerate(also, 1), (0, first)):  # where the last is whole, all are
                trained.module.load_scored(artifact.weights)
                about = {
                    "steps": self.fitting.steps - before,
                    "skipped_steps": self.fitting.skipped_steps - skipped,
                    "score": self.fitting.best_score(training, place),
                }
                self._save_tables(artifact.tables, trained, held_out, about)
        self.fitting.forget(training)
        key, weights, tables = first
        with np.load(tables) as arrays:
            content = dict(arrays)
        out, test = (table_of(content, name) for name in ("held_out", "test"))
        parameters, macs, steps = (int(content[name]) for name in ("parameters", "macs", "steps"))
        score, random = float(content["score"]), bool(content["random_weights"])
        left_out = int(content.get("skipped_steps", 0))  # not in artifacts of earlier versions
        return Product(training, key, weights, out, test, parameters, macs, steps, score, random, left_out)

    def key_of(self, training: Training, labels_key: str = "", start_key: str = "") -> str:
        """Hash of all that a training comes from; which of its monitors' weights are taken is no part of it.

        Args:
            training: The training.
            labels_key: Hash of its labels; empty where they are the given ones.
            start_key: Hash of the training whose weights it goes on from; empty where they are fresh.
        """
        plan, options = self.plan, self.plan.options
        seeds = (options.seed, training.seed(options.seed))
        about = (FORMAT, plan.task.name, plan.inventory.fingerprint, plan.protocol, self.fitting.fold, seeds)
        code = user_code(options.model) if options.model else ""
        recipe = training.config.identity()
        recipe.pop("outputs", None)
        selection = recipe.pop("selection", {})
        selection.pop("fusion", None)
        monitors = sorted([selection.pop("monitor", None) or "", *selection.pop("also", [])])
        # The class that is decided for may count in the score that selects weights; events are of the test part alone.
        if set(monitors) <= {"", "loss"} or plan.task.load("module").has_frames:
            recipe.pop("postprocessing", None)
        dealt = (training.part, training.stage.folds, training.stage.valid_group)
        earlier = (labels_key, start_key)
        return fingerprint(about, code, options.allow_random_weights, recipe, monitors, selection, dealt, *earlier)

    def _save_tables(self, path: Path, trained: Trained, held_out: Indices, about: Mapping[str, float]) -> None:
        """Predictions of the clips that the training did not learn from."""
        _, module, data = trained
        predict = Predict(module, data, self.fitting.device, self.fitting.say)
        parameters, macs = module.count()
        with self.fitting.timed("eval"):
            tables = {"held_out": predict(held_out), "test": predict(np.unique(data.test.clip))}
        network = {"parameters": parameters, "macs": macs, "random_weights": module.has_random_weights}
        arrays = {name: np.array(value) for name, value in {**network, **about}.items()}
        for name, table in tables.items():
            arrays |= {f"{name}/{key}": value for key, value in table_arrays(table).items()}
        save(path, arrays)

    def _find(self, name: str, key: str, suffix: str) -> Path:
        """Where an artifact lies, or will; one of an earlier run of the task is taken over."""
        path = self.folder / f"{name}-{key}.{suffix}"
        if not is_whole(path) and self.plan.options.resume != "no":
            root = runs_root() / self.plan.task.name
            for other in filter(is_whole, sorted(root.glob(f"*/*/{PARTS}/*-{key}.{suffix}"))):
                with suppress(OSError):
                    os.link(other, path)
                    break
                with suppress(OSError):
                    fresh = path.with_suffix(".fresh")
                    shutil.copyfile(other, fresh)
                    fresh.replace(path)
                    break
        return path


class Left:
    """What a stage has left for the labels of the next one.

    Args:
        fitting: The run's.
        products: What its trainings left.
    """

    def __init__(self, fitting: Fitting, products: Sequence[Product]) -> None:
        self.fitting, self.products = fitting, products
        self.data = fitting.prepare(products[-1].training).data
        self.data.setup()
        self.classes = fitting.plan.task.classes_of(fitting.plan.protocol)

    def predict(self, clips: Indices) -> ClipTable:
        """The mean of its networks' predictions of some clips, in rising order of their index."""
        return mean_of(self.predict_each(clips))

    def predict_each(self, clips: Indices) -> list[ClipTable]:
        """The same, member by member."""
        members = by_member(self.products).values()
        return [mean_of([self._network(product).predict(clips) for product in group]) for group in members]

    def networks(self) -> Iterator[Network]:
        """Its networks, one after the other."""
        return map(self._network, self.products)

    def _network(self, product: Product) -> Network:
        _, module, data = self.fitting.prepare(product.training)
        data.setup()
        module.load_scored(product.weights)
        predict = Predict(module, data, self.fitting.device, self.fitting.say)
        return Network(predict, product.held_out.clip, int(product.key, 16))

    def held_out(self) -> NDArray[np.float64]:
        """Probabilities `(examples, classes)` of clips by networks that did not learn from them, else NaN."""
        members = held_out_of(self.products)
        found = np.full(self.data.given.targets.shape, np.nan)
        clips = next(iter(members.values())).clip
        if len(clips):
            found[clips] = np.mean([table.probability for table in members.values()], axis=0)
        return found


def _read_labels(path: Path | None) -> Labels | None:
    if path is None:
        return None
    with np.load(path) as arrays:
        tensors = {name: torch.from_numpy(arrays[name]) for name in arrays if name not in ("train", "valid")}
        return Labels(arrays["train"], arrays["valid"], **tensors)


def part_of(data: ClipDataModule, training: Training, labels: Labels | None) -> tuple[Labels, Indices]:
    """What a training learns from, and the clips that are held out of it.

    Args:
        data: Its data, set up.
        training: The training.
        labels: The stage's labels; None: the given ones.
    """
    given = labels or data.given
    if not training.part:
        return given, given.valid
    pool = np.union1d(data.given.train, data.given.valid)
    parts = data.deal(data.examples, pool, training.stage.folds)
    learnt = pool if labels is None else labels.train
    group, groups = training.stage.valid_group, [example.group for example in data.examples]
    checked = [part[[group in (None, groups[clip]) for clip in part]] for part in parts]
    if empty := [number for number, clips in enumerate(checked, 1) if not len(clips)]:
        what = f"part {empty[0]} of {len(parts)} has no clip" + (f" of {group!r}" if group else "")
        remedy = did_you_mean(group, sorted(set(groups))) if group and group not in groups else "take fewer folds"
        raise InputError(what, f"stage {training.stage.name}", remedy)
    out, valid = parts[training.part - 1], checked[training.part - 1]
    return replace(given, train=np.setdiff1d(learnt, out), valid=valid), out
