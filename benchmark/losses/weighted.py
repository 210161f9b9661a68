"""Losses whose examples count differently; the class attribute `weighted` says so to the module that calls them."""

from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F


class WeightedCrossEntropy(nn.Module):
    """Cross-entropy with soft targets, each example times its weight, then the mean over the batch.

    The sum is divided by the number of examples, not by that of their weights, so that a batch of doubtful labels moves
    the network less. Source: card `task2-noisy-labels-iqbal`, loss weighting.
    """

    weighted: ClassVar[bool] = True

    def forward(self, logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Mean loss.

        Args:
            logits: `(batch, classes)`.
            target: Probabilities that sum to 1, `(batch, classes)`.
            weight: How much each example counts, `(batch,)`.

        Returns:
            Mean, in nats.
        """
        return (F.cross_entropy(logits, target, reduction="none") * weight).mean()
