"""Two results on the same clips: their scores, the difference, and how sure it is."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmark.errors import InputError
from benchmark.metrics.bootstrap import Estimate, interval, p_value
from benchmark.metrics.measures import Floats
from benchmark.registry import get_task
from leaderboard.pairs import NAMES, Side, join
from leaderboard.scored import CLIPS_ONLY, Scored, draw, load, remarks, require_same_clips, what_was_drawn

FEWEST_RESAMPLES = 100
NO_EVIDENCE = "no evidence of a difference at this size: the interval holds 0"


@dataclass(frozen=True)
class Result:
    """What A or B is, and its score, the mean over seeds."""

    system: str
    group: str
    score: Estimate


@dataclass(frozen=True)
class SeedScores:
    """The scores of one seed."""

    seed: int
    a: float
    b: float


@dataclass(frozen=True)
class ClassScores:
    """A class: the scores of both, where the task scores it by itself, and clips about which one alone is right.

    Attributes:
        name: The class.
        a: Mean over seeds, None where undefined.
        b: The same of B.
        wins: Clips of all folds and seeds about which A is right and B is wrong.
        losses: The other way round.
    """

    name: str
    a: float | None
    b: float | None
    wins: int
    losses: int


@dataclass(frozen=True)
class Comparison:
    """A and B on the same clips.

    Attributes:
        score: Key of the score that is compared.
        a: The first result.
        b: The second.
        difference: A minus B.
        p: Two-sided, that there is no difference.
        wins: Seeds in which A is better.
        losses: Seeds in which B is better.
        ties: Seeds in which they are equal.
        resampled: What was drawn with replacement.
        clips: Scored clips of all folds.
        clusters: Clusters of all folds, where clips that were recorded together were drawn together.
        seeds: Scores of each seed, on all clips.
        classes: Each class, in the official order.
        notes: What a reader must know.
    """

    task: str
    variant: str
    protocol: str
    score: str
    a: Result
    b: Result
    difference: Estimate
    p: float
    wins: int
    losses: int
    ties: int
    resampled: str
    resamples: int
    clips: int
    clusters: int | None
    folds: tuple[str, ...]
    seeds: tuple[SeedScores, ...]
    classes: tuple[ClassScores, ...]
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, object]:
        """It as JSON takes it."""
        return dataclasses.asdict(self)


def compare(root: Path, records: Path, a: str, b: str, key: str = "", resamples: int = 1000) -> Comparison:
    """Compare two results, paired by fold, seed and clip.

    Args:
        root: Folder of the runs.
        records: Folder of the committed records.
        a: A run's folder, a unique id prefix, a group (all its members) or `last`; of the committed records a file, a
            group or `<task>-<system>`.
        b: The same.
        key: A score of their records; empty for the task's main score.
        resamples: How many to draw.

    Raises:
        InputError: No such runs, or they cannot be compared; or the score is undefined in every resample.
    """
    if resamples < FEWEST_RESAMPLES:
        raise InputError(
            f"{resamples} resamples say nothing about the tails", "--resamples", f"at least {FEWEST_RESAMPLES}"
        )
    pairs = join(root, records, a, b)
    record = pairs.sides[0].record
    task = get_task(record.task)
    first, second = sides = [load(task, key, pairs.runs(side)) for side in pairs.sides]
    require_same_clips(first, second)
    of_seeds = np.stack([side.once() for side in sides], axis=1)
    drawn = draw(sides, resamples)
    defined = drawn.values[~np.isnan(drawn.values).any(axis=1)]
    if not len(defined):
        raise InputError(f"{first.key} is undefined in every resample", remedy="compare on more clips")
    whole, differences = of_seeds.mean(axis=0), of_seeds[:, 0] - of_seeds[:, 1]
    results = [_result(side, _estimate(whole[n], defined[:, n])) for n, side in enumerate(pairs.sides)]
    return Comparison(
        task=record.task,
        variant=record.variant,
        protocol=record.protocol,
        score=first.key,
        a=results[0],
        b=results[1],
        difference=_estimate(differences.mean(), defined[:, 0] - defined[:, 1]),
        p=p_value(defined[:, 0] - defined[:, 1]),
        wins=int((differences > 0).sum()),
        losses=int((differences < 0).sum()),
        ties=int((differences == 0).sum()),
        resampled=what_was_drawn(task, len(pairs.seeds), drawn.clusters),
        resamples=resamples,
        clips=sum(len(clips.clip_id) for clips in first.clips.values()),
        clusters=drawn.clusters,
        folds=pairs.folds,
        seeds=tuple(SeedScores(seed, *of_seeds[place].tolist()) for place, seed in enumerate(pairs.seeds)),
        classes=_by_class(first, second, task.classes_of(record.protocol)),
        notes=(*pairs.notes, *remarks(task, drawn, drawn.values.sum(axis=1))),
    )


def _by_class(a: Scored, b: Scored, classes: Sequence[str]) -> tuple[ClassScores, ...]:
    right = [(a.right[seed][fold], b.right[seed][fold]) for seed in a.right for fold in a.right[seed]]
    wins, losses = (
        sum(((first == 1) & (second == 0)).sum(axis=0) for first, second in pairs)
        for pairs in (right, [pair[::-1] for pair in right])
    )
    family = a.key.partition("/")[0]
    return tuple(
        ClassScores(
            name, _of_class(a, f"{family}/{name}"), _of_class(b, f"{family}/{name}"), int(wins[k]), int(losses[k])
        )
        for k, name in enumerate(classes)
    )


def _of_class(side: Scored, key: str) -> float | None:
    if not all(key in measures for folds in side.measures.values() for measures in folds.values()):
        return None
    value = float(dataclasses.replace(side, key=key).once().mean())
    return None if np.isnan(value) else value


def _estimate(value: float, resampled: Floats) -> Estimate:
    return Estimate(float(value), *interval(resampled))


def _result(side: Side, score: Estimate) -> Result:
    return Result(side.record.system, side.record.group, score)


def print_comparison(console: Console, found: Comparison) -> None:
    """A comparison for people."""
    about = escape(f"{found.task}, {found.protocol}, {found.variant} data: {found.score}")
    console.print(f"\n[bold]{about}[/]", highlight=False)
    table = Table("", "system", "group", box=box.SIMPLE_HEAD)
    for column in ("score", "95 % interval", "p", "wins / losses / ties"):
        table.add_column(column, justify="right")
    for name, result in zip(NAMES, (found.a, found.b), strict=True):
        low, high = (f"{value:.3f}" for value in (result.score.low, result.score.high))
        table.add_row(
            name, escape(result.system), escape(result.group), f"{result.score.value:.3f}", f"{low} to {high}"
        )
    low, high = (f"{value:+.3f}" for value in (found.difference.low, found.difference.high))
    counts = f"{found.wins} / {found.losses} / {found.ties}"
    table.add_row("A - B", "", "", f"{found.difference.value:+.3f}", f"{low} to {high}", f"{found.p:.3g}", counts)
    console.print(table)
    if len(found.seeds) > 1:
        seeds = Table("seed", *(str(one.seed) for one in found.seeds), box=box.SIMPLE_HEAD)
        for name in ("a", "b"):
            seeds.add_row(name.upper(), *(f"{getattr(one, name):.3f}" for one in found.seeds))
        seeds.add_row("A - B", *(f"{one.a - one.b:+.3f}" for one in found.seeds))
        console.print(seeds)
    classes = Table("class", box=box.SIMPLE_HEAD)
    for column in ("A", "B", "A alone right", "B alone right"):
        classes.add_column(column, justify="right")
    for one in found.classes:
        scores = ("-" if value is None else f"{value:.3f}" for value in (one.a, one.b))
        classes.add_row(escape(one.name), *scores, f"{one.wins:,}", f"{one.losses:,}")
    console.print(classes)
    for line in _remarks(found):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _remarks(found: Comparison) -> list[str]:
    counts = {"clip": found.clips}
    if found.clusters is not None:
        counts[get_task(found.task).cluster] = found.clusters
    counts |= {"fold": len(found.folds), "seed": len(found.seeds)}
    size = ", ".join(f"{number:,} {what}{'' if number == 1 else 's'}" for what, number in counts.items())
    lines = [f"{size}; intervals and p: {found.resamples:,} resamples of {found.resampled}, the same for A and B"]
    if found.resampled.startswith(CLIPS_ONLY):
        lines.append("clips only: fewer than three seeds say nothing about how much a seed changes the score")
    if found.difference.low <= 0 <= found.difference.high:
        lines.append(NO_EVIDENCE)
    return [*lines, *(f"note: {note}" for note in found.notes)]
