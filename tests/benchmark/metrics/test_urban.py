import re
import time
from itertools import pairwise

import numpy as np
import pytest

from benchmark.errors import InputError
from benchmark.metrics.urban import TagGroup, taxonomy_measures, taxonomy_scores

nan = float("nan")

# Columns: coarse a, coarse b, a-1, a-2, a-X, b-1 (b has no X).
A, B = TagGroup("a", 0, (2, 3), 4), TagGroup("b", 1, (5,), None)


def literal_scores(target, probability, groups):
    """The rules one clip, one tag and one threshold at a time; no relation to how the product computes them."""
    scores = {}
    for level in ("coarse", "fine"):
        curves = {}
        for group in groups:
            complete = [group.coarse] if level == "coarse" else list(group.complete)
            x = None if level == "coarse" else group.incomplete
            clips = [
                (truth, guess)
                for truth, guess in zip(target, probability, strict=True)
                if not any(np.isnan(truth[tag]) for tag in [*complete, *([] if x is None else [x])])
            ]
            if not clips:
                continue
            observed = {guess[tag] for _, guess in clips for tag in complete if guess[tag] >= 0.01} | {1.0}
            curves[group.name] = {
                t: tuple(map(sum, zip(*(clip_counts(*c, complete, x, t) for c in clips), strict=True)))
                for t in observed
            }
        everywhere = sorted({t for curve in curves.values() for t in curve}, reverse=True)
        micro = [total_at(curves, t) for t in everywhere]
        areas = {name: area([curve[t] for t in sorted(curve, reverse=True)]) for name, curve in curves.items()}
        tp, fp, fn = total_at(curves, 0.5)
        p, r = tp / max(tp + fp, 0.5), tp / max(tp + fn, 0.5)
        scores[f"{level}/micro_auprc"] = area(micro)
        scores[f"{level}/macro_auprc"] = sum(areas.values()) / len(areas)
        scores[f"{level}/micro_f1"] = 2 * p * r / (p + r) if tp else 0.0
        scores |= {f"{level}/auprc/{group.name}": areas.get(group.name) for group in groups}
    return scores


def each(clips, complete, x, threshold):
    return [clip_counts(truth, guess, complete, x, threshold) for truth, guess in clips]


def clip_counts(truth, guess, complete, x, threshold):
    tp = fp = fn = 0
    predicted = {tag for tag in complete if guess[tag] >= threshold}
    true = {tag for tag in complete if truth[tag] == 1}
    x_true = x is not None and truth[x] == 1
    x_predicted = x is not None and guess[x] >= threshold
    for tag in complete:
        if tag in true and tag in predicted:
            tp += 1
        elif tag in true:
            fn += 1
        elif tag in predicted and not x_true:
            fp += 1
    if x_true:
        if (predicted or x_predicted) and not (true & predicted):
            tp += 1
        if not true and not predicted and not x_predicted:
            fn += 1
    elif x_predicted and not true and len(predicted) < len(complete):
        fp += 1
    return tp, fp, fn


def total_at(curves, threshold):
    total = [0, 0, 0]
    for curve in curves.values():
        own = min(t for t in curve if t >= threshold)
        total = [a + b for a, b in zip(total, curve[own], strict=True)]
    return total


def area(counts):
    points = [(tp / max(tp + fn, 0.5), tp / max(tp + fp, 0.5)) for tp, fp, fn in counts]
    points = [(0.0, 1.0), *sorted(points, key=lambda point: point[0]), (1.0, 0.0)]
    return sum((r1 - r0) * (p0 + p1) / 2 for (r0, p0), (r1, p1) in pairwise(points))


def random_taxonomy(rng):
    groups, column = [], 0
    for name in "abcd"[: rng.integers(1, 5)]:
        complete = tuple(range(column + 1, column + 1 + int(rng.integers(1, 5))))
        incomplete = complete[-1] + 1 if rng.random() < 0.6 else None
        groups.append(TagGroup(name, column, complete, incomplete))
        column = (incomplete or complete[-1]) + 1
    return groups, column


