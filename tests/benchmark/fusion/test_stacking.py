"""Stacking against scikit-learn's logistic regression, and against the conditions of a minimum."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.utils.class_weight import compute_class_weight

from benchmark.errors import BenchmarkError, InputError
from benchmark.fusion.stacking import LogisticStacking

MEMBERS, CLIPS, CLASSES = 3, 240, 4


def made_up(seed=0):
    """Members that are right more often than not, classes of unequal size, weights of 0.65 and 1."""
    generator = np.random.default_rng(seed)
    label = generator.choice(CLASSES, CLIPS, p=[0.55, 0.25, 0.15, 0.05])
    logits = generator.normal(size=(MEMBERS, CLIPS, CLASSES)) + 1.5 * np.eye(CLASSES)[label]
    probability = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    return probability, label, np.where(generator.random(CLIPS) < 0.6, 0.65, 1.0)


def scikit(probability, label, weight, c):
    """Class weights are given outright: with `balanced`, versions differ in whether they count example weights."""
    classes = np.unique(label)
    balanced = compute_class_weight("balanced", classes=classes, y=label)
    model = LogisticRegression(
        C=c, class_weight=dict(zip(classes.tolist(), balanced, strict=True)), tol=1e-8, max_iter=10_000
    )
    return model.fit(np.concatenate(probability, axis=1), label, sample_weight=weight)


@pytest.mark.parametrize("c", [1.0, 30.0])
def test_it_is_scikit_learns_logistic_regression(c):
    probability, label, weight = made_up()
    stacking = LogisticStacking(c)
    stacking.fit(probability, np.eye(CLASSES)[label], weight)
    reference = scikit(probability, label, weight, c)
    np.testing.assert_allclose(stacking.coefficients, reference.coef_, rtol=0, atol=1e-3)
    centred = stacking.intercepts - stacking.intercepts.mean()  # a common shift changes no probability
    np.testing.assert_allclose(centred, reference.intercept_ - reference.intercept_.mean(), rtol=0, atol=1e-3)
    new, _, _ = made_up(1)
    expected = reference.predict_proba(np.concatenate(new, axis=1))
    np.testing.assert_allclose(stacking(new), expected, rtol=0, atol=1e-4)


def test_with_equal_weights_it_is_that_of_balanced_classes():
    probability, label, _ = made_up()
    stacking = LogisticStacking()
    stacking.fit(probability, np.eye(CLASSES)[label], np.ones(CLIPS))
    model = LogisticRegression(C=1.0, class_weight="balanced", tol=1e-8, max_iter=10_000)
    model.fit(np.concatenate(probability, axis=1), label)
    np.testing.assert_allclose(stacking.coefficients, model.coef_, rtol=0, atol=1e-3)


def test_balanced_classes_are_predicted_as_often_as_they_weigh():
    """At the minimum, the free intercepts make weighted mean probability and weighted share of each class equal."""
    probability, label, weight = made_up()
    stacking = LogisticStacking()
    stacking.fit(probability, np.eye(CLASSES)[label], weight)
    total = weight * (CLIPS / (CLASSES * np.bincount(label)))[label]
    np.testing.assert_allclose(total @ stacking(probability), np.bincount(label, total), rtol=1e-3)


def test_doubtful_clips_get_the_weight_of_the_stacking():
    """Card task2-noisy-labels-iqbal: 0.65 for unverified labels, whatever they weigh in the loss."""
    probability, label, weight = made_up()
    given, own = LogisticStacking(), LogisticStacking(doubtful_weight=0.65)
    given.fit(probability, np.eye(CLASSES)[label], weight)
    own.fit(probability, np.eye(CLASSES)[label], np.where(weight < 1, 0.9, 1.0))
    np.testing.assert_array_equal(own.coefficients, given.coefficients)


def test_it_learns_which_member_to_trust():
    generator = np.random.default_rng(0)
    label = generator.integers(0, CLASSES, CLIPS)
    good = 0.7 * np.eye(CLASSES)[label] + 0.3 / CLASSES
    noise = generator.dirichlet(np.ones(CLASSES) / 4, CLIPS)
    tables = np.stack([good, noise])
    stacking = LogisticStacking()
    stacking.fit(tables, np.eye(CLASSES)[label], np.ones(CLIPS))
    assert (stacking(tables).argmax(axis=1) == label).all()
    assert (tables.mean(axis=0).argmax(axis=1) == label).mean() < 0.9


def test_a_class_without_clips_gets_nothing():
    probability, label, weight = made_up()
    label = np.where(label == 2, 0, label)
    stacking = LogisticStacking()
    stacking.fit(probability, np.eye(CLASSES)[label], weight)
    fused = stacking(probability)
    assert not fused[:, 2].any()
    np.testing.assert_allclose(fused.sum(axis=1), 1)
    expected = scikit(probability, label, weight, 1.0).predict_proba(np.concatenate(probability, axis=1))
    np.testing.assert_allclose(fused[:, [0, 1, 3]], expected, rtol=0, atol=1e-3)


def test_wrong_use_is_named():
    probability, label, weight = made_up()
    with pytest.raises(BenchmarkError, match="learnt nothing"):
        LogisticStacking()(probability)
    with pytest.raises(InputError, match="one class a clip"):
        LogisticStacking().fit(probability, np.full((CLIPS, CLASSES), 0.25), weight)
    with pytest.raises(InputError, match="two classes"):
        LogisticStacking().fit(probability, np.eye(CLASSES)[np.zeros(CLIPS, int)], weight)
    stacking = LogisticStacking()
    stacking.fit(probability, np.eye(CLASSES)[label], weight)
    with pytest.raises(InputError, match="8 probabilities a clip, not 12"):
        stacking(probability[:2])
    with pytest.raises(InputError, match="c must be positive"):
        LogisticStacking(c=0)
