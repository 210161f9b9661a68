"""Results with what they predicted, clip by clip, in an order of clips that all of them share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import InputError
from benchmark.metrics.bootstrap import draws_seeds, resample
from benchmark.metrics.folds import score_over_folds
from benchmark.metrics.measures import Draws, Floats, Measures, once
from benchmark.predictions import Predictions, read_predictions
from benchmark.registry import Task
from benchmark.suggest import did_you_mean
from benchmark.tabular import few
from leaderboard import Run

TOLERANCE = 1e-9
FEWEST_CLUSTERS = 10
CLIPS, CLIPS_ONLY = "seeds and clips", "clips only"


@dataclass(frozen=True)
class Scored:
    """A result that can be scored on any of its clips.

    Attributes:
        key: Which score.
        files: Fold to a file of predictions, to name in messages.
        clips: Fold to one seed's predictions, sorted by the clips' names, for what all seeds share.
        measures: Seed to fold to the task's measures, for draws of the clips in this order.
        right: Seed to fold to what was right about the clips' classes `(clips, classes)`: see `what_is_right`.
    """

    key: str
    files: Mapping[str, Path]
    clips: Mapping[str, Predictions]
    measures: Mapping[int, Mapping[str, Measures]]
    right: Mapping[int, Mapping[str, NDArray[np.int8]]]

    def of_seed(self, seed: int, draws: Mapping[str, Draws]) -> Floats:
        """Scores of one seed `(resamples,)`, the mean over folds, for draws of each fold's clips."""
        return score_over_folds(self.key, self.measures[seed], draws)

    def once(self) -> Floats:
        """Scores of the seeds on every clip once `(seeds,)`."""
        draws = {fold: np.ones((1, len(clips.clip_id))) for fold, clips in self.clips.items()}
        return np.concatenate([self.of_seed(seed, draws) for seed in self.measures])


def load(task: Task, key: str, seeds: Mapping[int, Mapping[str, Run]]) -> Scored:
    """Read the predictions of a result's runs.

    Args:
        task: The task.
        key: Which score; empty for the task's main score.
        seeds: Seed to fold to run, each seed with the same folds.

    Raises:
        InputError: A run kept no predictions, has no such score or an undefined one, or its predictions do not give the
            score that its record has; or the runs of a fold scored different clips.
    """
    rescorer = task.load("rescorer")
    name = key or task.main_score
    files: dict[str, Path] = {}
    clips: dict[str, Predictions] = {}
    measures: dict[int, dict[str, Measures]] = {seed: {} for seed in seeds}
    right: dict[int, dict[str, NDArray[np.int8]]] = {seed: {} for seed in seeds}
    for seed, runs in seeds.items():
        for fold, run in runs.items():
            found = read_predictions(run.predictions)
            found = found.take(np.argsort(found.clip_id))
            classes = task.classes_of(run.record.protocol)
            if found.target.shape[1] != len(classes):
                what = f"predictions of {found.target.shape[1]} classes where there are {len(classes)}"
                raise InputError(what, run.predictions, "repeat the run")
            measured: Measures = rescorer(found, classes)
            _require_recorded(run, name, measured, len(found.clip_id))
            measures[seed][fold], right[seed][fold] = measured, what_is_right(found)
            first = clips.setdefault(fold, found)
            if what := _differing(first, found):
                raise InputError(what, f"{files[fold]}, {run.predictions}", "run both on the same data")
            files.setdefault(fold, run.predictions)
    return Scored(name, files, clips, measures, right)


def what_is_right(found: Predictions) -> NDArray[np.int8]:
    """Whether each clip was rightly judged, class by class: 1 right, 0 wrong, -1 nothing to judge `(clips, classes)`.

    Where each clip has one class it is judged by that alone. Elsewhere a class is right where it is there and has a
    probability of 0.5 and more, or neither; nothing is judged where it is not known whether it is there.
    """
    there = found.target > 0.5
    if found.decision is None:
        return np.where(np.isnan(found.target), -1, (found.probabilities >= 0.5) == there).astype(np.int8)
    right = found.target.argmax(axis=1) == found.decision
    return np.where(there, right[:, None], -1).astype(np.int8)


