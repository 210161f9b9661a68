"""The network of a recipe: front end, transforms, backbone and head, from the waveform to logits."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, Self, runtime_checkable

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from benchmark.data.classes import class_places
from benchmark.errors import InputError
from benchmark.recipe import Recipe
from benchmark.training.counting import count_macs, count_parameters

Weights = dict[str, Tensor]


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

    def state_dict(self) -> Weights:
        """What it has learnt."""

    def load_state_dict(self, state_dict: Weights) -> object:
        """Take over what another has learnt."""


class RecipeNetwork(pl.LightningModule, ABC):
    """A recipe's parts as one network.

    Attributes:
        classes: Class names, in the order of targets and predictions.
        learnt: Places of the classes that the network learns, in the order of its outputs.

    Args:
        recipe: The built recipe.
        classes: Class names.
    """

    def __init__(self, recipe: Recipe, classes: Sequence[str]) -> None:
        super().__init__()
        self.recipe, self.classes = recipe, tuple(classes)
        self.learnt = class_places(recipe.data.classes, self.classes, "data.classes")
        self.scored: list[Weights] = []
        self.configure_frontend()
        self.configure_backbone()
        self.configure_head()

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
        if self.frontend is None and self.backbone.input == "features":
            what = f"{type(self.backbone).__name__} takes features, and there is no front end"
            raise InputError(what, "frontend", "name one, e.g. benchmark.frontends.LogMel")

    def configure_head(self) -> None:
        """Set `head`, sized by what the backbone gives for one silent clip."""
        self.head = self.recipe.head(self._embedding_size(), len(self.learnt))

    @abstractmethod
    def activate(self, logits: Tensor) -> Tensor:
        """Probabilities `(batch, classes)` of the logits."""

    def probabilities(self, logits: Tensor) -> Tensor:
        """Probabilities `(…, classes)` of the logits; NaN of classes that the network does not learn."""
        probability = self.activate(logits)
        if len(self.learnt) == len(self.classes):
            return probability
        widened = probability.new_full((*probability.shape[:-1], len(self.classes)), torch.nan)
        widened[..., self.learnt] = probability
        return widened

    def labels_of(self, target: Tensor) -> Tensor:
        """The targets `(batch, …, classes)` of the classes that the network learns."""
        return target if len(self.learnt) == len(self.classes) else target[..., self.learnt]

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
        features, lengths = self._spectrogram(waveform, torch.tensor([samples]))
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
        """Trainable parameters; those of a loss or an adaptation take no part in a prediction."""
        parts = (self.frontend, self.transforms, self.augmentations, self.backbone, self.head)
        return sum(count_parameters(part) for part in parts if part is not None)

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
        features, lengths = self.features(waveform, lengths, len(self.transforms))
        return self.feature_input(features, lengths, target)

    def feature_input(self, features: Tensor, lengths: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The same for what `features` has given."""
        features, lengths, target = self._augment("features", features, lengths, target)
        return features, lengths / features.shape[2], target

    def features(self, waveform: Tensor, lengths: Tensor, n_transforms: int) -> tuple[Tensor, Tensor]:
        """Features `(batch, channels, frames, bins)` after the first transforms, and their lengths in frames."""
        features, lengths = self._spectrogram(waveform, lengths)
        for transform in self.transforms[:n_transforms]:
            features, lengths = transform(features, lengths)
        return features, lengths

    def _spectrogram(self, waveform: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        assert self.frontend is not None, "checked when it was built"
        return self.frontend(waveform, lengths)  # type: ignore[no-any-return]

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

    def load_scored(self, path: Path) -> None:
        """Take the weights with which a training is scored, or all of those whose predictions are averaged."""
        self.scored = scored_weights(path)
        self.load_state_dict(self.scored[0])

    def each(self) -> Iterator[Self]:
        """The network with each of its scored weights in turn; what they predict is to be averaged."""
        if len(self.scored) < 2:
            yield self
            return
        for weights in self.scored:
            self.load_state_dict(weights)
            yield self

    def predict(self, waveform: Tensor, lengths: Tensor) -> Outputs:
        """Logits of float waveforms `(batch, channels, time)` of so many samples."""
        x, valid, _ = self.network_input(waveform, lengths, waveform.new_zeros(len(waveform), len(self.classes)))
        return self(x, valid)  # type: ignore[no-any-return]


def scored_weights(path: Path) -> list[Weights]:
    """What a training is scored with: one set of weights, or several, the best first."""
    found = torch.load(path, weights_only=True, map_location="cpu", mmap=True)
    return found if isinstance(found, list) else [found]


class _Network(nn.Module):
    """Backbone and head as one module of one input, to be counted."""

    def __init__(self, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.backbone(x), x.new_ones(len(x)))  # type: ignore[no-any-return]
