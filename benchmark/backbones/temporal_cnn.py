"""Two convolutions along time, the network of the organisers' baseline of DCASE 2018 task 5, domestic activities."""

from typing import ClassVar

from torch import Tensor, nn

from benchmark.errors import InputError


class TemporalCNN(nn.Module):
    """A convolution over all bands and a few frames, pooling in time, and a second convolution in time.

    Each convolution is unpadded and followed by batch normalisation and ReLU; after the pooling a share of the
    activations is dropped. Kernels start from a normal distribution after He that is cut at two deviations, biases at
    0. Normalisation has the constants of the original's framework: 0.001 is added to the variance.

    Source: README and configuration of the baseline, task 5 of the repository DCASE-REPO/dcase2018_baseline.

    Args:
        n_mels: Bands of the features.
        widths: Channels of the two convolutions.
        kernels: Frames of the two kernels.
        pool: Frames of the pooling.
        dropout: Share of the activations that is dropped after the pooling.
        momentum: How far running statistics of the normalisation move in a step.

    Raises:
        InputError: A number is not positive, or `dropout` is not in [0, 1).
    """

    input: ClassVar[str] = "features"

    def __init__(
        self,
        n_mels: int = 40,
        widths: tuple[int, int] = (32, 64),
        kernels: tuple[int, int] = (5, 3),
        pool: int = 5,
        dropout: float = 0.2,
        momentum: float = 0.01,
    ) -> None:
        super().__init__()
        numbers = {"n_mels": n_mels, "widths": min(widths), "kernels": min(kernels), "pool": pool}
        for name, value in numbers.items():
            if value < 1:
                raise InputError(f"{name} must be positive, not {value}", f"TemporalCNN.{name}")
        if not 0 <= dropout < 1:
            raise InputError(f"dropout must be in [0, 1), not {dropout}", "TemporalCNN.dropout")
        self.n_mels = n_mels
        self.smallest = kernels[0] + pool * kernels[1] - 1
        self.layers = nn.Sequential(
            *_convolution(1, widths[0], (kernels[0], n_mels), momentum),
            nn.MaxPool2d((pool, 1)),
            nn.Dropout(dropout),
            *_convolution(widths[0], widths[1], (kernels[1], 1), momentum),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Feature map.

        Args:
            features: `(batch, 1, frames, n_mels)`.

        Returns:
            `(batch, widths[1], (frames - kernels[0] + 1) / pool - kernels[1] + 1, 1)`, rounded down.

        Raises:
            InputError: The features have several channels, other bands or too few frames.
        """
        channels, frames, bands = features.shape[1:]
        if channels != 1 or bands != self.n_mels:
            raise InputError(
                f"TemporalCNN takes (batch, 1, frames, {self.n_mels}), not {tuple(features.shape)}",
                "TemporalCNN.n_mels",
                "set it to what the front end gives; make every channel a window with data.each_channel",
            )
        if frames < self.smallest:
            raise InputError(
                f"{frames} frames are too few", "backbone", f"give clips of at least {self.smallest} frames"
            )
        return self.layers(features)  # type: ignore[no-any-return]


def _convolution(
    in_channels: int, out_channels: int, kernel: tuple[int, int], momentum: float
) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(in_channels, out_channels, kernel)
    std = (2 / (in_channels * kernel[0] * kernel[1])) ** 0.5
    nn.init.trunc_normal_(convolution.weight, std=std, a=-2 * std, b=2 * std)
    assert convolution.bias is not None
    nn.init.zeros_(convolution.bias)
    return convolution, nn.BatchNorm2d(out_channels, eps=1e-3, momentum=momentum), nn.ReLU()
