"""A chunk of each clip as an example."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from benchmark.backbones.chunks import cut_chunks
from benchmark.errors import InputError
from benchmark.processes import drawn


class RandomChunk(nn.Module):
    """Keep one of a clip's chunks, each equally likely, so that every chunk is an example with its clip's target.

    The chunks are those of `backbones.chunks.Chunks`, which classifies them all in evaluation; those that are all
    padding are never kept.

    Source: card `task1-nn-filter-ensemble`, training (a chunk a sample).

    Args:
        frames: Frames of a chunk.

    Raises:
        InputError: `frames` is below 1.
    """

    domain: ClassVar[str] = "features"

    def __init__(self, frames: int) -> None:
        super().__init__()
        if frames < 1:
            raise InputError(f"frames must be at least 1, not {frames}", "RandomChunk.frames")
        self.frames = frames

    def forward(self, features: Tensor, lengths: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Choose.

        Args:
            features: `(batch, channels, frames, bins)`.
            lengths: int64 `(batch,)` frames.
            target: Passed on.

        Returns:
            Features `(batch, channels, self.frames, bins)`, the frames of each chunk that are not padding, and the
            target as it came.
        """
        if not self.training:
            return features, lengths, target
        chunks = cut_chunks(features, self.frames)
        real = (lengths / self.frames).ceil().clamp(1, chunks.shape[1])
        chosen = (drawn(lambda n: torch.rand(n, device=chunks.device), len(chunks)) * real).long()
        kept = chunks[torch.arange(len(chunks), device=chunks.device), chosen]
        return kept, (lengths - chosen * self.frames).clamp(max=self.frames), target
