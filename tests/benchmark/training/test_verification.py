"""Promotion, relabelling and self-verification on tables small enough to decide by hand."""

import numpy as np
import pytest

from benchmark.errors import InputError
from benchmark.training.verification import promote_and_relabel, self_verified


def rows(*tops):
    """Probabilities of 3 classes: each row gives (class, probability) of the largest, the rest is shared evenly."""
    table = []
    for name, value in tops:
        row = [(1 - value) / 2] * 3
        row[name] = value
        table.append(row)
    return np.array(table)


def test_promotion_and_relabelling_of_the_card():
    """Card task2-noisy-labels-iqbal: tau is 0.7, and any disagreement relabels."""
    label = np.array([0, 0, 0, 0, 1, 1])
    verified = np.array([False, False, False, False, True, True])
    table = rows((0, 0.71), (0, 0.70), (1, 0.40), (2, 0.99), (1, 0.9), (2, 0.99))
    new = promote_and_relabel(label, verified, table)
    assert new.label.tolist() == [0, 0, 1, 2, 1, 1]
    assert new.verified.tolist() == [True, False, False, False, True, True]
    assert label.tolist() == [0, 0, 0, 0, 1, 1]
    assert verified.tolist() == [False] * 4 + [True] * 2


def test_relabelling_can_ask_for_confidence():
    new = promote_and_relabel(np.array([0, 0]), np.zeros(2), rows((1, 0.5), (1, 0.6)), relabel_above=0.5)
    assert new.label.tolist() == [0, 1]
    assert not new.verified.any()


def test_self_verification_of_the_card():
    """Card task2-cp-jku-self-verification: the label is the most probable class, above 0.95."""
    label = np.array([0, 0, 0, 1])
    table = rows((0, 0.96), (0, 0.95), (1, 0.99), (1, 0.951))
    assert self_verified(label, table).tolist() == [True, False, False, True]
    assert self_verified(label, table, threshold=None).tolist() == [True, True, False, True]


def test_at_most_forty_a_class_the_most_confident_first():
    confidence = np.linspace(0.951, 0.999, 100)
    order = np.random.default_rng(0).permutation(100)
    label = np.repeat([0, 1], [100, 30])
    table = rows(*[(0, value) for value in confidence[order]], *[(1, 0.96)] * 30)
    accepted = self_verified(label, table)
    assert accepted[:100].sum() == 40
    assert set(confidence[order][accepted[:100]]) == set(confidence[-40:])
    assert accepted[100:].all()  # the other class has a count of its own
    assert self_verified(label, table, most=None).all()


def test_of_equals_the_first_clips_are_taken():
    assert self_verified(np.zeros(5, int), rows(*[(0, 0.99)] * 5), most=2).tolist() == [True, True, False, False, False]
    assert not self_verified(np.zeros(5, int), rows(*[(0, 0.99)] * 5), most=0).any()


def test_no_clips_are_no_labels():
    assert self_verified(np.zeros(0, int), np.zeros((0, 3))).shape == (0,)
    assert promote_and_relabel(np.zeros(0, int), np.zeros(0, bool), np.zeros((0, 3))).label.shape == (0,)


def test_wrong_use_is_named():
    with pytest.raises(InputError, match="are not"):
        self_verified(np.zeros(2, int), rows((0, 0.9)))
    with pytest.raises(InputError, match="no class of 3"):
        self_verified(np.array([3]), rows((0, 0.9)))
    with pytest.raises(InputError, match="flags of verification"):
        promote_and_relabel(np.zeros(1, int), np.zeros(2), rows((0, 0.9)))
    with pytest.raises(InputError, match="negative"):
        self_verified(np.array([0]), rows((0, 0.9)), most=-1)
