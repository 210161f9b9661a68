"""A head with a feature map for each class, whose mean is the class's logit."""

from torch import Tensor, nn

from benchmark.errors import InputError
from benchmark.heads.pooling import check_rank, frames_and_padding


class ClassMaps(nn.Module):
    """A 1x1 convolution without bias to one map a class, batch normalisation, and the mean of each map.

    The weights start He-normal. Source: card `task2-cp-jku-self-verification`, model table, rows 15 and 16.

    Args:
        dim: Channels of the backbone's output.
        n_classes: Outputs.

    Raises:
        InputError: `dim` or `n_classes` is below 1.
    """

    def __init__(self, dim: int, n_classes: int) -> None:
        super().__init__()
        for name, value in (("dim", dim), ("n_classes", n_classes)):
            if value < 1:
                raise InputError(f"{name} must be at least 1, not {value}", f"head.{name}")
        self.convolution = nn.Conv2d(dim, n_classes, 1, bias=False)
        nn.init.kaiming_normal_(self.convolution.weight, nonlinearity="relu")
        self.norm = nn.BatchNorm2d(n_classes)

    def forward(self, x: Tensor, valid: Tensor | None = None) -> Tensor:
        """Logits: the mean of each map over valid time and all frequencies.

        Args:
            x: `(batch, dim, time, frequency)`.
            valid: Share of the time axis that is real audio, `(batch,)`; nothing: all.

        Returns:
            `(batch, n_classes)`.

        Raises:
            InputError: `x` is not of rank 4.
        """
        logits = self.frame_logits(x)
        frames, padding = frames_and_padding(logits, valid)
        return logits.masked_fill(padding[:, :, None], 0.0).sum(1) / frames[:, None]

    def frame_logits(self, x: Tensor) -> Tensor:
        """Logits `(batch, time, n_classes)`: the mean over frequency alone.

        Raises:
            InputError: `x` is not of rank 4.
        """
        check_rank(self, x, 4)
        return self.norm(self.convolution(x)).mean(3).transpose(1, 2)  # type: ignore[no-any-return]
