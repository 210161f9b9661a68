"""Global max pooling and a classifier with one hidden layer."""

from torch import Tensor, nn

from benchmark.errors import InputError
from benchmark.heads.pooling import GlobalMaxPool, classifier


class MaxPoolDense(GlobalMaxPool):
    """Maximum over valid time and all frequencies, then a hidden layer with ReLU and a linear layer.

    A share of the activations is dropped before both. Their weights start uniform within 0.05, biases at 0 (the
    "uniform" of the framework of several baselines of 2018).

    Source: README and configuration of the baseline, task 5 of the repository DCASE-REPO/dcase2018_baseline.

    Args:
        dim: Channels of the backbone's output.
        n_classes: Outputs.
        hidden: Size of the hidden layer.
        dropout: Share of the activations that is dropped.

    Raises:
        InputError: `hidden` is not positive, or `dropout` is not in [0, 1).
    """

    def __init__(self, dim: int, n_classes: int, hidden: int = 64, dropout: float = 0.2) -> None:
        if hidden < 1:
            raise InputError(f"hidden must be at least 1, not {hidden}", "MaxPoolDense.hidden")
        if not 0 <= dropout < 1:
            raise InputError(f"dropout must be in [0, 1), not {dropout}", "MaxPoolDense.dropout")
        super().__init__(hidden, n_classes, "uniform")
        dense = classifier(dim, hidden, "uniform")
        self.hidden = nn.Sequential(nn.Dropout(dropout), dense, nn.ReLU(), nn.Dropout(dropout))

    def pool(self, x: Tensor, padding: Tensor, frames: Tensor) -> Tensor:
        """The hidden layer's activations."""
        hidden: Tensor = self.hidden(super().pool(x, padding, frames))
        return hidden
