"""Small networks of one or several branches, each on a channel of its own, normalised over the frequency axis."""

from collections.abc import Iterator, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from benchmark.backbones.scene_cnn import FrequencyBatchNorm
from benchmark.errors import InputError

POOL = 3


class BranchCNN(nn.Module):
    """A branch a channel: blocks of 3x3 convolutions; the branches' means over time and frequency side by side.

    Each convolution is preceded by a border of zeros and a normalisation of each frequency row, and keeps the size
    that the border has made larger. After each block but the last come 3x3 max pooling and dropout, after the last one
    the mean. Weights start Glorot-uniform, biases at 0.

    Source: card `task1-nn-filter-ensemble`, model table: with the hidden layer of `heads.hidden.MeanSoftmax` all
    parameter counts of Table 1. What these leave open: the normalisation comes before the convolution, as the text
    lists it, and pooling over time is that over frequency.

    Args:
        branches: Channels of the features, each of which has a branch.
        filters: Output channels of the convolutions of each block.
        convolutions: Convolutions of each block.
        dropout: Share of the activations that is dropped after each pooling.
        n_mels: Bins of the features.
        momentum: How far running statistics of the normalisation move in a step.

    Raises:
        InputError: A setting is impossible.
    """

    input: ClassVar[str] = "features"

    def __init__(
        self,
        branches: int = 1,
        filters: Sequence[int] = (32, 256),
        convolutions: int = 1,
        dropout: float = 0.0,
        n_mels: int = 128,
        momentum: float = 0.01,
    ) -> None:
        super().__init__()
        if min(branches, convolutions, n_mels, len(filters), *filters) < 1:
            what = f"{branches} branches of {convolutions} convolutions in blocks of {list(filters)} on {n_mels} bins"
            raise InputError(f"{what} are no network", "BranchCNN", "give each at least 1")
        if not 0 <= dropout < 1:
            raise InputError(f"dropout must be in [0, 1), not {dropout}", "BranchCNN.dropout")
        self.n_mels = n_mels
        self.branches = nn.ModuleList(
            nn.Sequential(*_branch(filters, convolutions, dropout, n_mels, momentum)) for _ in range(branches)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Embedding.

        Args:
            features: `(batch, branches, frames, n_mels)`.

        Returns:
            `(batch, branches * filters[-1])`.

        Raises:
            InputError: The features have other channels or bins.
        """
        if features.shape[1] != len(self.branches) or features.shape[3] != self.n_mels:
            wanted = f"(batch, {len(self.branches)}, frames, {self.n_mels})"
            raise InputError(
                f"BranchCNN takes {wanted}, not {tuple(features.shape)}",
                "BranchCNN.branches, BranchCNN.n_mels",
                "set them to what the front end gives",
            )
        parts = [branch(features[:, [place]]).mean((2, 3)) for place, branch in enumerate(self.branches)]
        return torch.cat(parts, 1)


def _branch(
    filters: Sequence[int], convolutions: int, dropout: float, bins: int, momentum: float
) -> Iterator[nn.Module]:
    channels = 1
    for block, width in enumerate(filters):
        if block:
            bins //= POOL
            yield nn.MaxPool2d(POOL)
            yield nn.Dropout(dropout)
        for _ in range(convolutions):
            bins += 2
            convolution = nn.Conv2d(channels, width, 3, padding="same")
            nn.init.xavier_uniform_(convolution.weight)
            nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
            yield nn.ZeroPad2d(1)
            yield FrequencyBatchNorm(bins, momentum)
            yield convolution
            yield nn.ReLU()
            channels = width
