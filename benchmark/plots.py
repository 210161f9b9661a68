"""Pictures of one run, drawn without a display."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmark.metrics import roc_auc, roc_curve
from benchmark.metrics.curves import confusion_counts
from benchmark.records import unwritable

Array = NDArray[Any]
CURVES = 10


def plot_binary_scores(path: Path, target: Array, probability: Array, groups: Sequence[str], title: str) -> None:
    """Histogram of the scores and ROC curve, one row and one curve a group.

    Args:
        path: PNG to write.
        target: 0 or 1 `(clips,)`.
        probability: Scores `(clips,)`.
        groups: Group of each clip.
        title: Heading.

    Raises:
        BenchmarkError: The file cannot be written.
    """
    names = list(dict.fromkeys(groups))
    members = np.asarray(groups)
    figure = Figure(figsize=(10, 2 + 1.6 * max(len(names), 2)), layout="constrained")
    figure.suptitle(title)
    grid = figure.add_gridspec(len(names), 2)
    curves = figure.add_subplot(grid[:, 1])
    for row, name in enumerate(names):
        chosen = members == name
        axis = figure.add_subplot(grid[row, 0])
        shares = [probability[chosen & (target == value)] for value in (0, 1)]
        axis.hist(
            shares,
            bins=np.linspace(0, 1, 21).tolist(),
            label=["negative", "positive"],
            color=["tab:gray", "tab:green"],
            stacked=False,
        )
        axis.set(title=name, ylabel="clips", xlim=(0, 1))
        axis.legend(fontsize="small")
        auc = roc_auc(target[chosen], probability[chosen])
        if auc is not None:
            curves.plot(*roc_curve(target[chosen], probability[chosen]), label=f"{name}: AUC {auc:.3f}")
        else:
            curves.plot([], [], label=f"{name}: one class only, no AUC")
    axis.set_xlabel("probability")
    curves.plot([0, 1], [0, 1], color="black", linewidth=0.5, linestyle="--")
    curves.set(
        xlabel="false positive rate", ylabel="true positive rate", xlim=(0, 1), ylim=(0, 1), title="ROC", aspect="equal"
    )
    curves.legend(loc="lower right", fontsize="small")
    save(figure, path)


def plot_prediction(
    path: Path, features: Array, seconds: float, windows: Array, curves: Array, classes: Sequence[str], title: str
) -> None:
    """Spectrogram with the probability over time beneath.

    Args:
        path: PNG to write.
        features: `(frames, bins)`.
        seconds: Length of the audio.
        windows: Start and end of each window in seconds `(windows, 2)`.
        curves: Probabilities `(windows, classes)`; the ten classes with the highest peaks are drawn.
        classes: Class names.
        title: Heading.

    Raises:
        BenchmarkError: The file cannot be written.
    """
    figure = Figure(figsize=(10, 5), layout="constrained")
    figure.suptitle(title)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1])
    top.imshow(features.T, origin="lower", aspect="auto", extent=(0, seconds, 0, features.shape[1]), cmap="magma")
    top.set_ylabel("band")
    loudest = np.sort(np.argsort(-curves.max(axis=0), kind="stable")[:CURVES])
    for index, name in ((index, classes[index]) for index in loudest):
        edges = np.append(windows[:, 0], windows[-1:, 1])
        bottom.stairs(curves[:, index], edges, label=name, baseline=None, linewidth=2)
    bottom.set(xlabel="time in s", ylabel="probability", xlim=(0, seconds), ylim=(0, 1))
    bottom.legend(loc="upper right", fontsize="small")
    save(figure, path)


def plot_confusion(path: Path, target: Array, predicted: Array, classes: Sequence[str], title: str) -> None:
    """Confusion matrix, as `confusion_figure`.

    Args:
        path: PNG to write.
        target: True class indices `(clips,)`.
        predicted: Predicted class indices `(clips,)`.
        classes: Class names.
        title: Heading.

    Raises:
        BenchmarkError: The file cannot be written.
    """
    save(confusion_figure(confusion_counts(target, predicted, len(classes)), classes, title), path)


def confusion_figure(counts: Array, classes: Sequence[str], title: str) -> Figure:
    """Confusion matrix: which share of each true class was taken for which.

    Args:
        counts: Clips of each true class that were taken for each class `(classes, classes)`.
        classes: Class names.
        title: Heading.
    """
    n = len(classes)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = 3 + 0.28 * n
    figure = Figure(figsize=(size + 1, size), layout="constrained")
    axis = figure.subplots()
    axis.imshow(shares, vmin=0, vmax=1, cmap="Greens")
    axis.set(title=title, xlabel="predicted", ylabel="true", xticks=range(n), yticks=range(n))
    axis.set_xticklabels(classes, rotation=90, fontsize="small")
    axis.set_yticklabels(classes, fontsize="small")
    if n <= 20:
        for row, column in zip(*np.nonzero(counts), strict=True):
            share = shares[row, column]
            text = f"{100 * share:.0f}"
            axis.text(
                column,
                row,
                text,
                ha="center",
                va="center",
                fontsize="x-small",
                color="white" if share > 0.6 else "black",
            )
    return figure


def plot_class_scores(path: Path, scores: Mapping[str, float | None], title: str, label: str) -> None:
    """One bar a class, as `class_figure`.

    Args:
        path: PNG to write.
        scores: Class name to its score; None where it is undefined.
        title: Heading.
        label: What the score is.

    Raises:
        BenchmarkError: The file cannot be written.
    """
    save(class_figure(scores, title, label), path)


def class_figure(scores: Mapping[str, float | None], title: str, label: str) -> Figure:
    """One bar a class.

    Args:
        scores: Class name to its score; None where it is undefined.
        title: Heading.
        label: What the score is.
    """
    figure = Figure(figsize=(8, 1.5 + 0.28 * max(len(scores), 3)), layout="constrained")
    axis = figure.subplots()
    axis.barh(list(scores), [value or 0.0 for value in scores.values()], color="tab:green")
    for place, value in enumerate(scores.values()):
        axis.text((value or 0.0) + 0.01, place, "undefined" if value is None else f"{value:.3f}", va="center")
    axis.set(title=title, xlabel=label, xlim=(0, 1.1))
    axis.invert_yaxis()
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG.

    Raises:
        BenchmarkError: The file cannot be written.
    """
    try:
        figure.savefig(path, dpi=110, format="png")
    except OSError as error:
        raise unwritable(path, error) from error
