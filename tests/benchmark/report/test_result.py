"""What is read of runs, whatever state they are in."""

from dataclasses import replace

import numpy as np
import pytest
from made_runs import made_predictions, made_run

from benchmark.errors import InputError
from benchmark.registry import get_task
from benchmark.report.result import pool, read_result, take


def test_scores_are_means_over_folds_then_over_seeds(tmp_path):
    values = {(0, "1"): 0.5, (0, "2"): 0.7, (1, "1"): 0.8, (1, "2"): 1.0}
    runs = [
        made_run(tmp_path, fold=fold, seed=seed, scores={"accuracy": value, "accuracy/Rain": None})
        for (seed, fold), value in values.items()
    ]
    result = read_result(runs)
    score = result.scores["accuracy"]
    assert (score.mean, score.std) == (pytest.approx(0.75), pytest.approx(np.std([0.6, 0.9], ddof=1)))
    assert result.class_scores["accuracy"]["Rain"].mean is None
    assert [member.name for member in result.members][:2] == ["fold 1, seed 0", "fold 2, seed 0"]


def test_the_newest_run_of_a_fold_and_seed_counts(tmp_path):
    old = made_run(tmp_path / "old", scores={"accuracy": 0.1}, created="2026-01-01T00:00:00+00:00")
    new = made_run(tmp_path / "new", scores={"accuracy": 0.9}, created="2026-01-02T00:00:00+00:00")
    result = read_result([new, old])
    assert result.scores["accuracy"].mean == 0.9
    assert any("1 older run" in note for note in result.notes)


def test_predictions_of_all_runs_are_pooled(tmp_path):
    task = get_task("esc")
    found = [made_predictions(task, "esc10-5-fold", clips, seed=clips) for clips in (10, 20)]
    folders = [made_run(tmp_path, found=one, fold=fold) for one, fold in zip(found, "12", strict=True)]
    clips = read_result(folders).clips
    np.testing.assert_array_equal(clips.probabilities, np.concatenate([one.probabilities for one in found]))
    assert clips.conditions["city"].tolist() == ["Wien", "Rom"] * 15


def test_what_not_all_have_is_not_pooled():
    task = get_task("sed")
    whole = made_predictions(task, "test", 4)
    assert len(pool([whole, whole]).events) == 8
    part = replace(whole, cluster=None, events=None, conditions={})
    pooled = pool([whole, part])
    assert (pooled.cluster, pooled.events, dict(pooled.conditions)) == (None, None, {})
    assert pool([]) is None


def test_rows_of_events_and_conditions_go_with_their_clips():
    found = made_predictions(get_task("sed"), "test", 6)
    some = take(found, np.array([4, 1]))
    assert some.events == [found.events[4], found.events[1]]
    assert some.conditions["city"].tolist() == ["Wien", "Rom"]
    assert some.clip_id.tolist() == ["clip004", "clip001"]


def test_an_older_version_kept_no_decision(tmp_path):
    found = made_predictions(get_task("esc"), "esc10-5-fold")
    folder = made_run(tmp_path, found=found)
    replace(found, decision=None, cluster=None, conditions={}).write(folder)
    result = read_result([folder])
    np.testing.assert_array_equal(result.clips.decision, found.probabilities.argmax(1))
    assert result.single_label
    assert len([note for note in result.notes if "older version" in note or "most probable" in note]) == 2


def test_tags_need_no_decision(tmp_path):
    result = read_result([made_run(tmp_path, "ust")])
    assert not result.single_label
    assert not result.notes


def test_probabilities_that_are_no_numbers_are_left_out(tmp_path):
    found = made_predictions(get_task("bad"), "leave-one-dataset-out", 10)
    found.probabilities[3] = np.nan
    folder = made_run(tmp_path, "bad", found=False)
    found.write(folder)
    result = read_result([folder])
    assert len(result.clips.clip_id) == 9 and "clip003" not in result.clips.clip_id
    assert any("1 clips have a probability that is no number" in note for note in result.notes)


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 broken"])
def test_without_predictions_the_scores_remain(tmp_path, content):
    folder = made_run(tmp_path, found=False)
    if content is not None:
        (folder / "predictions.npz").write_bytes(content)
    result = read_result([folder])
    assert result.clips is None and result.scores["accuracy"].mean == 0.5
    assert any("what needs predictions is left out" in note for note in result.notes)


def test_predictions_of_other_classes_are_said(tmp_path):
    folder = made_run(tmp_path, found=False)
    made_predictions(get_task("bad"), "leave-one-dataset-out").write(folder)
    result = read_result([folder])
    assert result.clips is None
    assert any("for 10 classes" in note for note in result.notes)


def test_a_note_about_all_runs_is_there_once(tmp_path):
    result = read_result([made_run(tmp_path, found=False, fold=fold) for fold in "12"])
    assert len(result.notes) == 2  # each names its own file
    assert result.notes[0].startswith("fold 1, seed 0: ")


def test_an_unknown_task_is_one_error(tmp_path):
    folder = made_run(tmp_path, found=False)
    text = (folder / "record.json").read_text()
    (folder / "record.json").write_text(text.replace('"task": "esc"', '"task": "ecs"'))
    with pytest.raises(InputError, match="no task 'ecs'"):
        read_result([folder])
