"""Three plain convolutions with shrinking kernels, the network of the audio tagging baseline (DCASE 2018 task 2)."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.errors import InputError


class CNN3(nn.Module):
    """Convolutions with ReLU, without normalisation, and overlapping 3x3 max poolings of stride 2 between them.

    Convolutions and poolings are padded as TensorFlow's "SAME": an odd padding has its larger half at the end, and
    poolings round up. The weights start from a normal distribution that is cut at two deviations, the biases at 0.

    Source: card `task2-fsdkaggle2018-baseline`, model table.

    Args:
        widths: Channels of each convolution.
        kernels: Side of each convolution's square kernel, odd.
        weight_std: Deviation of the normal distribution that the weights start from.
        in_channels: Channels of the features.

    Raises:
        InputError: There are not as many kernels as widths, a kernel is even, or a number is not positive.
    """

    input: ClassVar[str] = "features"

    def __init__(
        self,
        widths: Sequence[int] = (100, 150, 200),
        kernels: Sequence[int] = (7, 5, 3),
        weight_std: float = 1e-3,
        in_channels: int = 1,
    ) -> None:
        super().__init__()
        if not widths or len(widths) != len(kernels) or min(widths) < 1:
            raise InputError(f"widths {list(widths)} do not fit kernels {list(kernels)}", "CNN3.widths")
        if any(kernel < 1 or kernel % 2 == 0 for kernel in kernels):
            raise InputError(f"kernels must be odd, not {list(kernels)}", "CNN3.kernels")
        if weight_std <= 0:
            raise InputError(f"weight_std must be positive, not {weight_std}", "CNN3.weight_std")
        self.layers = nn.Sequential()
        for width, kernel in zip(widths, kernels, strict=True):
            if self.layers:
                self.layers.append(_SamePool())
            convolution = nn.Conv2d(in_channels, width, kernel, padding=kernel // 2)
            nn.init.trunc_normal_(convolution.weight, std=weight_std, a=-2 * weight_std, b=2 * weight_std)
            assert convolution.bias is not None
            nn.init.zeros_(convolution.bias)
            self.layers.extend((convolution, nn.ReLU(inplace=True)))
            in_channels = width

    def forward(self, features: Tensor) -> Tensor:
        """Feature map.

        Args:
            features: `(batch, in_channels, frames, bins)`.

        Returns:
            `(batch, widths[-1], frames / 4, bins / 4)`, rounded up (halved once between each two convolutions).
        """
        return self.layers(features)  # type: ignore[no-any-return]


class _SamePool(nn.Module):
    """3x3 max pooling of stride 2 whose output is half the input, rounded up."""

    def forward(self, x: Tensor) -> Tensor:
        # An odd side is padded by one at both ends, an even one at its end alone.
        height, width = (side % 2 for side in x.shape[2:])
        return F.max_pool2d(F.pad(x, (width, 1, height, 1), value=-torch.inf), 3, 2)
