"""Search of a threshold for each class by random walks around one half."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

STEPS, RESTARTS = 30, 100
START = (0.40, 0.60)
WIDTH = 0.08  # of the Gaussian that makes steps small far from one half
STRENGTH = 0.07  # of the first step
DECAY = STRENGTH / 57  # a step


def anneal_thresholds(
    target: NDArray[Any], probability: NDArray[Any], seed: int = 0, restarts: int = RESTARTS, steps: int = STEPS
) -> NDArray[np.float64]:
    """Thresholds with the best macro F1 of those that random walks meet.

    A walk starts uniformly in 0.40 to 0.60, class by class. A step adds `u exp(-(t - 0.5)^2 / (2 * 0.08^2)) w` to every
    threshold `t`, `u` uniform in -1 to 1; `w` is 0.07 at first and falls by 0.07 / 57 a step. Nothing is turned down;
    the best place of all walks counts, or 0.5 where none is better.

    Source: card `task4-wgru-mil`, inference, step 1 (the authors' code).

    Args:
        target: 0 or 1, or NaN where it is not known `(clips, classes)`.
        probability: `(clips, classes)`; a class counts as present where it is above the threshold.
        seed: Seed of the walks.
        restarts: Walks.
        steps: Steps of each.

    Returns:
        `(classes,)`.
    """
    rng = np.random.default_rng(seed)
    shape = (restarts, probability.shape[1])
    walks = rng.uniform(*START, shape)
    best = np.full(probability.shape[1], 0.5)
    best_score = class_f1(target, probability > best).mean()
    for step in range(steps):
        reach = np.exp(-((walks - 0.5) ** 2) / (2 * WIDTH**2)) * (STRENGTH - DECAY * step)
        walks = walks + rng.uniform(-1, 1, shape) * reach
        for walk in walks:
            score = class_f1(target, probability > walk).mean()
            if score > best_score:
                best, best_score = walk.copy(), score
    return best


def class_f1(target: NDArray[Any], said: NDArray[Any]) -> NDArray[np.float64]:
    """F1 of each class over the clips where it is known, 0 where nothing is present nor said.

    Args:
        target: 0 or 1, or NaN where it is not known `(clips, classes)`.
        said: Whether a class was said to be present `(clips, classes)`.

    Returns:
        `(classes,)`.
    """
    present, said = np.asarray(target) == 1, said & ~np.isnan(target)
    positives = present.sum(axis=0) + said.sum(axis=0)
    scores: NDArray[np.float64] = 2 * (present & said).sum(axis=0) / np.maximum(positives, 1)
    return scores
