"""What happens to features between the front end and the network: normalisation and a fixed number of frames.

Each transform maps `(features, lengths)` to the same pair: features float32 `(batch, channels, frames, bins)`, lengths
int64 `(batch,)` in frames. Frames beyond a clip's length are padding: they change no result, and are 0 afterwards.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.errors import BenchmarkError, InputError


def frame_mask(lengths: Tensor, frames: int) -> Tensor:
    """True where a frame is not padding.

    Args:
        lengths: Frames that are not padding, int64 `(batch,)`.
        frames: Frames of the batch.

    Returns:
        bool `(batch, 1, frames, 1)`.
    """
    return (torch.arange(frames, device=lengths.device) < lengths[:, None])[:, None, :, None]


class Standardize(nn.Module):
    """Subtract each bin's mean over the training data and divide by its standard deviation.

    Both are over all clips, channels and valid frames, and are saved with the model. A bin that does not vary keeps its
    scale (standard deviation 1).

    Args:
        n_bins: Bins of the features.
    """

    mean: Tensor
    std: Tensor
    fitted: Tensor

    def __init__(self, n_bins: int = 64) -> None:
        super().__init__()
        if n_bins < 1:
            raise InputError(f"n_bins must be at least 1, not {n_bins}", "Standardize.n_bins")
        self.n_bins = n_bins
        self.register_buffer("mean", torch.zeros(n_bins))
        self.register_buffer("std", torch.ones(n_bins))
        self.register_buffer("fitted", torch.tensor(False))
        # `fitted` lives on the accelerator, where looking at it in every step would wait for the queue.
        self._known_fitted = False

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self._known_fitted = False

    def fit(self, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Take the statistics, in float64, from the valid frames of all batches.

        Args:
            batches: Pairs `(features, lengths)`.

        Raises:
            InputError: The features do not have `n_bins` bins.
            BenchmarkError: There was no valid frame.
        """
        count = 0
        mean = torch.zeros(self.n_bins, dtype=torch.float64)
        deviations = torch.zeros(self.n_bins, dtype=torch.float64)
        for features, lengths in batches:
            self._check(features)
            mask = frame_mask(lengths, features.shape[2]).squeeze(-1).expand(features.shape[:3])
            frames = features.detach()[mask].cpu().double()
            if not (new := len(frames)):
                continue
            batch_mean = frames.mean(0)
            step = batch_mean - mean
            count += new
            # Merging means and squared deviations, not raw sums, keeps a small spread around a large mean exact.
            mean += step * (new / count)
            deviations += (frames - batch_mean).square().sum(0) + step.square() * (new * (count - new) / count)
        if not count:
            raise BenchmarkError(
                "there is no frame to standardise by", "Standardize.fit", "check that the training part holds clips"
            )
        std = (deviations / count).sqrt()
        constant = std <= torch.finfo(torch.float32).eps * mean.abs()
        self.mean.copy_(mean)
        self.std.copy_(std.masked_fill(constant, 1.0))
        self.fitted.fill_(True)

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Standardise.

        Args:
            features: float32 `(batch, channels, frames, n_bins)`.
            lengths: int64 `(batch,)` frames.

        Returns:
            Features of the same shape, and the lengths as they came.

        Raises:
            InputError: The features do not have `n_bins` bins.
            BenchmarkError: `fit` was not called, nor a fitted state loaded.
        """
        self._check(features)
        if not self._known_fitted:
            if not bool(self.fitted):
                raise BenchmarkError(
                    "the normalisation has no statistics yet", "Standardize", "call fit, or load a checkpoint"
                )
            self._known_fitted = True
        mask = frame_mask(lengths, features.shape[2])
        return ((features - self.mean) / self.std).masked_fill(~mask, 0.0), lengths

    def _check(self, features: Tensor) -> None:
        if features.shape[-1] != self.n_bins:
            raise InputError(
                f"the features have {features.shape[-1]} bins, not {self.n_bins}",
                "Standardize.n_bins",
                "set n_bins to what the front end gives",
            )


class SubtractTemporalMean(nn.Module):
    """Subtract from each bin its mean over the valid frames of the same clip and channel."""

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Subtract the mean.

        Args:
            features: float32 `(batch, channels, frames, bins)`.
            lengths: int64 `(batch,)` frames.

        Returns:
            Features of the same shape, and the lengths as they came.
        """
        padding = ~frame_mask(lengths, features.shape[2])
        total = features.masked_fill(padding, 0.0).sum(2, keepdim=True)
        mean = total / lengths.clamp(min=1)[:, None, None, None]
        return (features - mean).masked_fill(padding, 0.0), lengths


class WrapFrames(nn.Module):
    """Repeat each clip's valid frames cyclically to a fixed number of frames, and cut longer clips.

    Args:
        frames: Frames that come out.
    """

    def __init__(self, frames: int = 1000) -> None:
        super().__init__()
        if frames < 1:
            raise InputError(f"frames must be at least 1, not {frames}", "WrapFrames.frames")
        self.frames = frames

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Repeat or cut.

        Args:
            features: float32 `(batch, channels, frames, bins)`.
            lengths: int64 `(batch,)` frames, at least 1.

        Returns:
            Features `(batch, channels, self.frames, bins)`, and lengths that are all `self.frames`.
        """
        index = torch.arange(self.frames, device=lengths.device) % lengths.clamp(min=1)[:, None]
        return features.take_along_dim(index[:, None, :, None], dim=2), torch.full_like(lengths, self.frames)
