"""The base task module: the network of a recipe, trained and scored the same way for every task."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn
from torchmetrics import MeanMetric

from benchmark.data.datamodule import Batch, ClipDataModule, Example
from benchmark.data.sources import signal_of
from benchmark.errors import InputError
from benchmark.losses.virtual_adversarial import frozen_statistics
from benchmark.metrics.clips import ClipPredictions, ClipTable
from benchmark.metrics.measures import Measures, all_once
from benchmark.predictions import Predictions, Scores
from benchmark.processes import share, this_process
from benchmark.recipe import Recipe
from benchmark.suggest import did_you_mean
from benchmark.training.fast import are_fixed, compile_in_place, is_fused, keep_features, make_optimizer
from benchmark.training.network import Fittable, Outputs, RecipeNetwork, Weights


@runtime_checkable
class FittableLoss(Protocol):
    """A loss that looks at the training labels before the first step."""

    def fit(self, target: Tensor) -> None:
        """Take note of the labels of the training clips `(clips, classes)`."""


class TaskModule(RecipeNetwork, ABC):
    """A recipe's network with its training and evaluation steps.

    There is one subclass for a kind of problem (`activate`, `stored`), and a task's own module adds `rescorer` and
    `plot`. A task may override a `configure_*` hook to change one part.

    Args:
        recipe: The built recipe.
        classes: Class names.
        seed: Seed of every random draw; a step's draws depend on (seed, step) alone.

    Attributes:
        fast_path: What made the training fast, by name.
        beat: Called now and then before the first step, where a large data set takes long.
    """

    has_frames: ClassVar[bool] = False

    def __init__(self, recipe: Recipe, classes: Sequence[str], seed: int = 0) -> None:
        super().__init__(recipe, classes)
        self.seed = seed
        self.configure_adaptation()
        self.configure_loss()
        self.configure_metrics()
        self.scores: Scores = {}
        self.table: ClipTable | None = None
        self.fast_path: list[str] = []
        self.beat: Callable[[], None] = lambda: None

    def configure_adaptation(self) -> None:
        """Set `adaptation`, which may hold networks of its own, sized by what the backbone gives; None without one."""
        self.adaptation = self.recipe.adaptation
        if self.adaptation is not None:
            self.adaptation.configure(self.backbone, self._embedding_size())

    def configure_loss(self) -> None:
        """Set `loss` and `regularizers`."""
        self.loss, self.regularizers = self.recipe.loss, nn.ModuleList(self.recipe.regularizers)
        on_frames = getattr(self.loss, "on", "clips") == "frames"
        if on_frames and not self.has_frames:
            raise InputError(f"{type(self.loss).__name__} needs frames", "loss", "this task classifies clips")
        if self.adaptation is not None and (on_frames or getattr(self.loss, "weighted", False)):
            what = f"{type(self.loss).__name__} wants more than logits and targets of clips"
            raise InputError(what, "loss", "take another one with an adaptation, e.g. torch.nn.CrossEntropyLoss")

    def configure_metrics(self) -> None:
        """Set `predictions`, which collects what evaluation steps give."""
        self.predictions = ClipPredictions(self.recipe.data.window_mean)
        self.val_loss = MeanMetric()

    def configure_optimizers(self) -> Any:
        """The recipe's optimiser and, where it has one, its schedule, stepped after every optimiser step."""
        weights = (p for p in self.parameters() if p.requires_grad)
        settings = self.recipe.trainer
        # A scaled gradient is clipped after it was unscaled, which a fused optimiser does itself.
        fused = settings.fused and settings.precision != "16-mixed"
        optimizer = make_optimizer(self.recipe.optimizer, weights) if fused else self.recipe.optimizer(weights)
        self._note("fused", is_fused(optimizer))
        if self.recipe.scheduler is None:
            return optimizer
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": self.recipe.scheduler(optimizer), "interval": "step"},
        }

    @staticmethod
    @abstractmethod
    def rescorer(found: Predictions, classes: Sequence[str]) -> Measures:
        """The task's rules, as measures of these predictions."""

    def score(self, table: ClipTable, examples: Sequence[Example]) -> Scores:
        """The task's scores, by the official rules.

        Args:
            table: Clips with probabilities and targets `(clips, classes)`.
            examples: The clips' examples.
        """
        found = self.stored(table, examples)
        return all_once(self.rescorer(found, self.classes), len(found.clip_id))

    @abstractmethod
    def plot(self, path: Path, table: ClipTable, examples: Sequence[Example], title: str) -> None:
        """Draw the picture of a run's test scores to the PNG `path`."""

    def stored(self, table: ClipTable, examples: Sequence[Example]) -> Predictions:
        """What a run keeps of its clips, and what they are scored by."""
        ids, groups = np.array([e.clip_id for e in examples]), np.array([e.group for e in examples])
        clusters = np.array([e.cluster or e.clip_id for e in examples])
        kinds = {kind for e in examples for kind in e.conditions}
        conditions = {kind: np.array([e.conditions.get(kind, "-") for e in examples]) for kind in sorted(kinds)}
        return Predictions(ids, groups, table.target, table.probability, clusters, conditions=conditions)

    def decisions(self, table: ClipTable) -> Sequence[Any]:
        """What is decided for each clip: a class index, events, or nothing where probabilities are the answer."""
        return [None] * len(table.clip)

    def compute_loss(self, outputs: Outputs, target: Tensor, valid: Tensor, weight: Tensor) -> Tensor:
        """Mean loss of a batch; a loss whose class says `weighted = True` gets the clips' weights.

        Args:
            outputs: What the network gave.
            target: What `loss_target` gives `(batch, ...)`.
            valid: Share of each clip that is real audio `(batch,)`.
            weight: How much each clip counts `(batch,)`.
        """
        weights = (weight,) if getattr(self.loss, "weighted", False) else ()
        return self.loss(outputs.clips, target, *weights)  # type: ignore[no-any-return]

    def clip_input(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """The same for a batch of the data, with the targets of its clips."""
        return self._input(batch, batch["target"])

    def _input(self, batch: Batch, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if "features" in batch:
            return self.feature_input(batch["features"], batch["frames_heard"], labels)
        return self.network_input(signal_of(batch), batch["length"], labels)

    def on_fit_start(self) -> None:
        """Fit normalisation on the training windows, once, and the loss on their clips' labels; switch on what is fast.

        An adaptation is told which clips it has labels of.
        """
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        self.fit_loss(data.train.targets[np.unique(data.train.clip)])
        if self.adaptation is not None:
            source = [example.group == self.adaptation.source for example in data.examples]
            self._of_source = torch.tensor(source, device=self.device)
        for index, transform in enumerate(self.transforms):
            if isinstance(transform, Fittable) and not transform.fitted:
                transform.load_state_dict(share(partial(self._fitted, transform, index)))
        settings, data.device = self.recipe.trainer, self.device
        self._note("channels_last", self.is_channels_last())
        self._note(settings.precision, settings.precision != "32-true")
        self._note("compiled", settings.compile and compile_in_place(self.backbone, self.device))
        self._note("resident", data.near(data.test) is not data.test)
        self._note("cached_features", self._cache_features(data))

    def _note(self, name: str, on: bool) -> None:
        if on and name not in self.fast_path:
            self.fast_path.append(name)

    def _cache_features(self, data: ClipDataModule) -> bool:
        """Make the features of windows that are used several times once; whether there are such."""
        settings, several = self.recipe.trainer, {}
        if settings.max_steps * data.settings.batch_size > len(data.train):
            several["train"] = data.train
        if self.trainer.limit_val_batches and settings.max_steps >= 2 * settings.val_every:
            several["valid"] = data.valid
        made_before = [a for a in self.augmentations if a.domain == "waveform"]
        if not several or made_before or self.backbone.input != "features" or not data.settings.cache_features:
            return False
        assert self.frontend is not None, "checked when it was built"
        parts, n = (self.frontend, *self.transforms), len(self.transforms)
        with torch.no_grad():
            if not are_fixed(parts, lambda: next(self._features_of(data.in_order(data.train), n))):
                return False
            for name, windows in several.items():
                setattr(data, name, keep_features(windows, self._features_of(data.in_order(windows), n), self.device))
        return any(getattr(data, name) is not windows for name, windows in several.items())

    def _fitted(self, transform: Fittable, index: int) -> Weights:
        with torch.no_grad():
            data = self.trainer.datamodule  # type: ignore[attr-defined]
            transform.fit(self._features_of(data.in_order(data.train), index))
        return transform.state_dict()

    def fit_loss(self, target: Tensor) -> None:
        """Show the loss the labels `(clips, classes)` of the training clips, if it wants to see them."""
        if isinstance(self.loss, FittableLoss):
            self.loss.fit(self.labels_of(target))

    def _features_of(self, batches: Iterable[Batch], n_transforms: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Features of batches after the first `n_transforms` transforms."""
        for batch in batches:
            batch = self.transfer_batch_to_device(batch, self.device, 0)
            yield self.features(signal_of(batch), batch["length"], n_transforms)
            self.beat()

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Make this step's random draws a function of (seed, step), so that a resumed run repeats them.

        What is drawn for a batch is drawn for that of all processes, by generators in one state.
        """
        self._seed_draws(0)

    def _seed_draws(self, stream: int) -> None:
        torch.manual_seed(hash((self.seed, self.global_step, stream)))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Loss of one batch, computed in float32 whatever the precision of the network."""
        target = self.loss_target(batch)
        # Augmentations that mix clips mix weights as they mix targets, so one is a column of the other meanwhile.
        labels = torch.cat([target.flatten(1), batch["weight"][:, None]], dim=1)
        with self._timed("features"):
            x, valid, labels = self._input(batch, labels)
        target, weight = labels[:, :-1].reshape_as(target), labels[:, -1]
        if self.global_rank:
            self._seed_draws(self.global_rank)  # masks of dropout, which no two processes share
        if self.adaptation is None:
            parts = self.loss_parts(x, valid, target, weight)
            losses = {"loss": torch.stack(list(parts.values())).sum()} | (parts if len(parts) > 1 else {})
        else:
            losses = self.adaptation(self, x, valid, target, self._of_source[batch["clip"]], self.global_step)
        shown = {f"train/{name}": value for name, value in losses.items()}
        with self._timed("metrics"):
            self.log_dict(shown, sync_dist=this_process().size > 1)
        return losses["loss"]

    def _timed(self, part: str) -> AbstractContextManager[None]:
        """Tell a profiler that a part of a step begins and ends."""
        trainer: Any = self._trainer
        return trainer.profiler.profile(part) if trainer is not None else nullcontext()

    def loss_target(self, batch: Batch) -> Tensor:
        """What the loss compares the outputs for a batch with `(batch, ...)`: the targets of its clips."""
        return self.labels_of(batch["target"])

    def loss_parts(self, x: Tensor, valid: Tensor, target: Tensor, weight: Tensor) -> dict[str, Tensor]:
        """The terms of the training loss by name: `labels`, then the regularizers, whose passes move no statistics.

        Args:
            x: Network input.
            valid: Share of each clip that is real audio `(batch,)`.
            target: Of the loss `(batch, ...)`; where batches are drawn by domain, the loss passes over clips whose
                targets are all NaN.
            weight: How much each clip counts `(batch,)`.
        """
        outputs: Outputs = self(x, valid)
        labelled: Outputs = outputs
        known: Any = ...
        if self.recipe.data.domains:
            known = ~target.flatten(1).isnan().all(dim=1)
            labelled = Outputs(outputs.clips[known], None if outputs.frames is None else outputs.frames[known])
        parts = {"labels": self._loss(labelled, target[known], valid[known], weight[known])}
        for number, regularizer in enumerate(self.regularizers, 1):
            self._seed_draws(-number)
            with frozen_statistics(self):
                parts[type(regularizer).__name__] = regularizer(lambda y: self(y, valid).clips, x, outputs.clips)
        return parts

    def _loss(self, outputs: Outputs, target: Tensor, valid: Tensor, weight: Tensor) -> Tensor:
        with torch.autocast(self.device.type, enabled=False):
            return self.compute_loss(outputs, target, valid, weight)

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        """Move the schedule on; in a run that is scaled down it runs through its whole course all the same."""
        steps = round(self.global_step / self.recipe.trainer.scale)
        while scheduler.last_epoch < steps:
            scheduler.step()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what made the training fast, for the record."""
        checkpoint["fast_path"] = self.fast_path

    def on_validation_epoch_start(self) -> None:
        """Forget the last validation."""
        self.predictions.reset()
        self.val_loss.reset()

    on_test_epoch_start = on_validation_epoch_start

    def evaluate(self, batch: Batch) -> tuple[Outputs, Tensor]:
        """Add a batch to `predictions`; its logits and its share of real audio `(batch,)`."""
        x, valid, _ = self.clip_input(batch)
        outputs = self(x, valid)
        self.predictions.update(batch["clip"], batch["window"], self.probabilities(outputs.clips), batch["target"])
        return outputs, valid

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Collect the predictions of one batch."""
        outputs, valid = self.evaluate(batch)
        loss = self._loss(outputs, self.loss_target(batch), valid, batch["weight"])
        here: ClipDataModule | None = self.trainer.datamodule if self.global_rank else None  # type: ignore[attr-defined]
        if here is None or self.global_rank < len(here.valid):  # else the batch is a repetition
            self.val_loss.update(loss, len(valid))

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Collect the predictions of one batch."""
        self.evaluate(batch)

    def _score_epoch(self) -> Scores:
        data: ClipDataModule = self.trainer.datamodule  # type: ignore[attr-defined]
        table = self.predictions.compute()
        return self.take_scores(table, [data.examples[clip] for clip in table.clip])

    def take_scores(self, table: ClipTable, examples: Sequence[Example]) -> Scores:
        """Keep a table and its scores, which are returned."""
        self.table, self.scores = table, self.score(table, examples)
        return self.scores

    def on_validation_epoch_end(self) -> None:
        """Log the validation scores as `val/<key>`; a network of some classes has none but its loss.

        Raises:
            InputError: The recipe selects by a score that there is not, or that is undefined here.
        """
        scores = self._score_epoch() if len(self.learnt) == len(self.classes) else {}
        for monitor in self.recipe.selection.monitors:
            if monitor not in ("loss", *scores):
                raise InputError(
                    f"{monitor!r} is no score", "selection.monitor", did_you_mean(monitor, [*scores, "loss"])
                )
            if monitor in scores and scores[monitor] is None:
                what = f"{monitor!r} is undefined on the validation part"
                raise InputError(what, "selection.monitor", "hold out more, by data.valid_fraction")
        self.log("val/loss", self.val_loss.compute())
        self.log_dict({f"val/{key}": value for key, value in scores.items() if value is not None})

    def on_test_epoch_end(self) -> None:
        """Keep the test scores and the table of predictions for the record."""
        self.log_dict({f"test/{key}": value for key, value in self._score_epoch().items() if value is not None})
