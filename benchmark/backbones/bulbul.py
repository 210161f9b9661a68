"""Bulbul, the bird detection network that is the baseline of DCASE 2018 task 3."""

from typing import ClassVar

from torch import Tensor, nn

from benchmark.errors import InputError

SLOPE = 0.01
CHANNELS = 16


class Bulbul(nn.Module):
    """Four small convolutions with pooling and two dense layers on a fixed number of frames.

    Each mel band is first normalised by running statistics, without gain or offset. Convolutions are "valid"
    (unpadded), every activation is a leaky ReLU, and half the inputs of each dense layer are dropped; the head
    (`Dense(dropout=0.5)`) is the third dense layer.

    Source: card `other-beehive-bee-nobee`, model table. It does not say how weights start: here as in the framework of
    the original (Glorot-uniform, bias 0).

    Args:
        frames: Frames of every clip.
        n_mels: Bins of the features.

    Raises:
        InputError: Nothing is left after the poolings.
    """

    input: ClassVar[str] = "features"

    def __init__(self, frames: int = 1000, n_mels: int = 80) -> None:
        super().__init__()
        self.frames, self.n_mels = frames, n_mels
        time, bands = frames, n_mels
        for kernel in (3, 3, 1, 1):
            time, bands = (time - 2) // 3, (bands - kernel + 1) // kernel
        if time < 1 or bands < 1:
            name, value = ("frames", frames) if time < 1 else ("n_mels", n_mels)
            raise InputError(
                f"{name} = {value} is too few: nothing is left after the poolings", f"Bulbul.{name}", "raise it"
            )
        self.normalise = nn.BatchNorm1d(n_mels, momentum=0.1, affine=False)
        self.layers = nn.Sequential(
            *_block(1, (3, 3)),
            *_block(CHANNELS, (3, 3)),
            *_block(CHANNELS, (3, 1)),
            *_block(CHANNELS, (3, 1)),
            nn.Flatten(),
            nn.Dropout(0.5),
            nn.Linear(CHANNELS * time * bands, 256),
            nn.LeakyReLU(SLOPE),
            nn.Dropout(0.5),
            nn.Linear(256, 32),
            nn.LeakyReLU(SLOPE),
        )
        for layer in self.layers:
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, features: Tensor) -> Tensor:
        """Embedding.

        Args:
            features: `(batch, 1, frames, n_mels)`.

        Returns:
            `(batch, 32)`.

        Raises:
            InputError: The features have another shape.
        """
        if features.shape[1:] != (1, self.frames, self.n_mels):
            raise InputError(
                f"Bulbul takes (batch, 1, {self.frames}, {self.n_mels}), not {tuple(features.shape)}",
                "Bulbul.frames, Bulbul.n_mels",
                "set them to what the front end gives, and fix the frames with WrapFrames",
            )
        normalised = self.normalise(features.squeeze(1).transpose(1, 2)).transpose(1, 2).unsqueeze(1)
        return self.layers(normalised)  # type: ignore[no-any-return]


def _block(in_channels: int, kernel: tuple[int, int]) -> tuple[nn.Module, ...]:
    return nn.Conv2d(in_channels, CHANNELS, kernel), nn.LeakyReLU(SLOPE), nn.MaxPool2d(kernel)
