"""Networks of acoustic scenes that shrink a clip early: by strides, or by large poolings."""

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn

from benchmark.errors import InputError


class _Flattened(nn.Module):
    """Layers on features `(batch, 1, frames, bins)`, whose output is one vector."""

    input: ClassVar[str] = "features"

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, features: Tensor) -> Tensor:
        """Embedding.

        Args:
            features: `(batch, 1, frames, bins)`; the size of the embedding goes with both.

        Returns:
            `(batch, dim)`: channels, then time, then frequency.

        Raises:
            InputError: Nothing is left after the layers.
        """
        try:
            output: Tensor = self.layers(features)
        except RuntimeError as error:
            if "size" not in str(error):
                raise
            what = f"features of {features.shape[2]} frames and {features.shape[3]} bins are too small"
            remedy = "take longer clips, or a shorter hop (data.clip_seconds, frontend)"
            raise InputError(what, type(self).__name__, remedy) from error
        return output.flatten(1)


class StridedCNN(_Flattened):
    """Five convolutions, the first two with strides; batch normalisation comes after the poolings.

    Kernels 11x11, 5x5 and three of 3x3; the first two move by 3 frames and 2 bins. Maxima of 3x3 after the first,
    second and fifth. 431 frames of 64 bins become 128 channels of 4 frames and 3 bins. Source: card
    `task1-audasc-adversarial-da`, model table (Kaggle model).
    """

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(1, 48, 11, stride=(3, 2), padding=5),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=(2, 1)),
            nn.BatchNorm2d(48),
            nn.Conv2d(48, 128, 5, stride=(3, 2), padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            nn.BatchNorm2d(128),
            nn.Conv2d(128, 192, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(192, 192, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(192, 128, 3),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=(2, 1)),
            nn.BatchNorm2d(128),
        )


class LargePoolCNN(_Flattened):
    """Two 7x7 convolutions, each with batch normalisation, ReLU and a large max pooling.

    The second is not padded in time. 431 frames of 64 bins become 64 channels of 1 frame and 2 bins. Source: card
    `task1-audasc-adversarial-da`, model (DCASE model); `scene_cnn.SceneCNN` is the original, which normalises
    frequency rows and has a dense layer.

    Args:
        pools: Frames and bins of each pooling.

    Raises:
        InputError: There are not two poolings.
    """

    def __init__(self, pools: Sequence[tuple[int, int]] = ((4, 8), (100, 4))) -> None:
        if len(pools) != 2:
            raise InputError(f"{len(pools)} poolings, not 2", "LargePoolCNN.pools")
        first, second = pools
        super().__init__(
            nn.Conv2d(1, 32, 7, padding=3),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.MaxPool2d(tuple(first)),
            nn.Conv2d(32, 64, 7, padding=(0, 3)),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.MaxPool2d(tuple(second)),
        )
