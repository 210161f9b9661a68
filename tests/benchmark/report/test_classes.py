"""Numbers of single classes are sklearn's."""

from dataclasses import replace

import numpy as np
import pytest
from made_runs import made_predictions, made_run
from sklearn.metrics import average_precision_score, precision_score, recall_score, roc_auc_score

from benchmark.registry import get_task
from benchmark.report.classes import class_columns, confusions, sayings
from benchmark.report.result import read_result


def test_one_class_a_clip(tmp_path):
    found = made_predictions(get_task("esc"), "esc10-5-fold", 300)
    result = read_result([made_run(tmp_path, found=found, scores={"accuracy": 0.5, "accuracy/Rain": 0.25})])
    columns, truth = class_columns(result), found.target.argmax(1)
    for place, name in enumerate(result.classes):
        assert columns["clips"][name] == (truth == place).sum()
        true, score = truth == place, found.probabilities[:, place]
        assert columns["AUC"][name] == pytest.approx(roc_auc_score(true, score))
        assert columns["average precision"][name] == pytest.approx(average_precision_score(true, score))
        arguments = {"labels": [place], "average": "micro"}
        assert columns["precision"][name] == pytest.approx(precision_score(truth, found.decision, **arguments))
        assert columns["recall"][name] == pytest.approx(recall_score(truth, found.decision, **arguments))
    assert columns["accuracy"] == {"Rain": 0.25}
    assert confusions(result).sum() == 300


def test_tags_that_are_not_known_do_not_count(tmp_path):
    found = made_predictions(get_task("ust"), "validate", 50)
    found.target[10:, 0] = np.nan
    found.target[:, 1] = 0
    columns = class_columns(read_result([made_run(tmp_path, "ust", found=found, scores={"coarse/micro_auprc": 0.5})]))
    name, none = get_task("ust").classes[:2]
    assert columns["clips"][name] == found.target[:10, 0].sum()
    assert columns["AUC"][name] == pytest.approx(roc_auc_score(found.target[:10, 0], found.probabilities[:10, 0]))
    assert (columns["AUC"][none], columns["average precision"][none]) == (None, None)
    assert "precision" not in columns


def test_what_is_said_of_one_class_is_the_decision(tmp_path):
    found = made_predictions(get_task("esc"), "esc10-5-fold", 50)
    said, true = sayings(found)
    assert true.mean() == (found.decision == found.target.argmax(1)).mean()
    np.testing.assert_array_equal(said, found.probabilities.max(1))
    other = replace(found, decision=(found.decision + 1) % 10)
    assert sayings(other)[0].mean() < said.mean()


def test_what_is_said_of_tags_is_everything_that_is_known():
    found = made_predictions(get_task("ust"), "validate", 50)
    found.target[:5] = np.nan
    said, true = sayings(found)
    assert len(said) == len(true) == 45 * 37


def test_without_predictions_there_is_what_the_record_has(tmp_path):
    result = read_result([made_run(tmp_path, found=False, scores={"accuracy/Rain": 0.25})])
    assert class_columns(result) == {"accuracy": {"Rain": 0.25}} and confusions(result) is None
