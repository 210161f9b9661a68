"""The base task module: front end, backbone and head of a recipe, trained and scored the same way for every task."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from benchmark.data.datamodule import Batch, ClipDataModule, Example
from benchmark.errors import InputError
from benchmark.metrics.clips import ClipPredictions, ClipTable
from benchmark.recipe import Recipe
from benchmark.suggest import did_you_mean
from benchmark.training.counting import count_macs, count_parameters

Scores = dict[str, float | None]


class Outputs(NamedTuple):
    """Logits of clips `(batch, classes)` and, where frames are classified, of frames `(batch, frames, classes)`."""

    clips: Tensor
    frames: Tensor | None = None


@runtime_checkable
class Fittable(Protocol):
    """A transform that takes statistics of the training windows before the first step."""

    fitted: Tensor

    def fit(self, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Take the statistics of `(features, lengths)` pairs."""


class TaskModule(pl.LightningModule, ABC):
    """A recipe's parts as one network, with its training and evaluation steps.

    There is one subclass for a kind of problem (`activate`, `decide`), and a task's own module adds `score` and `plot`.
    A task may override a `configure_*` hook to change one part.

    Args:
        recipe: The built recipe.
        classes: Class names, in the order of the outputs.
        seed: Seed of every random draw; a step's draws depend on (seed, step) alone.
    """

    has_frames: ClassVar[bool] = False

    def __init__(self, recipe: Recipe, classes: Sequence[str], seed: int = 0) -> None:
        super().__init__()
        self.recipe, self.classes, self.seed = recipe, tuple(classes), seed
        self.configure_frontend()
        self.configure_backbone()
        self.configure_head()
        self.configure_adaptation()
        self.configure_loss()
        self.configure_metrics()
        self.scores: Scores = {}
        self.table: ClipTable | None = None

    def configure_frontend(self) -> None:
        """Set `frontend`, `transforms` and `augmentations`."""
        self.frontend = self.recipe.frontend
        self.transforms = nn.ModuleList(self.recipe.transforms)
        self.augmentations = nn.ModuleList(self.recipe.augmentations)

    def configure_backbone(self) -> None:
        """Set `backbone`."""
        self.backbone = self.recipe.backbone
        if self.recipe.trainer.channels_last:
            self.backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if getattr(self.backbone, "input", None) not in ("waveform", "features"):
            raise InputError(
                f"{type(self.backbone).__name__} does not say what it wants",
                "backbone",
                'give the class an attribute input = "waveform" or "features"',
            )

    def configure_head(self) -> None:
        """Set `head`, sized by what the backbone gives for one silent clip."""
        self.head = self.recipe.head(self._embedding_size(), len(self.classes))

    def configure_adaptation(self) -> None:
        """Set `adaptation`, which may hold networks of its own, sized by what the backbone gives; None without one."""
        self.adaptation = self.recipe.adaptation
        if self.adaptation is not None:
            self.adaptation.configure(self.backbone, self._embedding_size())

    def configure_loss(self) -> None:
        """Set `loss`."""
        self.loss = self.recipe.loss
        on_frames = getattr(self.loss, "on", "clips") == "frames"
        if on_frames and not self.has_frames:
            raise InputError(f"{type(self.loss).__name__} needs frames", "loss", "this task classifies clips")
        if self.adaptation is not None and (on_frames or getattr(self.loss, "weighted", False)):
            what = f"{type(self.loss).__name__} wants more than logits and targets of clips"
            raise InputError(what, "loss", "take another one with an adaptation, e.g. torch.nn.CrossEntropyLoss")

    def configure_metrics(self) -> None:
        """Set `predictions`, which collects what evaluation steps give."""
        self.predictions = ClipPredictions()

    def configure_optimizers(self) -> Any:
        """The recipe's optimiser and, where it has one, its schedule, stepped after every optimiser step."""
        optimizer = self.recipe.optimizer(p for p in self.parameters() if p.requires_grad)
        if self.recipe.scheduler is None:
            return optimizer
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": self.recipe.scheduler(optimizer), "interval": "step"},
        }

    @abstractmethod
    def activate(self, logits: Tensor) -> Tensor:
        """Probabilities `(batch, classes)` of the logits."""

    @abstractmethod
    def score(self, table: ClipTable, examples: Sequence[Example]) -> Scores:
        """The task's scores, by the official rules.

        Args:
            table: Clips with probabilities and targets `(clips, classes)`.
            examples: The clips' examples.
        """

    @abstractmethod
    def plot(self, path: Path, table: ClipTable, examples: Sequence[Example], title: str) -> None:
        """Draw the picture of a run's test scores to the PNG `path`."""

    def decisions(self, table: ClipTable) -> Sequence[Any]:
        """What is decided for each clip: a class index, events, or nothing where probabilities are the answer."""
        return [None] * len(table.clip)

    def compute_loss(self, outputs: Outputs, target: Tensor, valid: Tensor, weight: Tensor) -> Tensor:
        """Mean loss of a batch; a loss whose class says `weighted = True` gets the clips' weights.

        Args:
            outputs: What the network gave.
            target: `(batch, classes)`.
            valid: Share of each clip that is real audio `(batch,)`.
            weight: How much each clip counts `(batch,)`.
        """
        weights = (weight,) if getattr(self.loss, "weighted", False) else ()
        return self.loss(outputs.clips, target, *weights)  # type: ignore[no-any-return]

    @property
    def has_random_weights(self) -> bool:
        """Whether a part that should have had pretrained weights started without them."""
        return any(bool(getattr(module, "random_weights", False)) for module in self.modules())

    def example_input(self) -> Tensor:
        """What the network gets for one silent clip: the waveform `(1, 1, time)` or its features."""
        data = self.recipe.data
        samples = round(data.clip_seconds * data.sample_rate)
        waveform = torch.zeros(1, 1, samples)
        if self.backbone.input == "waveform":
            return waveform
        features, lengths = self.frontend(waveform, torch.tensor([samples]))
        for transform in self.transforms:
            if not isinstance(transform, Fittable):
                features, lengths = transform(features, lengths)
        return torch.zeros_like(features)

    def is_channels_last(self) -> bool:
        """Whether convolution weights were put into the faster layout."""
        return self.recipe.trainer.channels_last and any(p.ndim == 4 for p in self.backbone.parameters())

    def engine_on(self, device_type: str) -> str:
        """What computes the spectrograms on such a device; `none` where the front end has no choice or is not used."""
        choose: Callable[[str], str] | None = getattr(self.frontend, "engine_on", None)
        return choose(device_type) if choose is not None and self.backbone.input == "features" else "none"

    @property
    def n_parameters(self) -> int:
        """Trainable parameters of the network; what an adaptation holds beside it takes no part in a prediction."""
        beside = count_parameters(self.adaptation) if self.adaptation is not None else 0
        return count_parameters(self) - beside

    def count(self) -> tuple[int, int]:
        """`n_parameters`, and multiply-accumulates of the network (without front end) for one clip."""
        return self.n_parameters, count_macs(_Network(self.backbone, self.head), self.example_input())

    def network_input(self, waveform: Tensor, lengths: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What the backbone gets, each clip's share of real audio `(batch,)`, and the targets.

        In training mode the augmentations are applied, which may change the targets.

        Args:
            waveform: Float in [-1, 1] `(batch, channels, time)`, zero-padded at the end.
            lengths: Samples that are not padding `(batch,)`.
            target: `(batch, classes)`.
        """
        waveform, lengths, target = self._augment("waveform", waveform, lengths, target)
        if self.backbone.input == "waveform":
            return waveform, lengths / waveform.shape[-1], target
        features, lengths = self._features(waveform, lengths, len(self.transforms))
        features, lengths, target = self._augment("features", features, lengths, target)
        return features, lengths / features.shape[2], target

    def _features(self, waveform: Tensor, lengths: Tensor, n_transforms: int) -> tuple[Tensor, Tensor]:
        features, lengths = self.frontend(waveform, lengths)
        for transform in self.transforms[:n_transforms]:
            features, lengths = transform(features, lengths)
        return features, lengths

    def _augment(self, domain: str, x: Tensor, lengths: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if self.training:
            for augmentation in self.augmentations:
                if augmentation.domain == domain:
                    x, lengths, target = augmentation(x, lengths, target)
        return x, lengths, target

    def _embedding_size(self) -> int:
        output = self._network_output(self.example_input())
        return output.shape[-1] if output.ndim == 3 else output.shape[1]

    def _network_output(self, x: Tensor) -> Tensor:
        modes = {module: module.training for module in self.backbone.modules()}
        self.backbone.eval()
        with torch.no_grad():
            output = self.backbone(x)
        for module, training in modes.items():
            module.training = training
        if not isinstance(output, Tensor) or output.ndim not in (2, 3, 4):
            found = f"shape {tuple(output.shape)}" if isinstance(output, Tensor) else type(output).__name__
            raise InputError(
                f"the backbone gave {found}",
                "backbone",
                "its output must be (batch, dim), (batch, time, dim) or a feature map",
            )
        return output

    def forward(self, x: Tensor, valid: Tensor) -> Outputs:
        """Logits of network input and its share of real audio `(batch,)`.

        The head works in float32: eight bits of a bfloat16 logit would make ties of different clips.
        """
        output = self.backbone(x)
        with torch.autocast(output.device.type, enabled=False):
            return self.classify(output.float(), valid)

    def classify(self, output: Tensor, valid: Tensor) -> Outputs:
        """Logits of what the backbone gave."""
        return Outputs(self.head(output, valid))

    def predict(self, waveform: Tensor, lengths: Tensor) -> Outputs:
        """Logits of float waveforms `(batch, channels, time)` of so many samples."""
        x, valid, _ = self.network_input(waveform, lengths, waveform.new_zeros(len(waveform), len(self.classes)))
        return self(x, valid)  # type: ignore[no-any-return]

    def on_fit_start(self) -> None:
        """Fit normalisation on the training windows, once; note which clips an adaptation has labels of."""
        if self.adaptation is not None:
            examples = self.trainer.datamodule.examples  # type: ignore[attr-defined]
            source = [example.group == self.adaptation.source for example in examples]
            self._of_source = torch.tensor(source, device=self.device)
        for index, transform in enumerate(self.transforms):
            if isinstance(transform, Fittable) and not transform.fitted:
                transform.fit(self._training_features(index))

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
        # Augmentations that mix clips mix weights as they mix targets, so one is a column of the other meanwhile.
        labels = torch.cat([batch["target"], batch["weight"][:, None]], dim=1)
        x, valid, labels = self.network_input(_waveform(batch), batch["length"], labels)
        target, weight = labels[:, :-1], labels[:, -1]
        if self.adaptation is None:
            losses = {"loss": self._loss(self(x, valid), target, valid, weight)}
        else:
            losses = self.adaptation(self, x, valid, target, self._of_source[batch["clip"]], self.global_step)
        self.log_dict({f"train/{name}": value for name, value in losses.items()}, prog_bar=True)
        return losses["loss"]

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
        x, valid, _ = self.network_input(_waveform(batch), batch["length"], batch["target"])
        outputs = self(x, valid)
        self.predictions.update(batch["clip"], batch["window"], self.activate(outputs.clips), batch["target"])
        return outputs, valid

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Collect the predictions of one batch."""
        outputs, valid = self.evaluate(batch)
        loss = self._loss(outputs, batch["target"], valid, batch["weight"])
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
        """Log the validation scores as `val/<key>`.

        Raises:
            InputError: The recipe selects by a score that there is not, or that is undefined here.
        """
        scores = self._score_epoch()
        monitor = self.recipe.selection.monitor
        if monitor is not None and monitor not in ("loss", *scores):
            raise InputError(f"{monitor!r} is no score", "selection.monitor", did_you_mean(monitor, scores))
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


class _Network(nn.Module):
    """Backbone and head as one module of one input, to be counted."""

    def __init__(self, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.backbone(x), x.new_ones(len(x)))  # type: ignore[no-any-return]
