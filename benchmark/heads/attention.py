"""Heads of sound event detection that weigh frames by an attention of their own."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.errors import InputError
from benchmark.heads.pooling import classifier, valid_frames


class ClassAttention(nn.Module):
    """Each frame is classified, and the clip's probability is their mean weighted by an attention.

    With `z_cla`, the sigmoid of one linear layer, and `z_att`, the softmax over the classes of another, at every frame:
    `y_c = sum_t z_cla_c(t) z_att_c(t) / sum_t z_att_c(t)` over the valid frames. A frame's own probabilities are
    `z_cla`. The weights start Glorot-uniform, biases at 0.

    Source: card `task4-gcrnn-vat-salr-harb`, model, rows 5a to 6.

    Args:
        dim: Size of a frame's vector.
        n_classes: Outputs.

    Raises:
        InputError: `dim` or `n_classes` is below 1.
    """

    def __init__(self, dim: int, n_classes: int) -> None:
        super().__init__()
        self.classifier = classifier(dim, n_classes, "glorot")
        self.attention = classifier(dim, n_classes, "glorot")

    def forward(self, x: Tensor, valid: Tensor | None = None) -> Tensor:
        """Logits of the weighted mean.

        Args:
            x: `(batch, time, dim)`.
            valid: Share of the time axis that is real audio, `(batch,)`; nothing: all.

        Returns:
            `(batch, n_classes)`.

        Raises:
            InputError: `x` is not of rank 3.
        """
        logits = self.frame_logits(x)
        frames = valid_frames(x.new_ones(len(x)) if valid is None else valid, x.shape[1])
        padding = (torch.arange(x.shape[1], device=x.device) >= frames[:, None])[:, :, None]
        weight = F.log_softmax(self.attention(x), dim=2).masked_fill(padding, -torch.inf)
        # log y - log(1 - y): 1 - y is the same mean of 1 - z_cla, and logarithms keep saturated frames finite.
        present, absent = ((F.logsigmoid(signed) + weight).logsumexp(1) for signed in (logits, -logits))
        return present - absent

    def frame_logits(self, x: Tensor) -> Tensor:
        """Logits `(batch, time, n_classes)` of `z_cla`, of `x` `(batch, time, dim)`.

        Raises:
            InputError: `x` is not of rank 3.
        """
        if x.ndim != 3:
            raise InputError(
                f"ClassAttention got shape {tuple(x.shape)}", "head", "the backbone must give (batch, time, dim)"
            )
        return self.classifier(x)  # type: ignore[no-any-return]
