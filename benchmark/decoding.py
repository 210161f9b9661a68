"""What postprocessing learns when the networks are trained, and where a run keeps it."""

import json
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.data.datamodule import ClipDataModule, Indices
from benchmark.errors import InputError
from benchmark.fitting import Fitting, Trained
from benchmark.heads.pooling import valid_frames
from benchmark.metrics.clips import ClipTable
from benchmark.postprocessing import AdaptiveDecoder, FittedDecoder, LearningDecoder
from benchmark.processes import share
from benchmark.records import read_json, write_text
from benchmark.suggest import did_you_mean
from benchmark.training.labels import Predict
from benchmark.training.module import TaskModule

LEARNT = "postprocessing.json"
SHORTEST = 8  # frames: a shorter piece is padded to so many


def learn(trained: Trained, held_out: Callable[[], ClipTable], fitting: Fitting, networks: int = 1) -> bool:
    """Let the postprocessing learn, and keep what it has learnt in the run's folder.

    Args:
        trained: The network that it is of, with its data.
        held_out: Gives predictions of clips that were held out of the training.
        fitting: The run's.
        networks: How many networks the predictions are of.

    Returns:
        Whether it has learnt from the clips that are scored.

    Raises:
        InputError: It adapts to one network, and there are several, or to clips that are not there.
    """
    recipe, module, data = trained
    decoder = recipe.postprocessing
    if not isinstance(decoder, LearningDecoder):
        return False
    with fitting.timed("eval"):
        if isinstance(decoder, FittedDecoder):
            table = held_out()
            decoder.fit(table.probability, table.target, module.classes)
        elif isinstance(decoder, AdaptiveDecoder):
            if networks > 1 or len(module.scored) > 1:
                what = f"{type(decoder).__name__} asks one network, and several make the predictions"
                raise InputError(what, "postprocessing", "take another one, or one member without folds")
            predict = Predict(module, data, fitting.device, fitting.say)
            decoder.adapt(_Tagger(module, fitting.say), *_windows(predict, _clips(decoder, data)), module.classes)
    share(lambda: write_text(fitting.folder.path / LEARNT, json.dumps(dict(decoder.learnt), indent=1) + "\n"))
    return isinstance(decoder, AdaptiveDecoder) and bool(np.isin(_clips(decoder, data), data.test.clip).any())


def restore(decoder: object, folder: Path) -> None:
    """Give a decoder back what it has learnt in a run.

    Raises:
        InputError: The run's folder does not have it.
    """
    if isinstance(decoder, LearningDecoder):
        decoder.learnt = read_json(folder / LEARNT)


def _clips(decoder: AdaptiveDecoder, data: ClipDataModule) -> Indices:
    """The clips that a decoder adapts to."""
    groups = [example.group for example in data.examples]
    for name in decoder.groups:
        if name not in groups:
            raise InputError(f"there is no clip of {name}", "postprocessing.groups", did_you_mean(name, set(groups)))
    wanted = np.flatnonzero([group in decoder.groups for group in groups])
    return wanted if decoder.groups else np.unique(data.test.clip)


def _windows(predict: Predict, clips: Indices) -> tuple[list[NDArray[Any]], NDArray[Any], list[NDArray[Any]]]:
    """Features of each window of some clips, probabilities of the windows, and of their frames."""
    module = predict.module.to(predict.device).eval()
    features, tags, frames = [], [], []
    with torch.inference_mode():
        for batch in predict.batches(clips):
            batch = module.transfer_batch_to_device(batch, predict.device, 0)
            x, valid, _ = module.clip_input(batch)
            if x.ndim != 4:
                raise InputError("postprocessing adapts to features", "backbone", "this one takes the waveform")
            outputs = module(x, valid)
            tags.append(module.probabilities(outputs.clips).cpu().numpy())
            features += [clip.swapaxes(0, 1) for clip in _real(x.transpose(1, 2), valid)]
            frames += _real(module.probabilities(outputs.frames), valid)
            predict.beat()
    return features, np.concatenate(tags), frames


def _real(frames: Tensor, valid: Tensor) -> list[NDArray[Any]]:
    """Of each window `(batch, time, ...)` the frames that see real audio."""
    lengths = valid_frames(valid, frames.shape[1]).tolist()
    return [clip[:length] for clip, length in zip(frames.cpu().numpy(), lengths, strict=True)]


class _Tagger:
    """Clip probabilities of pieces of features; those of one length are heard together."""

    def __init__(self, module: TaskModule, beat: Callable[[], None]) -> None:
        self.module, self.beat = module, beat

    def __call__(self, pieces: Sequence[NDArray[Any]]) -> NDArray[Any]:
        size = self.module.recipe.data.eval_batch_size
        heard = np.zeros((len(pieces), len(self.module.classes)))
        frames = [max(piece.shape[1], SHORTEST) for piece in pieces]
        for length, group in groupby(sorted(range(len(pieces)), key=frames.__getitem__), key=frames.__getitem__):
            places = list(group)
            for first in range(0, len(places), size):
                chosen = places[first : first + size]
                heard[chosen] = self._heard([pieces[place] for place in chosen], length)
        self.beat()
        return heard

    def _heard(self, pieces: Sequence[NDArray[Any]], frames: int) -> NDArray[Any]:
        padded = np.stack([np.pad(piece, ((0, 0), (0, frames - piece.shape[1]), (0, 0))) for piece in pieces])
        valid = torch.tensor([piece.shape[1] / frames for piece in pieces])
        with torch.inference_mode():
            x = torch.from_numpy(padded).to(self.module.device)
            return self.module.probabilities(self.module(x, valid.to(x.device)).clips).cpu().numpy()
