"""No network at all: the frames themselves, for linear classifiers."""

from torch import Tensor, nn


class Frames(nn.Module):
    """Gives the features of each frame as they are; with a linear head the system is a logistic regression."""

    input = "features"

    def forward(self, features: Tensor) -> Tensor:
        """`(batch, channels, frames, bins)` to `(batch, frames, channels * bins)`."""
        return features.transpose(1, 2).flatten(2)
