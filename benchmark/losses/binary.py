"""Losses for classes that are each present or absent by themselves."""

from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.errors import InputError


class SqueezedBCE(nn.Module):
    """Binary cross-entropy on logits, its targets squeezed linearly from [0, 1] to [low, high].

    Source: card `other-beehive-bee-nobee`, training (the Bulbul baseline: 0.01 to 0.99).

    Args:
        low: What a target of 0 becomes.
        high: What a target of 1 becomes.

    Raises:
        InputError: Not `0 <= low < high <= 1`.
    """

    def __init__(self, low: float = 0.01, high: float = 0.99) -> None:
        super().__init__()
        if not 0 <= low < high <= 1:
            raise InputError(
                f"low and high must hold 0 <= low < high <= 1, not {low} and {high}",
                "SqueezedBCE.low, SqueezedBCE.high",
            )
        self.low, self.high = low, high

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Mean loss.

        Args:
            logits: `(batch, classes)`.
            target: In [0, 1], `(batch, classes)`.

        Returns:
            Mean over all entries, in nats.
        """
        return F.binary_cross_entropy_with_logits(logits, self.low + (self.high - self.low) * target)
