"""The base task module: the network of a recipe, trained and scored the same way for every task."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.data.datamodule import Batch, ClipDataModule, Example
from benchmark.errors import InputError
from benchmark.losses.virtual_adversarial import frozen_statistics
from benchmark.metrics.clips import ClipPredictions, ClipTable
from benchmark.metrics.measures import Measures, all_once
from benchmark.predictions import Predictions, Scores
from benchmark.recipe import Recipe
from benchmark.suggest import did_you_mean
from benchmark.training.network import Fittable, Outputs, RecipeNetwork


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

    def configure_optimizers(self) -> Any:
        """The recipe's optimiser and, where it has one, its schedule, stepped after every optimiser step."""
        optimizer = self.recipe.optimizer(p for p in self.parameters() if p.requires_grad)
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
        return self.network_input(_waveform(batch), batch["length"], batch["target"])

    def on_fit_start(self) -> None:
        """Fit normalisation on the training windows, once, and the loss on their clips' labels.

        An adaptation is told which clips it has labels of.
        """
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        self.fit_loss(data.train.targets[np.unique(data.train.clip)])
        if self.adaptation is not None:
            source = [example.group == self.adaptation.source for example in data.examples]
            self._of_source = torch.tensor(source, device=self.device)
        for index, transform in enumerate(self.transforms):
            if isinstance(transform, Fittable) and not transform.fitted:
                transform.fit(self._training_features(index))

    def fit_loss(self, target: Tensor) -> None:
        """Show the loss the labels `(clips, classes)` of the training clips, if it wants to see them."""
        if isinstance(self.loss, FittableLoss):
            self.loss.fit(self.labels_of(target))

    def _training_features(self, n_transforms: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Features of all training windows after the first `n_transforms` transforms."""
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        with torch.no_grad():
            for batch in data.statistics_dataloader():
                batch = self.transfer_batch_to_device(batch, self.device, 0)
                yield self._features(_waveform(batch), batch["length"], n_transforms)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Make this step's random draws a function of (seed, step, rank), so that a resumed run repeats them."""
        torch.manual_seed(hash((self.seed, self.global_step, self.global_rank)))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Loss of one batch, computed in float32 whatever the precision of the network."""
        target = self.loss_target(batch)
        # Augmentations that mix clips mix weights as they mix targets, so one is a column of the other meanwhile.
        labels = torch.cat([target.flatten(1), batch["weight"][:, None]], dim=1)
        x, valid, labels = self.network_input(_waveform(batch), batch["length"], labels)
        target, weight = labels[:, :-1].reshape_as(target), labels[:, -1]
        if self.adaptation is None:
            parts = self.loss_parts(x, valid, target, weight)
            losses = {"loss": torch.stack(list(parts.values())).sum()} | (parts if len(parts) > 1 else {})
        else:
            losses = self.adaptation(self, x, valid, target, self._of_source[batch["clip"]], self.global_step)
        self.log_dict({f"train/{name}": value for name, value in losses.items()}, prog_bar=True)
        return losses["loss"]

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
        for regularizer in self.regularizers:
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

    def on_validation_epoch_start(self) -> None:
        """Forget the last validation."""
        self.predictions.reset()

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
        self.log("val/loss", loss, batch_size=len(valid), on_epoch=True, on_step=False, sync_dist=True)

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
        self.log_dict({f"val/{key}": value for key, value in scores.items() if value is not None})

    def on_test_epoch_end(self) -> None:
        """Keep the test scores and the table of predictions for the record."""
        self.log_dict({f"test/{key}": value for key, value in self._score_epoch().items() if value is not None})


def _waveform(batch: Batch) -> Tensor:
    """The float signal of a batch from the store."""
    return batch["waveform"].float() * batch["gain"][:, None, None]
