"""Global mean and maximum side by side, and a classifier with one hidden layer."""

import torch
from torch import Tensor, nn

from benchmark.errors import InputError
from benchmark.heads.pooling import GlobalPool, classifier


class MeanMaxDense(GlobalPool):
    """Mean and maximum over valid time and all frequencies, a hidden layer with ReLU, dropout and a linear layer.

    Weights start Glorot-uniform, biases at 0. Source: card `task4-wgru-mil`, clip classifier.

    Args:
        dim: Channels of the backbone's output.
        n_classes: Outputs.
        hidden: Size of the hidden layer.
        dropout: Share of its activations that is dropped.

    Raises:
        InputError: `hidden` is not positive, or `dropout` is not in [0, 1).
    """

    def __init__(self, dim: int, n_classes: int, hidden: int = 1024, dropout: float = 0.5) -> None:
        if hidden < 1:
            raise InputError(f"hidden must be at least 1, not {hidden}", "MeanMaxDense.hidden")
        if not 0 <= dropout < 1:
            raise InputError(f"dropout must be in [0, 1), not {dropout}", "MeanMaxDense.dropout")
        super().__init__(hidden, n_classes, "glorot")
        self.hidden = nn.Sequential(classifier(2 * dim, hidden, "glorot"), nn.ReLU(), nn.Dropout(dropout))

    def pool(self, x: Tensor, padding: Tensor, frames: Tensor) -> Tensor:
        """The hidden layer's activations."""
        mean = x.masked_fill(padding, 0.0).mean(3).sum(1) / frames[:, None]
        largest = x.masked_fill(padding, -torch.inf).amax((1, 3))
        hidden: Tensor = self.hidden(torch.cat([mean, largest], dim=1))
        return hidden
