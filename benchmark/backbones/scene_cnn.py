"""The small network of the organisers' baseline of DCASE 2018 task 1, acoustic scene classification."""

from typing import ClassVar

from torch import Tensor, nn

from benchmark.errors import InputError

WIDTHS = (32, 64)
HIDDEN = 100


class FrequencyBatchNorm(nn.Module):
    """Batch normalisation with one mean, variance, gain and offset per frequency bin, shared by all channels.

    The layer that comes of naming axis 1 of `(batch, frequency, time, channels)` as the axis of channels. Its constants
    are those of the framework of the original: statistics move by a hundredth a step, 0.001 is added to the variance.

    Args:
        n_bins: Frequency bins.
        momentum: How far running statistics move towards those of a batch.
    """

    def __init__(self, n_bins: int, momentum: float = 0.01) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(n_bins, eps=1e-3, momentum=momentum)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise `(batch, channels, time, n_bins)`."""
        return self.norm(x.transpose(1, 3)).transpose(1, 3)  # type: ignore[no-any-return]


class SceneCNN(nn.Module):
    """Two 7x7 convolutions with normalisation over the frequency axis, and a dense layer on the whole clip.

    5x5 pooling, then pooling over four bins and all of the time; a share of the activations is dropped after each
    pooling and after the dense layer (by the head, `Dense(dropout=0.3, init="uniform")`, the second
    dense layer). Convolutions start Glorot-uniform, the dense layer uniform within 0.05, all biases at 0.

    Source: card `task1-baseline-tut`, model table.

    Args:
        frames: Frames of every clip.
        n_mels: Bins of the features.
        dropout: Share of the activations that is dropped after each pooling.
        momentum: How far running statistics of the normalisation move in a step.

    Raises:
        InputError: Nothing is left after the poolings.
    """

    input: ClassVar[str] = "features"

    def __init__(self, frames: int = 500, n_mels: int = 40, dropout: float = 0.3, momentum: float = 0.01) -> None:
        super().__init__()
        self.frames, self.n_mels = frames, n_mels
        for name, value, smallest in (("frames", frames, 5), ("n_mels", n_mels, 20)):
            if value < smallest:
                raise InputError(
                    f"{name} = {value} is too few: nothing is left after the poolings", f"SceneCNN.{name}", "raise it"
                )
        time, bins = frames // 5, n_mels // 5
        self.layers = nn.Sequential(
            nn.Conv2d(1, WIDTHS[0], 7, padding="same"),
            FrequencyBatchNorm(n_mels, momentum),
            nn.ReLU(),
            nn.MaxPool2d(5),
            nn.Dropout(dropout),
            nn.Conv2d(*WIDTHS, 7, padding="same"),
            FrequencyBatchNorm(bins, momentum),
            nn.ReLU(),
            nn.MaxPool2d((time, 4)),
            nn.Dropout(dropout),
            nn.Flatten(),
            nn.Linear(WIDTHS[1] * (bins // 4), HIDDEN),
            nn.ReLU(),
        )
        for layer in self.layers:
            if isinstance(layer, nn.Conv2d):
                nn.init.xavier_uniform_(layer.weight)
            elif isinstance(layer, nn.Linear):
                nn.init.uniform_(layer.weight, -0.05, 0.05)
            if isinstance(layer, nn.Conv2d | nn.Linear) and layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def forward(self, features: Tensor) -> Tensor:
        """Embedding.

        Args:
            features: `(batch, 1, frames, n_mels)`.

        Returns:
            `(batch, 100)`.

        Raises:
            InputError: The features have another shape.
        """
        if features.shape[1:] != (1, self.frames, self.n_mels):
            raise InputError(
                f"SceneCNN takes (batch, 1, {self.frames}, {self.n_mels}), not {tuple(features.shape)}",
                "SceneCNN.frames, SceneCNN.n_mels",
                "set them to what the front end gives, and fix the frames with WrapFrames",
            )
        return self.layers(features)  # type: ignore[no-any-return]
