"""Losses on the frames of a clip; the class attribute `on` says so to the module that calls them."""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class FrameBCE(nn.Module):
    """Binary cross-entropy of every frame with its own probabilities, or with the tags of its clip.

    The mean over the valid frames and the classes of a clip, then over clips. Sources: cards `task4-baseline-crnn`,
    pass 2, and `task4-cp-jku-iterative-distillation`, passes on smoothed strong pseudo-labels.
    """

    on: ClassVar[str] = "frames"

    def forward(self, logits: Tensor, target: Tensor, frames: Tensor) -> Tensor:
        """Mean loss.

        Args:
            logits: `(batch, time, classes)`.
            target: In [0, 1], of frames `(batch, time, classes)`, where what it holds beyond a clip's end does not
                matter, or of clips `(batch, classes)`.
            frames: Frames of each clip that are real audio, at least 1, `(batch,)`.

        Returns:
            Mean, in nats.
        """
        if target.ndim == 2:
            target = target[:, None].expand_as(logits)
        real = (torch.arange(logits.shape[1], device=logits.device) < frames[:, None])[:, :, None]
        wanted = torch.where(real, target, 0.0)
        loss = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none").masked_fill(~real, 0.0)
        return (loss.mean(2).sum(1) / frames).mean()
