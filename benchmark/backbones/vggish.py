"""VGGish, an embedding network pretrained on AudioSet, with weights that the user supplies."""

import math
from contextlib import nullcontext
from itertools import pairwise
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.errors import InputError
from benchmark.weights import load_weights

FRAMES, BANDS, SIZE = 96, 64, 128
SILENCE = math.log(0.01)
CLIP = 2.0
STEPS = 255

PCA_SHAPES = {"pca_eigen_vectors": (SIZE, SIZE), "pca_means": (SIZE, 1)}


class VGGish(nn.Module):
    """Embeddings of 0.96 s of audio, 128 numbers each; frozen, and always in evaluation mode.

    Six 3x3 convolutions with ReLU (64, 128, twice 256, twice 512), a 2x2 max pool after the first, second, fourth and
    sixth, and layers of 4096, 4096 and 128 with ReLU: 72,141,184 parameters, none of them trainable. Then, with `pca`,
    whitening, clipping to [-2, 2] and rounding to 256 steps, as the published AudioSet embeddings have it.

    Source: Hershey et al.: CNN architectures for large-scale audio classification, ICASSP 2017; card
    `task-ust-cnn-vggish`.

    Args:
        weights: File below `<data root>/weights/`, in the layout of the PyTorch port torchvggish: `features.<i>.weight`
            `(out, in, 3, 3)` and `.bias` for i in 0, 3, 6, 8, 11, 13; `embeddings.<i>.weight` `(out, in)` and `.bias`
            for i in 0, 2, 4, the first of which takes maps in the order time, frequency, channel.
        pca: File of `pca_eigen_vectors` (128, 128) and `pca_means` (128, 1) there; null for raw embeddings.

    Raises:
        InputError: A file is not there (and random weights are not allowed) or is not VGGish's.
    """

    input = "features"
    random_weights: Tensor

    def __init__(self, weights: str = "vggish-10086976.pth", pca: str | None = "vggish_pca_params.npz") -> None:
        super().__init__()
        with torch.device("meta"):
            shapes = {name: tuple(tensor.shape) for name, tensor in _network().state_dict().items()}
        state = load_weights(weights, shapes)
        with torch.device("meta") if state else nullcontext():
            self.features, self.embeddings = _network().values()
        if state:
            self.load_state_dict(state, assign=True)
        whitening = load_weights(pca, PCA_SHAPES) if pca else None
        random = state is None or (pca is not None and whitening is None)
        self.register_buffer("random_weights", torch.tensor(random))  # a checkpoint keeps what it was trained with
        if pca:
            whitening = whitening or {"pca_eigen_vectors": torch.eye(SIZE), "pca_means": torch.zeros(SIZE, 1)}
            for name, tensor in whitening.items():
                self.register_buffer(name, tensor)
        self.whitens = pca is not None
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode."""
        return super().train(False)

    def forward(self, x: Tensor) -> Tensor:
        """Embeddings of non-overlapping examples of 96 frames.

        Args:
            x: Features of `VGGishLogMel` `(batch, 1, frames, 64)`. Less than 96 frames are filled up with silence; what
                is left over after the last whole example is not used.

        Returns:
            `(batch, examples, 128)`.

        Raises:
            InputError: The features have another number of channels or bands.
        """
        if x.ndim != 4 or x.shape[1] != 1 or x.shape[3] != BANDS:
            raise InputError(
                f"VGGish got features {tuple(x.shape)}, expected (batch, 1, frames, {BANDS})",
                "backbone",
                "take benchmark.frontends.VGGishLogMel on mono audio",
            )
        batch, _, frames, _ = x.shape
        x = F.pad(x, (0, 0, 0, max(FRAMES - frames, 0)), value=SILENCE)
        examples = x.shape[2] // FRAMES
        x = x[:, 0, : examples * FRAMES].reshape(batch * examples, 1, FRAMES, BANDS)
        maps = self.features(x)
        embedding: Tensor = self.embeddings(maps.permute(0, 2, 3, 1).flatten(1)).float()
        if self.whitens:
            with torch.autocast(x.device.type, enabled=False):
                embedding = self._whiten(embedding)
        return torch.unflatten(embedding, 0, (batch, examples))

    def _whiten(self, embedding: Tensor) -> Tensor:
        whitened = (embedding - self.get_buffer("pca_means").T) @ self.get_buffer("pca_eigen_vectors").T
        step = 2 * CLIP / STEPS
        return ((whitened.clamp(-CLIP, CLIP) + CLIP) / step).round() * step - CLIP


def _network() -> nn.ModuleDict:
    layers: list[nn.Module] = []
    channels = 1
    for width in (64, "pool", 128, "pool", 256, 256, "pool", 512, 512, "pool"):
        if isinstance(width, int):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
        else:
            layers.append(nn.MaxPool2d(2))
    dense: list[nn.Module] = []
    for size, following in pairwise((channels * (FRAMES // 16) * (BANDS // 16), 4096, 4096, SIZE)):
        dense += [nn.Linear(size, following), nn.ReLU()]
    return nn.ModuleDict({"features": nn.Sequential(*layers), "embeddings": nn.Sequential(*dense)})