@pytest.mark.parametrize("seed", range(60))
def test_equals_the_literal_rules(seed):
    rng = np.random.default_rng(seed)
    groups, tags = random_taxonomy(rng)
    clips = int(rng.integers(1, 25))
    target = (rng.random((clips, tags)) < rng.choice([0.05, 0.3, 0.6])).astype(float)
    if seed % 3 == 0:
        target[rng.random((clips, tags)) < 0.1] = nan
    steps = rng.choice([4, 10, 200])
    probability = rng.integers(0, steps + 1, (clips, tags)) / steps
    assert taxonomy_scores(target, probability, groups) == pytest.approx(
        literal_scores(target, probability, groups), abs=1e-12
    )


@pytest.mark.parametrize("seed", range(20))
def test_draws_have_the_thresholds_of_the_clips_that_are_drawn(seed):
    rng = np.random.default_rng(seed)
    groups, tags = random_taxonomy(rng)
    target = (rng.random((12, tags)) < 0.3).astype(float)
    target[rng.random((12, tags)) < 0.1] = nan
    probability = rng.integers(0, 31, (12, tags)) / 30
    drawn = [rng.integers(12, size=12) for _ in range(6)]
    draws = np.stack([np.bincount(rows, minlength=12) for rows in drawn]).astype(float)
    together = {key: measure(draws) for key, measure in taxonomy_measures(target, probability, groups).items()}
    for place, rows in enumerate(drawn):
        expected = literal_scores(target[rows], probability[rows], groups)
        found = {key: None if np.isnan(values[place]) else values[place] for key, values in together.items()}
        assert found == pytest.approx(expected, abs=1e-12)


def fine(truth, guess, key="fine/auprc/a"):
    """Score of rows of (a-1, a-2, a-X)."""
    target, probability = np.zeros((len(truth), 6)), np.zeros((len(truth), 6))
    target[:, 2:5], probability[:, 2:5] = truth, guess
    return taxonomy_scores(target, probability, [A])[key]


@pytest.mark.parametrize(
    ("truth", "guess", "f1"),
    [
        # X true: one TP for whatever is predicted of the group, no FP of complete tags.
        ([[0, 0, 1]], [[0.9, 0.9, 0.0]], 1.0),
        ([[0, 0, 1]], [[0.5, 0.0, 0.9]], 1.0),
        ([[0, 0, 1]], [[0.1, 0.1, 0.1]], 0.0),  # nothing predicted: one FN
        # X and a complete tag true: a hit of the complete tag is the only TP.
        ([[1, 0, 1]], [[0.9, 0.9, 0.9]], 1.0),
        # ... else one TP for anything, and one FN for the complete tag: F1 = 2 / (2 + 1).
        ([[1, 0, 1]], [[0.1, 0.9, 0.0]], 2 / 3),
        # ... and nothing predicted: one FN (the complete tag), none for X. With another clip's hit, F1 = 2 / (2 + 1).
        ([[1, 0, 1], [1, 0, 0]], [[0.1, 0.0, 0.0], [0.9, 0.0, 0.0]], 2 / 3),
        # Group absent: X costs one FP; complete tags one each. Beside one hit, F1 = 2 / (2 + FP).
        ([[0, 0, 0], [1, 0, 0]], [[0.0, 0.0, 0.9], [0.8, 0.0, 0.0]], 2 / 3),
        ([[0, 0, 0], [1, 0, 0]], [[0.9, 0.0, 0.9], [0.8, 0.0, 0.0]], 2 / 4),
        # ... but X is free where every complete tag is predicted: two FP, not three.
        ([[0, 0, 0], [1, 0, 0]], [[0.9, 0.9, 0.9], [0.8, 0.0, 0.0]], 2 / 4),
        # A complete tag true and X not: X costs nothing.
        ([[1, 0, 0]], [[0.9, 0.0, 0.9]], 1.0),
        # X is cut at the group's lowest complete score from 0.5 up, here 0.8: at 0.7 it is not predicted, at 0.8 it is.
        ([[0, 0, 0], [1, 0, 0]], [[0.0, 0.0, 0.7], [0.8, 0.0, 0.0]], 1.0),
        ([[0, 0, 0], [1, 0, 0]], [[0.0, 0.0, 0.8], [0.8, 0.0, 0.0]], 2 / 3),
        # ... or at 1 where no complete score is as high as 0.5.
        ([[0, 0, 1]], [[0.4, 0.0, 0.9]], 0.0),
        ([[0, 0, 1]], [[0.4, 0.0, 1.0]], 1.0),
    ],
)
def test_incomplete_tags_by_hand(truth, guess, f1):
    assert fine(truth, guess, "fine/micro_f1") == pytest.approx(f1, abs=1e-15)


