"""Two results on the same clips: their scores, the difference, and how sure it is."""

import dataclasses
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmark.errors import InputError
from leaderboard.bootstrap import Floats, draws_seeds, interval, p_value, resample
from leaderboard.pairs import NAMES, PairedScores, Side, join

FEWEST_RESAMPLES = 100
NO_EVIDENCE = "no evidence of a difference at this size: the interval holds 0"


@dataclass(frozen=True)
class Estimate:
    """A score or a difference, and the interval that holds 95 % of its resamples."""

    value: float
    low: float
    high: float


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
        seeds: Scores of each seed, on all clips.
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
    folds: tuple[str, ...]
    seeds: tuple[SeedScores, ...]
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, object]:
        """It as JSON takes it."""
        return dataclasses.asdict(self)


def compare(root: Path, a: str, b: str, key: str = "", resamples: int = 1000) -> Comparison:
    """Compare two results, paired by fold, seed and clip.

    Args:
        root: Folder of the runs.
        a: A run's folder, a unique id prefix, a group (all its members) or `last`.
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
    pairs = join(root, a, b)
    scores = PairedScores(pairs, key)
    sides = [partial(scores.score, name) for name in NAMES]
    everything = {fold: np.arange(number) for fold, number in scores.clips.items()}
    of_seeds = np.array([[side(place, everything) for side in sides] for place in range(len(pairs.seeds))])
    resampled = resample(sides, len(pairs.seeds), scores.clips, resamples)
    defined = resampled[~np.isnan(resampled).any(axis=1)]
    notes = list(pairs.notes)
    if not len(defined):
        raise InputError(f"{scores.key} is undefined in every resample", remedy="compare on more clips")
    if lost := len(resampled) - len(defined):
        notes.append(f"{scores.key} is undefined in {lost} of {len(resampled)} resamples, which are left out")
    whole, differences = of_seeds.mean(axis=0), of_seeds[:, 0] - of_seeds[:, 1]
    record = pairs.sides[0].record
    results = [_result(side, _estimate(whole[n], defined[:, n])) for n, side in enumerate(pairs.sides)]
    return Comparison(
        task=record.task,
        variant=record.variant,
        protocol=record.protocol,
        score=scores.key,
        a=results[0],
        b=results[1],
        difference=_estimate(differences.mean(), defined[:, 0] - defined[:, 1]),
        p=p_value(defined[:, 0] - defined[:, 1]),
        wins=int((differences > 0).sum()),
        losses=int((differences < 0).sum()),
        ties=int((differences == 0).sum()),
        resampled="seeds and clips" if draws_seeds(len(pairs.seeds)) else "clips only",
        resamples=resamples,
        clips=sum(scores.clips.values()),
        folds=pairs.folds,
        seeds=tuple(SeedScores(seed, *of_seeds[place].tolist()) for place, seed in enumerate(pairs.seeds)),
        notes=tuple(notes),
    )


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
    for line in _remarks(found):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _remarks(found: Comparison) -> list[str]:
    counts = {"clip": found.clips, "fold": len(found.folds), "seed": len(found.seeds)}
    size = ", ".join(f"{number:,} {what}{'' if number == 1 else 's'}" for what, number in counts.items())
    lines = [f"{size}; intervals and p: {found.resamples:,} resamples of {found.resampled}, the same for A and B"]
    if found.resampled == "clips only":
        lines.append("clips only: fewer than three seeds say nothing about how much a seed changes the score")
    if found.difference.low <= 0 <= found.difference.high:
        lines.append(NO_EVIDENCE)
    return [*lines, *(f"note: {note}" for note in found.notes)]
