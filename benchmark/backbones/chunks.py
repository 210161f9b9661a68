"""Any network that makes one vector of its input, on each chunk of a clip."""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.errors import InputError


def cut_chunks(features: Tensor, frames: int) -> Tensor:
    """Chunks of a clip one after the other, without the rest that fills none; a clip shorter than one is padded.

    Args:
        features: `(batch, channels, time, bins)`.
        frames: Frames of a chunk.

    Returns:
        `(batch, chunks, channels, frames, bins)`.
    """
    features = F.pad(features, (0, 0, 0, max(0, frames - features.shape[2])))
    chunks = features.shape[2] // frames
    return torch.unflatten(features[:, :, : chunks * frames], 2, (chunks, frames)).transpose(1, 2)


class Chunks(nn.Module):
    """Gives the vectors of a clip's chunks as a sequence, of which a head makes the clip's classes.

    With `heads.hidden.MeanSoftmax` the clip's probability is the mean of its chunks'. In training
    `augmentations.chunks.RandomChunk` makes one chunk of each clip an example.

    Args:
        backbone: Network that gives `(batch, dim)` of features.
        frames: Frames of a chunk.

    Raises:
        InputError: The network takes waveforms, or `frames` is below 1.
    """

    input: ClassVar[str] = "features"

    def __init__(self, backbone: nn.Module, frames: int) -> None:
        super().__init__()
        if frames < 1:
            raise InputError(f"frames must be at least 1, not {frames}", "Chunks.frames")
        if getattr(backbone, "input", None) != "features":
            raise InputError(f"{type(backbone).__name__} does not take features", "Chunks.backbone")
        self.backbone, self.frames = backbone, frames

    def forward(self, features: Tensor) -> Tensor:
        """A vector a chunk.

        Args:
            features: `(batch, channels, frames, bins)`.

        Returns:
            `(batch, chunks, dim)`.

        Raises:
            InputError: The network does not give one vector of a chunk.
        """
        chunks = cut_chunks(features, self.frames)
        vectors: Tensor = self.backbone(chunks.flatten(0, 1))
        if vectors.ndim != 2:
            what = f"{type(self.backbone).__name__} gave shape {tuple(vectors.shape)}"
            raise InputError(what, "Chunks.backbone", "it must give (batch, dim)")
        return torch.unflatten(vectors, 0, chunks.shape[:2])
