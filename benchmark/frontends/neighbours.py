"""The nearest-neighbour filter: what a spectrogram repeats, beside the spectrogram itself."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from benchmark.errors import InputError
from benchmark.frontends.log_mel import LogMel, exact_float32
from benchmark.frontends.transforms import Standardize, frame_mask


def neighbour_filter(features: Tensor, lengths: Tensor, neighbours: int) -> Tensor:
    """Each frame becomes the median, band by band, of the frames of its clip and channel that are most like it.

    Most like it: least Euclidean distance; the frame itself is none of them. A clip with fewer other frames takes those
    it has, and a single frame stays as it is. Memory grows with the square of the frames and is of one batch.

    Source: card `task1-nn-filter-ensemble`, front end (REPET-SIM). `librosa.decompose.nn_filter(S,
    aggregate=numpy.median, metric="euclidean", k=5, mode="distance")` gives the same where no two frames are equal;
    its default mode takes the first `k`, in time, of the `k + 2` most similar frames.

    Args:
        features: float32 `(batch, channels, frames, bins)`, before the logarithm.
        lengths: Frames that are not padding, int64 `(batch,)`.
        neighbours: How many frames.

    Returns:
        Of the same shape, 0 in padded frames.
    """
    frames = features.shape[2]
    mask = frame_mask(lengths, frames)
    taken = min(neighbours, frames - 1)
    if taken < 1:
        return features.masked_fill(~mask, 0.0)
    with exact_float32(features.device.type):
        distance = torch.cdist(features, features, compute_mode="donot_use_mm_for_euclid_dist")
    distance.masked_fill_(~mask.transpose(2, 3), torch.inf)
    distance.diagonal(dim1=2, dim2=3).fill_(torch.inf)
    nearest = distance.topk(taken, largest=False).indices
    clip, channel = (torch.arange(size, device=features.device) for size in features.shape[:2])
    alike = features[clip[:, None, None, None], channel[:, None, None], nearest]
    count = (lengths - 1).clamp(0, taken)[:, None, None, None, None]
    missing = torch.arange(taken, device=features.device)[:, None] >= count
    ordered = alike.masked_fill(missing, torch.inf).sort(3).values
    middle = torch.cat([(count - 1).clamp(min=0) // 2, count // 2], 3).clamp(max=taken - 1)
    median = ordered.take_along_dim(middle, 3).mean(3)
    return torch.where(count.squeeze(3) > 0, median, features).masked_fill(~mask, 0.0)


class NeighbourLogMel(LogMel):
    """Two channels for each of the waveform's: the log-mel spectrogram, and the logarithm of the filtered mel bands.

    Source: card `task1-nn-filter-ensemble`, front end.

    Args:
        neighbours: Frames that each frame is replaced by the median of; see `neighbour_filter`.
        **settings: Those of `LogMel`, for both.

    Raises:
        InputError: `neighbours` is below 1, or a setting of `LogMel` is impossible.
    """

    def __init__(self, neighbours: int = 5, **settings: Any) -> None:
        super().__init__(**settings)
        if neighbours < 1:
            raise InputError(f"neighbours must be at least 1, not {neighbours}", "NeighbourLogMel.neighbours")
        self.neighbours = neighbours

    def _to_log(self, features: Tensor, padding: Tensor) -> Tensor:
        lengths = (~padding).sum((1, 2, 3))
        filtered = neighbour_filter(features, lengths, self.neighbours)
        # One after the other: a floor below the maximum is that of each by itself.
        return torch.cat([super()._to_log(features, padding), super()._to_log(filtered, padding)], 1)


class StandardizeChannels(Standardize):
    """`Standardize`, each channel by its own statistics.

    Args:
        channels: Channels of the features.
        n_bins: Bins of each channel.

    Raises:
        InputError: `channels` or `n_bins` is below 1.
    """

    def __init__(self, channels: int = 2, n_bins: int = 64) -> None:
        if channels < 1:
            raise InputError(f"channels must be at least 1, not {channels}", "StandardizeChannels.channels")
        super().__init__(channels * n_bins)
        self.channels = channels

    def fit(self, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Take the statistics, in float64, from the valid frames of all batches.

        Args:
            batches: Pairs `(features, lengths)`.

        Raises:
            InputError: The features have other channels or bins.
            BenchmarkError: There was no valid frame.
        """
        super().fit((self._as_bins(features), lengths) for features, lengths in batches)

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Standardise.

        Args:
            features: float32 `(batch, channels, frames, n_bins)`.
            lengths: int64 `(batch,)` frames.

        Returns:
            Features of the same shape, and the lengths as they came.

        Raises:
            InputError: The features have other channels or bins.
            BenchmarkError: `fit` was not called, nor a fitted state loaded.
        """
        standard, lengths = super().forward(self._as_bins(features), lengths)
        return torch.unflatten(standard.squeeze(1), 2, (self.channels, -1)).transpose(1, 2), lengths

    def _as_bins(self, features: Tensor) -> Tensor:
        if features.shape[1] != self.channels:
            raise InputError(
                f"the features have {features.shape[1]} channels, not {self.channels}",
                "StandardizeChannels.channels",
                "set it to what the front end gives",
            )
        return features.transpose(1, 2).flatten(2).unsqueeze(1)
