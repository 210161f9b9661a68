"""Sections of pictures: confusions, curves, calibration, clips, events, learning."""

from collections.abc import Iterator
from functools import partial

import numpy as np
from rich.console import Console
from rich.progress import track

from benchmark.metrics.curves import calibration
from benchmark.plots import confusion_figure
from benchmark.predictions import Predictions
from benchmark.report.classes import confusions, one_vs_rest, sayings
from benchmark.report.clips import Clip, ranked, spread
from benchmark.report.figures import (
    calibration_figure,
    curves_figure,
    event_figure,
    learning_figure,
    spectrogram_figure,
)
from benchmark.report.inline import inline
from benchmark.report.learning import pick, read_curves
from benchmark.report.parts import Card, Cards, Part, Picture, Table, Text
from benchmark.report.result import Result
from benchmark.report.sounds import Sounds

HARDEST, ROLLS = 12, 4
CONFUSIONS = 10


def confusion_parts(result: Result) -> Iterator[Part]:
    """Which classes were taken for which, where each clip has one."""
    counts, classes = confusions(result), result.classes
    if counts is None:
        return
    wrong = counts - np.diag(counts.diagonal())
    order = [place for place in np.argsort(-wrong, axis=None, kind="stable")[:CONFUSIONS] if wrong.flat[place]]
    pairs = [divmod(int(place), len(classes)) for place in order]
    rows = [[classes[true], classes[said], f"{wrong[true, said]}", f"{counts[true].sum()}"] for true, said in pairs]
    of = f"{counts.diagonal().sum()} of {counts.sum()} clips are right"
    described = f"Confusion matrix: {of}. " + "; ".join(f"{row[0]} taken for {row[1]}: {row[2]}" for row in rows[:3])
    svg = inline(lambda: confusion_figure(counts, classes, ""), described)
    yield Picture(svg, f"Share of each true class in per cent; {of}{together(result)}.")
    if rows:
        yield Table(["class", "taken for", "clips", "of"], rows, "Most frequent confusions", words=2)


def curve_parts(result: Result) -> Iterator[Part]:
    """ROC and precision-recall curves."""
    if result.clips is None:
        return
    found, classes = result.clips, result.classes
    if not any(0 < target.sum() < len(target) for target, _ in one_vs_rest(found)):
        yield Text("No class has both clips with it and without it, so that there is no curve.")
        return
    each = "each class against the rest" if len(classes) > 1 else f"clips with {classes[0]} against the rest"
    svg = inline(lambda: curves_figure(found, classes), f"ROC and precision-recall curves, {each}")
    grey = "; grey: single classes, whose areas are in the table of classes" if len(classes) > 10 else ""
    yield Picture(svg, f"{each.capitalize()}{together(result)}{grey}.")


def calibration_parts(result: Result) -> Iterator[Part]:
    """Whether probabilities say how often they are right."""
    if result.clips is None:
        return
    said, true = sayings(result.clips)
    about = "of the class that was decided for" if result.clips.decision is not None else "of every class"
    error = calibration(true, said).error
    if error is None:
        return
    measured = f"Expected calibration error {error:.3f} (ten bins of equal width)"
    svg = inline(lambda: calibration_figure(said, true), f"Calibration curve. {measured}")
    below = "below the diagonal, probabilities are too high"
    yield Picture(svg, f"Probabilities {about}: {below}. {measured}.")


def clip_parts(result: Result) -> Iterator[Part]:
    """The clips of highest loss."""
    if result.clips is None:
        return
    found, sounds, console = result.clips, Sounds(result), Console(stderr=True)
    hardest = ranked(found, result.classes)[:HARDEST]
    yield Text("The clips of highest cross-entropy (nats): those of which the truth was least expected.")
    cards = []
    for clip in track(hardest, "spectrograms", console=console, disable=not console.is_terminal):
        sound = sounds.read(clip.clip_id)
        svg = inline(partial(spectrogram_figure, sound), f"Spectrogram of {clip.clip_id}") if sound else None
        cards.append(Card(clip.clip_id, [*about(clip), *_conditions(found, clip)], svg))
    if not any(card.svg for card in cards):
        yield Text(f"{sounds.missing} So there are no spectrograms.", warns=True)
    yield Cards(cards)


def together(result: Result) -> str:
    """How the clips of several runs are taken."""
    return ", all runs together" if len(result.members) > 1 else ""


def about(clip: Clip) -> list[tuple[str, str]]:
    """What is known and what was said of a clip."""
    return [("truth", clip.true_classes), ("said", clip.said_classes), ("loss", f"{clip.loss:.2f}")]


def _conditions(found: Predictions, clip: Clip) -> list[tuple[str, str]]:
    return [(name, str(values[clip.row])) for name, values in found.conditions.items()]


def event_parts(result: Result) -> Iterator[Part]:
    """Events of some clips over time."""
    found = result.clips
    if found is None or found.events is None or found.reference_events is None:
        return
    sounds, cards = Sounds(result), []
    for clip in spread(ranked(found, result.classes), ROLLS):
        reference, estimate = found.reference_events[clip.row], found.events[clip.row]
        sound = sounds.read(clip.clip_id)
        counts = f"{len(reference)} annotated events, {len(estimate)} detected"
        svg = inline(partial(event_figure, sound, reference, estimate), f"Events over time: {counts}")
        cards.append(Card(clip.clip_id, [("events", counts), *about(clip)], svg))
    yield Text("Clips at even distances from the hardest to the easiest.")
    if not any(sounds.read(card.title) for card in cards):
        yield Text(f"{sounds.missing} So events stand without a spectrogram.", warns=True)
    yield Cards(cards, wide=True)


def learning_parts(result: Result) -> Iterator[Part]:
    """Training loss and validation score over steps."""
    runs = {member.name: read_curves(member.folder) for member in result.members}
    _, losses = pick(runs, ["train/loss"])
    key, scores = pick(runs, [f"val/{result.task.main_score}", "val/loss"])
    if not losses and not scores:
        yield Text("The runs' folders hold no metrics.csv.")
        return
    drawn = f"Training loss{f' and {key}' if key else ''} over steps"
    last = [f"{name}: {values[-1]:.4g}" for name, (_, values) in list(losses.items())[:3]]
    svg = inline(lambda: learning_figure(losses, scores, key), f"{drawn}; last loss {', '.join(last)}")
    trainings = f" of {len(losses)} trainings" if len(losses) > 1 else ""
    yield Picture(svg, f"{drawn}{trainings}.")
