"""A loss on frames that have targets of their own."""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.errors import InputError


class SoftFrameBCE(nn.Module):
    """Binary cross-entropy of every frame with its own probabilities.

    The mean over the valid frames and the classes of a clip, then over clips. Source: card
    `task4-cp-jku-iterative-distillation`, passes on smoothed strong pseudo-labels.
    """

    on: ClassVar[str] = "frames"

    def forward(self, logits: Tensor, target: Tensor, frames: Tensor) -> Tensor:
        """Mean loss.

        Args:
            logits: `(batch, time, classes)`.
            target: In [0, 1], `(batch, time, classes)`; what it holds beyond a clip's end does not matter.
            frames: Frames of each clip that are real audio, at least 1, `(batch,)`.

        Returns:
            Mean, in nats.

        Raises:
            InputError: There is not one target for each frame and class.
        """
        if target.shape != logits.shape:
            raise InputError(
                f"targets of shape {tuple(target.shape)} for frames of shape {tuple(logits.shape)}",
                "loss",
                "SoftFrameBCE learns from labels of frames",
            )
        real = (torch.arange(logits.shape[1], device=logits.device) < frames[:, None])[:, :, None]
        wanted = torch.where(real, target, 0.0)
        loss = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none").masked_fill(~real, 0.0)
        return (loss.mean(2).sum(1) / frames).mean()
