"""Example clips of a run: spectrogram, sound, what is annotated and what was found in them.

All runs of the same data show the same clips, so that systems can be heard against each other and each picture is drawn
once. Sound is copied where it is synthetic, or where it is asked for: a site may be moved to a public place.
"""

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any
from zipfile import BadZipFile
from zlib import error as BadStream

import numpy as np
from numpy.typing import NDArray

from benchmark.data.audio import read_audio
from benchmark.data.inventory import Event
from benchmark.errors import BenchmarkError, InputError
from benchmark.predictions import Indices, Predictions
from benchmark.registry import Task, get_task
from leaderboard.site.curves import thin
from leaderboard.site.entries import Entry
from leaderboard.site.spectrogram import Picture, write_flac, write_spectrogram

MOST_CLIPS = 12
LONGEST = 30.0  # seconds
MOST_LABELS = 5
FRAME_POINTS = 250
WORTH_A_LANE = 0.5  # probability

Frames = tuple[NDArray[Any], float]


class ClipPictures:
    """Draws clips into a site's folder, each once.

    Args:
        folder: The site's folder.
        with_audio: Whether to copy the sound of clips that are not synthetic.
    """

    def __init__(self, folder: Path, with_audio: bool) -> None:
        self.folder, self.with_audio = folder, with_audio
        self._drawn: dict[str, Picture] = {}

    def of(self, entry: Entry, task: Task, found: Predictions, root: Path | None) -> tuple[list[dict[str, Any]], str]:
        """Some of a run's clips, and why there are none."""
        if root is None or not root.is_dir():
            return [], "No clips to see or hear: the run's data is not here."
        try:
            files = _audio_files(task.name, root, entry.run.record.protocol)
            rows = [row for row in _spread(found) if str(found.clip_id[row]) in files]
            frames = _frames(entry.run.predictions, rows, len(found.clip_id))
            classes = task.classes_of(entry.run.record.protocol)
            clips = []
            for row in rows:
                picture = self._draw(entry, str(found.clip_id[row]), files[str(found.clip_id[row])])
                clips.append({**picture, **_about(found, row, classes, frames.get(row))})
        except BenchmarkError as error:
            return [], f"No clips to see or hear: {error.what}"
        return clips, "" if clips else "No clips to see or hear: the run's clips are not in its data."

    def _draw(self, entry: Entry, clip: str, file: Path) -> dict[str, Any]:
        record = entry.run.record
        name = hashlib.sha256(f"{record.task}\0{record.dataset_fingerprint}\0{clip}".encode()).hexdigest()[:16]
        sound = self.with_audio or record.variant == "mini"
        if name not in self._drawn:
            waveform, rate = read_audio(file)
            mono = waveform.mean(axis=0)[: round(LONGEST * rate)]
            self._drawn[name] = write_spectrogram(self.folder / "clips" / f"{name}.png", mono, rate)
            if sound:
                write_flac(self.folder / "clips" / f"{name}.flac", mono, rate)
        picture = self._drawn[name]
        return {
            "image": f"clips/{name}.png",
            "audio": f"clips/{name}.flac" if sound else None,
            "seconds": picture.seconds,
            "ticks": picture.ticks,
        }


@cache
def _audio_files(task: str, root: Path, protocol: str) -> dict[str, Path]:
    """The audio file of each clip."""
    inventory = get_task(task).load("datamodule").take_stock(root, "skip", protocol)
    return {example.clip_id: example.path for example in inventory.examples}


def _spread(found: Predictions) -> list[int]:
    """Rows of clips that are spread evenly over classes and names."""
    target = np.nan_to_num(found.target)
    order = np.lexsort((found.clip_id, target.argmax(axis=1)))
    return order[thin(order, MOST_CLIPS)].tolist()  # type: ignore[no-any-return]


def _frames(predictions: Path, rows: Sequence[int], clips: int) -> dict[int, Frames]:
    """Probabilities over time of some clips, and the seconds of a frame, where the run kept them."""
    try:
        with np.load(predictions, allow_pickle=False) as file:
            if not {"frames", "frame_counts", "frame_seconds"} <= set(file.files):
                return {}
            frames, counts, seconds = file["frames"], file["frame_counts"], float(file["frame_seconds"])
    except (OSError, ValueError, EOFError, BadZipFile, BadStream) as error:
        raise InputError("its frames are damaged", predictions, "repeat the run") from error
    if len(counts) != clips or counts.sum() != len(frames):
        return {}
    ends: Indices = np.cumsum(counts)
    return {row: (frames[ends[row] - counts[row] : ends[row]], seconds) for row in rows}


def _about(found: Predictions, row: int, classes: Sequence[str], frames: Frames | None) -> dict[str, Any]:
    """What is annotated and what was found."""
    target, probabilities = np.nan_to_num(found.target[row]), np.nan_to_num(found.probabilities[row])
    likely = np.argsort(-probabilities, kind="stable")[:MOST_LABELS].tolist()
    about: dict[str, Any] = {
        "name": str(found.clip_id[row]),
        "labels": [classes[place] for place in np.flatnonzero(target >= 0.5).tolist()],
        "guesses": [[classes[place], round(float(probabilities[place]), 4)] for place in likely],
        "lanes": None,
    }
    if found.events is not None and found.reference_events is not None:
        about["lanes"] = _lanes(found.reference_events[row], found.events[row], classes, frames)
    return about


def _lanes(
    annotated: Sequence[Event], estimated: Sequence[Event], classes: Sequence[str], frames: Frames | None
) -> list[dict[str, Any]]:
    """One line a class that is annotated, found, or probable at some time."""
    lanes = []
    for place, name in enumerate(classes):
        lane: dict[str, Any] = {"name": name}
        for key, events in (("reference", annotated), ("estimate", estimated)):
            lane[key] = [[round(e.onset, 3), round(e.offset, 3)] for e in events if e.label == name]
        peak = 0.0
        if frames is not None and len(frames[0]) and place < frames[0].shape[1]:
            curve = np.nan_to_num(frames[0][:, place])
            kept, peak = thin(curve, FRAME_POINTS), float(curve.max())
            lane["times"] = [round((int(frame) + 0.5) * frames[1], 3) for frame in kept]
            lane["curve"] = [round(float(value), 3) for value in curve[kept]]
        if lane["reference"] or lane["estimate"] or peak > WORTH_A_LANE:
            lanes.append(lane)
    return lanes