def _require_recorded(run: Run, key: str, measures: Measures, clips: int) -> None:
    """Check that the predictions give the score that the record has."""
    if key not in run.record.scores or key not in measures:
        raise InputError(f"there is no score {key!r}", "--score", did_you_mean(key, run.record.scores))
    recorded, again = run.record.scores[key], once(measures[key], clips)
    if recorded is None:
        raise InputError(f"{key} is undefined", run.file, "name a score that is defined: --score KEY")
    if again is None or abs(again - recorded) > TOLERANCE:
        what = f"the predictions give {key} {again}, the record {recorded}"
        raise InputError(what, run.predictions, "one of them was changed, or the rules were: repeat the run")


def on_same_clips(first: Scored, second: Scored) -> bool:
    """Whether two results scored the same clips by the same labels."""
    return not any(_differing(first.clips[fold], second.clips[fold]) for fold in first.clips)


def require_same_clips(first: Scored, second: Scored) -> None:
    """Check that two results scored the same clips by the same labels.

    Raises:
        InputError: They did not; says which clips.
    """
    for fold, clips in first.clips.items():
        if what := _differing(clips, second.clips[fold]):
            raise InputError(what, f"{first.files[fold]}, {second.files[fold]}", "run both on the same data")


def _differing(first: Predictions, second: Predictions) -> str:
    """In what the clips of two runs differ, empty where in nothing."""
    if not np.array_equal(first.clip_id, second.clip_id):
        strangers = np.setxor1d(first.clip_id, second.clip_id).tolist()
        return f"the runs did not score the same clips: {few(strangers)} only in one of them"
    if not np.array_equal(first.target, second.target, equal_nan=True):
        return "the runs did not score by the same labels"
    return ""


@dataclass(frozen=True)
class Drawn:
    """Resamples of results on the same clips.

    Attributes:
        values: Their scores `(resamples, results)`, the mean over seeds, NaN where undefined.
        clusters: How many clusters were drawn from, of all folds; None where clips were drawn one by one.
    """

    values: Floats
    clusters: int | None


def draw(results: Sequence[Scored], resamples: int) -> Drawn:
    """Resample results that scored the same clips, jointly; the folds are those of the first."""
    clusters: dict[str, NDArray[np.int64]] = {}
    for fold, clips in results[0].clips.items():
        # A run of an older version does not know what was recorded together.
        known = (result.clips[fold].cluster for result in results)
        clusters[fold] = _numbered(next((names for names in known if names is not None), clips.clip_id))
    sides = [{seed: partial(result.of_seed, seed) for seed in result.measures} for result in results]
    single = all(len(np.unique(part)) == len(part) for part in clusters.values())
    number = None if single else sum(len(np.unique(part)) for part in clusters.values())
    return Drawn(resample(sides, clusters, resamples), number)


def _numbered(names: NDArray[Any]) -> NDArray[np.int64]:
    """Numbers from 0 in place of names, in the order of their first appearance."""
    _, first, inverse = np.unique(names, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]


def remarks(task: Task, drawn: Drawn, values: Floats) -> list[str]:
    """What a reader of an interval must know.

    Args:
        task: The task.
        drawn: What it was made of.
        values: The resampled scores that it is about `(resamples,)`.
    """
    found = []
    if lost := int(np.isnan(values).sum()):
        found.append(f"the score is undefined in {lost} of {len(values)} resamples, which are left out")
    if drawn.clusters is not None and drawn.clusters < FEWEST_CLUSTERS:
        found.append(f"the clips are of {drawn.clusters} {task.cluster}s only: the interval is too narrow")
    return found


def what_was_drawn(task: Task, seeds: int, clusters: int | None) -> str:
    """In words, what a result with so many seeds was resampled by."""
    drawn = CLIPS if draws_seeds(seeds) else CLIPS_ONLY
    return drawn if clusters is None else f"{drawn}, by {task.cluster}"
