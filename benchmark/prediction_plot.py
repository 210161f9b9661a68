"""The picture of a prediction, drawn in memory that does not depend on how long the recording is."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmark.data.audio import open_audio
from benchmark.data.streaming import convert_blocks
from benchmark.frontends import LogMel
from benchmark.plots import plot_prediction
from benchmark.prediction_formats import Prediction
from benchmark.training.module import TaskModule

WIDTH = 2000  # points in time that a picture shows at most
BLOCK_SECONDS = 60.0


def plot(prediction: Prediction, module: TaskModule, path: Path) -> None:
    """Spectrogram of a network's front end, or a usual one, with the probability over time beneath.

    Of a long recording the spectrogram is a mean over neighbouring frames, made a minute at a time, and the
    probability the highest of neighbouring windows.

    Args:
        prediction: Of a whole file.
        module: The network.
        path: PNG to write.

    Raises:
        InputError: The file cannot be read.
        BenchmarkError: The picture cannot be written.
    """
    together = -(-len(prediction.curve) // WIDTH)
    firsts = np.arange(0, len(prediction.curve), together)
    windows = prediction.windows[firsts]
    windows[:, 1] = prediction.windows[np.append(firsts[1:], len(prediction.curve)) - 1, 1]
    plot_prediction(
        path,
        _spectrogram(prediction, module),
        prediction.seconds,
        windows,
        np.maximum.reduceat(prediction.curve, firsts),
        prediction.classes,
        prediction.file.name,
    )


def _spectrogram(prediction: Prediction, module: TaskModule) -> NDArray[Any]:
    """Features `(frames, bins)` of the first channel, or of the mean of all."""
    rate = module.recipe.data.sample_rate
    frontend = module.frontend or LogMel(rate)
    shortest, together = round(module.recipe.data.clip_seconds * rate), 0
    columns = []
    with open_audio(prediction.file, BLOCK_SECONDS) as sound:
        for block in convert_blocks(sound.blocks, sound.rate, rate, mono=True):
            if not (samples := block.shape[1]):
                continue
            waveform = np.pad(block, ((0, 0), (0, max(0, shortest - samples))))
            with torch.inference_mode():
                features, lengths = frontend(torch.from_numpy(waveform)[None], torch.tensor([samples]))
            frames = features[0, 0, : int(lengths[0])].numpy()
            together = together or max(1, round(len(frames) * prediction.seconds * rate / samples / WIDTH))
            firsts = np.arange(0, len(frames), together)
            sizes = np.diff(firsts, append=len(frames))
            columns.append(np.add.reduceat(frames, firsts) / sizes[:, None])
    return np.concatenate(columns)
