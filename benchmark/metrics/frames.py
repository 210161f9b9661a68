"""Probabilities over time gathered clip by clip, the same on one process and on many."""

from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.metrics.clips import ClipPredictions, ClipTable


class FramePredictions(ClipPredictions):
    """Collects frame probabilities beside clip probabilities, and joins the windows of a clip where they belong."""

    first: list[Tensor]
    valid: list[Tensor]
    frames: list[Tensor]

    _state_dtypes: ClassVar[tuple[tuple[str, torch.dtype], ...]] = (
        *ClipPredictions._state_dtypes,
        ("first", torch.int64),
        ("valid", torch.int64),
        ("frames", torch.float32),
    )

    def update_frames(self, first: Tensor, valid: Tensor, frames: Tensor) -> None:
        """Add the frames of the batch that `update` has just added.

        Args:
            first: Frame of the clip at which each window starts `(batch,)`.
            valid: Frames of each window that see real audio `(batch,)`.
            frames: Probabilities `(batch, frames, classes)`, the same number of frames in every batch.
        """
        self._add(first=first, valid=valid, frames=frames)

    def compute(self) -> ClipTable:
        """The table with the frames of each clip, if there were any; where windows overlap, their mean."""
        table = super().compute()
        if not len(self._gathered("first")):
            return table
        clip, window = self._gathered("clip"), self._gathered("window")
        first, valid = self._gathered("first"), self._gathered("valid")
        frames = self._gathered("frames").reshape(len(clip), -1, table.probability.shape[1])
        order = np.lexsort((window, clip))
        repeated = np.zeros(len(order), dtype=bool)
        repeated[1:] = (np.diff(clip[order]) == 0) & (np.diff(window[order]) == 0)
        kept = order[~repeated]
        rows = np.split(kept, np.flatnonzero(np.diff(clip[kept])) + 1)
        return table._replace(frames=[join_windows(first[row], valid[row], frames[row]) for row in rows])


def join_windows(first: NDArray[Any], valid: NDArray[Any], frames: NDArray[Any]) -> NDArray[np.float32]:
    """The frames of one clip from those of its windows; where windows overlap, their mean.

    Args:
        first: Frame of the clip at which each window starts `(windows,)`.
        valid: Frames of each window that see real audio `(windows,)`.
        frames: Probabilities `(windows, frames, classes)`.

    Returns:
        `(frames of the clip, classes)`.
    """
    total = int((first + valid).max())
    joined, seen = np.zeros((total, frames.shape[2])), np.zeros((total, 1))
    for start, count, part in zip(first.tolist(), valid.tolist(), frames, strict=True):
        joined[start : start + count] += part[:count]
        seen[start : start + count] += 1
    joined /= np.maximum(seen, 1)
    # A front end without padding leaves a frame or two between windows that none has seen: they are as the one before.
    latest = np.maximum.accumulate(np.where(seen[:, 0] > 0, np.arange(total), 0))
    return joined[latest].astype(np.float32)
