"""Scores under a condition are those of its clips alone; intervals are as wide as theory says."""

from dataclasses import replace

import numpy as np
import pytest
from made_runs import made_predictions, made_run
from scipy.stats import norm

from benchmark.errors import InputError
from benchmark.registry import get_task
from benchmark.report.conditions import SHOWN, by_condition
from benchmark.report.result import read_result


def result_of(tmp_path, found, task="esc", **changes):
    return read_result([made_run(tmp_path, task, found=found, **changes)])


def esc(clips, **changes):
    return made_predictions(get_task("esc"), "esc10-5-fold", clips, **changes)


def right(found, share, by=1):
    """The same predictions, of which a share is right, `by` neighbours alike."""
    truth, clips = found.target.argmax(1), len(found.clip_id)
    correct = np.repeat(np.random.default_rng(1).permutation(clips // by) < share * (clips // by), by)
    return replace(found, decision=np.where(correct, truth, (truth + 1) % found.target.shape[1]))


def test_a_score_is_that_of_the_conditions_clips(tmp_path):
    found = esc(60)
    (condition,) = by_condition(result_of(tmp_path, found))
    everything, rom, wien = condition.parts
    correct = found.decision == found.target.argmax(1)
    # ESC's accuracy is the share of clips that are right.
    assert (condition.name, condition.key, condition.hidden) == ("city", "accuracy", 0)
    assert everything.score == pytest.approx(correct.mean()) and everything.clips == 60
    assert (wien.value, wien.score, wien.clips) == ("Wien", pytest.approx(correct[::2].mean()), 30)
    assert (rom.value, rom.score) == ("Rom", pytest.approx(correct[1::2].mean()))


@pytest.mark.parametrize("by", [1, 4])
def test_the_interval_is_that_of_a_share_of_independent_places(tmp_path, by):
    """Where all clips of a place are right or wrong together, its clips say no more than one."""
    clips, share = 400, 0.7
    found = right(esc(clips), share, by)
    names = np.array([f"place{number // by}" for number in range(clips)])
    (condition,) = by_condition(result_of(tmp_path, replace(found, cluster=names)))
    low, high = condition.parts[0].interval
    width = 2 * norm.ppf(0.975) * np.sqrt(share * (1 - share) / (clips / by))
    assert high - low == pytest.approx(width, rel=0.25)
    assert (low + high) / 2 == pytest.approx(share, abs=0.03)
    assert condition.parts[0].clusters == (by > 1)


def test_where_all_are_right_there_is_no_interval(tmp_path):
    (condition,) = by_condition(result_of(tmp_path, right(esc(40), 1.0)))
    assert [part.interval for part in condition.parts] == [None] * 3


def test_few_clusters_are_not_drawn(tmp_path):
    found = replace(esc(40), cluster=np.array(["here", "there"] * 20))
    (condition,) = by_condition(result_of(tmp_path, found))
    assert not condition.parts[0].clusters and condition.parts[0].interval is not None


def test_folds_and_seeds_are_averaged(tmp_path):
    runs, expected = [], []
    for seed in (0, 1):
        for fold in "12":
            found = esc(40, seed=10 * seed + int(fold))
            runs.append(made_run(tmp_path, found=found, fold=fold, seed=seed))
            expected.append((found.decision == found.target.argmax(1))[::2].mean())
    (condition,) = by_condition(read_result(runs))
    assert condition.parts[2].score == pytest.approx(np.mean(expected))
    assert condition.parts[2].clips == 20  # both folds have the same names here


def test_a_fold_without_a_value_does_not_count(tmp_path):
    runs = []
    for fold, city in (("1", "Wien"), ("2", "Rom")):
        found = esc(20, seed=int(fold))
        runs.append(made_run(tmp_path, found=replace(found, conditions={"city": np.array([city] * 20)}), fold=fold))
    result = read_result(runs)
    (condition,) = by_condition(result)
    _, rom, wien = condition.parts
    assert wien.score == result.members[0].record.scores["accuracy"]
    assert rom.score == result.members[1].record.scores["accuracy"]


def test_without_conditions_the_group_is_told(tmp_path):
    found = replace(esc(40), conditions={}, group=np.array(["one", "two"] * 20))
    (condition,) = by_condition(result_of(tmp_path, found))
    assert condition.name == "group" and [part.value for part in condition.parts] == ["all clips", "one", "two"]


def test_one_value_is_no_condition(tmp_path):
    assert by_condition(result_of(tmp_path, replace(esc(20), conditions={"city": np.array(["Wien"] * 20)}))) == []
    assert by_condition(read_result([made_run(tmp_path / "none", found=False)])) == []


def test_of_many_values_those_with_the_most_clips_are_shown(tmp_path):
    cities = np.array([f"city{number:02d}" for number in range(30)] + ["city29"] * 20)
    (condition,) = by_condition(result_of(tmp_path, replace(esc(50), conditions={"city": cities})))
    assert len(condition.parts) == 1 + SHOWN and condition.hidden == 30 - SHOWN
    assert condition.parts[-1].value == "city29" and condition.parts[-1].clips == 21


def test_a_score_of_some_devices_is_no_score_of_the_others(tmp_path):
    """The main score of asc-mobile is of devices b and c: by device, the mean over scenes is shown in its place."""
    devices = np.array(["a", "b", "c", "b"] * 30)
    found = made_predictions(get_task("asc-mobile"), "official-fold1", 120)
    cities = np.array(["Wien"] * 60 + ["Rom"] * 60)
    found = replace(found, group=devices, conditions={"device": devices, "city": cities})
    device, city = by_condition(result_of(tmp_path, found, "asc-mobile"))
    if device.name != "device":
        device, city = city, device
    assert (device.key, city.key) == ("accuracy", "accuracy/device_bc")
    assert all(part.score is not None for part in device.parts)


def test_predictions_that_cannot_be_scored_are_an_error(tmp_path):
    found = esc(20)
    folder = made_run(tmp_path, found=found)
    result = read_result([folder])
    result.members[0].found.decision[:] = 99
    with pytest.raises(InputError):
        by_condition(result)
