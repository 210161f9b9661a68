"""Scores of sound event detection that agree with sed_eval 0.2.1: event-based, segment-based, and of clip tags.

Source: Mesaros, Heittola, Virtanen: Metrics for polyphonic sound event detection, Applied Sciences 6, 2016; settings of
DCASE 2018 task 4 (card `task4-baseline-crnn`, metric). Every file is counted by itself, counts are added over files.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmark.data.inventory import Event
from benchmark.errors import InputError
from benchmark.metrics.f_score import f1_measure
from benchmark.metrics.measures import Draws, Floats, Measures, all_once, divide, mean, mean_of
from benchmark.metrics.roc import auc_measure
from benchmark.suggest import did_you_mean

COLLAR_SECONDS = 0.2
OFFSET_SHARE = 0.2
SEGMENT_SECONDS = 1.0
TAG_THRESHOLD = 0.5
RECALL = 2

EventLists = Mapping[str, Sequence[Event]]
Scores = dict[str, float | None]
Ints = npt.NDArray[np.int64]


class Counts(NamedTuple):
    """What a rule has counted in each file.

    Attributes:
        reference: Events or active segments of the reference, ``(files, classes)``.
        system: Those of the system's output, ``(files, classes)``.
        hits: Those found in both, ``(files, classes)``.
        substitutions: Over all classes: something there, but of another class, ``(files,)``.
        deletions: Over all classes: nothing in the output, ``(files,)``.
        insertions: Over all classes: nothing in the reference, ``(files,)``.
    """

    reference: Ints
    system: Ints
    hits: Ints
    substitutions: Ints
    deletions: Ints
    insertions: Ints


class _Table(NamedTuple):
    """Events of all files: place of the file and of the class, onset and offset in seconds; each ``(events,)``."""

    file: Ints
    label: Ints
    onset: Floats
    offset: Floats

    def between(self, first: int, stop: int) -> "_Table":
        """Some consecutive events."""
        part = slice(first, stop)
        return _Table(self.file[part], self.label[part], self.onset[part], self.offset[part])


def event_based_scores(reference: EventLists, predicted: EventLists, classes: Sequence[str]) -> Scores:
    """Scores of events found with the right class, onset and offset.

    An event is found where one of its class begins within 200 ms of its onset and ends within max(200 ms, 20 % of its
    length) of its offset; each counts once, in a matching with the most pairs. Onsets and offsets that fit but
    have another class are substitutions in the overall error rate. A class without output has precision 0.

    Args:
        reference: Events of every file; a file without any has an empty list.
        predicted: Events of files of the reference; a file may be left out.
        classes: Class names.

    Returns:
        Fractions, None where undefined. Means over the classes that the reference has: ``event_f1``,
        ``event_precision``, ``event_recall``, ``event_error_rate``; over all events alike: the same with ``_micro``;
        and ``event_f1/<class>``.

    Raises:
        InputError: A class is unknown, or a predicted file is not in the reference.
    """
    return all_once(event_measures(reference, predicted, classes), len(reference))


def event_measures(reference: EventLists, predicted: EventLists, classes: Sequence[str]) -> Measures:
    """:func:`event_based_scores` of resamples; files are drawn in the order of the reference."""
    return _measures("event", count_events(reference, predicted, classes), classes, 0.0)


def segment_based_scores(reference: EventLists, predicted: EventLists, classes: Sequence[str]) -> Scores:
    """Scores of segments of one second, active where an event of the class touches them.

    A class without output has no precision and no F1 and is left out of their means, other than in event-based
    scores: so does sed_eval.

    Args:
        reference: Events of every file; a file without any has an empty list.
        predicted: Events of files of the reference; a file may be left out.
        classes: Class names.

    Returns:
        As :func:`event_based_scores`, with ``segment_`` in place of ``event_``.

    Raises:
        InputError: A class is unknown, or a predicted file is not in the reference.
    """
    return all_once(segment_measures(reference, predicted, classes), len(reference))


def segment_measures(reference: EventLists, predicted: EventLists, classes: Sequence[str]) -> Measures:
    """:func:`segment_based_scores` of resamples; files are drawn in the order of the reference."""
    return _measures("segment", count_segments(reference, predicted, classes), classes, np.nan)


def tag_scores(target: npt.ArrayLike, probability: npt.ArrayLike, classes: Sequence[str]) -> Scores:
    """Scores of clip tags.

    Args:
        target: 1 where the clip has the class, else 0, ``(clips, classes)``.
        probability: Probabilities, ``(clips, classes)``; 0.5 and more counts as found.
        classes: Class names.

    Returns:
        Fractions, None where undefined: ``tag_auc`` (mean over the classes that some clips have and some have not),
        ``tag_f1`` (mean over the classes that some clip has), and both per class as ``tag_auc/<class>``,
        ``tag_f1/<class>``.

    Raises:
        InputError: A target is neither 0 nor 1, or a probability is NaN.
    """
    return all_once(tag_measures(target, probability, classes), len(np.asarray(target)))


def tag_measures(target: npt.ArrayLike, probability: npt.ArrayLike, classes: Sequence[str]) -> Measures:
    """:func:`tag_scores` of resamples."""
    targets, probabilities = np.asarray(target), np.asarray(probability, dtype=np.float64)
    auc = {name: auc_measure(targets[:, k], probabilities[:, k]) for k, name in enumerate(classes)}
    truth, found = targets == 1, probabilities >= TAG_THRESHOLD
    f1 = {name: f1_measure(truth[:, k], found[:, k]) for k, name in enumerate(classes)}
    return {
        "tag_auc": mean_of(auc.values()),
        "tag_f1": mean_of(f1.values()),
        **{f"tag_auc/{name}": measure for name, measure in auc.items()},
        **{f"tag_f1/{name}": measure for name, measure in f1.items()},
    }


def maximum_matching(neighbours: Mapping[int, Sequence[int]]) -> dict[int, int]:
    """Pair as many left with right nodes as possible (Hopcroft and Karp, SIAM Journal on Computing 2, 1973).

    Which of several largest matchings it is follows the order of the nodes, as in sed_eval: the substitutions that
    are looked for among the rest depend on it. Left nodes take the first free neighbour; then shortest alternating
    paths are searched layer by layer until none is left.

    Args:
        neighbours: Left node to the right nodes it may be paired with.

    Returns:
        Right node to left node.
    """
    partner: dict[int, int] = {}
    for left, rights in neighbours.items():
        free = next((right for right in rights if right not in partner), None)
        if free is not None:
            partner[free] = left
    while paths := _layers(neighbours, partner):
        ends, back, way = paths
        for end in ends:
            _augment(end, back, way, partner)
    return partner


_Paths = tuple[list[int], dict[int, list[int]], dict[int, int | None]]


def _layers(neighbours: Mapping[int, Sequence[int]], partner: dict[int, int]) -> _Paths | None:
    """Free right nodes at the end of shortest alternating paths, and the way back to free left nodes.

    Returns:
        The free right nodes, right node to the left nodes before it, left node to the right node before it (None at
        the start of a path); None if there is no path.
    """
    paired = set(partner.values())
    layer = [left for left in neighbours if left not in paired]
    way: dict[int, int | None] = dict.fromkeys(layer)
    back: dict[int, list[int]] = {}
    ends: list[int] = []
    while layer and not ends:
        reached: dict[int, list[int]] = {}
        for left in layer:
            for right in neighbours[left]:
                if right not in back:
                    reached.setdefault(right, []).append(left)
        back |= reached
        ends = [right for right in reached if right not in partner]
        layer = [partner[right] for right in reached if right in partner]
        way |= {partner[right]: right for right in reached if right in partner}
    return (ends, back, way) if ends else None


def _augment(right: int, back: dict[int, list[int]], way: dict[int, int | None], partner: dict[int, int]) -> bool:
    """Flip one path that ends at `right`, if its nodes are not used up; every node is tried once."""
    for left in back.pop(right, ()):
        if left in way:
            before = way.pop(left)
            if before is None or _augment(before, back, way, partner):
                partner[right] = left
                return True
    return False


def _tables(reference: EventLists, predicted: EventLists, classes: Sequence[str]) -> tuple[_Table, _Table]:
    strangers = [name for name in predicted if name not in reference]
    if strangers:
        raise InputError(f"file {strangers[0]!r} has predictions but is not in the reference")
    files, labels = ({name: k for k, name in enumerate(names)} for names in (reference, classes))
    return _table(reference, files, labels), _table(predicted, files, labels)


def _table(lists: EventLists, files: Mapping[str, int], labels: Mapping[str, int]) -> _Table:
    # The files of both tables must come in one order: that of the reference.
    events = [(place, event) for name, place in files.items() for event in lists.get(name, ())]
    for _, event in events:
        if event.label not in labels:
            raise InputError(f"there is no class {event.label!r}", remedy=did_you_mean(event.label, labels))
    return _Table(
        np.array([place for place, _ in events], dtype=np.int64),
        np.array([labels[event.label] for _, event in events], dtype=np.int64),
        np.array([event.onset for _, event in events], dtype=np.float64),
        np.array([event.offset for _, event in events], dtype=np.float64),
    )


def count_events(reference: EventLists, predicted: EventLists, classes: Sequence[str]) -> Counts:
    """Count by the rule of :func:`event_based_scores`; the files come in the order of the reference."""
    shape = len(reference), len(classes)
    truths, guesses = _tables(reference, predicted, classes)
    hits, substitutions = np.zeros(shape, dtype=np.int64), np.zeros(shape[0], dtype=np.int64)
    for file, truth, guess in _files_with_both(truths, guesses):
        onset_fits = np.abs(truth.onset[:, None] - guess.onset) <= COLLAR_SECONDS
        tolerance = np.maximum(COLLAR_SECONDS, OFFSET_SHARE * (truth.offset - truth.onset))
        fits = onset_fits & (np.abs(truth.offset[:, None] - guess.offset) <= tolerance[:, None])
        neighbours: dict[int, list[int]] = {}
        for row, column in np.argwhere(fits & (truth.label[:, None] == guess.label)).tolist():
            neighbours.setdefault(column, []).append(row)
        pairs = maximum_matching(neighbours)
        rows, columns = list(pairs), list(pairs.values())
        hits[file] = np.bincount(truth.label[rows], minlength=shape[1])
        fits[rows], fits[:, columns] = False, False
        substitutions[file] = _first_come_first_served(fits)
    there, found = (_by_file(table.file, table.label, shape) for table in (truths, guesses))
    fitting = hits.sum(axis=1) + substitutions
    return Counts(there, found, hits, substitutions, there.sum(axis=1) - fitting, found.sum(axis=1) - fitting)


def _by_file(file: Ints, label: Ints, shape: tuple[int, int]) -> Ints:
    """How many there are of each file and class, ``(files, classes)``."""
    return np.bincount(file * shape[1] + label, minlength=shape[0] * shape[1]).reshape(shape)


def _files_with_both(reference: _Table, system: _Table) -> Iterator[tuple[int, _Table, _Table]]:
    """Each file that has events of the reference and of the system, and these."""
    files = np.intersect1d(reference.file, system.file)
    bounds = [
        zip(np.searchsorted(table.file, files), np.searchsorted(table.file, files, "right"), strict=True)
        for table in (reference, system)
    ]
    for file, (a, b), (c, d) in zip(files.tolist(), *bounds, strict=True):
        yield file, reference.between(a, b), system.between(c, d)


def _first_come_first_served(fits: npt.NDArray[np.bool_]) -> int:
    """Pairs made when every row takes the first column that fits and is free."""
    pairs = 0
    for row in np.flatnonzero(fits.any(axis=1)):
        columns = np.flatnonzero(fits[row])
        if columns.size:
            fits[:, columns[0]] = False
            pairs += 1
    return pairs


def count_segments(reference: EventLists, predicted: EventLists, classes: Sequence[str]) -> Counts:
    """Count by the rule of :func:`segment_based_scores`; the files come in the order of the reference."""
    shape = len(reference), len(classes)
    truth, guess = (_active(table) for table in _tables(reference, predicted, classes))
    both = np.unique(np.concatenate([truth, guess]), axis=0)
    segments, segment = np.unique(both[:, :2], axis=0, return_inverse=True)
    segment = segment.reshape(-1)
    in_truth, in_guess = _is_among(both, truth), _is_among(both, guess)
    members = (in_truth, in_guess, in_truth & in_guess)
    there, found, hits = (np.bincount(segment[rows], minlength=len(segments)) for rows in members)

    counts = [_by_file(both[rows, 0], both[rows, 2], shape) for rows in members]
    errors = [np.minimum(there, found) - hits, np.maximum(0, there - found), np.maximum(0, found - there)]
    of_file = np.zeros((shape[0], len(errors)), dtype=np.int64)
    np.add.at(of_file, segments[:, 0], np.stack(errors, axis=1))
    return Counts(*counts, *of_file.T)


def _active(events: _Table) -> Ints:
    """Rows (file, segment, class) of active segments, each once, sorted, ``(segments, 3)``."""
    first = np.floor(events.onset / SEGMENT_SECONDS).astype(np.int64)
    length = np.maximum(0, np.ceil(events.offset / SEGMENT_SECONDS).astype(np.int64) - first)
    within = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
    rows = (np.repeat(events.file, length), np.repeat(first, length) + within, np.repeat(events.label, length))
    return np.unique(np.stack(rows, axis=1), axis=0)


def _is_among(rows: Ints, some: Ints) -> npt.NDArray[np.bool_]:
    """Which rows are among `some`, which are all found in `rows`."""
    _, group = np.unique(np.concatenate([rows, some]), axis=0, return_inverse=True)
    group = group.reshape(-1)
    return np.isin(group[: len(rows)], group[len(rows) :])


def _measures(prefix: str, counts: Counts, classes: Sequence[str], precision_of_nothing: float) -> Measures:
    parts = [part.astype(np.float64) for part in counts]

    def of_classes(draws: Draws) -> Floats:
        there, found, hits = (draws @ part for part in parts[:3])
        return _ratios(there, found, hits, there - hits + found - hits, precision_of_nothing)

    def overall(draws: Draws) -> Floats:
        there, found, hits = (draws @ part.sum(axis=1) for part in parts[:3])
        return _ratios(there, found, hits, draws @ sum(parts[3:]), precision_of_nothing)

    def over_classes(place: int, draws: Draws) -> Floats:
        ratios = of_classes(draws)
        return mean(np.where(np.isnan(ratios[RECALL]), np.nan, ratios[place]).T, len(draws))

    def over_events(place: int, draws: Draws) -> Floats:
        ratio: Floats = overall(draws)[place]
        return ratio

    def of_class(place: int, draws: Draws) -> Floats:
        f1: Floats = of_classes(draws)[0, :, place]
        return f1

    names = [f"{prefix}_{name}" for name in ("f1", "precision", "recall", "error_rate")]
    return {
        **{name: partial(over_classes, place) for place, name in enumerate(names)},
        **{f"{name}_micro": partial(over_events, place) for place, name in enumerate(names)},
        **{f"{names[0]}/{name}": partial(of_class, place) for place, name in enumerate(classes)},
    }


def _ratios(reference: Floats, system: Floats, hits: Floats, errors: Floats, precision_of_nothing: float) -> Floats:
    """F1, precision, recall and error rate, all undefined but precision where the reference has nothing."""
    precision = np.where(system > 0, divide(hits, system), precision_of_nothing)
    recall = divide(hits, reference)
    f1 = np.where(np.isnan(precision) | np.isnan(recall), np.nan, divide(2 * hits, reference + system))
    return np.stack([f1, precision, recall, divide(errors, reference)])
