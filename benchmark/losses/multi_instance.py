"""Multi-instance losses: frames are instances of which the clip's tags say something together."""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class MaxMeanMinBCE(nn.Module):
    """The highest frame of a class has the clip's tag, their mean half of it, and the lowest frame is 0.

    The sum over the classes of `BCE(y, max p) + BCE(y / 2, mean p) + BCE(0, min p)` over the valid frames, then the
    mean over clips. Source: card `task4-wgru-mil`, MIL loss (Morfi and Stowell's, for several classes).
    """

    on: ClassVar[str] = "frames"

    def forward(self, logits: Tensor, target: Tensor, frames: Tensor) -> Tensor:
        """Mean loss.

        Args:
            logits: `(batch, time, classes)`.
            target: Tags of the clips, in [0, 1], `(batch, classes)`.
            frames: Frames of each clip that are real audio, at least 1, `(batch,)`.

        Returns:
            Mean over clips, in nats.
        """
        padding = (torch.arange(logits.shape[1], device=logits.device) >= frames[:, None])[:, :, None]
        highest = logits.masked_fill(padding, -torch.inf).amax(1)
        lowest = logits.masked_fill(padding, torch.inf).amin(1)
        # Logarithms of the mean of p and of 1 - p: saturated frames keep the loss and its gradient finite.
        count = frames[:, None].to(logits.dtype).log()
        present, absent = (
            F.logsigmoid(signed).masked_fill(padding, -torch.inf).logsumexp(1) - count for signed in (logits, -logits)
        )
        half = target / 2
        middle = -(half * present + (1 - half) * absent)
        outer = F.binary_cross_entropy_with_logits(highest, target, reduction="none") + F.softplus(lowest)
        return (middle + outer).sum(1).mean()
