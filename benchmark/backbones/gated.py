"""Gated convolutions: one half of a convolution's channels decides how much of the other half passes."""

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.errors import InputError


class GatedConv2d(nn.Module):
    """A convolution to twice the channels and a gated linear unit: first half times the sigmoid of the second half.

    Frames and bins keep their number. The weights start Glorot-uniform, the bias at 0. Source: cards
    `task2-noisy-labels-iqbal` (model table) and `task4-glu-ctc` (GLU).

    Args:
        in_channels: Channels of the input.
        channels: Channels of the output.
        kernel: Height and width of the kernel, odd.
        norm: Where batch normalisation stands: `before` the gate, on all 2 * channels; `after` it; or nowhere.
        bias: Whether the convolution has a bias.
        eps: Added to the variance in normalisation.
        momentum: How far running statistics of the normalisation move in a step.

    Raises:
        InputError: The kernel is even, or `norm` is none of these.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        kernel: int = 3,
        norm: Literal["before", "after"] | None = "after",
        bias: bool = True,
        eps: float = 1e-5,
        momentum: float = 0.1,
    ) -> None:
        super().__init__()
        if kernel < 1 or kernel % 2 == 0:
            raise InputError(f"kernel must be odd, not {kernel}", "GatedConv2d.kernel")
        if norm not in ("before", "after", None):
            raise InputError(f"norm must be before, after or null, not {norm!r}", "GatedConv2d.norm")
        self.convolution = nn.Conv2d(in_channels, 2 * channels, kernel, padding=kernel // 2, bias=bias)
        nn.init.xavier_uniform_(self.convolution.weight)
        if self.convolution.bias is not None:
            nn.init.zeros_(self.convolution.bias)
        self.before = nn.BatchNorm2d(2 * channels, eps, momentum) if norm == "before" else nn.Identity()
        self.after = nn.BatchNorm2d(channels, eps, momentum) if norm == "after" else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, in_channels, frames, bins)` to `(batch, channels, frames, bins)`."""
        return self.after(F.glu(self.before(self.convolution(x)), dim=1))  # type: ignore[no-any-return]
