"""Excerpts of clips at random places."""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.errors import InputError
from benchmark.processes import drawn


class RandomExcerpt(nn.Module):
    """Cut from each clip so many successive frames, every place among its valid frames equally likely.

    A clip with fewer frames is taken whole and padded with zeros. Source: card `task2-cp-jku-self-verification`
    (384 of 3000 frames).

    Args:
        frames: Frames of an excerpt.

    Raises:
        InputError: `frames` is below 1.
    """

    domain: ClassVar[str] = "features"

    def __init__(self, frames: int) -> None:
        super().__init__()
        if frames < 1:
            raise InputError(f"frames must be at least 1, not {frames}", "RandomExcerpt.frames")
        self.frames = frames

    def forward(self, features: Tensor, lengths: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Cut.

        Args:
            features: `(batch, channels, frames, bins)`.
            lengths: int64 `(batch,)` frames.
            target: Passed on.

        Returns:
            Features `(batch, channels, self.frames, bins)`, the valid frames of each, and the target as it came.
        """
        if not self.training:
            return features, lengths, target
        places = (lengths - self.frames).clamp(min=0) + 1
        # A float32 just below 1, times a large number of places, rounds up to that number.
        share = drawn(lambda n: torch.rand(n, device=features.device), len(features))
        start = torch.minimum((share * places).long(), places - 1)
        features = F.pad(features, (0, 0, 0, max(0, self.frames - features.shape[2])))
        index = start[:, None] + torch.arange(self.frames, device=features.device)
        cut = features.take_along_dim(index[:, None, :, None], dim=2)
        return cut, lengths.clamp(max=self.frames), target
