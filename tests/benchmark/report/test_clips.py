"""Losses of clips are sklearn's, and the hardest come first."""

import numpy as np
import pytest
from made_runs import made_predictions
from sklearn.metrics import log_loss

from benchmark.predictions import Predictions
from benchmark.registry import get_task
from benchmark.report.clips import losses, ranked, spread


def test_the_loss_of_one_class_is_sklearns():
    task = get_task("esc")
    found = made_predictions(task, "esc10-5-fold", 200)
    assert losses(found).mean() == pytest.approx(
        log_loss(found.target.argmax(1), found.probabilities, labels=range(10))
    )


def test_the_loss_of_tags_is_the_mean_of_sklearns_over_known_ones():
    generator = np.random.default_rng(0)
    target = generator.integers(2, size=(50, 4)).astype(np.float32)
    probabilities = generator.uniform(0.01, 0.99, size=target.shape)
    target[:, 2] = np.nan
    ids = np.array([f"{number}" for number in range(50)])
    found = Predictions(ids, ids, target, probabilities)
    expected = np.mean([log_loss(target[:, k], probabilities[:, k]) for k in (0, 1, 3)])
    assert losses(found).mean() == pytest.approx(expected)


def test_what_was_said_for_sure_and_wrong_has_a_finite_loss():
    ids = np.array(["a", "b"])
    found = Predictions(
        ids, ids, np.array([[0.0, 1.0], [0.0, 1.0]]), np.array([[1.0, 0.0], [0.0, 1.0]]), None, ids == "b"
    )
    first, second = losses(found)
    assert 10 < first < 50 and second == pytest.approx(0, abs=1e-6)


def test_the_hardest_comes_first_and_runs_are_averaged():
    ids = np.array(["easy", "hard", "easy", "hard"])
    probabilities = np.array([[0.9, 0.1], [0.1, 0.9], [0.7, 0.3], [0.3, 0.7]])
    target = np.array([[1.0, 0.0]] * 4)
    hard, easy = ranked(Predictions(ids, ids, target, probabilities, None, probabilities.argmax(1)), ("cat", "dog"))
    assert (hard.clip_id, easy.clip_id) == ("hard", "easy")
    assert hard.loss == pytest.approx(-np.log([0.1, 0.3]).mean())
    assert hard.truth == ("cat",) and hard.row == 1
    assert hard.said == (("dog", pytest.approx(0.8)), ("cat", pytest.approx(0.2)))
    assert easy.said_classes == "cat 0.80, dog 0.20"


def test_a_clip_of_no_class_says_so():
    ids = np.array(["a"])
    (clip,) = ranked(Predictions(ids, ids, np.zeros((1, 2)), np.array([[0.4, 0.2]])), ("cat", "dog"))
    assert clip.true_classes == "none of the classes"


@pytest.mark.parametrize(("clips", "number", "places"), [(9, 3, [0, 4, 8]), (2, 5, [0, 1]), (1, 4, [0]), (5, 1, [0])])
def test_some_clips_from_the_first_to_the_last(clips, number, places):
    assert spread(list(range(clips)), number) == places
