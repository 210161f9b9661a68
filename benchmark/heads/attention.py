"""Heads of sound event detection that weigh frames by an attention of their own."""

from torch import Tensor
from torch.nn import functional as F

from benchmark.heads.framewise import MeanProbability
from benchmark.heads.pooling import classifier


class ClassAttention(MeanProbability):
    """Each frame is classified, and the clip's probability is their mean weighted by an attention.

    With `z_cla`, the sigmoid of one linear layer, and `z_att`, the softmax over the classes of another, at every frame:
    `y_c = sum_t z_cla_c(t) z_att_c(t) / sum_t z_att_c(t)` over the valid frames. A frame's own probabilities are
    `z_cla`. The weights start Glorot-uniform, biases at 0.

    Source: card `task4-gcrnn-vat-salr-harb`, model, rows 5a to 6.

    Args:
        dim: Size of a frame's vector.
        n_classes: Outputs.

    Raises:
        InputError: `dim` or `n_classes` is below 1.
    """

    def __init__(self, dim: int, n_classes: int) -> None:
        super().__init__(dim, n_classes)
        self.attention = classifier(dim, n_classes, "glorot")

    def log_weights(self, x: Tensor) -> Tensor:
        """Logarithms of `z_att` `(batch, time, n_classes)`."""
        return F.log_softmax(self.attention(x), dim=2)
