"""Statistics of tables: the numbers of a comparison of two, joint ranks, and what is said where some are missing."""

import dataclasses
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
from helpers import make_record

from benchmark.metrics.measures import all_once
from benchmark.predictions import Predictions
from benchmark.records import write_json
from benchmark.registry import get_task
from leaderboard import load_runs
from leaderboard.compare import compare
from leaderboard.results import group_results
from leaderboard.scored import Scored, draw
from leaderboard.statistics import RowStatistics, table_statistics

ONE_FOLD = dataclasses.replace(get_task("esc"), protocols={"esc10-5-fold": ("1",)}, folder=get_task("esc").folder)
CLIPS = 100


@pytest.fixture
def task(tmp_path):
    """`esc` of one fold, whose official baseline is `system-base`."""
    recipes = tmp_path / "task" / "systems"
    recipes.mkdir(parents=True)
    (recipes / "system-base.yaml").write_text("title: x\nofficial: true\n")
    (recipes / "system-a.yaml").write_text("title: official: true\n")
    return dataclasses.replace(ONE_FOLD, folder=tmp_path / "task")


def rows(task, runs, **settings):
    """System to its row."""
    found, left_out = load_runs(runs.root, "*/*/*/record.json")
    assert left_out == []
    (results,) = group_results(task, found).values()
    statistics = table_statistics(task, results, **settings)
    return {result.system.removeprefix("system-"): row for result, row in zip(results, statistics, strict=True)}


def first(number):
    return np.arange(CLIPS) < number


def right(number, seed=0):
    """Some clips, other ones for each seed."""
    return np.random.default_rng(seed).permutation(CLIPS) < number


def test_a_row_is_what_a_comparison_of_two_gives(task, runs):
    places = np.repeat(np.arange(25), 4).astype(str)
    for seed in range(3):
        for name, number in (("base", 60), ("a", 85), ("b", 64)):
            runs(name, right(number + seed, seed + number), seed, cluster=places)
    found = rows(task, runs)
    for name in "ab":
        expected = compare(runs.root, runs.root / "none", name, "base")
        assert found[name].interval == expected.a.score
        assert found["base"].interval == expected.b.score
        assert found[name].to_baseline.estimate == expected.difference
        assert found[name].to_baseline.p == expected.p
        assert found[name].resampled == expected.resampled == "seeds and clips, by source"
    assert found["base"].to_baseline is None
    # Of two comparisons the smaller p counts twice, the larger once.
    small, large = found["a"].to_baseline, found["b"].to_baseline
    assert (small.p_holm, large.p_holm) == (2 * small.p, large.p)
    assert small.p < large.p / 2
    assert [found[name].note for name in found] == [""] * 3


def test_ranks_tell_what_is_sure_from_what_is_not(task, runs):
    runs("best", first(95))
    runs("middle", right(55, 1))
    runs("other", right(54, 2))
    runs("last", first(5))
    found = rows(task, runs)
    assert {name: row.rank for name, row in found.items()} == {
        "best": (1, 1),
        "middle": (2, 3),
        "other": (2, 3),
        "last": (4, 4),
    }
    assert {row.to_baseline for row in found.values()} == {None}
    assert {row.resampled for row in found.values()} == {"clips only"}


def test_results_with_other_seeds_are_resampled_on_the_same_clips(task, runs):
    for seed in range(3):
        runs("base", first(50), seed)
    runs("a", first(50), 7)
    found = rows(task, runs)
    # Right on the same clips: whatever is drawn, there is no difference.
    assert dataclasses.astuple(found["a"].to_baseline.estimate) == pytest.approx((0, 0, 0), abs=1e-12)
    assert (found["base"].resampled, found["a"].resampled) == ("seeds and clips", "clips only")


def test_rows_without_what_it_takes_say_so(task, runs):
    for name in ("base", "gone", "broken", "changed", "fine"):
        folder = runs(name, first(80))
        path = folder / "predictions.npz"
        if name == "gone":
            path.unlink()
        if name == "broken":
            path.write_bytes(path.read_bytes()[:200])
        if name == "changed":
            shutil.copy(runs("source", first(30)) / "predictions.npz", path)
            shutil.rmtree(folder.parent.parent / "system-source")
    found = rows(task, runs)
    missing = {name: row for name, row in found.items() if row.interval is None}
    assert missing == {
        "gone": RowStatistics(note="no interval: there are no predictions"),
        "broken": RowStatistics(note="no interval: cannot read: not a file of predictions"),
        "changed": RowStatistics(note="no interval: the predictions give accuracy 0.3, the record 0.8"),
    }
    assert found["fine"].rank == (1, 1)
    assert found["fine"].note == "rank among 2 results on the same clips"
    assert found["fine"].to_baseline.estimate.value == 0


def test_a_result_on_other_clips_has_an_interval_but_no_difference_and_no_rank(task, runs):
    runs("base", first(60))
    runs("a", first(70))
    runs("other", np.arange(50) < 40)
    found = rows(task, runs)
    assert found["other"].interval.value == 0.8
    assert (found["other"].rank, found["other"].to_baseline) == (None, None)
    assert found["other"].note == "no rank: it scored other clips than most results"
    assert found["a"].rank == (1, 1)


