"""Weighted means of members whose weights are learnt from held-out clips: by greedy selection, or by cross-entropy."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from benchmark.errors import BenchmarkError, InputError
from benchmark.fusion.base import Fusion

Floats = NDArray[np.float64]
Metric = Callable[[NDArray[Any], NDArray[Any], NDArray[Any]], float]

SMALLEST = 1e-12  # probability that enters a logarithm


def mean_class_accuracy(probability: NDArray[Any], target: NDArray[Any], weight: NDArray[Any]) -> float:
    """Mean over classes of the share of a class's clips whose most probable class it is, the first of equals.

    Args:
        probability: `(clips, classes)`.
        target: `(clips, classes)`; a clip's class is the largest.
        weight: How much each clip counts `(clips,)`; a class whose clips do not count is left out.

    Raises:
        InputError: No clip counts.
    """
    truth = target.argmax(axis=1)
    clips = np.bincount(truth, weight, target.shape[1])
    right = np.bincount(truth, weight * (probability.argmax(axis=1) == truth), target.shape[1])
    if not clips.any():
        raise InputError("no clip counts", "fusion", "hold out clips to fit it on, e.g. data.valid_fraction")
    return float(np.mean(right[clips > 0] / clips[clips > 0]))


class FittedMean(Fusion):
    """A weighted mean of the members; a subclass says which weights.

    Attributes:
        weights: Weight of each member `(members,)`, which sum to 1; nothing before `fit`.
    """

    weights: Floats | None = None

    def fit(self, probability: NDArray[Any], target: NDArray[Any], weight: NDArray[Any]) -> None:
        """Choose the weights.

        Args:
            probability: `(members, clips, classes)`.
            target: `(clips, classes)`.
            weight: How much each clip counts `(clips,)`.

        Raises:
            InputError: The shapes do not fit, or no clip counts.
        """
        shapes = probability.shape, target.shape, weight.shape
        if probability.ndim != 3 or shapes[0][1:] != shapes[1] or shapes[1][:1] != shapes[2] or not len(probability):
            raise InputError(f"shapes {', '.join(map(str, shapes))} of predictions, targets and weights", "fusion")
        if not (weight > 0).any():
            raise InputError("no clip counts", "fusion", "hold out clips to fit it on, e.g. data.valid_fraction")
        self.weights = self.choose(probability.astype(np.float64), target, weight.astype(np.float64))

    @abstractmethod
    def choose(self, probability: Floats, target: NDArray[Any], weight: Floats) -> Floats:
        """Weights `(members,)` that sum to 1, from what `fit` gets."""

    def __call__(self, probability: NDArray[Any]) -> NDArray[Any]:
        """The weighted mean.

        Args:
            probability: `(members, n, classes)`, of clips or of frames.

        Returns:
            `(n, classes)`.

        Raises:
            BenchmarkError: `fit` was not called, or for another number of members.
        """
        members = None if self.weights is None else len(self.weights)
        if members != len(probability):
            what = f"the fusion was fitted on {members or 'no'} members, not {len(probability)}"
            raise BenchmarkError(what, type(self).__name__, "fit it on the same members")
        mean: Floats = np.tensordot(self.weights, probability, 1)  # type: ignore[arg-type]
        return mean


class EnsembleSelection(FittedMean):
    """Greedy selection with replacement: a member's weight is its share of the picks.

    The first pick is the best member; each of the next is the one with which the mean of all picks so far is best. Of
    several that are equally good the first is taken.

    Source: card `task1-nn-filter-ensemble`, ensembles (ES); Caruana et al., Ensemble selection from libraries of
    models, ICML 2004.

    Args:
        iterations: Picks after the first.
        metric: Called with probabilities, targets `(clips, classes)` and weights `(clips,)`; the larger, the better.

    Attributes:
        picks: How many times each member was picked `(members,)`; nothing before `fit`.

    Raises:
        InputError: `iterations` is negative.
    """

    picks: NDArray[np.int64] | None = None

    def __init__(self, iterations: int = 200, metric: Metric = mean_class_accuracy) -> None:
        if iterations < 0:
            raise InputError(f"iterations must not be negative, not {iterations}", "EnsembleSelection.iterations")
        self.iterations, self.metric = iterations, metric

    def choose(self, probability: Floats, target: NDArray[Any], weight: Floats) -> Floats:
        """Picks as shares."""
        picks = np.zeros(len(probability), dtype=np.int64)
        total = np.zeros(probability.shape[1:])
        for number in range(1, self.iterations + 2):
            scores = [self.metric((total + member) / number, target, weight) for member in probability]
            best = int(np.argmax(scores))
            picks[best] += 1
            total += probability[best]
        self.picks = picks
        shares: Floats = picks / picks.sum()
        return shares


class WeightedMean(FittedMean):
    """The weights, none below 0, with the smallest cross-entropy of targets and mean.

    For one class a clip. Source: card `task1-nn-filter-ensemble`, ensembles (WE, by SLSQP).
    """

    def choose(self, probability: Floats, target: NDArray[Any], weight: Floats) -> Floats:
        """Weights by sequential least squares, from equal ones.

        Raises:
            BenchmarkError: It finds none.
        """
        members, share = len(probability), target * weight[:, None] / weight.sum()

        def loss(weights: Floats) -> tuple[float, Floats]:
            mean = np.maximum(np.tensordot(weights, probability, 1), SMALLEST)
            return float(-(share * np.log(mean)).sum()), -(probability * (share / mean)).sum(axis=(1, 2))

        found = minimize(
            loss,
            np.full(members, 1 / members),
            jac=True,
            bounds=[(0, 1)] * members,
            constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": np.ones_like},
            method="SLSQP",
            options={"ftol": 1e-10, "maxiter": 1000},
        )
        if not found.success:
            raise BenchmarkError(f"no weights were found: {found.message}", "WeightedMean")
        weights: Floats = np.clip(found.x, 0, None)
        weights /= weights.sum()
        return weights
