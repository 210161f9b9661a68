"""Curves of runs, against scikit-learn and numbers by hand."""

import dataclasses

import numpy as np
import pytest
from site_runs import write_curves
from sklearn import metrics

from benchmark.errors import InputError
from benchmark.predictions import Predictions
from benchmark.registry import get_task
from leaderboard.site.curves import MOST_POINTS, confusion, detection_curves, learning_curves, thin

CLIPS = 3000
RANDOM = np.random.default_rng(1)
BINARY = RANDOM.random((CLIPS, 2)) < 0.3
SCORES = np.clip(0.4 * BINARY + RANDOM.random((CLIPS, 2)) * 0.7, 0, 1)


def predictions(target, probabilities, **more):
    clips = len(target)
    names = np.array([f"{clip:04}" for clip in range(clips)])
    return Predictions(names, np.full(clips, "a"), np.asarray(target, dtype=float), np.asarray(probabilities), **more)


def test_thinning_keeps_the_ends():
    kept = thin(np.arange(10_000))
    assert (kept[0], kept[-1], len(kept)) == (0, 9_999, MOST_POINTS)
    assert np.ptp(np.diff(kept)) <= 1
    assert thin(np.arange(7)).tolist() == list(range(7))
    assert thin(np.arange(0)).tolist() == []


def test_areas_are_those_of_scikit_learn():
    curves = {curve["name"]: curve for curve in detection_curves(predictions(BINARY, SCORES), ["cat", "dog"])}
    for place, name in enumerate(("cat", "dog")):
        target, score = BINARY[:, place], SCORES[:, place]
        assert curves[name]["auc"] == pytest.approx(metrics.roc_auc_score(target, score))
        assert curves[name]["average_precision"] == pytest.approx(metrics.average_precision_score(target, score))
        assert (curves[name]["positive"], curves[name]["clips"]) == (target.sum(), CLIPS)
        # What is left of the curve after thinning still has its area.
        assert metrics.auc(*curves[name]["roc"]) == pytest.approx(curves[name]["auc"], abs=2e-3)
        assert all(len(axis) <= MOST_POINTS for kind in ("roc", "pr") for axis in curves[name][kind])


def test_curves_of_one_class_are_by_group():
    found = predictions(BINARY[:, :1], SCORES[:, :1])
    groups = np.where(np.arange(CLIPS) < 1000, "north", "south")
    curves = detection_curves(dataclasses.replace(found, group=groups), ["bird"])
    assert {curve["name"]: curve["clips"] for curve in curves} == {"all clips": 3000, "north": 1000, "south": 2000}
    assert [curve["name"] for curve in detection_curves(found, ["bird"])] == ["all clips"]


def test_classes_without_both_kinds_of_clips_and_unknown_labels():
    target = np.array([[1, 0, np.nan], [1, 1, np.nan], [1, 0, np.nan], [1, np.nan, np.nan]])
    (curve,) = detection_curves(predictions(target, np.full((4, 3), 0.5)), ["all", "some", "unknown"])
    assert (curve["name"], curve["positive"], curve["clips"], curve["auc"]) == ("some", 1, 3, 0.5)


def test_confusion_is_that_of_scikit_learn():
    true, taken = RANDOM.integers(5, size=200), RANDOM.integers(5, size=200)
    found = predictions(np.eye(5)[true], np.full((200, 5), 0.2), decision=taken)
    matrix = confusion(found, list("abcde"))
    assert matrix["counts"] == metrics.confusion_matrix(true, taken, labels=range(5)).tolist()
    older = predictions(np.eye(5)[true], np.eye(5)[taken])
    assert confusion(older, list("abcde")) == matrix


def test_clips_of_several_classes_have_no_confusion():
    assert confusion(predictions(BINARY, SCORES), ["cat", "dog"]) is None
    assert confusion(predictions(BINARY[:, :1], SCORES[:, :1]), ["bird"]) is None
    events = [[] for _ in range(4)]
    assert confusion(predictions(np.eye(4), np.eye(4), events=events, reference_events=events), list("abcd")) is None


def test_learning_curves(tmp_path):
    write_curves(tmp_path)
    (training,) = learning_curves(tmp_path, get_task("asc"))
    losses = {series["name"]: series for series in training["losses"]}
    assert losses["train/loss"]["y"][:3] == [1, 0.5, 0.25]
    assert losses["val/loss"]["x"] == [9, 19, 29]
    assert [(series["name"], series["y"]) for series in training["scores"]] == [
        ("val/accuracy", pytest.approx([0.3, 19 / 30, 29 / 30], abs=1e-6))
    ]


def test_learning_curves_of_several_trainings_are_short(tmp_path):
    for name in ("train.a", "train.b"):
        write_curves(tmp_path, steps=2000, name=f"metrics/{name}/metrics.csv")
    trainings = learning_curves(tmp_path, get_task("asc"))
    assert [training["name"] for training in trainings] == ["train.a", "train.b"]
    assert len(trainings[0]["losses"][0]["x"]) == MOST_POINTS
    assert trainings[0]["losses"][0]["x"][-1] == 1999


@pytest.mark.parametrize(
    "text", ["epoch,step,train/loss\n0,one,0.5\n", "train/loss\n0.5\n", "epoch,step,train/loss\n0,1,x\n"]
)
def test_what_is_no_table_of_metrics_is_an_error(tmp_path, text):
    (tmp_path / "metrics.csv").write_text(text)
    with pytest.raises(InputError, match="not a table of metrics"):
        learning_curves(tmp_path, get_task("asc"))


def test_no_metrics_no_curves(tmp_path):
    assert learning_curves(tmp_path, get_task("asc")) == []
