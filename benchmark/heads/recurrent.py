"""A head with a recurrent layer of its own, whose memory can be weakened where frames are asked for."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from benchmark.backbones.conv_recurrent import outputs, recurrent
from benchmark.backbones.recurrence import scaled_recurrence
from benchmark.errors import InputError
from benchmark.heads.framewise import MeanProbability


class RecurrentMean(nn.Module):
    """A bidirectional GRU, a linear layer and a sigmoid on each frame; the clip's probability is their mean.

    In evaluation, frames are those of the GRU with its recurrence weighted by `omega`, class by class; the clip's
    tags, and all of the training, are those of the GRU as it is.

    Source: card `task4-wgru-mil`, WGRU.

    Args:
        dim: Channels of the feature map, or size of a frame's vector.
        n_classes: Outputs.
        hidden: Units of the GRU in each direction.
        dropout: Share of its inputs that is dropped, one mask for all frames of a clip.
        omega: Weight of the recurrence, one for all classes or one each, in their order.

    Raises:
        InputError: A weight is not in [0, 1], there is not one for each class, or `dropout` is not in [0, 1).
    """

    def __init__(
        self, dim: int, n_classes: int, hidden: int = 64, dropout: float = 0.3, omega: float | Sequence[float] = 1.0
    ) -> None:
        super().__init__()
        self.omega = [float(omega)] * n_classes if isinstance(omega, int | float) else [float(w) for w in omega]
        if len(self.omega) != n_classes:
            raise InputError(f"{len(self.omega)} weights for {n_classes} classes", "RecurrentMean.omega")
        if not all(0 <= weight <= 1 for weight in self.omega):
            raise InputError(f"weights must be in [0, 1], not {self.omega}", "RecurrentMean.omega")
        if not 0 <= dropout < 1:
            raise InputError(f"dropout must be in [0, 1), not {dropout}", "RecurrentMean.dropout")
        self.dropout = nn.Dropout1d(dropout)
        self.gru = recurrent("gru", dim, hidden)
        self.mean = MeanProbability(2 * hidden, n_classes)

    def forward(self, x: Tensor, valid: Tensor | None = None) -> Tensor:
        """Logits of the mean probability.

        Args:
            x: `(batch, dim, time, 1)` or `(batch, time, dim)`.
            valid: Share of the time axis that is real audio, `(batch,)`; nothing: all.

        Returns:
            `(batch, n_classes)`.

        Raises:
            InputError: `x` has another shape.
        """
        return self.mean(outputs(self.gru, self._frames(x)), valid)  # type: ignore[no-any-return]

    def frame_logits(self, x: Tensor) -> Tensor:
        """Logits `(batch, time, n_classes)`, in evaluation with weighted recurrence."""
        x = self._frames(x)
        if self.training:
            return self.mean.frame_logits(outputs(self.gru, x))
        found: list[Tensor] = [x.new_empty(0)] * len(self.omega)
        for omega in sorted(set(self.omega)):
            with scaled_recurrence(self.gru, omega):  # type: ignore[arg-type]
                logits = self.mean.frame_logits(outputs(self.gru, x))
            for place, weight in enumerate(self.omega):
                if weight == omega:
                    found[place] = logits[:, :, place]
        return torch.stack(found, dim=2)

    def _frames(self, x: Tensor) -> Tensor:
        if x.ndim == 4 and x.shape[3] == 1:
            x = x.squeeze(3).transpose(1, 2)
        if x.ndim != 3:
            remedy = "the backbone must give (batch, time, dim), or a map with one bin of frequency"
            raise InputError(f"RecurrentMean got shape {tuple(x.shape)}", "head", remedy)
        return self.dropout(x.transpose(1, 2)).transpose(1, 2)  # type: ignore[no-any-return]
