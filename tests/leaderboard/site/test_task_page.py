"""Tables and plots of a task's page, as data."""

import math

import pytest
from pages import put, put_folds, put_scored

from benchmark.published import read_published
from benchmark.registry import get_task
from leaderboard.site.entries import load_site
from leaderboard.site.index_page import index_context
from leaderboard.site.table import NOTHING
from leaderboard.site.task_page import class_of, task_context

BAD, ESC = get_task("bad"), get_task("esc")


def sections(root, task, published=()):
    site = load_site(root / "records", root)
    return task_context(site, site.board(task, published))["sections"]


def cells(table):
    return [{column.title: cell for column, cell in zip(table.columns, row, strict=True)} for row in table.rows]


def test_scores_intervals_ranks_and_costs(tmp_path):
    put_scored(tmp_path, 18, group="good", system="cnn8", parameters=4_691_274, macs=2_030_000_000)
    put_scored(tmp_path, 10, group="poor", system="cnn4", parameters=1210)
    (section,) = sections(tmp_path, ESC)
    good, poor = cells(section.results)
    assert (good["System"].text, poor["System"].text) == ("cnn8", "cnn4")
    assert (good["accuracy"].text[:6], good["accuracy"].order) == ("0.900 ", pytest.approx(0.9))
    assert (good["Rank"].text, poor["Rank"].text) == ("1", "2")
    assert (good["Parameters"].text, good["MACs"].text, poor["Parameters"].text) == ("4.69 M", "2.03 G", "1.21 k")
    assert (good["Training"].text, good["Folds"].text, good["Origin"].text) == ("50 s", "all 5", "yours")
    ends = [end for row in (good, poor) for end in (row["accuracy"].interval.low, row["accuracy"].interval.high)]
    assert (min(ends), max(ends)) == pytest.approx((0, 1))
    assert [point["score"] for point in section.scatter["points"]] == pytest.approx([0.9, 0.5])
    low, high = section.scatter["points"][0]["interval"]
    assert low < 0.9 < high


def test_missing_folds_give_no_mean_but_a_single_fold_its_own_score(tmp_path):
    put_folds(tmp_path, {"1": 0.6, "2": 0.8}, group="two")
    put_folds(tmp_path, {"1": 0.7}, group="one", system="cnn4")
    (section,) = sections(tmp_path, BAD)
    rows = {row["System"].text: row for row in cells(section.results)}
    assert (rows["cnn8"]["auc"].text, rows["cnn8"]["auc"].order) == ("incomplete", math.inf)
    assert (rows["cnn4"]["auc"].text, rows["cnn4"]["Folds"].text) == ("0.700", "1 of 3")
    assert rows["cnn8"]["Folds"].text == "2 of 3"
    by_fold = {row["System"].text: row for row in cells(section.folds)}
    assert [by_fold["cnn8"][f"fold {fold}"].text for fold in "123"] == ["0.600", "0.800", NOTHING]
    assert next(note for system, note in section.notes if system == "cnn4") == "seed 0 lacks folds 2, 3"


def test_scores_by_class(tmp_path):
    for system, bus in (("cnn8", 0.5), ("cnn4", None)):
        scores = {"accuracy": 0.7, "accuracy/bus": bus, "accuracy/park": 0.25}
        put(tmp_path, task="asc", protocol="official-fold1", system=system, group=system, scores=scores)
    (section,) = sections(tmp_path, get_task("asc"))
    (table,) = section.classes["tables"]
    assert (table["name"], table["columns"]) == ("accuracy", ["bus", "park"])
    assert dict(zip(table["rows"], table["values"], strict=True)) == {"cnn4": [None, 0.25], "cnn8": [0.5, 0.25]}


@pytest.mark.parametrize(
    ("task", "protocol", "key", "found"),
    [
        ("sed", "test", "segment_f1/Cat", ("segment_f1", "Cat")),
        ("sed", "test", "event_f1_micro", None),
        ("esc", "esc10-5-fold", "accuracy/Dog bark", ("accuracy", "Dog bark")),
        ("ust", "validate", "coarse/auprc/1", ("coarse/auprc", "1_engine")),
        ("bad", "random-3-fold", "auc/warblrb10k", None),
    ],
)
def test_classes_of_keys(task, protocol, key, found):
    assert class_of(get_task(task), protocol, key) == found


def test_differences_to_published_scores_on_full_data_only(tmp_path):
    rows = read_published(BAD.folder / "published.csv")
    for fold in BAD.protocols["leave-one-dataset-out"]:
        for variant in ("full", "mini"):
            put(tmp_path, id=f"{fold}-{variant}", protocol="leave-one-dataset-out", fold=fold, variant=variant,
                group=variant, scores={"auc": 0.9})  # fmt: skip
    full, mini = sections(tmp_path, BAD, rows)
    # The paper's CNN8 has an AUC of 0.854 (Table 4).
    assert cells(full.results)[0]["To published"].text == "+0.046"
    assert "To published" not in cells(mini.results)[0]


def test_every_published_row_of_a_task_is_on_its_page(tmp_path):
    site = load_site(tmp_path, tmp_path)
    for name in ("esc", "ust", "tagging"):
        rows = read_published(get_task(name).folder / "published.csv")
        tables = task_context(site, site.board(get_task(name), rows))["published"]
        shown = [cell for table in tables for row in table.rows for cell in row if cell.hint.startswith("printed: ")]
        assert sorted(cell.order for cell in shown) == sorted(row.value for row in rows)


def test_the_first_page_takes_the_best_of_the_most_complete_data(tmp_path):
    put_folds(tmp_path, {"1": 0.6, "2": 0.6, "3": 0.6}, group="full")
    put(tmp_path, id="mini", group="mini", variant="mini", scores={"auc": 0.99})
    put(tmp_path, id="half", group="half", scale=0.5, scores={"auc": 0.99})
    site = load_site(tmp_path / "records", tmp_path)
    found = index_context(site, [site.board(BAD, [])])
    (row,) = cells(found["tasks_table"])
    assert (row["Best result"].text, row["Best result"].note) == ("0.600", "cnn8; full, random-3-fold")
    assert {kind: cells(table)[0]["bad"].text for kind, table in found["cross"]} == {"full": "0.600", "mini": "0.990"}


def test_published_scores_of_the_first_page_stand_apart_and_are_clean_where_there_are_such(tmp_path):
    put(tmp_path, id="mini", variant="mini", scores={"auc": 0.99})
    site = load_site(tmp_path / "records", tmp_path)
    rows = read_published(BAD.folder / "published.csv")
    found = index_context(site, [site.board(BAD, rows)])
    (published,), (here,) = cells(found["published_table"]), cells(found["tasks_table"])
    clean = [row for row in rows if row.metric == "auc" and not row.class_name and row.selection != "test"]
    assert float(published["Best published"].text) == pytest.approx(max(row.value for row in clean), abs=6e-4)
    assert not [column for column in here if "ublished" in column]