def test_folds_that_are_missing_leave_no_interval(runs):
    runs("a", first(70), fold="2")
    found = rows(get_task("esc"), runs)
    assert found["a"] == RowStatistics(note="no interval: folds are missing")


def test_an_undefined_score_leaves_no_interval(task, runs):
    runs("a", first(70), scores={"accuracy": None})
    found = rows(task, runs)
    assert found["a"] == RowStatistics(note="no interval: accuracy is undefined")


MALFORMED = {
    "a row too few": {"probabilities": np.zeros((99, 10))},
    "another dimension": {"probabilities": np.zeros(100)},
    "other classes": {"probabilities": np.zeros((100, 9))},
    "another number of classes": {"probabilities": np.zeros((100, 9)), "target": np.zeros((100, 9))},
    "a class that is none": {"decision": np.full(100, 12)},
    "halves of decisions": {"decision": np.full(100, 0.5)},
    "numbers for places": {"cluster": np.zeros(100)},
    "one clip a hundred times": {"clip_id": np.full(100, "clip")},
    "events that are none": {"events": np.zeros(3)},
    "events of no clip": {"events": np.array([(100, 0, 1, "x")], dtype="i8,f8,f8,U1")},
}


@pytest.mark.parametrize("fault", MALFORMED)
def test_malformed_predictions_leave_no_interval(task, runs, fault):
    path = runs("a", first(70)) / "predictions.npz"
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    np.savez(path, **(arrays | MALFORMED[fault]))
    found = rows(task, runs)
    assert found["a"].interval is None
    assert found["a"].note.startswith("no interval: ")
    assert str(runs.root) not in found["a"].note


def test_nan_among_the_predictions_leaves_no_interval(tmp_path):
    target = np.array([[0.0], [1], [0], [1]])
    folder = tmp_path / "runs" / "bad" / "cnn8" / "x"
    ids = np.array(list("abcd"))
    write_json(folder / "record.json", dataclasses.asdict(make_record(scores={"auc": 0.5})))
    Predictions(ids, np.full(4, "ff1010bird"), target, np.where(target == 1, np.nan, 0.5)).write(folder)
    found, _ = load_runs(tmp_path / "runs", "*/*/*/record.json")
    task = dataclasses.replace(get_task("bad"), protocols={"random-3-fold": ("1",)})
    (results,) = group_results(task, found).values()
    assert table_statistics(task, results) == [RowStatistics(note="no interval: 2 of 4 scores are NaN")]


def test_few_clusters_are_a_warning(task, runs):
    runs("a", right(70), cluster=np.repeat(["north", "south"], 50))
    assert rows(task, runs)["a"].note == "the clips are of 2 sources only: the interval is too narrow"


def test_nothing_is_no_table(task):
    assert table_statistics(task, []) == []


def test_the_same_numbers_every_time(task, runs):
    runs("base", right(60))
    runs("a", right(70, 1))
    assert rows(task, runs) == rows(task, runs)
    assert rows(task, runs, resamples=200) != rows(task, runs)


def test_neither_torch_nor_pandas_is_imported():
    code = (
        "import sys; from leaderboard import RECORDS, load_runs; from leaderboard.results import group_results; "
        "from leaderboard.statistics import table_statistics; from benchmark.registry import get_task; task = "
        "get_task('esc'); (rows, *_) = group_results(task, load_runs(RECORDS, '*.json')[0]).values(); "
        "assert all(row.interval for row in table_statistics(task, rows, 100)); "
        "sys.exit(bool({'torch', 'pandas'} & set(sys.modules)))"
    )
    environment = {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def scored(task, folds):
    """A result of one seed whose folds have these predictions."""
    measures = {fold: task.load("rescorer")(found, task.classes) for fold, found in folds.items()}
    for fold, found in folds.items():
        assert all_once(measures[fold], len(found.clip_id))[task.main_score] is not None
    return Scored(task.main_score, {}, folds, {0: measures}, {})


@pytest.mark.slow
def test_a_thousand_resamples_of_the_largest_sets_take_seconds():
    """Bird audio detection: 35,690 clips in three data sets; urban sound tagging: 443 clips of 37 tags."""
    generator = np.random.default_rng(0)

    def made_up(clips, classes, group):
        target = (generator.random((clips, classes)) < 0.3).astype(np.float32)
        ids = np.array([f"{n:05}" for n in range(clips)])
        return Predictions(
            ids, np.full(clips, group), target, np.clip(generator.random(target.shape) + target / 4, 0, 1)
        )

    birds = {"ff1010bird": 7690, "warblrb10k": 8000, "BirdVox-DCASE-20k": 20000}
    tables = {
        "bad": {name: made_up(clips, 1, name) for name, clips in birds.items()},
        "ust": {"1": made_up(443, 37, "validate")},
    }
    for name, folds in tables.items():
        result = scored(get_task(name), folds)
        start = time.perf_counter()
        assert np.isfinite(draw([result], 1000).values).all()
        assert time.perf_counter() - start < 10, name
