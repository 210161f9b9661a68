"""Random shifts of features along time and frequency, one for each clip."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from benchmark.errors import InputError
from benchmark.processes import drawn


class CyclicTimeShift(nn.Module):
    """Rotate each clip within its valid frames by a random number of frames, each equally likely.

    Source: card `other-beehive-bee-nobee`, augmentation.
    """

    domain: ClassVar[str] = "features"

    def forward(self, features: Tensor, lengths: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Rotate.

        Args:
            features: `(batch, channels, frames, bins)`.
            lengths: int64 `(batch,)` frames.
            target: Passed on.

        Returns:
            Features of the same shape, and the rest as it came.
        """
        if not self.training:
            return features, lengths, target
        period = lengths.clamp(min=1)[:, None]
        start = (drawn(lambda n: torch.rand(n, 1, device=features.device), len(features)) * period).long()
        frame = torch.arange(features.shape[2], device=features.device)
        index = torch.where(frame < period, (frame + start) % period, frame)
        return features.take_along_dim(index[:, None, :, None], dim=2), lengths, target


class BinShift(nn.Module):
    """Shift each clip along frequency by a random number of bins, each equally likely; the edge bins are repeated.

    Source: card `other-beehive-bee-nobee`, augmentation (pitch shift by up to one mel band).

    Args:
        max_bins: Largest shift, up or down.

    Raises:
        InputError: `max_bins` is negative.
    """

    domain: ClassVar[str] = "features"

    def __init__(self, max_bins: int = 1) -> None:
        super().__init__()
        if max_bins < 0:
            raise InputError(f"max_bins must not be negative, as {max_bins} is", "BinShift.max_bins")
        self.max_bins = max_bins

    def forward(self, features: Tensor, lengths: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Shift.

        Args:
            features: `(batch, channels, frames, bins)`.
            lengths: int64 `(batch,)` frames.
            target: Passed on.

        Returns:
            Features of the same shape, and the rest as it came.
        """
        if not self.training:
            return features, lengths, target
        bins = features.shape[3]
        device, most = features.device, self.max_bins
        shift = drawn(lambda n: torch.randint(-most, most + 1, (n, 1), device=device), len(features))
        index = (torch.arange(bins, device=features.device) - shift).clamp(0, bins - 1)
        return features.take_along_dim(index[:, None, None, :], dim=3), lengths, target
