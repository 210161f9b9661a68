"""Transforms of decibels that look at a clip's largest or smallest value."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.errors import InputError
from benchmark.frontends.transforms import frame_mask


class RelativeToMaximum(nn.Module):
    """Subtract each clip's largest value, so that decibels are relative to its loudest band.

    Source: card `task2-noisy-labels-iqbal`, front end (`power_to_db(ref=max)`).
    """

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Subtract.

        Args:
            features: float32 `(batch, channels, frames, bins)`.
            lengths: int64 `(batch,)` frames, at least 1.

        Returns:
            Features of the same shape, at most 0, and the lengths as they came.
        """
        padding = ~frame_mask(lengths, features.shape[2])
        largest = features.masked_fill(padding, -torch.inf).amax((1, 2, 3), keepdim=True)
        return (features - largest).masked_fill(padding, 0.0), lengths


class PadWithMinimum(nn.Module):
    """Bring shorter clips to a number of frames that hold their smallest value, and count as audio from then on.

    Source: card `task2-noisy-labels-iqbal`, front end (chunks).

    Args:
        frames: Frames that come out; longer clips are cut.

    Raises:
        InputError: `frames` is below 1.
    """

    def __init__(self, frames: int) -> None:
        super().__init__()
        if frames < 1:
            raise InputError(f"frames must be at least 1, not {frames}", "PadWithMinimum.frames")
        self.frames = frames

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Pad or cut.

        Args:
            features: float32 `(batch, channels, frames, bins)`.
            lengths: int64 `(batch,)` frames, at least 1.

        Returns:
            Features `(batch, channels, self.frames, bins)`, and lengths that are all `self.frames`.
        """
        padding = ~frame_mask(lengths, features.shape[2])
        smallest = features.masked_fill(padding, torch.inf).amin((1, 2, 3), keepdim=True)
        features = F.pad(features, (0, 0, 0, max(0, self.frames - features.shape[2])))[:, :, : self.frames]
        beyond = ~frame_mask(lengths, self.frames)
        return torch.where(beyond, smallest, features), torch.full_like(lengths, self.frames)
