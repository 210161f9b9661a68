"""What pictures of predictions are drawn from: confusion counts, precision and recall, calibration.

Scores for pictures only; those that rank systems have modules of their own.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmark.errors import InputError

Floats = npt.NDArray[np.float64]


class Calibration(NamedTuple):
    """How often what was said with some probability was true; bins without a score are left out.

    Attributes:
        said: Mean probability of each bin `(bins,)`.
        true: Share of positives in each bin `(bins,)`.
        scores: How many there are in each bin `(bins,)`.
    """

    said: Floats
    true: Floats
    scores: npt.NDArray[np.int64]

    @property
    def error(self) -> float | None:
        """Expected calibration error: mean distance of what was said and what was true, bins by their number of scores.

        Source: Guo et al., On calibration of modern neural networks, ICML 2017, equation 3. None without a score.
        """
        if not self.scores.sum():
            return None
        return float(np.average(np.abs(self.said - self.true), weights=self.scores))


def confusion_counts(target: npt.ArrayLike, decision: npt.ArrayLike, classes: int) -> npt.NDArray[np.int64]:
    """How many clips of each true class (row) were taken for which class (column) `(classes, classes)`.

    Args:
        target: True class indices `(clips,)`.
        decision: Predicted class indices `(clips,)`.
        classes: Number of classes.
    """
    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (np.asarray(target, dtype=np.int64), np.asarray(decision, dtype=np.int64)), 1)
    return counts


def precision_recall_curve(target: npt.ArrayLike, score: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Recall and precision at every distinct threshold, from the strictest to the loosest.

    Args:
        target: True classes, 0 or 1 `(clips,)`.
        score: Scores that rise with the belief in class 1 `(clips,)`.

    Returns:
        `(recall, precision)`, each `(distinct scores,)`.

    Raises:
        InputError: There is no positive clip, so recall is undefined.
    """
    positive, scores = np.asarray(target, dtype=bool), np.asarray(score, dtype=np.float64)
    if not positive.any():
        raise InputError("a precision-recall curve needs a positive clip", f"{positive.size} clips")
    order = np.argsort(-scores, kind="stable")
    last_of_its_score = np.append(np.flatnonzero(np.diff(scores[order])), scores.size - 1)
    hits = np.cumsum(positive[order])[last_of_its_score]
    return hits / positive.sum(), hits / (last_of_its_score + 1)


def average_precision(target: npt.ArrayLike, score: npt.ArrayLike) -> float | None:
    """Mean precision over recall: every step of `precision_recall_curve` at its own precision, nothing interpolated.

    Args:
        target: True classes, 0 or 1 `(clips,)`.
        score: Scores that rise with the belief in class 1 `(clips,)`.

    Returns:
        A fraction; None where there is no positive clip.
    """
    if not np.any(target):
        return None
    recall, precision = precision_recall_curve(target, score)
    return float(np.diff(recall, prepend=0.0) @ precision)


def calibration(target: npt.ArrayLike, probability: npt.ArrayLike, bins: int = 10) -> Calibration:
    """Share of positives among scores of like probability, in bins of equal width (a reliability diagram).

    Args:
        target: True classes, 0 or 1, any shape.
        probability: Probabilities from 0 to 1, of the same shape.
        bins: How many bins there are from 0 to 1.
    """
    true, said = np.asarray(target, dtype=np.float64).ravel(), np.asarray(probability, dtype=np.float64).ravel()
    place = np.minimum((said * bins).astype(np.int64), bins - 1)
    count = np.bincount(place, minlength=bins)
    filled = count > 0
    mean_said, mean_true = (np.bincount(place, of, minlength=bins)[filled] / count[filled] for of in (said, true))
    return Calibration(mean_said, mean_true, count[filled])
