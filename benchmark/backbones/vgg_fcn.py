"""The fully convolutional VGG of CP-JKU, for excerpts and whole clips alike."""

from typing import ClassVar, NamedTuple

from torch import Tensor, nn

from benchmark.errors import InputError


class _Layer(NamedTuple):
    """A convolution: its width as a multiple of the network's, and what follows its ReLU (pooling is time x bins)."""

    factor: int
    kernel: int = 3
    stride: int = 1
    padding: int = 1
    pool: tuple[int, int] | None = None
    dropout: float = 0.0


LAYERS = (
    _Layer(1, kernel=5, stride=2, padding=2),
    _Layer(1, pool=(2, 2), dropout=0.3),
    _Layer(2),
    _Layer(2, pool=(2, 2), dropout=0.3),
    _Layer(4, dropout=0.3),
    _Layer(4, dropout=0.3),
    _Layer(6, dropout=0.3),
    _Layer(6, pool=(2, 2), dropout=0.3),
    _Layer(8),
    _Layer(8, pool=(2, 1), dropout=0.3),
    _Layer(8),
    _Layer(8, pool=(2, 1), dropout=0.3),
    _Layer(8, padding=0, dropout=0.5),
    _Layer(8, kernel=1, padding=0, dropout=0.5),
)
SMALLEST = (191, 47)  # frames and bins of which the unpadded 3x3 convolution is left one output


class VGGFCN(nn.Module):
    """Fourteen convolutions without bias, each with batch normalisation and ReLU, and five max poolings.

    All that is classified is left to a head with a map for each class (`benchmark.heads.class_maps.ClassMaps`). The
    weights start He-normal. Source: card `task2-cp-jku-self-verification`, model table, rows 1 to 14.

    Args:
        width: Channels of the first convolution; the last has eight times as many.
        in_channels: Channels of the features.

    Raises:
        InputError: `width` is below 1.
    """

    input: ClassVar[str] = "features"

    def __init__(self, width: int = 64, in_channels: int = 1) -> None:
        super().__init__()
        if width < 1:
            raise InputError(f"width must be at least 1, not {width}", "VGGFCN.width")
        self.layers = nn.Sequential()
        for layer in LAYERS:
            channels = layer.factor * width
            convolution = nn.Conv2d(in_channels, channels, layer.kernel, layer.stride, layer.padding, bias=False)
            nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
            self.layers.extend([convolution, nn.BatchNorm2d(channels), nn.ReLU(inplace=True)])
            if layer.pool:
                self.layers.append(nn.MaxPool2d(layer.pool))
            if layer.dropout:
                self.layers.append(nn.Dropout(layer.dropout))
            in_channels = channels

    def forward(self, features: Tensor) -> Tensor:
        """Feature map.

        Args:
            features: `(batch, in_channels, frames, bins)`.

        Returns:
            `(batch, 8 * width, frames / 64 - 2, bins / 16 - 2)`, rounded down; 4 x 6 of 384 frames of 128 bins.

        Raises:
            InputError: There are too few frames or bins.
        """
        frames, bins = features.shape[2:]
        if frames < SMALLEST[0] or bins < SMALLEST[1]:
            what = f"{frames} frames of {bins} bins are too few"
            raise InputError(what, "backbone", f"give at least {SMALLEST[0]} frames of {SMALLEST[1]} bins")
        return self.layers(features)  # type: ignore[no-any-return]
