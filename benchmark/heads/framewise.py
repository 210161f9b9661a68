"""Heads of sound event detection: the same classifier for the clip and for each of its frames."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.heads.pooling import GlobalPool, check_rank, classifier, frames_and_padding


class FrequencyMaxTimeMean(GlobalPool):
    """Maximum over frequency, mean over valid time, then a linear layer; for frames without the mean.

    The weights start He-uniform, the bias at 0. Source: card `crosstask-surrey-cnn48`, Task 4 variant.

    Args:
        dim: Channels of the backbone's output.
        n_classes: Outputs.
    """

    def pool(self, x: Tensor, padding: Tensor, frames: Tensor) -> Tensor:
        """Mean over time of each channel's largest value."""
        return x.masked_fill(padding, 0.0).amax(3).sum(1) / frames[:, None]


class MeanProbability(nn.Module):
    """A linear layer and a sigmoid on each frame; the clip's probability is their mean over valid frames.

    The weights start Glorot-uniform, the bias at 0. Source: card `task4-baseline-crnn`, model table, rows 5 and 6.

    Args:
        dim: Size of a frame's vector.
        n_classes: Outputs.

    Raises:
        InputError: `dim` or `n_classes` is below 1.
    """

    def __init__(self, dim: int, n_classes: int) -> None:
        super().__init__()
        self.classifier = classifier(dim, n_classes, "glorot")

    def forward(self, x: Tensor, valid: Tensor | None = None) -> Tensor:
        """Logits of the mean probability.

        Args:
            x: `(batch, time, dim)`.
            valid: Share of the time axis that is real audio, `(batch,)`; nothing: all.

        Returns:
            `(batch, n_classes)`.

        Raises:
            InputError: `x` is not of rank 3.
        """
        logits = self.frame_logits(x)
        _, padding = frames_and_padding(x, valid)
        weights = self.log_weights(x).masked_fill(padding[:, :, None], -torch.inf)
        # log p - log(1 - p): 1 - p is the same mean of the frames' 1 - p, and logarithms keep saturated frames finite.
        present, absent = ((F.logsigmoid(signed) + weights).logsumexp(1) for signed in (logits, -logits))
        return present - absent

    def log_weights(self, x: Tensor) -> Tensor:
        """Logarithms of the frames' weights in the mean, up to a constant: `(batch, time, 1 or n_classes)`."""
        return x.new_zeros(*x.shape[:2], 1)

    def frame_logits(self, x: Tensor) -> Tensor:
        """Logits `(batch, time, n_classes)` of `x` `(batch, time, dim)`.

        Raises:
            InputError: `x` is not of rank 3.
        """
        check_rank(self, x, 3)
        return self.classifier(x)  # type: ignore[no-any-return]
