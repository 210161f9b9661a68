"""Losses on the frames of a clip; the class attribute `on` says so to the module that calls them."""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class FrameBCE(nn.Module):
    """Binary cross-entropy of every frame with the tags of its clip.

    The mean over the valid frames and the classes of a clip, then over clips. Source: card `task4-baseline-crnn`,
    pass 2.
    """

    on: ClassVar[str] = "frames"

    def forward(self, logits: Tensor, target: Tensor, frames: Tensor) -> Tensor:
        """Mean loss.

        Args:
            logits: `(batch, time, classes)`.
            target: Tags of the clips, in [0, 1], `(batch, classes)`.
            frames: Frames of each clip that are real audio, at least 1, `(batch,)`.

        Returns:
            Mean, in nats.
        """
        loss = F.binary_cross_entropy_with_logits(logits, target[:, None].expand_as(logits), reduction="none").mean(2)
        real = torch.arange(logits.shape[1], device=logits.device) < frames[:, None]
        return ((loss * real).sum(1) / frames).mean()
