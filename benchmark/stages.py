"""Systems of several trainings: in which order, what each leaves, and how the last ones' predictions become one.

What a training leaves lies in the run's `artifacts/`: its weights, and its predictions of clips that it did not learn
from. The names end in a hash of all that they came from: recipe, data, labels, starting weights. So a stopped run goes
on behind the last whole artifact, and a changed setting redoes what depends on it: the rest is taken over from earlier
runs of the task.
"""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from benchmark.data.datamodule import ClipDataModule, Indices, Labels
from benchmark.errors import InputError
from benchmark.fitting import Fitting, Trained, is_whole
from benchmark.fusion.base import Fusion
from benchmark.metrics.clips import ClipTable, mean_of_tables, table_arrays, table_of
from benchmark.paths import runs_root
from benchmark.plan import user_code
from benchmark.recipe import Training, fingerprint
from benchmark.suggest import did_you_mean
from benchmark.training.labels import Predict

PARTS, FUSED = "artifacts", "fusion.npz"


class Product(NamedTuple):
    """What a training leaves.

    Attributes:
        training: Which.
        key: Hash of all that it came from.
        weights: File of its weights.
        held_out: Its predictions of the clips that were held out of it.
        test: Its predictions of the test part.
        parameters: Its trainable parameters.
        macs: Multiply-accumulates of its network for one clip.
        steps: Optimiser steps that it took.
    """

    training: Training
    key: str
    weights: Path
    held_out: ClipTable
    test: ClipTable
    parameters: int
    macs: int
    steps: int


