"""Apply finished runs to any audio file: probabilities of the clip and over time, and events where there are any."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, TextIO

import numpy as np
import torch
import yaml
from numpy.typing import NDArray

from benchmark.data.audio import load_clip
from benchmark.data.datamodule import Event
from benchmark.decoding import restore
from benchmark.errors import InputError
from benchmark.frontends import LogMel
from benchmark.frontends.silence import split_at_silence
from benchmark.fusion.base import Fusion
from benchmark.heads.pooling import valid_frames
from benchmark.metrics.frames import join_windows
from benchmark.plots import plot_prediction
from benchmark.products import FUSED
from benchmark.recipe import OUTPUTS, RecipeConfig
from benchmark.records import read_json, read_record
from benchmark.registry import get_task
from benchmark.runner import SCORED
from benchmark.stages import KEPT, PARTS
from benchmark.training.kinds import DetectionModule
from benchmark.training.module import TaskModule
from benchmark.weights import random_weights_allowed

Format = Literal["text", "json", "tsv", "audacity"]
SHOWN = 5


@dataclass
class Prediction:
    """What the runs say of one file.

    Attributes:
        file: The audio file.
        seconds: Its length.
        classes: Class names.
        clip: Probability of each class for the whole file, the mean over windows `(classes,)`.
        windows: Start and end in seconds of each window, or of each frame where events are detected `(windows, 2)`.
        curve: Probabilities of each window or frame `(windows, classes)`.
        events: What was detected; None where the task has no events.
    """

    file: Path
    seconds: float
    classes: tuple[str, ...]
    clip: NDArray[Any]
    windows: NDArray[Any]
    curve: NDArray[Any]
    events: list[Event] | None = None

    def share(self, event: Event) -> float:
        """Mean probability of an event's class while it lasts."""
        during = (self.windows[:, 1] > event.onset) & (self.windows[:, 0] < event.offset)
        return float(self.curve[during, self.classes.index(event.label)].mean())


class System(NamedTuple):
    """The networks of a finished run.

    Attributes:
        members: Member to its networks, one a part of its folds.
        fusion: What makes one prediction of the members', fitted as in the run; None: their mean.
    """

    members: dict[str, list[TaskModule]]
    fusion: Fusion | None

    @property
    def first(self) -> TaskModule:
        """Its first network."""
        return next(iter(self.members.values()))[0]

    @property
    def decides(self) -> TaskModule:
        """The network whose postprocessing makes events, as in the run."""
        return [networks[0] for networks in self.members.values() if "frames" in networks[0].recipe.outputs][-1]


class Heard(NamedTuple):
    """What a network, or several together, say of a recording.

    Attributes:
        clip: Probability of each class for the whole file, the mean over windows `(classes,)`.
        curve: Probabilities of each window `(windows, classes)`.
        times: Start and end in seconds of each window `(windows, 2)`.
        frames: Probabilities of each frame `(frames, classes)`; none where there are no frames.
        seconds: Length of the recording.
    """

    clip: NDArray[Any]
    curve: NDArray[Any]
    times: NDArray[Any]
    frames: NDArray[Any]
    seconds: float


