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

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmark.errors import InputError
from benchmark.metrics.measures import Draws, Floats, Measure, Measures, all_once, mean_of

LOWEST_THRESHOLD = 0.01
DECISION = 0.5

Ints = npt.NDArray[np.int64]


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


class Steps(NamedTuple):
    """What counts at every threshold up to a level; each ``(steps,)``.

    Attributes:
        level: The highest threshold at which it counts.
        clip: The clip it is about.
        sign: 1, or -1 where it takes away.
    """

    level: Floats
    clip: Ints
    sign: Floats

    @classmethod
    def of(cls, *parts: tuple[Floats, Ints, int]) -> "Steps":
        """Levels, clips and the sign of each part."""
        levels, clips = (np.concatenate([part[place] for part in parts]) for place in range(2))
        return cls(levels, clips, np.concatenate([np.full(len(part[0]), float(part[2])) for part in parts]))

    def reach(self, threshold: Floats) -> "Callable[[Draws], Floats]":
        """How often a step is reached at each threshold, as a function of draws: ``(resamples, thresholds)``."""
        order = np.argsort(-self.level, kind="stable")
        clip, sign = self.clip[order], self.sign[order]
        reached = len(order) - np.searchsorted(np.sort(self.level), threshold)

        def count(draws: Draws) -> Floats:
            total = np.zeros((len(draws), len(order) + 1))
            np.cumsum(np.take(draws, clip, axis=1) * sign, axis=1, out=total[:, 1:])
            return np.take(total, reached, axis=1)

        return count


@dataclass(frozen=True)
class Level:
    """How a group's tags are counted on one level.

    Attributes:
        threshold: Scores of all known clips from 0.01 up, and 1: rising ``(thresholds,)``.
        known: Which clips are counted ``(clips,)``.
        scores: Steps of the scores that make the thresholds.
        hits: Steps that add up to the true positives.
        false_alarms: Steps that add up to the false positives.
        found: Steps that take from the false negatives.
        most: False negatives of each clip where nothing is found ``(clips,)``.
    """

    threshold: Floats
    known: npt.NDArray[np.bool_]
    scores: Steps
    hits: Steps
    false_alarms: Steps
    found: Steps
    most: Floats


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
    return all_once(taxonomy_measures(target, probability, groups), len(np.asarray(target)))


def taxonomy_measures(target: npt.ArrayLike, probability: npt.ArrayLike, groups: Sequence[TagGroup]) -> Measures:
    """:func:`taxonomy_scores` of resamples, each with the thresholds of the clips that are drawn."""
    targets, probabilities = np.asarray(target, dtype=np.float64), np.asarray(probability, dtype=np.float64)
    _check(targets, probabilities)
    measures: dict[str, Measure] = {}
    for name, level in (("coarse", _coarse), ("fine", _fine)):
        counted = {group.name: _counts(level(targets, probabilities, group)) for group in groups}
        measures |= {f"{name}/{key}": measure for key, measure in _level_measures(counted).items()}
    return measures


def _check(target: Floats, probability: Floats) -> None:
    if target.ndim != 2 or target.shape != probability.shape:
        raise InputError(f"targets {target.shape} and probabilities {probability.shape} must be (clips, tags)")
    if not (np.isnan(target) | (target == 0) | (target == 1)).all():
        raise InputError("a target is neither 0 nor 1 nor NaN", "taxonomy_scores")
    if not ((probability >= 0) & (probability <= 1)).all():
        raise InputError("a probability is not in [0, 1]", "taxonomy_scores")


class _Counted(NamedTuple):
    """A group's thresholds, and its counts as functions of draws."""

    threshold: Floats
    known: Callable[[Draws], Floats]
    counts: Callable[[Draws], Floats]


def _counts(level: Level) -> _Counted:
    """Whether clips are known `(resamples,)`, and true positives, false positives and false negatives.

    The counts are `(3, resamples, thresholds)`. At a threshold that no drawn clip has they are those of the next
    higher one that some have, which is what a list of the drawn thresholds would give.
    """
    threshold = level.threshold
    scores, hits, false_alarms, found = (
        steps.reach(threshold) for steps in (level.scores, level.hits, level.false_alarms, level.found)
    )

    def counts(draws: Draws) -> Floats:
        drawn = np.diff(scores(draws), axis=1, append=0) != 0
        drawn[:, -1] = True
        places = np.where(drawn, np.arange(len(threshold)), len(threshold))
        following = np.minimum.accumulate(places[:, ::-1], axis=1)[:, ::-1]
        misses = (draws @ level.most)[:, None] - found(draws)
        parts = (hits(draws), false_alarms(draws), misses)
        return np.stack([np.take_along_axis(part, following, axis=1) for part in parts])

    return _Counted(threshold, lambda draws: draws @ level.known, counts)


