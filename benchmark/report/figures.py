"""Figures of a result's predictions, for reports and dashboards, in colours that read on light and on dark."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.signal import spectrogram

from benchmark.data.inventory import Event
from benchmark.data.stored_clips import Sound
from benchmark.metrics import roc_auc, roc_curve
from benchmark.metrics.curves import average_precision, calibration, precision_recall_curve
from benchmark.predictions import Predictions
from benchmark.report.classes import one_vs_rest

Array = NDArray[Any]
Curve = tuple[Array, Array]

NAMED_CURVES = 10
REFERENCE, ESTIMATE = "tab:green", "tab:orange"
N_FFT, FRAMES, BANDS = 1024, 400, 128
QUIETEST = 80.0  # dB below the loudest


def curves_figure(found: Predictions, classes: Sequence[str]) -> Figure:
    """ROC and precision-recall curves of each class against the rest; one without clips of either side has none.

    Args:
        found: The predictions.
        classes: Class names.
    """
    figure = Figure(figsize=(10, 4.8 + 0.1 * min(len(classes), NAMED_CURVES)), layout="constrained")
    roc, recall = figure.subplots(1, 2)
    many = len(classes) > NAMED_CURVES
    for name, (target, score) in zip(classes, one_vs_rest(found), strict=True):
        auc, precision = roc_auc(target, score), average_precision(target, score)
        if auc is None or precision is None:
            continue
        style: dict[str, Any] = {"color": "gray", "linewidth": 0.8, "alpha": 0.7} if many else {}
        label = f"{name}: AUC {auc:.3f}, AP {precision:.3f}"
        roc.plot(*roc_curve(target, score), label="" if many else label, **style)
        recall.plot(*precision_recall_curve(target, score), **style)
    if many:
        target, score = (np.concatenate(parts) for parts in zip(*one_vs_rest(found), strict=True))
        if (auc := roc_auc(target, score)) is not None:
            style = {"color": REFERENCE, "linewidth": 2.5}
            label = f"all classes together: AUC {auc:.3f}, AP {average_precision(target, score):.3f}"
            roc.plot(*roc_curve(target, score), label=label, **style)
            recall.plot(*precision_recall_curve(target, score), **style)
    roc.plot([0, 1], [0, 1], color="gray", linewidth=0.5, linestyle="--")
    roc.set(title="ROC", xlabel="false positive rate", ylabel="true positive rate")
    recall.set(title="precision and recall", xlabel="recall", ylabel="precision")
    for axes in (roc, recall):
        axes.set(xlim=(0, 1), ylim=(0, 1.02), aspect="equal")
    if len(roc.lines) > 1:
        figure.legend(loc="outside lower center", ncols=2, fontsize="small")
    return figure


def calibration_figure(said: Array, true: Array) -> Figure:
    """How often what was said with some probability was true, and how often that was said.

    Args:
        said: Probabilities.
        true: Whether each was true.
    """
    found = calibration(true, said)
    figure = Figure(figsize=(5, 4.6), layout="constrained")
    curve, counts = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    curve.plot([0, 1], [0, 1], color="gray", linewidth=0.5, linestyle="--")
    curve.plot(found.said, found.true, marker="o", color=REFERENCE)
    curve.set(ylabel="share that was true", ylim=(0, 1.02))
    counts.hist(said, bins=np.linspace(0, 1, 11).tolist(), color="gray")
    counts.set(xlabel="probability that was said", ylabel="how often", xlim=(0, 1))
    return figure


def learning_figure(losses: Mapping[str, Curve], scores: Mapping[str, Curve], score: str) -> Figure:
    """Training loss and, where there is one, a validation score over steps.

    Args:
        losses: Training to its steps and losses.
        scores: Training to its steps and validation scores.
        score: What the score is.
    """
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    parts = [("training loss", losses)] + ([(score, scores)] if scores else [])
    for axes, (name, curves) in zip(figure.subplots(1, len(parts), squeeze=False)[0], parts, strict=True):
        for label, (steps, values) in curves.items():
            axes.plot(steps, values, label=label, linewidth=1.2, marker="." if len(steps) == 1 else None)
        axes.set(xlabel="step", ylabel=name)
        if 1 < len(curves) <= NAMED_CURVES:
            axes.legend(fontsize="small")
    return figure


def spectrogram_figure(sound: Sound) -> Figure:
    """The spectrogram of a clip."""
    figure = Figure(figsize=(5, 2), layout="constrained")
    axes = figure.subplots()
    _draw_spectrogram(axes, sound)
    axes.set(xlabel="time in s", ylabel="kHz")
    return figure


def event_figure(
    sound: Sound | None, reference: Sequence[Event], estimate: Sequence[Event], probable: Sequence[str] = ()
) -> Figure:
    """Events of a clip beneath its spectrogram: for each class the annotated ones above the detected ones.

    Args:
        sound: The clip's audio, where it is at hand.
        reference: Annotated events.
        estimate: Detected events.
        probable: Classes to show without an event.
    """
    classes = sorted({event.label for event in [*reference, *estimate]} | set(probable))
    ends = [event.offset for event in [*reference, *estimate]]
    seconds = len(sound.waveform) / sound.rate if sound else max(ends, default=1.0)
    heights = ([2.0] if sound else []) + [0.35 + 0.45 * max(len(classes), 1)]
    figure = Figure(figsize=(8, 0.8 + sum(heights)), layout="constrained")
    *above, roll = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights, squeeze=False)[:, 0]
    for axes in above:
        assert sound is not None
        _draw_spectrogram(axes, sound)
        axes.set(ylabel="kHz")
    for events, colour, offset, label in (
        (reference, REFERENCE, -0.4, "reference"),
        (estimate, ESTIMATE, 0.02, "estimate"),
    ):
        roll.broken_barh([], (0, 0), color=colour, label=label)
        for event in events:
            span = [(event.onset, max(event.offset - event.onset, seconds / 500))]
            roll.broken_barh(span, (classes.index(event.label) + offset, 0.38), color=colour)
    roll.set(xlabel="time in s", xlim=(0, seconds), yticks=range(len(classes)), ylim=(max(len(classes), 1) - 0.5, -0.5))
    roll.set_yticklabels(classes)
    roll.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize="small", frameon=False)
    return figure


def _draw_spectrogram(axes: Axes, sound: Sound) -> None:
    """Power in decibels below the loudest, the frequency axis linear."""
    waveform = np.pad(sound.waveform, (0, max(0, N_FFT - len(sound.waveform))))
    hop = max(1, min(N_FFT // 2, (len(waveform) - N_FFT) // FRAMES))
    _, _, power = spectrogram(waveform, sound.rate, "hann", N_FFT, N_FFT - hop, mode="psd")
    power = power[: N_FFT // 2].reshape(BANDS, -1, power.shape[1]).mean(axis=1)
    columns = np.array_split(power, min(FRAMES, power.shape[1]), axis=1)
    power = np.stack([column.mean(axis=1) for column in columns], axis=1)
    level = 10 * np.log10(np.maximum(power, np.finfo(np.float32).tiny))
    extent = (0.0, len(sound.waveform) / sound.rate, 0.0, sound.rate / 2000)
    axes.imshow(level, "magma", origin="lower", aspect="auto", extent=extent, vmin=level.max() - QUIETEST)
