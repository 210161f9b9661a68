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
        downsample: `stride`: convolutions of stride 2; `pool`: 2x2 max pooling after each convolution.
        in_channels: Channels of the features.

    Raises:
        InputError: `downsample` is neither.
    """

    input: ClassVar[str] = "features"

    def __init__(self, downsample: Literal["stride", "pool"] = "stride", in_channels: int = 1) -> None:
        super().__init__()
        if downsample not in ("stride", "pool"):
            raise InputError(f"downsample must be stride or pool, not {downsample!r}", "CNN4.downsample")
        self.layers = nn.Sequential()
        for width in WIDTHS:
            self.layers.extend(_convolution(in_channels, width, 5, stride=2 if downsample == "stride" else 1))
            if downsample == "pool":
                self.layers.append(nn.MaxPool2d(2))
            in_channels = width
        self.smallest = (1, 1) if downsample == "stride" else (16, 16)

    def forward(self, features: Tensor) -> Tensor:
        """Feature map.

        Args:
            features: `(batch, in_channels, frames, bins)`.

        Returns:
            `(batch, 512, frames / 16, bins / 16)`; strides round up, pooling rounds down.

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
        pool: Factors (time, frequency) of each pooling; `(1, 2)` keeps the frame rate, for detection.

    Raises:
        InputError: A factor is below 1.
    """

    input: ClassVar[str] = "features"

    def __init__(self, in_channels: int = 1, pool: tuple[int, int] = (2, 2)) -> None:
        super().__init__()
        if len(pool) != 2 or min(pool) < 1:
            raise InputError(f"pool must be two factors of at least 1, not {pool}", "CNN8.pool")
        self.layers = nn.Sequential()
        for width in WIDTHS:
            self.layers.extend(_convolution(in_channels, width, 3))
            self.layers.extend(_convolution(width, width, 3))
            self.layers.append(nn.MaxPool2d((pool[0], pool[1])))
            in_channels = width
        self.smallest = (pool[0] ** len(WIDTHS), pool[1] ** len(WIDTHS))

    def forward(self, features: Tensor) -> Tensor:
        """Feature map.

        Args:
            features: `(batch, in_channels, frames, bins)`.

        Returns:
            `(batch, 512, frames / pool[0] ** 4, bins / pool[1] ** 4)`, rounded down.

        Raises:
            InputError: There are too few frames or bins to pool four times.
        """
        _check_size(features, self.smallest)
        return self.layers(features)  # type: ignore[no-any-return]


def _convolution(in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> nn.Sequential:
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
