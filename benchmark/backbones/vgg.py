"""VGG13 for spectrograms: five blocks of two convolutions, plain or gated, on request with recurrent units on top."""

from collections.abc import Sequence
from typing import ClassVar, Literal

from torch import Tensor, nn

from benchmark.backbones.gated import GatedConv2d
from benchmark.backbones.gru import BidirectionalGRU
from benchmark.errors import InputError

EPS = 1e-3  # added to the variance in the framework of the source


class VGG13(nn.Module):
    """Blocks of two 3x3 convolutions and a 2x2 max pooling; normalisation follows the activation.

    With `recurrent` units the map is averaged over frequency, and a bidirectional GRU reads its frames. Global pooling
    and the classifier are the head's (`GlobalMeanPool`). The weights start Glorot-uniform, biases at 0.

    Source: card `task2-noisy-labels-iqbal`, model table: VGG13, GCNN (gated), CRNN and GCRNN (512 recurrent units).

    Args:
        gated: Whether gated linear units take the place of ReLUs; their convolutions have twice the channels.
        recurrent: Recurrent units in each direction; 0: none.
        widths: Output channels of each block.
        activation: Of the recurrent units' candidate state.
        in_channels: Channels of the features.
        momentum: How far running statistics of the normalisation move in a step; the source's framework has 0.01.

    Raises:
        InputError: There is no block, or `recurrent` is negative.
    """

    input: ClassVar[str] = "features"

    def __init__(
        self,
        gated: bool = False,
        recurrent: int = 0,
        widths: Sequence[int] = (64, 128, 256, 512, 512),
        activation: Literal["tanh", "relu"] = "relu",
        in_channels: int = 1,
        momentum: float = 0.01,
    ) -> None:
        super().__init__()
        if not widths:
            raise InputError("there must be at least one block", "VGG13.widths")
        if recurrent < 0:
            raise InputError(f"recurrent must not be negative, as {recurrent} is", "VGG13.recurrent")
        self.layers = nn.Sequential()
        for width in widths:
            for channels in (in_channels, width):
                block = _gated if gated else _plain
                self.layers.append(block(channels, width, momentum))
            self.layers.append(nn.MaxPool2d(2))
            in_channels = width
        self.smallest = 2 ** len(widths)
        self.recurrent = BidirectionalGRU(in_channels, recurrent, activation) if recurrent else None

    def forward(self, features: Tensor) -> Tensor:
        """Feature map, or a vector a frame.

        Args:
            features: `(batch, in_channels, frames, bins)`.

        Returns:
            `(batch, widths[-1], frames / 2 ** blocks, bins / 2 ** blocks)`, rounded down; with recurrent units
            `(batch, frames / 2 ** blocks, 2 * recurrent)`.

        Raises:
            InputError: There are too few frames or bins for the poolings.
        """
        frames, bins = features.shape[2:]
        if min(frames, bins) < self.smallest:
            what = f"{frames} frames of {bins} bins are too few for poolings by {self.smallest}"
            raise InputError(what, "backbone", f"give clips and a front end of at least {self.smallest} of each")
        x: Tensor = self.layers(features)
        if self.recurrent is None:
            return x
        return self.recurrent(x.mean(3).transpose(1, 2))  # type: ignore[no-any-return]


def _plain(in_channels: int, channels: int, momentum: float) -> nn.Module:
    convolution = nn.Conv2d(in_channels, channels, 3, padding=1)
    nn.init.xavier_uniform_(convolution.weight)
    nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
    return nn.Sequential(convolution, nn.ReLU(inplace=True), nn.BatchNorm2d(channels, EPS, momentum))


def _gated(in_channels: int, channels: int, momentum: float) -> nn.Module:
    return GatedConv2d(in_channels, channels, norm="after", eps=EPS, momentum=momentum)