class Predictor:
    """The networks of some runs of one group, averaged.

    Args:
        runs: Folders of finished runs.
    """

    def __init__(self, runs: Sequence[Path]) -> None:
        self.systems = [load_run(run) for run in runs]

    def predict(self, file: Path, hop_seconds: float | None = None) -> Prediction:
        """Probabilities for one audio file of any rate, length and channel count.

        Raises:
            InputError: The file cannot be read as audio, or the distance of two windows is below a millisecond.
        """
        if hop_seconds is not None and hop_seconds < 0.001:
            raise InputError(f"two windows {hop_seconds} s apart", "--hop", "give at least 0.001")
        module = self.systems[0].decides
        found = []
        for system in self.systems:
            members = {}
            for name, networks in system.members.items():
                members[name] = _mean([_hear(network, file, hop_seconds) for network in networks])
            clips, frames = (
                [members[name] for name, networks in system.members.items() if output in networks[0].recipe.outputs]
                for output in OUTPUTS
            )
            found.append(_joined(clips, frames, system.fusion))
        clip, curve, times, joined, total = _mean(found)
        if not isinstance(module, DetectionModule):
            return Prediction(file, total, module.classes, clip, times, curve)
        onsets = module.frame_seconds * np.arange(len(joined))
        spans = np.stack([onsets, np.minimum(onsets + module.frame_seconds, total)], axis=1)
        return Prediction(file, total, module.classes, clip, spans, joined, module.events(clip, joined))

    def plot(self, prediction: Prediction, path: Path) -> None:
        """Spectrogram of the first run's front end, or a usual one, with the probability over time beneath."""
        module = self.systems[0].first
        rate = module.recipe.data.sample_rate
        waveform = torch.from_numpy(load_clip(prediction.file, rate, True))[None]
        features, _ = (module.frontend or LogMel(rate))(waveform, torch.tensor([waveform.shape[2]]))
        plot_prediction(
            path,
            features[0, 0].numpy(),
            prediction.seconds,
            prediction.windows,
            prediction.curve,
            prediction.classes,
            prediction.file.name,
        )


def _hear(module: TaskModule, file: Path, hop_seconds: float | None) -> Heard:
    settings = module.recipe.data
    rate = settings.sample_rate
    waveform = load_clip(file, rate, settings.mono)
    whole, cut = np.array([[0, waveform.shape[1]]]), settings.cut(hop_seconds)
    spans = cut.spans(split_at_silence(waveform[0], rate) if settings.split_at_silence else whole)
    found = []
    for network in module.each():
        windows, frames = apply(network, waveform, spans, cut.length)
        clip = network.predictions.of_windows(windows)
        found.append(Heard(clip, windows, spans / rate, frames, waveform.shape[1] / rate))
    return _mean(found)


def _mean(found: Sequence[Heard]) -> Heard:
    """The mean of several, at the times of the first."""
    return _joined(found, found, None)


def _joined(found: Sequence[Heard], framed: Sequence[Heard], fusion: Fusion | None) -> Heard:
    """One of several, at the times of the first, with the frames of others or the same."""
    join = fusion or (lambda probability: probability.mean(axis=0))
    first = found[0]
    clip = join(np.stack([heard.clip[None] for heard in found]))[0]
    middles = [heard.times.mean(axis=1) for heard in found]
    nearest = [np.abs(middles[0][:, None] - other[None]).argmin(axis=1) for other in middles]
    curve = join(np.stack([heard.curve[places] for heard, places in zip(found, nearest, strict=True)]))
    frames = framed[0].frames
    if len(frames):
        frames = join(np.stack([heard.frames[: min(len(h.frames) for h in framed)] for heard in framed]))
    return Heard(clip, curve, first.times, frames, first.seconds)


