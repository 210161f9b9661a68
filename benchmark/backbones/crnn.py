"""The convolutional recurrent network of DCASE 2018 task 4: convolutions that keep the frames, then a GRU."""

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn

from benchmark.errors import InputError


class CRNN(nn.Module):
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

    input: ClassVar[str] = "features"

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
        super().__init__()
        if len(channels) != len(pools) or not channels:
            raise InputError(f"{len(channels)} channels but {len(pools)} pools", "CRNN.channels, CRNN.pools")
        if not 0 <= dropout < 1:
            raise InputError(f"dropout must be in [0, 1), not {dropout}", "CRNN.dropout")
        self.layers = nn.Sequential()
        self.n_mels, bins = n_mels, n_mels
        for width, pool in zip(channels, pools, strict=True):
            self.layers.append(_convolution(in_channels, width, pool, dropout, momentum))
            in_channels, bins = width, bins // pool
        if not bins:
            raise InputError(f"{n_mels} bins are too few for poolings by {tuple(pools)}", "CRNN.n_mels, CRNN.pools")
        self.dropout = nn.Dropout1d(dropout)
        self.gru = nn.GRU(in_channels * bins, hidden, batch_first=True, bidirectional=True)
        for name, parameter in self.gru.named_parameters():
            if "bias" in name:
                nn.init.zeros_(parameter)
            elif "weight_ih" in name:
                nn.init.xavier_uniform_(parameter)
            else:
                nn.init.orthogonal_(parameter)

    def forward(self, features: Tensor) -> Tensor:
        """A vector a frame.

        Args:
            features: `(batch, in_channels, frames, n_mels)`.

        Returns:
            `(batch, frames, 2 * hidden)`.

        Raises:
            InputError: The features have another number of bins.
        """
        if features.shape[3] != self.n_mels:
            raise InputError(f"{features.shape[3]} bins, not {self.n_mels}", "backbone", "set CRNN.n_mels")
        x = self.layers(features).transpose(1, 2).flatten(2)
        x = self.dropout(x.transpose(1, 2)).transpose(1, 2)  # Dropout1d drops whole rows (channel, all frames)
        output: Tensor = self.gru(x)[0]
        return output


def _convolution(in_channels: int, channels: int, pool: int, dropout: float, momentum: float) -> nn.Sequential:
    convolution = nn.Conv2d(in_channels, channels, 3, padding=1)
    nn.init.xavier_uniform_(convolution.weight)
    nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
    return nn.Sequential(
        convolution,
        nn.BatchNorm2d(channels, eps=1e-3, momentum=momentum),
        nn.ReLU(inplace=True),
        nn.MaxPool2d((1, pool)),
        nn.Dropout(dropout),
    )
