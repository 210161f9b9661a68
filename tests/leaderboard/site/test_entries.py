"""Which runs are on the site, under which origin and at which place."""

import dataclasses
import json
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pages import put, put_folds, put_scored

from benchmark.registry import get_task
from leaderboard.site.entries import load_site, page


@pytest.fixture
def roots(tmp_path):
    return tmp_path / "records", tmp_path / "runs"


def commit(records, path, **changes):
    """Copy a run's record, as `submit` would, with some fields changed."""
    records.mkdir(exist_ok=True)
    content = json.loads(path.read_text()) | changes
    (records / f"{content['task']}-{content['system']}-{content['id']}.json").write_text(json.dumps(content))


@given(st.lists(st.text(), min_size=1, max_size=3))
def test_a_page_never_leaves_its_folder(names):
    path = PurePosixPath(page("runs", *names))
    assert path.parts[0] == "runs"
    assert len(path.parts) == len(names) + 1
    assert not {"..", "."} & set(path.parts)
    assert str(path).isascii()
    assert str(path).endswith(".html")


@given(st.lists(st.text(), min_size=2, max_size=2), st.lists(st.text(), min_size=2, max_size=2))
def test_other_names_have_another_page(some, others):
    assert (page("runs", *some) == page("runs", *others)) == (some == others)


def test_plain_names_stay_readable():
    assert page("runs", "bad", "cnn8", "20260101-1-s0") == "runs/bad/cnn8/20260101-1-s0.html"


def test_origins(roots):
    records, runs = roots
    both, own = put(runs, id="both"), put(runs, id="own", seed=1)
    commit(records, both)
    commit(records, own, id="committed", group="other")
    site = load_site(records, runs)
    origins = {entry.run.record.id: entry.origins for entry in site.entries}
    assert origins == {"both": ("committed", "yours"), "own": ("yours",), "committed": ("committed",)}
    folders = {entry.run.record.id: entry.folder for entry in site.entries}
    assert folders == {"both": both.parent, "own": own.parent, "committed": None}


def test_a_committed_record_that_says_something_else_is_another_run(roots):
    records, runs = roots
    path = put(runs, id="one", scores={"auc": 0.5})
    commit(records, path, scores={"auc": 0.9})
    site = load_site(records, runs)
    assert [entry.origins for entry in site.entries] == [("yours",), ("committed",)]
    assert len({entry.page for entry in site.entries}) == 2


def test_a_result_that_is_committed_is_shown_once_and_another_beside_it(roots):
    records, runs = roots
    put_folds(runs, {"1": 0.6, "2": 0.6, "3": 0.6}, group="shared")
    for path in sorted(runs.glob("*/*/*/record.json")):
        commit(records, path)
    put_folds(runs, {"1": 0.8, "2": 0.8, "3": 0.8}, group="mine", system="cnn4")
    site = load_site(records, runs)
    ((_, rows),) = site.board(get_task("bad"), []).tables.items()
    assert [(row.result.group, site.origins(row.result)) for row in rows] == [
        ("mine", ("yours",)),
        ("shared", ("committed", "yours")),
    ]


def test_variants_protocols_and_scales_are_kept_apart(roots):
    records, runs = roots
    for number, changes in enumerate([{}, {"variant": "mini"}, {"scale": 0.5}, {"selection": "test"}]):
        put(runs, id=str(number), group=str(number), **changes)
    put(runs, id="lodo", group="lodo", protocol="leave-one-dataset-out", fold="ff1010bird")
    tables = load_site(records, runs).board(get_task("bad"), []).tables
    assert len(tables) == 5
    assert all(len(rows) == 1 for rows in tables.values())


def test_committed_results_have_intervals_of_their_predictions(roots):
    records, runs = roots
    put_scored(records.parent / "elsewhere", 18, system="cnn8")
    for path in sorted((records.parent / "elsewhere").glob("*/*/*/record.json")):
        commit(records, path)
        record = json.loads(path.read_text())
        target = records / f"esc-cnn8-{record['id']}.npz"
        target.write_bytes((path.parent / "predictions.npz").read_bytes())
    site = load_site(records, runs)
    ((_, (row,)),) = site.board(get_task("esc"), []).tables.items()
    # 100 clips of which 90 are right: the standard error is sqrt(0.9 * 0.1 / 100) = 0.03.
    interval = dataclasses.astuple(row.statistics.interval)
    assert interval == pytest.approx((0.9, 0.9 - 1.96 * 0.03, 0.9 + 1.96 * 0.03), abs=0.02)


def test_broken_records_are_left_out_by_name(roots):
    records, runs = roots
    put(runs, id="good")
    put(runs, id="half").write_text('{"schema": 1')
    site = load_site(records, runs)
    assert [entry.run.record.id for entry in site.entries] == ["good"]
    (line,) = site.left_out
    assert "half" in line
