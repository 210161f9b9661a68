"""Apply finished runs to any audio file: clip probability, and probabilities over time windows."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TextIO

import numpy as np
import torch
import yaml
from numpy.typing import NDArray

from benchmark.data.audio import load_clip
from benchmark.data.datamodule import window_starts
from benchmark.errors import InputError
from benchmark.plots import plot_prediction
from benchmark.recipe import RecipeConfig
from benchmark.records import read_record
from benchmark.registry import get_task
from benchmark.runner import SCORED
from benchmark.training.module import TaskModule

Format = Literal["text", "json", "tsv", "audacity"]


@dataclass
class Prediction:
    """What the runs say of one file.

    Attributes:
        file: The audio file.
        seconds: Its length.
        classes: Class names.
        clip: Probability of each class for the whole file, the mean over windows `(classes,)`.
        windows: Start and end of each window in seconds `(windows, 2)`.
        curve: Probabilities of each window `(windows, classes)`.
    """

    file: Path
    seconds: float
    classes: tuple[str, ...]
    clip: NDArray[Any]
    windows: NDArray[Any]
    curve: NDArray[Any]


class Predictor:
    """The networks of some runs of one group, averaged.

    Args:
        runs: Folders of finished runs.
    """

    def __init__(self, runs: Sequence[Path]) -> None:
        self.modules = [load_run(run) for run in runs]

    def predict(self, file: Path, hop_seconds: float | None = None) -> Prediction:
        """Probabilities for one audio file of any rate, length and channel count.

        Raises:
            InputError: The file cannot be read as audio, or the distance of two windows is below a millisecond.
        """
        if hop_seconds is not None and hop_seconds < 0.001:
            raise InputError(f"two windows {hop_seconds} s apart", "--hop", "give at least 0.001")
        first = self.modules[0]
        settings = first.recipe.data  # runs of one group have one recipe
        rate = settings.sample_rate
        waveform = load_clip(file, rate, settings.mono)
        length = round(settings.clip_seconds * rate)
        starts = window_starts(waveform.shape[1], length, round((hop_seconds or settings.clip_seconds) * rate))
        curve = np.mean([self._curve(module, waveform, starts, length) for module in self.modules], axis=0)
        total = waveform.shape[1] / rate
        windows = np.stack([starts / rate, np.minimum((starts + length) / rate, total)], axis=1)
        return Prediction(file, total, first.classes, curve.mean(axis=0), windows, curve)

    def _curve(self, module: TaskModule, waveform: NDArray[Any], starts: NDArray[Any], length: int) -> NDArray[Any]:
        found = []
        step = module.recipe.data.eval_batch_size
        for first in range(0, len(starts), step):
            pieces = [waveform[:, start : start + length] for start in starts[first : first + step]]
            batch = np.stack([np.pad(piece, ((0, 0), (0, length - piece.shape[1]))) for piece in pieces])
            with torch.inference_mode():
                found.append(
                    module.predict_proba(
                        torch.from_numpy(batch), torch.tensor([piece.shape[1] for piece in pieces])
                    ).numpy()
                )
        return np.concatenate(found)

    def plot(self, prediction: Prediction, path: Path) -> None:
        """Spectrogram of the first run's front end, with the probability over time beneath."""
        module = self.modules[0]
        waveform = torch.from_numpy(load_clip(prediction.file, module.recipe.data.sample_rate, True))[None]
        features, _ = module.frontend(waveform, torch.tensor([waveform.shape[2]]))
        plot_prediction(
            path,
            features[0, 0].numpy(),
            prediction.seconds,
            prediction.windows,
            prediction.curve,
            prediction.classes,
            prediction.file.name,
        )


def load_run(folder: Path) -> TaskModule:
    """The trained network of a finished run, ready to evaluate.

    Raises:
        InputError: The folder holds no whole run.
    """
    record = read_record(folder / "record.json")
    path, weights = folder / "config.yaml", folder / "checkpoints" / SCORED
    for part in (path, weights):
        if not part.is_file():
            raise InputError("the run's folder is not whole", part, "run it again, or restore the file")
    task = get_task(record.task)
    recipe = RecipeConfig.parse(yaml.safe_load(path.read_text(encoding="utf-8")), path).build()
    module: TaskModule = task.load("module")(recipe, task.classes)
    module.load_state_dict(torch.load(weights, weights_only=True, map_location="cpu"))
    return module.eval()


def write_predictions(predictions: Sequence[Prediction], format: Format, out: TextIO) -> None:
    """Write predictions for people (`text`) or programs; `audacity` is a label track of the windows."""
    if format == "json":
        content = [
            {
                "file": str(p.file),
                "seconds": p.seconds,
                "clip": dict(zip(p.classes, p.clip.tolist(), strict=True)),
                "windows": [
                    {"start": s, "end": e, **dict(zip(p.classes, v, strict=True))}
                    for (s, e), v in zip(p.windows.tolist(), p.curve.tolist(), strict=True)
                ],
            }
            for p in predictions
        ]
        json.dump(content, out, indent=1)
        out.write("\n")
        return
    if format == "tsv":
        out.write("file\tstart\tend\tclass\tprobability\n")
    for prediction in predictions:
        if format == "text":
            shares = "  ".join(
                f"{name} {value:.3f}" for name, value in zip(prediction.classes, prediction.clip, strict=True)
            )
            out.write(f"{prediction.file}  {prediction.seconds:.1f} s  {shares}\n")
            if len(prediction.windows) == 1:
                continue
        for (start, end), values in zip(prediction.windows, prediction.curve, strict=True):
            for name, value in zip(prediction.classes, values, strict=True):
                line = {
                    "text": f"  {start:8.2f} - {end:8.2f} s  {name} {value:.3f}",
                    "tsv": f"{prediction.file}\t{start:.3f}\t{end:.3f}\t{name}\t{value:.6f}",
                    "audacity": f"{start:.6f}\t{end:.6f}\t{name} {value:.3f}",
                }[format]
                out.write(line + "\n")
