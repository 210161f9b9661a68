"""A dense head that starts as the framework of several baselines of 2018 starts its `uniform` layers."""

from torch import nn

from benchmark.heads.pooling import Dense

HALF_RANGE = 0.05


class UniformDense(Dense):
    """Dropout and a linear layer on an embedding; the weights start uniform within 0.05, the bias at 0.

    Source: card `task1-baseline-tut`, model table.

    Args:
        dim: Size of the embedding.
        n_classes: Outputs.
        dropout: Share of the inputs that is dropped in training.
    """

    def __init__(self, dim: int, n_classes: int, dropout: float = 0.0) -> None:
        super().__init__(dim, n_classes, dropout)
        nn.init.uniform_(self.classifier.weight, -HALF_RANGE, HALF_RANGE)
