"""Pictures of one run, drawn without a display."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmark.metrics import roc_auc, roc_curve
from benchmark.records import unwritable

Array = NDArray[Any]


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
        curves: Probabilities `(windows, classes)`.
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
    for index, name in enumerate(classes):
        edges = np.append(windows[:, 0], windows[-1:, 1])
        bottom.stairs(curves[:, index], edges, label=name, baseline=None, linewidth=2)
    bottom.set(xlabel="time in s", ylabel="probability", xlim=(0, seconds), ylim=(0, 1))
    bottom.legend(loc="upper right", fontsize="small")
    save(figure, path)


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG.

    Raises:
        BenchmarkError: The file cannot be written.
    """
    try:
        figure.savefig(path, dpi=110, format="png")
    except OSError as error:
        raise unwritable(path, error) from error