@pytest.mark.parametrize(
    ("truth", "score", "area"),
    [
        # (0, 1), threshold 1: (0, 0), 0.9: (1, 1), 0.1: (1, 1/2), (1, 0): half, though the ranking is perfect.
        ([1, 0], [0.9, 0.1], 0.5),
        ([1, 0], [1.0, 0.1], 1.0),  # threshold 1 is met
        # (0, 1), (0, 0), 0.9: (0, 0), 0.1: (1, 1/2), (1, 0).
        ([1, 0], [0.1, 0.9], 0.25),
        # Scores below 0.01 are no thresholds: nothing but (0, 1), (0, 0), (1, 0).
        ([1, 0], [0.0099, 0.001], 0.0),
        # 0.01 is one: (0, 1), (0, 0), (1, 1), (1, 0).
        ([1, 0], [0.01, 0.001], 0.5),
        # Ends below full recall: (0, 0), (1/2, 1), then straight down to (1, 0).
        ([1, 1], [0.9, 0.001], 0.25 + 0.25),
        # No positives: recall is 0 throughout.
        ([0, 0], [0.9, 0.1], 0.0),
        # Equal recall in the order of falling thresholds: 0.8 adds a false alarm, so that 0.2 starts from (1/2, 1/2):
        # (0, 0)-(1/2, 1): 1/4, then (1/2, 1/2)-(1, 2/3): 7/24.
        ([1, 0, 1], [0.9, 0.8, 0.2], 1 / 4 + 7 / 24),
    ],
)
def test_area_by_hand(truth, score, area):
    target, probability = np.zeros((len(truth), 6)), np.zeros((len(truth), 6))
    target[:, [1, 5]], probability[:, [1, 5]] = np.transpose([truth] * 2), np.transpose([score] * 2)
    scores = taxonomy_scores(target, probability, [B])
    assert scores["coarse/auprc/b"] == pytest.approx(area, abs=1e-15)
    assert scores["fine/auprc/b"] == pytest.approx(area, abs=1e-15)


def test_groups_without_positives_count_in_the_macro_mean():
    target, probability = np.zeros((2, 6)), np.zeros((2, 6))
    target[0, [1, 5]] = 1
    probability[0, [1, 5]] = 1.0
    scores = taxonomy_scores(target, probability, [A, B])
    assert (scores["coarse/auprc/a"], scores["coarse/auprc/b"], scores["coarse/macro_auprc"]) == (0.0, 1.0, 0.5)
    assert (scores["fine/auprc/a"], scores["fine/auprc/b"], scores["fine/macro_auprc"]) == (0.0, 1.0, 0.5)


def test_micro_curve_takes_each_group_at_its_next_higher_threshold():
    target, probability = np.zeros((1, 6)), np.zeros((1, 6))
    target[0, [0, 1]] = 1
    probability[0, [0, 1]] = 0.4, 0.9
    scores = taxonomy_scores(target, probability, [A, B])
    # At 0.9 group a is taken at 1: (1/2, 1); at 0.4 group b at 0.9: (1, 1). Areas 1/4 and 1/2.
    assert scores["coarse/micro_auprc"] == pytest.approx(3 / 4)
    assert scores["coarse/micro_f1"] == pytest.approx(2 / 3)  # at 0.5: one hit, one miss


def test_unknown_tags_leave_the_clip_out_of_its_group_only():
    known_target = np.array([[1, 0, 1, 0, 0, 0.0], [0, 1, 0, 0, 0, 1.0]])
    probability = np.array(
        [[0.9, 0.2, 0.9, 0.1, 0.0, 0.1], [0.3, 0.8, 0.2, 0.6, 0.0, 0.8], [0.7, 0.6, 0.5, 0.4, 0.3, 0.2]]
    )
    target = np.vstack([known_target, [nan, 1, 0, nan, 1, 1]])
    scores = taxonomy_scores(target, probability, [A, B])
    without = taxonomy_scores(known_target, probability[:2], [A, B])
    for key in ("coarse/auprc/a", "fine/auprc/a"):
        assert scores[key] == without[key]
    for key in ("coarse/auprc/b", "fine/auprc/b"):
        assert scores[key] != without[key]


