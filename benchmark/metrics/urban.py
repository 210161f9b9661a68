"""Area under the precision-recall curve of tags in a two-level taxonomy with incomplete tags (DCASE 2019 task 5).

A group is a coarse tag with its fine tags, of which one may be incomplete ("X": of this group, but which tag is not
known). Sources: card `task-ust-cnn-vggish` (inference and metrics), and the organisers' public scorer, whose rules are:

- A tag is predicted where its score is at least the threshold. The thresholds of a group are the scores of its complete
  tags from 0.01 up, and 1.0; X is cut at them, too.
- Coarse level: true and false positives and false negatives of the coarse tag.
- Fine level: the same summed over the complete tags, with these exceptions. Where X is true, complete tags make no
  false positives; there is one true positive if anything of the group is predicted and no complete tag was a true
  positive; and one false negative if nothing is predicted and no complete tag is true. Where nothing of the group is
  true, a predicted X is one false positive, unless all complete tags are predicted as well.
- Micro scores: the counts of all groups are summed at each of their thresholds; a group that does not have it is taken
  at its own next higher one. Micro F1 is taken in this way at 0.5.
- Precision and recall without a denominator are 0. The curve starts at recall 0, precision 1 and ends at recall 1,
  precision 0; its area is taken by trapezoids.
- A group without positives has area 0 and counts in the macro mean.

The official scorer leaves the order of points of equal recall to an unstable sort, so that its areas depend on the
processor (by up to 0.02 for a group). Here they are in the order of falling thresholds, along which recall never falls.
"""

from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmark.errors import InputError

LOWEST_THRESHOLD = 0.01
DECISION = 0.5

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


class TagGroup(NamedTuple):
    """Where the tags of a group are among the columns.

    Attributes:
        name: What its scores are called.
        coarse: Column of the coarse tag.
        complete: Columns of the complete fine tags.
        incomplete: Column of the incomplete fine tag, where there is one.
    """

    name: str
    coarse: int
    complete: tuple[int, ...]
    incomplete: int | None


class Counts(NamedTuple):
    """What is right and wrong at each threshold.

    Attributes:
        threshold: Rising, the last is 1 `(thresholds,)`.
        positives: Rows: true positives, false positives, false negatives `(3, thresholds)`.
    """

    threshold: Floats
    positives: Floats

    def at(self, threshold: npt.ArrayLike) -> Floats:
        """Counts `(3, …)` at the next threshold that is not below each given one."""
        return self.positives[:, np.searchsorted(self.threshold, threshold)]


def taxonomy_scores(
    target: npt.ArrayLike, probability: npt.ArrayLike, groups: Sequence[TagGroup]
) -> dict[str, float | None]:
    """Scores on both levels by the rules above.

    Args:
        target: True tags, 0 or 1, NaN where not known `(clips, tags)`. A clip is left out of a group on a level where a
            tag of it is not known.
        probability: Predicted scores in [0, 1] `(clips, tags)`.
        groups: The taxonomy.

    Returns:
        Fractions: for `coarse` and `fine`, `<level>/micro_auprc`, `<level>/macro_auprc`, `<level>/micro_f1` and
        `<level>/auprc/<group name>`; None where there is no clip.

    Raises:
        InputError: The shapes differ, a target is neither 0 nor 1 nor NaN, or a probability is not in [0, 1].
    """
    targets, probabilities = np.asarray(target, dtype=np.float64), np.asarray(probability, dtype=np.float64)
    _check(targets, probabilities)
    scores: dict[str, float | None] = {}
    for level, count in (("coarse", _coarse_counts), ("fine", _fine_counts)):
        counts = {group.name: count(targets, probabilities, group) for group in groups}
        scores |= {f"{level}/{key}": value for key, value in _level_scores(counts).items()}
    return scores


def _check(target: Floats, probability: Floats) -> None:
    if target.ndim != 2 or target.shape != probability.shape:
        raise InputError(f"targets {target.shape} and probabilities {probability.shape} must be (clips, tags)")
    if not (np.isnan(target) | (target == 0) | (target == 1)).all():
        raise InputError("a target is neither 0 nor 1 nor NaN", "taxonomy_scores")
    if not ((probability >= 0) & (probability <= 1)).all():
        raise InputError("a probability is not in [0, 1]", "taxonomy_scores")