def apply(
    module: TaskModule, waveform: NDArray[Any], spans: NDArray[Any], length: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Probabilities of a recording.

    Args:
        module: The network.
        waveform: `(channels, time)`; where the recipe takes each channel by itself, the mean over channels is given.
        spans: First sample of each window and the one after the last that it sees `(windows, 2)`.
        length: Samples of a window.

    Returns:
        Of each window `(windows, classes)`, and of each frame `(frames, classes)`, none where there are no frames.
    """
    if module.recipe.data.each_channel and len(waveform) > 1:
        found = [apply(module, channel[None], spans, length) for channel in waveform]
        windows, frames = (np.mean(parts, axis=0) for parts in zip(*found, strict=True))
        return windows, frames
    clips, frames_of, first, valid = [], [], [], []
    step = module.recipe.data.eval_batch_size
    for chunk in (spans[place : place + step] for place in range(0, len(spans), step)):
        pieces = [waveform[:, start:stop] for start, stop in chunk]
        batch = np.stack([np.pad(piece, ((0, 0), (0, length - piece.shape[1]))) for piece in pieces])
        lengths = torch.tensor([piece.shape[1] for piece in pieces])
        with torch.inference_mode():
            outputs = module.predict(torch.from_numpy(batch), lengths)
            clips.append(module.probabilities(outputs.clips).numpy())
            if isinstance(module, DetectionModule) and outputs.frames is not None:
                frames_of.append(module.probabilities(outputs.frames).numpy())
                first.append(module.first_frames(torch.from_numpy(chunk[:, 0])).numpy())
                valid.append(valid_frames(lengths / length, outputs.frames.shape[1]).numpy())
    joined = join_windows(*map(np.concatenate, (first, valid, frames_of))) if frames_of else np.zeros((0, 0))
    return np.concatenate(clips), joined


def load_run(folder: Path) -> System:
    """The trained networks of a finished run, ready to evaluate.

    Raises:
        InputError: The folder holds no whole run.
    """
    record, path = read_record(folder / "record.json"), folder / "config.yaml"
    _require(path)
    task = get_task(record.task)
    # The file has them already, but not in the changes of its stages.
    overrides = record.overrides[2:] if record.overrides[:1] == ["--model"] else record.overrides
    config = RecipeConfig.parse(yaml.safe_load(path.read_text(encoding="utf-8")), path, overrides)
    kept = read_json(_require(folder / KEPT)) if config.trainings()[0].turn else {}
    members: dict[str, list[TaskModule]] = {}
    for training in config.trainings():
        if not training.is_last or (training.turn and training.name not in kept):
            continue
        place = folder / PARTS / kept[training.name] if training.turn else folder / "checkpoints" / f"{SCORED}.ckpt"
        with random_weights_allowed():  # whatever they were, the run's own weights come next
            module: TaskModule = task.load("module")(training.config.build(), task.classes_of(record.protocol))
        module.load_scored(_require(place))
        members.setdefault(training.member, []).append(module.eval())
    fusion = config.build_fusion()
    if fusion is not None:
        with np.load(_require(folder / FUSED)) as learnt:
            fusion.fit(learnt["probability"], learnt["target"], learnt["weight"])
    system = System(members, fusion)
    restore(system.decides.recipe.postprocessing, folder)
    return system


def _require(path: Path) -> Path:
    if not path.is_file():
        raise InputError("the run's folder is not whole", path, "run it again, or restore the file")
    return path


def write_predictions(predictions: Sequence[Prediction], format: Format, out: TextIO) -> None:
    """Write predictions for people (`text`) or programs; `audacity` is a label track of the windows."""
    if format == "json":
        content = [
            {
                "file": str(p.file),
                "seconds": p.seconds,
                "clip": dict(zip(p.classes, p.clip.tolist(), strict=True)),
                **({"events": [event._asdict() for event in p.events]} if p.events is not None else {}),
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
            out.write(f"{prediction.file}  {prediction.seconds:.1f} s  {_ranked(prediction)}\n")
            if prediction.events is None and len(prediction.windows) == 1:
                continue
        for start, end, name, value in _spans(prediction):
            line = {
                "text": f"  {start:8.2f} - {end:8.2f} s  {name} {value:.3f}",
                "tsv": f"{prediction.file}\t{start:.3f}\t{end:.3f}\t{name}\t{value:.6f}",
                "audacity": f"{start:.6f}\t{end:.6f}\t{name} {value:.3f}",
            }[format]
            out.write(line + "\n")


def _ranked(prediction: Prediction) -> str:
    """The most probable classes of the whole file."""
    order = np.argsort(-prediction.clip, kind="stable")[:SHOWN]
    return "  ".join(f"{prediction.classes[place]} {prediction.clip[place]:.3f}" for place in order)


def _spans(prediction: Prediction) -> Iterator[tuple[float, float, str, float]]:
    """Start, end, class and probability of each event or, where there are none, of each window and class."""
    if prediction.events is not None:
        for event in prediction.events:
            yield event.onset, event.offset, event.label, prediction.share(event)
        return
    for (start, end), values in zip(prediction.windows, prediction.curve, strict=True):
        for name, value in zip(prediction.classes, values, strict=True):
            yield start, end, name, value