def test_nothing_is_known():
    scores = taxonomy_scores(np.full((2, 6), nan), np.zeros((2, 6)), [A, B])
    assert set(scores.values()) == {None}
    assert taxonomy_scores(np.zeros((0, 6)), np.zeros((0, 6)), [A, B]) == scores


def test_keys():
    keys = ["micro_auprc", "macro_auprc", "micro_f1", "auprc/a", "auprc/b"]
    expected = [f"{level}/{key}" for level in ("coarse", "fine") for key in keys]
    assert list(taxonomy_scores(np.zeros((1, 6)), np.zeros((1, 6)), [A, B])) == expected


@pytest.mark.parametrize(
    ("target", "probability", "message"),
    [
        (np.zeros((2, 6)), np.zeros((3, 6)), "must be (clips, tags)"),
        (np.zeros(6), np.zeros(6), "must be (clips, tags)"),
        (np.full((1, 6), -1.0), np.zeros((1, 6)), "neither 0 nor 1 nor NaN"),
        (np.zeros((1, 6)), np.full((1, 6), 1.01), "not in [0, 1]"),
        (np.zeros((1, 6)), np.full((1, 6), nan), "not in [0, 1]"),
    ],
)
def test_bad_input(target, probability, message):
    with pytest.raises(InputError, match=re.escape(message)):
        taxonomy_scores(target, probability, [A, B])


def test_a_large_evaluation_set_takes_seconds():
    rng = np.random.default_rng(0)
    groups = [TagGroup(str(i), i, tuple(range(8 + 4 * i, 11 + 4 * i)), 11 + 4 * i) for i in range(7)]
    groups.append(TagGroup("7", 7, (36,), None))
    probability = rng.random((15_000, 37))
    target = (rng.random((15_000, 37)) < 0.1).astype(float)
    start = time.perf_counter()
    scores = taxonomy_scores(target, probability, groups)
    assert time.perf_counter() - start < 5
    assert None not in scores.values()


# Technical report of CNN+VGGish (card task-ust-cnn-vggish): the areas of groups 1 to 8, then their printed macro mean.
REPORT = """
0.6452856315691152 0.15554209969203026 0.402088600041743 0.3985514806702355 0.6655855442707173 0.251310185085831
    0.8777335154047885 0.005328681461145428 : 0.42517821727445076
0.8353122731547575 0.4327822490122867 0.40356804631393906 0.7018285524935755 0.8556952720570562 0.45479025811812124
    0.9422679583899046 0.005396037654102171 : 0.5789550808992179
0.6405304300056462 0.21380721739093014 0.3336595526102611 0.2761679795550256 0.70229675965 0.1563059224638172
    0.8819974232829082 0.0 : 0.40059566061982355
0.8178125638838614 0.42810526358580453 0.3332328931822347 0.6770075945049289 0.8674275089257218 0.37801009220794807
    0.9404703764016337 0.0 : 0.5552582865865167
0.626624522289203 0.18453628320402102 0.4020905123120714 0.3795611579853643 0.6698543764513578 0.2293541518972007
    0.8169275404612543 0.005328681461145428 : 0.41428465325770225
0.8353362187853394 0.4327457086690561 0.40356804631393906 0.7018285524935755 0.8556952720570562 0.45479025811812124
    0.942311730093642 0.005396037654102171 : 0.5789589780231039
"""


@pytest.mark.parametrize("printed", re.findall(r"([\d.\s]+) : ([\d.]+)", REPORT))
def test_printed_macro_areas_are_means_over_the_eight_groups(printed):
    """Also the group of area 0 counts, as it does here."""
    areas, macro = [float(area) for area in printed[0].split()], float(printed[1])
    assert len(areas) == 8
    assert np.mean(areas) == pytest.approx(macro, abs=1e-15)
    assert np.mean(areas[:7]) > macro
