"""Convolutional recurrent networks: blocks of plain or gated convolutions, then a recurrent layer over the frames."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor, nn

from benchmark.backbones.gated import GatedConv2d
from benchmark.backbones.sru import SRU
from benchmark.errors import InputError

Cell = Literal["gru", "sru"]


@dataclass
class ConvBlock:
    """Some convolutions and one max pooling.

    Attributes:
        channels: Output channels of each convolution.
        convolutions: How many there are.
        kernel: Their height and width; the output is as large as the input, an even kernel reaches right and down (odd
            where gated).
        pool: By how much frequency shrinks.
        time_pool: By how much time shrinks.
        norm: Whether there is batch normalisation after each convolution.
        bias: Whether the convolutions have a bias.
        gated: Whether a convolution gives twice the channels, the first half of which is multiplied by the sigmoid of
            the second; otherwise its activation is ReLU.
    """

    channels: int
    convolutions: int = 1
    kernel: int = 3
    pool: int = 1
    time_pool: int = 1
    norm: bool = True
    bias: bool = True
    gated: bool = False

    def __post_init__(self) -> None:
        for name in ("channels", "convolutions", "kernel", "pool", "time_pool"):
            if (value := getattr(self, name)) < 1:
                raise InputError(f"{name} must be at least 1, not {value}", f"ConvBlock.{name}")


class ConvRecurrent(nn.Module):
    """Blocks of convolutions, and a bidirectional recurrent layer over the frames, or none.

    Each convolution is followed by batch normalisation and its activation, each block by dropout after its pooling.
    Weights of convolutions and inputs start Glorot-uniform, recurrent ones orthogonal, biases at 0.

    With `gated`, a second recurrent layer reads the same frames, and the output is the first one's times the sigmoid of
    the second one's.

    Sources: cards `task4-cp-jku-iterative-distillation` (deep and shallow), `task4-gcrnn-vat-salr-harb` (gated
    convolutions) and `task4-wgru-mil` (pooling of time, spatial dropout, clip classifier without recurrence).

    Args:
        blocks: What the convolutions are.
        n_mels: Bins of the features.
        cell: Recurrent layer: `gru`, `sru`, or null for none.
        hidden: Units of the recurrent layer in each direction.
        gated: Whether a second recurrent layer gates the first.
        dropout: Share that is dropped after each block.
        spatial: Whether dropout drops whole channels, at all frames and bins.
        input_dropout: Share of the recurrent layer's inputs that is dropped, one mask for all frames of a clip.
        in_channels: Channels of the features.
        momentum: How far running statistics of the normalisation move in a step.
        eps: What normalisation adds to the variance.

    Raises:
        InputError: There is no block, the bins do not survive the pooling, there is no such cell, it is gated but not
            there, a gated convolution has an even kernel, or a dropout is not in [0, 1).
    """

    input: ClassVar[str] = "features"

    def __init__(
        self,
        blocks: Sequence[ConvBlock],
        n_mels: int = 64,
        cell: Cell | None = "gru",
        hidden: int = 64,
        gated: bool = False,
        dropout: float = 0.0,
        spatial: bool = False,
        input_dropout: float = 0.0,
        in_channels: int = 1,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        own = type(self).__name__
        for name, value in (("dropout", dropout), ("input_dropout", input_dropout)):
            if not 0 <= value < 1:
                raise InputError(f"{name} must be in [0, 1), not {value}", f"{own}.{name}")
        if not blocks:
            raise InputError("there is no block", f"{own}.blocks", "give at least one")
        if cell is None and gated:
            raise InputError("nothing is there to be gated", "ConvRecurrent.cell, ConvRecurrent.gated")
        self.n_mels, bins = n_mels, n_mels
        self.blocks = nn.Sequential()
        for block in blocks:
            drop = nn.Dropout2d(dropout) if spatial else nn.Dropout(dropout)
            self.blocks.append(nn.Sequential(*_layers(block, in_channels, momentum, eps), drop))
            in_channels, bins = block.channels, bins // block.pool
        if not bins:
            pools = tuple(block.pool for block in blocks)
            raise InputError(f"{n_mels} bins are too few for poolings by {pools}", f"{own}.n_mels")
        self.input_dropout = nn.Dropout1d(input_dropout)
        self.recurrent = None if cell is None else recurrent(cell, in_channels * bins, hidden)
        self.gate = recurrent(cell, in_channels * bins, hidden) if cell is not None and gated else None

    def forward(self, features: Tensor) -> Tensor:
        """A vector a frame, or a feature map where there is no recurrent layer.

        Args:
            features: `(batch, in_channels, frames, n_mels)`.

        Returns:
            `(batch, frames', 2 * hidden)`, or `(batch, channels, frames', bins')`.

        Raises:
            InputError: The features have another number of bins.
        """
        if features.shape[3] != self.n_mels:
            remedy = f"set {type(self).__name__}.n_mels"
            raise InputError(f"{features.shape[3]} bins, not {self.n_mels}", "backbone", remedy)
        x: Tensor = self.blocks(features)
        if self.recurrent is None:
            return x
        x = x.transpose(1, 2).flatten(2)
        x = self.input_dropout(x.transpose(1, 2)).transpose(1, 2)  # Dropout1d drops whole rows (channel, all frames)
        output = outputs(self.recurrent, x)
        return output if self.gate is None else output * outputs(self.gate, x).sigmoid()


def recurrent(cell: Cell, input_size: int, hidden: int) -> nn.Module:
    """A bidirectional recurrent layer with batches first.

    Args:
        cell: `gru` or `sru`.
        input_size: Size of a frame's vector.
        hidden: Units in each direction.

    Raises:
        InputError: There is no such cell, or a size is not positive.
    """
    if cell not in ("gru", "sru"):
        raise InputError(f"cell must be gru or sru, not {cell!r}", "cell")
    for name, value in (("input_size", input_size), ("hidden", hidden)):
        if value < 1:
            raise InputError(f"{name} must be at least 1, not {value}", f"{cell}.{name}")
    if cell == "sru":
        return SRU(input_size, hidden)
    gru = nn.GRU(input_size, hidden, batch_first=True, bidirectional=True)
    for name, parameter in gru.named_parameters():
        if "bias" in name:
            nn.init.zeros_(parameter)
        elif "weight_ih" in name:
            nn.init.xavier_uniform_(parameter)
        else:
            nn.init.orthogonal_(parameter)
    return gru


def outputs(layer: nn.Module, x: Tensor) -> Tensor:
    """What a recurrent layer gives for each frame `(batch, time, directions * hidden)` of `(batch, time, dim)`."""
    output: Tensor | tuple[Tensor, Tensor] = layer(x)
    return output[0] if isinstance(output, tuple) else output


def _layers(block: ConvBlock, in_channels: int, momentum: float, eps: float) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for _ in range(block.convolutions):
        make = _gated if block.gated else _plain
        layers += make(block, in_channels, momentum, eps)
        in_channels = block.channels
    return [*layers, nn.MaxPool2d((block.time_pool, block.pool))]


def _gated(block: ConvBlock, in_channels: int, momentum: float, eps: float) -> list[nn.Module]:
    norm: Literal["before"] | None = "before" if block.norm else None
    return [GatedConv2d(in_channels, block.channels, block.kernel, norm, block.bias, eps, momentum)]


def _plain(block: ConvBlock, in_channels: int, momentum: float, eps: float) -> list[nn.Module]:
    before, after = (block.kernel - 1) // 2, block.kernel // 2
    even = before != after
    convolution = nn.Conv2d(in_channels, block.channels, block.kernel, padding=0 if even else before, bias=block.bias)
    nn.init.xavier_uniform_(convolution.weight)
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)
    layers: list[nn.Module] = [nn.ZeroPad2d((before, after, before, after))] if even else []
    layers.append(convolution)
    if block.norm:
        layers.append(nn.BatchNorm2d(block.channels, eps=eps, momentum=momentum))
    return [*layers, nn.ReLU()]