def _level_scores(counts: dict[str, Counts | None]) -> dict[str, float | None]:
    known = [count for count in counts.values() if count is not None]
    auprc = {name: None if count is None else _area(count.positives) for name, count in counts.items()}
    defined = [value for value in auprc.values() if value is not None]
    micro = f1 = None
    if known:
        union = np.unique(np.concatenate([count.threshold for count in known]))
        micro = _area(_total(count.at(union) for count in known))
        hits, *errors = _total(count.at(DECISION) for count in known)
        f1 = float(2 * hits / max(2 * hits + sum(errors), 1))
    return {
        "micro_auprc": micro,
        "macro_auprc": fmean(defined) if defined else None,
        "micro_f1": f1,
        **{f"auprc/{name}": value for name, value in auprc.items()},
    }


def _total(counts: Iterable[Floats]) -> Floats:
    return np.sum(list(counts), axis=0)  # type: ignore[no-any-return]


def _area(positives: Floats) -> float:
    """Area under the curve of counts `(3, thresholds)` at rising thresholds."""
    hits, false_alarms, misses = positives[:, ::-1]
    precision = np.concatenate([[1.0], hits / np.maximum(hits + false_alarms, 1), [0.0]])
    recall = np.concatenate([[0.0], hits / np.maximum(hits + misses, 1), [1.0]])
    return float(np.sum(np.diff(recall) * (precision[1:] + precision[:-1]) / 2))


def _coarse_counts(target: Floats, probability: Floats, group: TagGroup) -> Counts | None:
    known = ~np.isnan(target[:, group.coarse])
    if not known.any():
        return None
    true, score = target[known, group.coarse] == 1, probability[known, group.coarse]
    threshold = _thresholds(score)
    hits = _reach(score[true], threshold)
    return Counts(threshold, np.stack([hits, _reach(score[~true], threshold), true.sum() - hits]))


def _fine_counts(target: Floats, probability: Floats, group: TagGroup) -> Counts | None:
    columns = [*group.complete, *([] if group.incomplete is None else [group.incomplete])]
    known = ~np.isnan(target[:, columns]).any(axis=1)
    if not known.any():
        return None
    true, score = target[known][:, group.complete] == 1, probability[known][:, group.complete]
    threshold = _thresholds(score)
    if group.incomplete is None:
        true_x, score_x = np.zeros(len(true), dtype=bool), np.full(len(true), -np.inf)
    else:
        true_x, score_x = target[known, group.incomplete] == 1, probability[known, group.incomplete]

    hits = _reach(score[true], threshold)
    false_alarms = _reach(score[~true & ~true_x[:, None]], threshold)
    misses = true.sum() - hits

    # Each event of a clip holds over a range of thresholds, so that counting the ends of the ranges counts the events.
    anything = np.maximum(score.max(axis=1), score_x)
    best_hit = np.where(true, score, -np.inf).max(axis=1)
    hits = hits + _reach(anything[true_x], threshold) - _reach(best_hit[true_x], threshold)
    absent = ~true_x & ~true.any(axis=1)
    everything = np.minimum(score.min(axis=1), score_x)
    false_alarms = false_alarms + _reach(score_x[absent], threshold) - _reach(everything[absent], threshold)
    only_x = true_x & ~true.any(axis=1)
    misses = misses + only_x.sum() - _reach(anything[only_x], threshold)
    return Counts(threshold, np.stack([hits, false_alarms, misses]))


def _thresholds(score: Floats) -> Floats:
    """Thresholds of a group, rising."""
    return np.unique(np.append(score[score >= LOWEST_THRESHOLD], 1.0))


def _reach(score: Floats, threshold: Floats) -> Floats:
    """How many scores are at least each threshold."""
    return (score.size - np.searchsorted(np.sort(score, axis=None), threshold)).astype(np.float64)
