"""Stacking: a classifier that learns, from held-out predictions of several networks, what to make of them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from benchmark.errors import BenchmarkError, InputError
from benchmark.fusion.base import Fusion

Floats = NDArray[np.float64]


class LogisticStacking(Fusion):
    """Multinomial logistic regression on the members' probabilities, one beside the other.

    Minimises half the squared coefficients plus `c` times the sum of every clip's cross-entropy times its weight times
    that of its class, `clips / (classes * clips of the class)`. The intercepts are free. A class without clips gets
    probability 0. Source: card `task2-noisy-labels-iqbal`, stacking (C = 1, balanced classes, 0.65 for unverified
    labels).

    Attributes:
        coefficients: After `fit`: `(classes, members * classes)`; members one after the other.
        intercepts: After `fit`: `(classes,)`.

    Args:
        c: How much the clips count against the penalty.
        doubtful_weight: Weight of the clips whose weight is below 1, in place of theirs; null: theirs.
        tolerance: Largest entry of the gradient of the mean at which the search ends.
        max_iterations: Iterations after which the search ends in any case.

    Raises:
        InputError: `c` or `tolerance` is not positive.
    """

    def __init__(
        self, c: float = 1.0, doubtful_weight: float | None = None, tolerance: float = 1e-8, max_iterations: int = 2000
    ) -> None:
        for name, value in (("c", c), ("tolerance", tolerance)):
            if value <= 0:
                raise InputError(f"{name} must be positive, not {value}", f"LogisticStacking.{name}")
        self.c, self.doubtful_weight = c, doubtful_weight
        self.tolerance, self.max_iterations = tolerance, max_iterations
        self.coefficients: Floats | None = None
        self.intercepts: Floats | None = None

    def fit(self, probability: NDArray[Any], target: NDArray[Any], weight: NDArray[Any]) -> None:
        """Find the coefficients.

        Args:
            probability: `(members, clips, classes)`.
            target: One-hot `(clips, classes)`.
            weight: How much each clip counts `(clips,)`.

        Raises:
            InputError: The targets are not one class a clip, or fewer than two classes have clips.
        """
        target, weight = np.asarray(target, dtype=np.float64), np.asarray(weight, dtype=np.float64)
        if not (np.isin(target, (0, 1)).all() and (target.sum(axis=1) == 1).all()):
            raise InputError("stacking needs exactly one class a clip", "fusion", "take benchmark.fusion.mean.Mean")
        clips = target.sum(axis=0)
        known = np.flatnonzero(clips)
        if len(known) < 2:
            raise InputError("stacking needs clips of at least two classes", "fusion")
        if self.doubtful_weight is not None:
            weight = np.where(weight < 1, self.doubtful_weight, weight)
        x, y = _side_by_side(probability), target[:, known]
        weight = weight * (len(y) / (len(known) * clips[known]))[y.argmax(axis=1)]
        found = self._minimum(x, y, weight)
        self.coefficients = np.zeros((target.shape[1], x.shape[1]))
        self.intercepts = np.full(target.shape[1], -np.inf)
        self.coefficients[known], self.intercepts[known] = found[:, :-1], found[:, -1]

    def _minimum(self, x: Floats, y: Floats, weight: Floats) -> Floats:
        """Coefficients, with the intercept as a last column, `(classes, features + 1)`."""
        shape = (y.shape[1], x.shape[1] + 1)
        total = self.c * weight.sum()

        def objective(flat: Floats) -> tuple[float, Floats]:
            coefficients = flat.reshape(shape)
            logits = x @ coefficients[:, :-1].T + coefficients[:, -1]
            loss = -self.c * (weight * (y * log_softmax(logits, axis=1)).sum(axis=1)).sum()
            residual = self.c * weight[:, None] * (softmax(logits, axis=1) - y)
            gradient = np.column_stack([residual.T @ x + coefficients[:, :-1], residual.sum(axis=0)])
            return (loss + 0.5 * np.square(coefficients[:, :-1]).sum()) / total, gradient.ravel() / total

        limits = {"maxiter": self.max_iterations, "maxfun": 2 * self.max_iterations}
        options = {"gtol": self.tolerance, "ftol": 0.0} | limits
        found = minimize(objective, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B", options=options)
        minimum: Floats = found.x.reshape(shape)
        return minimum

    def __call__(self, probability: NDArray[Any]) -> NDArray[Any]:
        """One prediction.

        Args:
            probability: `(members, n, classes)`.

        Returns:
            `(n, classes)`, each row with a sum of 1.

        Raises:
            BenchmarkError: `fit` was not called.
            InputError: There are other members or classes than in `fit`.
        """
        if self.coefficients is None or self.intercepts is None:
            raise BenchmarkError("the stacking has learnt nothing yet", "LogisticStacking", "call fit")
        x = _side_by_side(probability)
        if x.shape[1] != self.coefficients.shape[1]:
            what = f"{x.shape[1]} probabilities a clip, not {self.coefficients.shape[1]}"
            raise InputError(what, "LogisticStacking", "give the members that it was fitted on")
        stacked: Floats = softmax(x @ self.coefficients.T + self.intercepts, axis=1)
        return stacked


def _side_by_side(probability: NDArray[Any]) -> Floats:
    """`(members, n, classes)` to `(n, members * classes)`."""
    return np.concatenate(list(np.asarray(probability, dtype=np.float64)), axis=1)
