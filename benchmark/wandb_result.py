"""What a finished run shows on Weights & Biases: scores, tables, pictures, its weights with their record.

Imports neither torch nor Lightning. No audio leaves the machine unless `DCASE_BENCH_WANDB_AUDIO` is set.
"""

import io
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import wandb
from matplotlib.figure import Figure
from PIL import Image

from benchmark.plots import class_figure, confusion_figure
from benchmark.report.classes import class_columns, confusions, sayings
from benchmark.report.clips import ranked, spread
from benchmark.report.figures import (
    calibration_figure,
    curves_figure,
    event_figure,
    learning_figure,
    spectrogram_figure,
)
from benchmark.report.learning import pick, read_curves
from benchmark.report.result import Result, read_result
from benchmark.report.sounds import Sounds

AUDIO = "DCASE_BENCH_WANDB_AUDIO"
EXAMPLES = 12
LARGEST_BYTES = 10**9


def project_name() -> str:
    """The project on W&B (`WANDB_PROJECT`, default `dcase-bench`)."""
    return os.environ.get("WANDB_PROJECT", "dcase-bench")


def log_result(run: Any, folder: Path, weights: Sequence[Path]) -> None:
    """Log what a finished run left.

    Args:
        run: The run on W&B.
        folder: The run's folder, with its record.
        weights: Files that `predict` needs beside the record and the recipe, below the folder. Their artifact is named
            after task, system and run; of weights above one gigabyte it has the record alone, and says so.
    """
    result = read_result([folder])
    record = result.record
    scores = {key: score.mean for key, score in result.scores.items() if score.mean is not None}
    costs = {"parameters": record.parameters, "macs": record.macs, "steps": record.steps, **record.seconds}
    # Some scores of several tasks have one name.
    run.summary.update({f"score/{record.task}/{key}": value for key, value in scores.items()})
    run.summary.update({f"cost/{name}": value for name, value in costs.items()})
    logged: dict[str, Any] = {f"picture/{name}": _image(figure) for name, figure in _figures(result).items()}
    if columns := class_columns(result):
        cells: list[Any] = [[name, *(of_class.get(name) for of_class in columns.values())] for name in result.classes]
        logged["table/classes"] = wandb.Table(["class", *columns], cells)
    if (counts := confusions(result)) is not None:
        cells = [
            [result.classes[a], result.classes[b], int(counts[a, b])] for a, b in zip(*counts.nonzero(), strict=True)
        ]
        logged["table/confusions"] = wandb.Table(["class", "taken for", "clips"], cells)
    if result.clips is not None:
        logged |= _examples(result)
    run.log(logged)
    run.log_artifact(_artifact(result, folder, weights))


def _figures(result: Result) -> Mapping[str, Figure]:
    """The report's figures."""
    found, classes, figures = result.clips, result.classes, dict[str, Figure]()
    for kind, scores in list(result.class_scores.items())[:1]:
        figures["classes"] = class_figure({name: score.mean for name, score in scores.items()}, "", kind)
    if found is not None:
        if (counts := confusions(result)) is not None:
            figures["confusion"] = confusion_figure(counts, classes, "")
        figures["curves"] = curves_figure(found, classes)
        figures["calibration"] = calibration_figure(*sayings(found))
    _, losses = pick({"": read_curves(result.members[0].folder)}, ["train/loss"])
    if losses:
        figures["learning"] = learning_figure(losses, {}, "")
    return figures


def _examples(result: Result) -> dict[str, Any]:
    """Clips from the hardest to the easiest: a table, spectrograms or events with what was said, audio where asked."""
    found, sounds = result.clips, Sounds(result)
    assert found is not None
    table = wandb.Table(["clip", "truth", "said", "loss", *found.conditions])
    pictures, audio = [], []
    for clip in spread(ranked(found, result.classes), EXAMPLES):
        conditions = [str(values[clip.row]) for values in found.conditions.values()]
        table.add_data(clip.clip_id, clip.true_classes, clip.said_classes, clip.loss, *conditions)
        about = f"{clip.clip_id}: {clip.true_classes}; said: {clip.said_classes}"
        sound = sounds.read(clip.clip_id)
        if found.events is not None and found.reference_events is not None:
            figure = event_figure(sound, found.reference_events[clip.row], found.events[clip.row])
            pictures.append(_image(figure, about))
        elif sound is not None:
            pictures.append(_image(spectrogram_figure(sound), about))
        if sound is not None and os.environ.get(AUDIO):
            audio.append(wandb.Audio(sound.waveform, sound.rate, about))
    examples = {"table/clips": table, "picture/clips": pictures, "audio/clips": audio}
    return {name: media for name, media in examples.items() if media != []}


def _image(figure: Figure, caption: str = "") -> Any:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return wandb.Image(Image.open(buffer), caption=caption or None)


def _artifact(result: Result, folder: Path, weights: Sequence[Path]) -> Any:
    """The record with the recipe and the weights; as a folder, `predict` takes it for the run."""
    record = result.record
    size = sum(path.stat().st_size for path in weights)
    about = f"weights, {size / 1e6:,.0f} MB"
    if size > LARGEST_BYTES:
        weights, about = (), f"without the weights, {size / 1e6:,.0f} MB, which stay in the run's folder"
    name = re.sub(r"[^0-9A-Za-z_.-]", "-", f"{record.task}-{record.system}-{record.id}")[-128:]
    artifact = wandb.Artifact(name, "run", description=about, metadata={"group": record.group, **record.scores})
    for path in (folder / "record.json", folder / "config.yaml", *weights):
        # Runs are never changed, so that a copy until the upload would only take room.
        artifact.add_file(str(path), path.relative_to(folder).as_posix(), policy="immutable", skip_cache=True)
    return artifact
