"""The convolutional recurrent network of DCASE 2018 task 4: convolutions that keep the frames, then a GRU."""

from collections.abc import Sequence

from benchmark.backbones.conv_recurrent import ConvBlock, ConvRecurrent
from benchmark.errors import InputError


class CRNN(ConvRecurrent):
    """Three convolutions that pool frequency alone, and a bidirectional GRU over the frames.

    Each 3x3 convolution has batch normalisation, ReLU, max pooling and dropout. The dropout before the GRU draws one
    mask for all frames of a clip. As in the source's framework, weights start Glorot-uniform, the GRU's recurrent ones
    orthogonal, those of its three gates as one matrix, and biases at 0; statistics of the normalisation move by a
    hundredth a step, and 0.001 is added to the variance. The source's GRU differs by one bias vector a gate and by hard
    sigmoid gates.

    Source: card `task4-baseline-crnn`, model table.

    Args:
        n_mels: Bins of the features.
        channels: Output channels of each convolution.
        pools: By how much each convolution's output shrinks along frequency.
        hidden: Units of the GRU in each direction.
        dropout: Share that is dropped after each pooling and before the GRU.
        in_channels: Channels of the features.
        momentum: How far running statistics of the normalisation move in a step.

    Raises:
        InputError: `channels` and `pools` differ in length, the bins do not survive the pooling, or `dropout` is not in
            [0, 1).
    """

    def __init__(
        self,
        n_mels: int = 64,
        channels: Sequence[int] = (64, 64, 64),
        pools: Sequence[int] = (4, 4, 4),
        hidden: int = 64,
        dropout: float = 0.3,
        in_channels: int = 1,
        momentum: float = 0.01,
    ) -> None:
        if len(channels) != len(pools):
            raise InputError(f"{len(channels)} channels but {len(pools)} pools", "CRNN.channels, CRNN.pools")
        super().__init__(
            [ConvBlock(width, pool=pool) for width, pool in zip(channels, pools, strict=True)],
            n_mels,
            hidden=hidden,
            dropout=dropout,
            input_dropout=dropout,
            in_channels=in_channels,
            momentum=momentum,
            eps=1e-3,
        )
