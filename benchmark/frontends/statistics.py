"""Clip-level statistics of features: what a linear classifier can use of a clip."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from benchmark.errors import InputError
from benchmark.frontends.transforms import frame_mask

STATISTICS = ("mean", "std", "q95")


class FrameStatistics(nn.Module):
    """Each bin's mean, standard deviation or 95 % quantile over the valid frames, as the bins of one single frame.

    Args:
        statistics: Which of `mean`, `std` and `q95`, in this order in the output.

    Raises:
        InputError: An unknown statistic.
    """

    def __init__(self, statistics: Sequence[str] = STATISTICS) -> None:
        super().__init__()
        if not statistics or not set(statistics) <= set(STATISTICS):
            raise InputError(
                f"unknown statistics {list(statistics)}", "FrameStatistics.statistics", f"choose of {STATISTICS}"
            )
        self.statistics = tuple(statistics)

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Statistics of a batch.

        Args:
            features: `(batch, channels, frames, bins)`.
            lengths: Frames that are not padding, int64 `(batch,)`.

        Returns:
            `(batch, channels, 1, statistics * bins)`, and ones.
        """
        mask = frame_mask(lengths, features.shape[2])
        count = lengths.clamp(min=1)[:, None, None, None]
        mean = features.masked_fill(~mask, 0.0).sum(2, keepdim=True) / count
        found = {"mean": mean}
        if "std" in self.statistics:
            found["std"] = ((features - mean).masked_fill(~mask, 0.0).square().sum(2, keepdim=True) / count).sqrt()
        if "q95" in self.statistics:
            found["q95"] = features.masked_fill(~mask, torch.nan).nanquantile(0.95, dim=2, keepdim=True)
        return torch.cat([found[name] for name in self.statistics], dim=3), torch.ones_like(lengths)
