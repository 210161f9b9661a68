"""Predictions as text for people, tables and JSON for programs, and label tracks for Audacity, one by one."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np
from numpy.typing import NDArray

from benchmark.data.inventory import Event
from benchmark.postprocessing.events import runs

SHOWN = 5
LIKELY = 0.5


@dataclass
class Prediction:
    """What the runs say of one recording, or of a part of it.

    Attributes:
        file: The audio file, or `-`.
        start: Where the part begins, in seconds.
        seconds: Its length.
        classes: Class names.
        clip: Probability of each class for the whole part, the mean over windows `(classes,)`.
        windows: Start and end in seconds of each window, or of each frame where events are detected `(windows, 2)`.
        curve: Probabilities of each window or frame `(windows, classes)`.
        exclusive: Whether exactly one class is right.
        events: What was detected; None where the task has no events.
    """

    file: Path
    start: float
    seconds: float
    classes: tuple[str, ...]
    clip: NDArray[Any]
    windows: NDArray[Any]
    curve: NDArray[Any]
    exclusive: bool
    events: list[Event] | None = None

    def share(self, event: Event) -> float:
        """Mean probability of an event's class while it lasts."""
        first = np.searchsorted(self.windows[:, 1], event.onset, side="right")
        stop = np.searchsorted(self.windows[:, 0], event.offset, side="left")
        return float(self.curve[first:stop, self.classes.index(event.label)].mean())


class Shown(NamedTuple):
    """What is written of the classes, where not all of them are.

    Attributes:
        top: So many of each recording and window, the most probable first; None: what the format takes for usual.
        threshold: Only those at least so probable; None: the same.
    """

    top: int | None = None
    threshold: float | None = None


Span = tuple[float, float, str, float]


def write_text(predictions: Iterable[Prediction], out: TextIO, shown: Shown) -> None:
    """A line for each recording, and one for each of its events, or windows if there are several."""
    for prediction in predictions:
        usual = shown._replace(top=shown.top or SHOWN)
        place = f" from {prediction.start:.1f} s" if prediction.start else ""
        out.write(f"{prediction.file}{place}  {prediction.seconds:.1f} s{_tags(prediction, prediction.clip, usual)}\n")
        if prediction.events is not None:
            for start, end, name, value in _events(prediction, shown):
                out.write(f"  {start:8.2f} - {end:8.2f} s  {name} {value:.3f}\n")
        elif len(prediction.windows) > 1:
            for (start, end), values in zip(prediction.windows, prediction.curve, strict=True):
                out.write(f"  {start:8.2f} - {end:8.2f} s{_tags(prediction, values, usual)}\n")


def write_tsv(predictions: Iterable[Prediction], out: TextIO, shown: Shown) -> None:
    """A table of events or, where there are none, of the classes of each window."""
    table = csv.writer(out, "excel-tab", lineterminator="\n")
    table.writerow(("file", "start", "end", "class", "probability"))
    for prediction in predictions:
        spans = _windows(prediction, shown) if prediction.events is None else _events(prediction, shown)
        for start, end, name, value in spans:
            table.writerow((prediction.file, f"{start:.3f}", f"{end:.3f}", name, f"{value:.6f}"))


def write_audacity(predictions: Iterable[Prediction], out: TextIO, shown: Shown) -> None:
    """A label track of events or, where there are none, of segments: windows in a row with the same class.

    A window has its most probable class, or every class that is at least as probable as the threshold, where there can
    be several.
    """
    for prediction in predictions:
        if prediction.events is None:
            spans: Iterable[Span] = _segments(prediction, shown)
        else:
            spans = _events(prediction, shown)
        for start, end, name, value in spans:
            out.write(f"{start:.6f}\t{end:.6f}\t{name} {value:.3f}\n")


def write_json(predictions: Iterable[Prediction], out: TextIO, shown: Shown) -> None:
    """A list with one object for each recording, or for each of its parts."""
    before = "["
    for prediction in predictions:
        out.write(before + "\n")
        _write_object(prediction, out)
        before = ","
    out.write("[]\n" if before == "[" else "\n]\n")


def write_json_lines(predictions: Iterable[Prediction], out: TextIO, shown: Shown) -> None:
    """The objects of `write_json`, one a line."""
    for prediction in predictions:
        _write_object(prediction, out)
        out.write("\n")


WRITERS: dict[str, Callable[[Iterable[Prediction], TextIO, Shown], None]] = {
    "text": write_text,
    "tsv": write_tsv,
    "json": write_json,
    "jsonl": write_json_lines,
    "audacity": write_audacity,
}
"""Of each format, what writes predictions while they come."""


def _write_object(prediction: Prediction, out: TextIO) -> None:
    """One JSON object, window by window: the frames of an hour would be gigabytes of Python objects."""
    about: dict[str, Any] = {
        "file": str(prediction.file),
        "start": prediction.start,
        "seconds": prediction.seconds,
        "clip": dict(zip(prediction.classes, prediction.clip.tolist(), strict=True)),
    }
    if prediction.events is not None:
        about["events"] = [event._asdict() for event in prediction.events]
    out.write(json.dumps(about)[:-1] + ', "windows": [')
    for place, ((start, end), values) in enumerate(zip(prediction.windows, prediction.curve, strict=True)):
        window = {"start": start, "end": end, **dict(zip(prediction.classes, values.tolist(), strict=True))}
        out.write((", " if place else "") + json.dumps(window))
    out.write("]}")


def _chosen(values: NDArray[Any], shown: Shown) -> list[int]:
    """Places of the classes to write, the most probable first."""
    order = np.argsort(-values, kind="stable")[: shown.top]
    return [place for place in order.tolist() if values[place] >= (shown.threshold or 0.0)]


def _tags(prediction: Prediction, values: NDArray[Any], shown: Shown) -> str:
    return "".join(f"  {prediction.classes[place]} {values[place]:.3f}" for place in _chosen(values, shown))


def _windows(prediction: Prediction, shown: Shown) -> Iterator[Span]:
    """Start, end, class and probability of the classes of each window."""
    for (start, end), values in zip(prediction.windows.tolist(), prediction.curve, strict=True):
        places = _chosen(values, shown)
        for place in sorted(places) if shown.top is None else places:
            yield start, end, prediction.classes[place], float(values[place])


def _events(prediction: Prediction, shown: Shown) -> Iterator[Span]:
    """Start, end, class and mean probability of each event."""
    for event in prediction.events or ():
        if (value := prediction.share(event)) >= (shown.threshold or 0.0):
            yield event.onset, event.offset, event.label, value


def _segments(prediction: Prediction, shown: Shown) -> list[Span]:
    """Windows in a row with the same class, and the mean of its probability there, in the order of their starts."""
    curve, windows = prediction.curve, prediction.windows
    usual = 0.0 if prediction.exclusive else LIKELY
    active = curve >= (usual if shown.threshold is None else shown.threshold)
    top = 1 if prediction.exclusive and shown.top is None else shown.top
    if top is not None:
        ranks = np.argsort(np.argsort(-curve, axis=1, kind="stable"), axis=1)
        active &= ranks < top
    found = [
        (float(windows[first, 0]), float(windows[stop - 1, 1]), name, float(curve[first:stop, place].mean()))
        for place, name in enumerate(prediction.classes)
        for first, stop in runs(active[:, place])
    ]
    return sorted(found)