def _level_measures(groups: dict[str, _Counted]) -> Measures:
    union = np.unique(np.concatenate([[1.0], *(group.threshold for group in groups.values())]))

    def area(group: _Counted, draws: Draws) -> Floats:
        return np.where(group.known(draws) > 0, _area(group.counts(draws)), np.nan)

    def micro(score: Callable[[Floats], Floats], threshold: Floats, draws: Draws) -> Floats:
        total = np.zeros((3, len(draws), len(threshold)))
        known = np.zeros(len(draws))
        for group in groups.values():
            total += np.take(group.counts(draws), np.searchsorted(group.threshold, threshold), axis=2)
            known += group.known(draws)
        return np.where(known > 0, score(total), np.nan)

    areas = {name: partial(area, group) for name, group in groups.items()}
    return {
        "micro_auprc": partial(micro, _area, union),
        "macro_auprc": mean_of(areas.values()),
        "micro_f1": partial(micro, _f1, np.array([DECISION])),
        **{f"auprc/{name}": measure for name, measure in areas.items()},
    }


def _f1(counts: Floats) -> Floats:
    """F1 `(resamples,)` of counts `(3, resamples, 1)`."""
    hits, false_alarms, misses = counts[..., 0]
    found: Floats = 2 * hits / np.maximum(2 * hits + false_alarms + misses, 1)
    return found


def _area(counts: Floats) -> Floats:
    """Areas `(resamples,)` under the curves of counts `(3, resamples, thresholds)` at rising thresholds."""
    hits, false_alarms, misses = counts[..., ::-1]
    first, last = np.zeros((len(hits), 1)), np.ones((len(hits), 1))
    precision = np.hstack([last, hits / np.maximum(hits + false_alarms, 1), first])
    recall = np.hstack([first, hits / np.maximum(hits + misses, 1), last])
    areas: Floats = np.sum(np.diff(recall, axis=1) * (precision[:, 1:] + precision[:, :-1]) / 2, axis=1)
    return areas


def _coarse(target: Floats, probability: Floats, group: TagGroup) -> Level:
    truth, score = target[:, group.coarse], probability[:, group.coarse]
    known = ~np.isnan(truth)
    hits = Steps.of(_where(score, truth == 1))
    return Level(
        threshold=_thresholds(score[known]),
        known=known,
        scores=Steps.of(_where(score, known)),
        hits=hits,
        false_alarms=Steps.of(_where(score, truth == 0)),
        found=hits,
        most=(truth == 1).astype(np.float64),
    )


def _fine(target: Floats, probability: Floats, group: TagGroup) -> Level:
    columns = [*group.complete, *([] if group.incomplete is None else [group.incomplete])]
    known = np.logical_not(np.isnan(target[:, columns]).any(axis=1))
    true = (target[:, group.complete] == 1) & known[:, None]
    score = probability[:, group.complete]
    if group.incomplete is None:
        true_x, score_x = np.zeros(len(true), dtype=bool), np.full(len(true), -np.inf)
    else:
        true_x, score_x = (target[:, group.incomplete] == 1) & known, probability[:, group.incomplete]
    none_true = ~true.any(axis=1)
    absent, only_x = known & ~true_x & none_true, true_x & none_true

    # Each event of a clip holds over a range of thresholds, so that counting the ends of the ranges counts the events.
    anything = np.maximum(score.max(axis=1), score_x)
    best_hit = np.where(true, score, -np.inf).max(axis=1)
    everything = np.minimum(score.min(axis=1), score_x)
    false = ~true & (known & ~true_x)[:, None]
    return Level(
        threshold=_thresholds(score[known]),
        known=known,
        scores=Steps.of(_where(score, np.broadcast_to(known[:, None], score.shape))),
        hits=Steps.of(_where(score, true), _where(anything, true_x), _where(best_hit, true_x, -1)),
        false_alarms=Steps.of(_where(score, false), _where(score_x, absent), _where(everything, absent, -1)),
        found=Steps.of(_where(score, true), _where(anything, only_x)),
        most=true.sum(axis=1) + only_x.astype(np.float64),
    )


def _where(level: Floats, chosen: npt.NDArray[np.bool_], sign: int = 1) -> tuple[Floats, Ints, int]:
    """Levels and clips of the chosen entries `(clips,)` or `(clips, tags)`."""
    return level[chosen], np.nonzero(chosen)[0], sign


def _thresholds(score: Floats) -> Floats:
    """Thresholds of a group, rising."""
    return np.unique(np.append(score[score >= LOWEST_THRESHOLD], 1.0))