class System:
    """Trains the stages of a system.

    Attributes:
        steps: Optimiser steps of all trainings, also of those that were taken over.

    Args:
        fitting: Trains one recipe.
    """

    def __init__(self, fitting: Fitting) -> None:
        self.fitting, self.plan = fitting, fitting.plan
        self.folder = fitting.folder.path / PARTS
        self.folder.mkdir(exist_ok=True)
        self.steps = 0

    def train(self, trainings: Sequence[Training]) -> list[Product]:
        """Train everything; what the last stage left."""
        products: list[Product] = []
        for _, group in groupby(trainings, key=lambda training: training.turn):
            products = list(self._stage(list(group), products))
            self.steps += sum(product.steps for product in products)
        return products

    def _stage(self, trainings: Sequence[Training], before: Sequence[Product]) -> Iterator[Product]:
        stage = trainings[0].stage
        made: dict[str, tuple[str, Labels | None]] = {}
        for training in trainings:
            whose = training.member if stage.labels is not None and stage.labels.of_member else ""
            if whose not in made:
                mine = [product for product in before if whose in ("", product.training.member)]
                made[whose] = self._labels(training, whose, mine)
            start = None
            if stage.start == "previous":
                same = (training.member, training.part)
                start = next(p for p in before if (p.training.member, p.training.part) == same)
            yield self._product(training, *made[whose], start)

    def _labels(self, training: Training, whose: str, before: Sequence[Product]) -> tuple[str, Labels | None]:
        """A stage's labels, and the hash of all that they came from; None where they are the given ones."""
        source = training.stage.labels
        if source is None:
            return "", None
        key = fingerprint(training.labels, *(product.key for product in before))
        path = self._find(".".join(part for part in ("labels", training.turn, whose) if part), key, "npz")
        if not is_whole(path):
            with self.fitting.timed("data"):
                labels = source.relabel(Left(self.fitting, before))
            _save(path, {name: np.asarray(value) for name, value in vars(labels).items()})
        with np.load(path) as arrays:
            targets, weights = (torch.from_numpy(arrays[name]) for name in ("targets", "weights"))
            return key, Labels(arrays["train"], arrays["valid"], targets, weights)

    def _product(self, training: Training, labels_key: str, labels: Labels | None, start: Product | None) -> Product:
        (name, key), *further = _artifacts_of(training, self.key_of(training, labels_key, start))
        weights, tables = (self._find(name, key, suffix) for suffix in ("ckpt", "npz"))
        if not (is_whole(weights) and is_whole(tables)):
            before = self.fitting.steps
            also = [[self._find(*other, suffix) for suffix in ("ckpt", "npz")] for other in further]
            trained = self.fitting.train(
                training,
                weights,
                lambda data: part_of(data, training, labels)[0],
                start.weights if start else None,
                [place for place, _ in also],
            )
            held_out = part_of(trained.data, training, labels)[1]
            for kept, table in (*also, (weights, tables)):  # where the last is whole, all are
                trained.module.load_state_dict(torch.load(kept, weights_only=True, map_location="cpu"))
                self._save_tables(table, trained, held_out, self.fitting.steps - before)
        self.fitting.forget(training)
        with np.load(tables) as arrays:
            content = dict(arrays)
        out, test = (table_of(content, name) for name in ("held_out", "test"))
        numbers = (int(content[name]) for name in ("parameters", "macs", "steps"))
        return Product(training, key, weights, out, test, *numbers)

    def key_of(self, training: Training, labels_key: str = "", start: Product | None = None) -> str:
        """Hash of all that a training comes from; which of its monitors' weights are taken is no part of it.

        Args:
            training: The training.
            labels_key: Hash of its labels; empty where they are the given ones.
            start: Whose weights it goes on from.
        """
        plan, options = self.plan, self.plan.options
        about = (plan.task.name, plan.inventory.fingerprint, plan.protocol, self.fitting.fold, options.seed)
        code = user_code(options.model) if options.model else ""
        recipe = training.config.identity()
        selection = recipe.pop("selection", {})
        selection.pop("fusion", None)
        monitors = sorted([selection.pop("monitor", None) or "", *selection.pop("also", [])])
        # The class that is decided for may count in the score that selects weights; events are of the test part alone.
        if set(monitors) <= {"", "loss"} or plan.task.load("module").has_frames:
            recipe.pop("postprocessing", None)
        dealt = (training.part, training.stage.folds, training.stage.valid_group)
        earlier = (labels_key, start.key if start else "")
        return fingerprint(about, code, options.allow_random_weights, recipe, monitors, selection, dealt, *earlier)

    def _save_tables(self, path: Path, trained: Trained, held_out: Indices, steps: int) -> None:
        """Predictions of the clips that the training did not learn from."""
        _, module, data = trained
        predict = Predict(module, data, self.fitting.device, self.fitting.beat)
        parameters, macs = module.count()
        with self.fitting.timed("eval"):
            tables = {"held_out": predict(held_out), "test": predict(np.unique(data.test.clip))}
        arrays = {"parameters": np.array(parameters), "macs": np.array(macs), "steps": np.array(steps)}
        for name, table in tables.items():
            arrays |= {f"{name}/{key}": value for key, value in table_arrays(table).items()}
        _save(path, arrays)

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

    def predict(self, clips: Indices) -> ClipTable:
        """The mean of its networks' predictions of some clips, in rising order of their index."""
        return _mean([self._predicted(product, clips) for product in self.products])

    def _predicted(self, product: Product, clips: Indices) -> ClipTable:
        _, module, data = self.fitting.prepare(product.training)
        data.setup()
        module.load_state_dict(torch.load(product.weights, weights_only=True, map_location="cpu"))
        return Predict(module, data, self.fitting.device, self.fitting.beat)(clips)

    def held_out(self) -> NDArray[np.float64]:
        """Probabilities `(examples, classes)` of clips by networks that did not learn from them, else NaN."""
        members = held_out_of(self.products)
        found = np.full(self.data.given.targets.shape, np.nan)
        clips = next(iter(members.values())).clip
        if len(clips):
            found[clips] = np.mean([table.probability for table in members.values()], axis=0)
        return found


