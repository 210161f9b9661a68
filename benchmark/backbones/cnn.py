"""CNN4 and CNN8, the plain convolutional networks of the Surrey baseline, one architecture for five tasks."""

from typing import ClassVar, Literal

from torch import Tensor, nn

from benchmark.errors import InputError

WIDTHS = (64, 128, 256, 512)


class CNN4(nn.Module):
    """Four 5x5 convolutions without bias, each with batch normalisation and ReLU, halving time and frequency each time.

    Source: card `crosstask-surrey-cnn48`, model table. The table prints 2x2 max pooling; the authors' code for task 1
    strides, and the printed training time agrees with striding, which costs a quarter. The parameters are the same.
    The weights start He-uniform.

    Args:
        downsample: `stride`: strided convolutions; `pool`: max pooling after each convolution.
        in_channels: Channels of the features.
        factors: By how much (time, frequency) shrink each time; `(1, 2)` keeps the frame rate, for detection.

    Raises:
        InputError: `downsample` is neither, or a factor is below 1.
    """

    input: ClassVar[str] = "features"

    def __init__(
        self,
        downsample: Literal["stride", "pool"] = "stride",
        in_channels: int = 1,
        factors: tuple[int, int] = (2, 2),
    ) -> None:
        super().__init__()
        if downsample not in ("stride", "pool"):
            raise InputError(f"downsample must be stride or pool, not {downsample!r}", "CNN4.downsample")
        _check_factors(factors, "CNN4.factors")
        self.layers = nn.Sequential()
        for width in WIDTHS:
            self.layers.extend(_convolution(in_channels, width, 5, factors if downsample == "stride" else (1, 1)))
            if downsample == "pool":
                self.layers.append(nn.MaxPool2d((factors[0], factors[1])))
            in_channels = width
        self.smallest = (1, 1) if downsample == "stride" else (factors[0] ** len(WIDTHS), factors[1] ** len(WIDTHS))

    def forward(self, features: Tensor) -> Tensor:
        """Feature map.

        Args:
            features: `(batch, in_channels, frames, bins)`.

        Returns:
            `(batch, 512, frames / factors[0] ** 4, bins / factors[1] ** 4)`; strides round up, pooling rounds down.

        Raises:
            InputError: There are too few frames or bins to halve four times.
        """
        _check_size(features, self.smallest)
        return self.layers(features)  # type: ignore[no-any-return]


class CNN8(nn.Module):
    """Four blocks of two 3x3 convolutions without bias, each with batch normalisation and ReLU, and a max pooling.

    Source: card `crosstask-surrey-cnn48`, model table and "Task 4 variant". The weights start He-uniform.

    Args:
        in_channels: Channels of the features.
        factors: By how much (time, frequency) shrink each time; `(1, 2)` keeps the frame rate, for detection.

    Raises:
        InputError: A factor is below 1.
    """

    input: ClassVar[str] = "features"

    def __init__(self, in_channels: int = 1, factors: tuple[int, int] = (2, 2)) -> None:
        super().__init__()
        _check_factors(factors, "CNN8.factors")
        self.layers = nn.Sequential()
        for width in WIDTHS:
            self.layers.extend(_convolution(in_channels, width, 3))
            self.layers.extend(_convolution(width, width, 3))
            self.layers.append(nn.MaxPool2d((factors[0], factors[1])))
            in_channels = width
        self.smallest = (factors[0] ** len(WIDTHS), factors[1] ** len(WIDTHS))

    def forward(self, features: Tensor) -> Tensor:
        """Feature map.

        Args:
            features: `(batch, in_channels, frames, bins)`.

        Returns:
            `(batch, 512, frames / factors[0] ** 4, bins / factors[1] ** 4)`, rounded down.

        Raises:
            InputError: There are too few frames or bins to pool four times.
        """
        _check_size(features, self.smallest)
        return self.layers(features)  # type: ignore[no-any-return]


def _check_factors(factors: tuple[int, int], where: str) -> None:
    if len(factors) != 2 or min(factors) < 1:
        raise InputError(f"factors must be two numbers of at least 1, not {factors}", where)


def _convolution(in_channels: int, out_channels: int, kernel: int, stride: tuple[int, int] = (1, 1)) -> nn.Sequential:
    convolution = nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=False)
    nn.init.kaiming_uniform_(convolution.weight, nonlinearity="relu")
    return nn.Sequential(convolution, nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True))


def _check_size(features: Tensor, smallest: tuple[int, int]) -> None:
    frames, bins = features.shape[2:]
    if frames < smallest[0] or bins < smallest[1]:
        raise InputError(
            f"{frames} frames of {bins} bins are too few to pool four times",
            "backbone",
            f"give clips of at least {smallest[0]} frames and a front end of at least {smallest[1]} bins",
        )
