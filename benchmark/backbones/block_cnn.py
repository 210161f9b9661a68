"""Plain convolutional networks that are given as a table of blocks, each with a kernel and a stride of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor, nn

from benchmark.errors import InputError

Pair = tuple[int, int]


@dataclass(frozen=True)
class ConvBlock:
    """A row of the table. All pairs are (frames, bins).

    Attributes:
        width: Output channels.
        kernel: Size of the convolution.
        stride: Its steps.
        padding: Zeros on each side.
        pool: Size and steps of a max pooling behind it; null: none.
    """

    width: int
    kernel: Pair = (3, 3)
    stride: Pair = (1, 1)
    padding: Pair = (1, 1)
    pool: Pair | None = None

    def __post_init__(self) -> None:
        if min(self.width, *self.kernel, *self.stride, *(self.pool or (1, 1))) < 1 or min(self.padding) < 0:
            raise InputError(f"a block is impossible: {self}", "BlockCNN.blocks")

    def sizes(self, size: int, axis: int) -> int:
        """What is left of so many frames (axis 0) or bins (axis 1); less than 1: nothing."""
        size = (size + 2 * self.padding[axis] - self.kernel[axis]) // self.stride[axis] + 1
        return size // self.pool[axis] if self.pool else size


LAYOUTS: dict[str, tuple[ConvBlock, ...]] = {
    "wide": (
        ConvBlock(8, (1, 1), padding=(0, 0)),
        ConvBlock(16),
        ConvBlock(32, (128, 16), (16, 4), (16, 8), pool=(4, 4)),
        ConvBlock(64, (5, 5), (2, 2)),
        ConvBlock(128, (5, 5), (2, 2)),
        ConvBlock(256, stride=(2, 2)),
    ),
    "strided": (
        ConvBlock(8, (1, 1), (2, 2), (0, 0)),
        ConvBlock(16, stride=(2, 2)),
        ConvBlock(32, stride=(4, 4), pool=(4, 4)),
        ConvBlock(64, stride=(3, 3)),
        ConvBlock(128, stride=(3, 3)),
        ConvBlock(256, stride=(3, 3)),
    ),
}


class BlockCNN(nn.Module):
    """Blocks of a convolution, batch normalisation, ReLU, max pooling where the table has one, and dropout.

    Source: card `task-ust-cnn-vggish`, Table 1 (`wide`, with a kernel that sees 128 frames at once) and Table 2
    (`strided`; as printed its fourth block, 5x5, does not fit what the third leaves: here 3x3 with steps of 3, as the
    card chooses). 128 mel bands and the 862 frames of 10 s become one vector of 256 in both. The tables print mel
    before time.

    Args:
        blocks: Name of a table, or the blocks.
        dropout: Share of each block's outputs that is dropped in training.
        in_channels: Channels of the features.

    Raises:
        InputError: A setting is impossible.
    """

    input: ClassVar[str] = "features"

    def __init__(
        self,
        blocks: Literal["wide", "strided"] | Sequence[ConvBlock] = "wide",
        dropout: float = 0.5,
        in_channels: int = 1,
    ) -> None:
        super().__init__()
        if isinstance(blocks, str) and blocks not in LAYOUTS:
            raise InputError(f"blocks must be {' or '.join(LAYOUTS)}, or a list, not {blocks!r}", "BlockCNN.blocks")
        self.blocks = LAYOUTS[blocks] if isinstance(blocks, str) else tuple(blocks)
        if not self.blocks:
            raise InputError("there is no block", "BlockCNN.blocks", "give at least one")
        if not 0 <= dropout < 1:
            raise InputError(f"dropout must be in [0, 1), not {dropout}", "BlockCNN.dropout")
        self.layers = nn.Sequential()
        for block in self.blocks:
            layers = [
                nn.Conv2d(in_channels, block.width, block.kernel, block.stride, block.padding),
                nn.BatchNorm2d(block.width),
                nn.ReLU(),
                *([nn.MaxPool2d(block.pool)] if block.pool else []),
                nn.Dropout(dropout),
            ]
            self.layers.append(nn.Sequential(*layers))
            in_channels = block.width

    def forward(self, features: Tensor) -> Tensor:
        """Feature map.

        Args:
            features: `(batch, in_channels, frames, bins)`.

        Returns:
            `(batch, width of the last block, frames', bins')`.

        Raises:
            InputError: A block leaves no frame or no bin.
        """
        for axis, name in enumerate(("frames", "bins")):
            size = features.shape[2 + axis]
            for number, block in enumerate(self.blocks, 1):
                size = block.sizes(size, axis)
                if size < 1:
                    what = f"{features.shape[2 + axis]} {name} are too few: block {number} leaves none"
                    raise InputError(what, "BlockCNN.blocks", f"give more {name}, or blocks with smaller steps")
        return self.layers(features)  # type: ignore[no-any-return]