def part_of(data: ClipDataModule, training: Training, labels: Labels | None) -> tuple[Labels, Indices]:
    """What a training learns from, and the clips that are held out of it.

    Args:
        data: Its data.
        training: The training.
        labels: The stage's labels; None: the given ones.
    """
    data.setup()
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
    return Labels(np.setdiff1d(learnt, out), valid, given.targets, given.weights), out


def held_out_of(products: Sequence[Product]) -> Mapping[str, ClipTable]:
    """Each member's predictions of the clips held out of its trainings, joined, in rising order of the clips."""
    joined = {}
    for member, group in _by_member(products).items():
        tables = [product.held_out for product in group]
        clip = np.concatenate([table.clip for table in tables])
        order = np.argsort(clip, kind="stable")
        frames = [part for table in tables for part in table.frames]
        joined[member] = ClipTable(
            clip[order],
            np.concatenate([table.probability for table in tables])[order],
            np.concatenate([table.target for table in tables])[order],
            [frames[place] for place in order] if frames else (),
        )
    return joined


def fuse(
    products: Sequence[Product], fusion: Fusion | None, weights: NDArray[Any], folder: Path, on_test: bool = False
) -> ClipTable:
    """One table of the test part.

    Args:
        products: What the last stage left.
        fusion: Learns from the held-out predictions; None: the mean of the members.
        weights: How much each clip counts `(examples,)`.
        folder: Of the run; what the fusion learns from is kept there.
        on_test: Whether it learns from the test part in place of held-out clips, as some sources do.
    """
    tests = [_mean([p.test for p in group]) for group in _by_member(products).values()]
    mean = _mean(tests)
    if fusion is None:
        return mean
    held = tests if on_test else list(held_out_of(products).values())
    known = ~np.isnan(held[0].target).all(axis=1)
    learnt: dict[str, NDArray[Any]] = {
        "probability": np.stack([table.probability[known] for table in held]),
        "target": held[0].target[known],
        "weight": weights[held[0].clip[known]],
    }
    _save(folder / FUSED, learnt)
    fusion.fit(**learnt)
    probability = fusion(np.stack([table.probability for table in tests]))
    if np.isnan(probability).any():
        what = "some classes are predicted by no member, or the fusion does not know by which"
        raise InputError(what, "fusion", "let a member learn each class, and take a fusion like HierarchicalGate")
    frames = [
        fusion(np.stack([part[: len(shortest)] for part in parts]))
        for shortest, *parts in zip(mean.frames, *(table.frames for table in tests), strict=True)
    ]
    return mean._replace(probability=probability, frames=frames)


def _mean(tables: Sequence[ClipTable]) -> ClipTable:
    """The mean of several networks' predictions.

    Raises:
        InputError: Their frames are not the same times.
    """
    for parts in zip(*(table.frames for table in tables), strict=True):
        lengths = sorted(map(len, parts))
        if lengths[-1] > 1.05 * lengths[0] + 2:  # not the last frame, which one sees and another does not
            what = f"networks have {lengths[0]} and {lengths[-1]} frames of one clip"
            raise InputError(what, "members", "let all of them make as many frames a second")
    return mean_of_tables(tables)


def _artifacts_of(training: Training, key: str) -> list[tuple[str, str]]:
    """Names and keys of the weights that a training leaves, one a monitor; first those that are taken."""
    selection = training.config.as_dict()["selection"]
    if not selection["also"]:
        return [(training.name, key)]
    monitors = [selection["monitor"], *selection["also"]]
    names = ["", *("." + monitor.replace("/", "-") for monitor in selection["also"])]
    return [(training.name + name, fingerprint(key, monitor)) for name, monitor in zip(names, monitors, strict=True)]


def _by_member(products: Sequence[Product]) -> dict[str, list[Product]]:
    members: dict[str, list[Product]] = {}
    for product in products:
        members.setdefault(product.training.member, []).append(product)
    return members


def _save(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write an artifact at once or not at all."""
    fresh = path.with_suffix(".part.npz")
    np.savez_compressed(fresh, **dict(arrays))  # type: ignore[arg-type]
    fresh.replace(path)
