"""A training loop as people wrote them in 2018: plain PyTorch, what the suite is compared with.

Log-mel spectrograms are computed beforehand with scipy and kept in an hdf5 file. A batch is read clip by clip,
normalised in numpy, moved to the device, and the loss is asked for after each step. It computes in float32, one thing
after the other. The mathematics is that of the recipe `asc/cnn8` (card `crosstask-surrey-cnn48`).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from nnAudio.librosa_functions import get_mel
from scipy.signal import spectrogram
from torch import nn
from torch.nn import functional as F

from benchmark.backbones import CNN8
from benchmark.heads import GlobalMaxPool
from perf.isolated import H5PY, PACKAGES, import_from

SAMPLE_RATE, WINDOW, HOP, BANDS, LOWEST = 44100, 2048, 1376, 64, 50.0
Array = npt.NDArray[np.float32]


def log_mel(waveform: Array) -> Array:
    """Log-mel spectrogram `(frames, 64)` of a clip `(time,)`."""
    taper = np.hamming(WINDOW)
    _, _, magnitude = spectrogram(
        waveform, SAMPLE_RATE, taper, WINDOW, WINDOW - HOP, detrend=False, scaling="density", mode="magnitude"
    )
    mel = get_mel(SAMPLE_RATE, WINDOW, BANDS, LOWEST, SAMPLE_RATE / 2)
    return np.asarray(np.log(magnitude.T @ mel.T + 1e-8), np.float32)


def write_features(path: Path, waveforms: Array, classes: npt.NDArray[np.int64]) -> None:
    """Keep the features of clips `(clips, time)` and their classes.

    Raises:
        BenchmarkError: h5py is not there and cannot be installed.
    """
    import_from(PACKAGES, [H5PY])
    import h5py

    with h5py.File(path, "w") as file:
        file["features"] = np.stack([log_mel(waveform) for waveform in waveforms])
        file["classes"] = classes


def batches(path: Path, batch_size: int, seed: int = 0) -> Iterator[tuple[Array, npt.NDArray[np.int64]]]:
    """Endless shuffled batches, read clip by clip and normalised by the file's mean and deviation of each band."""
    import h5py

    generator = np.random.default_rng(seed)
    with h5py.File(path, "r") as file:
        features, classes = file["features"], file["classes"][:]
        mean, std = statistics(features[:])
        while True:
            order = generator.permutation(len(classes))
            for begin in range(0, len(order) - batch_size + 1, batch_size):
                chosen = order[begin : begin + batch_size]
                x = np.stack([features[clip] for clip in chosen])
                yield (x - mean) / std, classes[chosen]


def statistics(features: Array) -> tuple[Array, Array]:
    """Mean and standard deviation of each band over all frames of clips `(clips, frames, bands)`."""
    frames = features.reshape(-1, features.shape[-1])
    return frames.mean(0, dtype=np.float64).astype(np.float32), frames.std(0, dtype=np.float64).astype(np.float32)


class Network(nn.Module):
    """CNN8 with its classifier.

    Args:
        n_classes: Outputs.
    """

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        self.backbone, self.head = CNN8(), GlobalMaxPool(512, n_classes)

    def forward(self, x: Any) -> Any:
        """Logarithms of probabilities `(batch, classes)` of features `(batch, frames, bands)`."""
        x = self.backbone(x[:, None, :, :])
        return F.log_softmax(self.head(x, torch.ones(len(x), device=x.device)), dim=-1)


class PlainLoop:
    """The loop.

    Args:
        network: What is trained.
        device: Where.
    """

    def __init__(self, network: nn.Module, device: torch.device) -> None:
        self.network, self.device = network.to(device), device
        self.optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
        self.iteration = 0

    def step(self, batch_x: Array, batch_y: npt.NDArray[np.int64]) -> float:
        """Learn from normalised features `(batch, frames, bands)` and classes `(batch,)`; the loss before."""
        if self.iteration % 200 == 0 and self.iteration > 0:
            for group in self.optimizer.param_groups:
                group["lr"] *= 0.9
        x = torch.Tensor(batch_x).to(self.device)
        y = torch.LongTensor(batch_y).to(self.device)
        self.network.train()
        output = self.network(x)
        loss = F.nll_loss(output, y)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.iteration += 1
        return loss.item()
