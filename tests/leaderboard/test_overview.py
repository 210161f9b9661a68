"""The page of all tasks and the README's summary: which results they name, and where published ones stand."""

import pytest
from pages import BAD, LODO, published, put, tables

from benchmark.metrics.bootstrap import Estimate
from benchmark.registry import get_task
from leaderboard import boards, load_runs
from leaderboard.boards import make_board
from leaderboard.overview import readme_block, render_overview
from leaderboard.statistics import RowStatistics

FULL = "full: all official data"
MINI = "mini: pipeline check on synthetic data, not comparable with any published score"
ESC = get_task("esc")


@pytest.fixture(autouse=True)
def statistics(monkeypatch):
    """Every score has the interval 0.25 to 0.75."""
    found = RowStatistics(Estimate(0.5, 0.25, 0.75), "clips only", None, None, "")
    monkeypatch.setattr(boards, "table_statistics", lambda task, results: [found] * len(results))


def put_bad(root, value, **changes):
    for fold in BAD.protocols[LODO]:
        name = f"{changes.get('group', 'abc')}-{fold}"
        put(root, **({"id": name, "protocol": LODO, "fold": fold, "scores": {"auc": value}} | changes))


def put_esc(root, value, **changes):
    for fold in "12345":
        changed = {"id": f"{changes.get('group', 'abc')}-{fold}", "task": "esc", "protocol": "esc10-5-fold"}
        put(root, **(changed | {"fold": fold, "scores": {"accuracy": value}} | changes))


def all_boards(root, bad=(), esc=()):
    runs, left_out = load_runs(root, "*/*/*/record.json")
    assert left_out == []
    return [make_board(BAD, runs, bad), make_board(ESC, runs, esc)]


def cross_tables(root):
    found = tables(render_overview(all_boards(root), local=True))
    return {heading: rows[0] for heading, rows in found.items() if heading in (FULL, MINI)}


def test_systems_by_tasks(tmp_path):
    put_bad(tmp_path, 0.5)
    put_esc(tmp_path, 0.6)
    put_esc(tmp_path, 0.7, system="a", group="other")
    assert cross_tables(tmp_path) == {
        FULL: [
            {"system": "cnn8", "bad": "0.500 (0.250 to 0.750)", "esc": "0.600 (0.250 to 0.750)"},
            {"system": "a", "bad": "-", "esc": "**0.700 (0.250 to 0.750)**"},
        ]
    }


def test_synthetic_data_has_a_table_of_its_own_with_the_level_of_chance(tmp_path):
    put_bad(tmp_path, 0.5)
    put_esc(tmp_path, 0.6, variant="mini")
    found = cross_tables(tmp_path)
    assert found[FULL] == [{"system": "cnn8", "bad": "0.500 (0.250 to 0.750)"}]
    assert found[MINI] == [{"system": "cnn8", "esc": "0.600 (0.250 to 0.750)"}, {"system": "(chance)", "esc": "0.100"}]


OTHER = {
    "incomplete": {"fold": "warblrb10k", "id": "one"},
    "another protocol": {"protocol": "random-3-fold", "fold": "1"},
    "a share of the recipe": {"scale": 0.5},
    "another recipe": {"overrides": ["--trainer.max_steps", "2"]},
    "selected on the scored data": {"selection": "test"},
    "a share of the data": {"variant": "partial:0.9900"},
    "data of the user": {"variant": "custom:fedcba"},
    "undefined": {"scores": {"auc": None}},
}


@pytest.mark.parametrize("kind", OTHER)
def test_what_is_not_the_recipe_on_the_default_protocol_stands_in_no_cross_task_table(tmp_path, kind):
    changes = OTHER[kind]
    if "fold" in changes:
        put(tmp_path, **{"protocol": LODO, "scores": {"auc": 0.9}} | changes)
    else:
        put_bad(tmp_path, 0.9, **changes)
    assert cross_tables(tmp_path) == {}
    assert "make bench TASK=all" in render_overview(all_boards(tmp_path), local=True)


def test_a_network_of_the_users_own_stands_there_too(tmp_path):
    put_bad(tmp_path, 0.9, system="my_pkg.Model", overrides=["--model", "my_pkg.Model"])
    assert cross_tables(tmp_path)[FULL][0]["system"] == "my_pkg.Model"


def test_the_name_of_a_system_cannot_break_the_page(tmp_path):
    put_bad(tmp_path, 0.9, system="a|b\n# c<img src=x> `d` [e](f)")
    for text in (render_overview(all_boards(tmp_path), local=True), readme_block(all_boards(tmp_path))):
        assert r"a\|b # c&lt;img src=x&gt; \`d\` \[e\](f)" in text
        assert "<img" not in text and "\n# c" not in text


def test_the_newest_of_several_results_of_a_system_counts(tmp_path):
    put_bad(tmp_path, 0.9, group="old", created="2026-01-01T00:00:00+00:00")
    put_bad(tmp_path, 0.8, group="new", created="2026-01-02T00:00:00+00:00")
    put_bad(
        tmp_path, 0.7, group="mini1", variant="mini", dataset_fingerprint="aaa", created="2026-01-03T00:00:00+00:00"
    )
    put_bad(
        tmp_path, 0.6, group="mini2", variant="mini", dataset_fingerprint="bbb", created="2026-01-02T00:00:00+00:00"
    )
    found = cross_tables(tmp_path)
    assert found[FULL][0]["bad"].startswith("0.800") and found[MINI][0]["bad"].startswith("0.700")


def test_published_scores_stand_apart_with_their_source_and_table(tmp_path):
    put_bad(tmp_path, 0.9)
    rows = [published(), published(system="official", role="baseline", value=0.7, printed="0.70", source="B")]
    text = render_overview(all_boards(tmp_path, rows), local=False)
    assert tables(text)["Published scores"] == [
        [
            {"task": "bad", "protocol": LODO, "score": "auc", "system": system, "published": value,
             "split": "development", "selection": "none", "source": source, "table": "Table 4"}
            for system, value, source in [("cnn8", "0.854", "S1"), ("official (official baseline)", "0.70", "S2")]
        ]
    ]  # fmt: skip
    assert "- S1: A paper\n- S2: B\n" in text


def test_the_page_links_the_pages_that_there_are(tmp_path):
    put_bad(tmp_path, 0.9)
    assert "[bad](bad.md)" in render_overview(all_boards(tmp_path), local=True)
    assert "[esc](esc.md)" not in render_overview(all_boards(tmp_path), local=True)
    assert "[esc](esc.md)" in render_overview(all_boards(tmp_path), local=False)


def blocks(root, bad=()):
    return tables("## Leaderboard\n\n" + readme_block(all_boards(root, bad)))["Leaderboard"]


def test_the_readme_names_the_best_of_each_protocol_and_the_baselines_apart(tmp_path):
    put_bad(tmp_path, 0.9, system="worse", group="a")
    put_bad(tmp_path, 0.95, group="b", created="2026-02-03T00:00:00+00:00")
    put_bad(tmp_path, 0.99, group="c", overrides=["--trainer.max_steps", "2"])
    put_bad(tmp_path, 0.99, group="d", variant="mini")
    put_bad(tmp_path, 0.99, group="e", variant="partial:0.9900")
    put_bad(tmp_path, 0.99, group="f", selection="test")
    rows = [
        published(role="baseline", system="official", value=0.7, printed="0.70"),
        published(role="baseline", system="weaker", value=0.6),
        published(),
    ]
    best, baselines = blocks(tmp_path, rows)
    assert best == [
        {"task": "bad", "protocol": LODO, "score": "auc", "system": "cnn8", "result": "0.950",
         "95 % interval": "0.250 to 0.750", "resampled": "clips only", "seeds": "1", "last run": "2026-02-03"}
    ]  # fmt: skip
    assert [(row["system"], row["published"], row["source"]) for row in baselines] == [("official", "0.70", "A paper")]


def test_without_results_the_readme_has_the_baselines_and_the_first_command(tmp_path):
    put_bad(tmp_path, 0.99, variant="mini")
    assert len(blocks(tmp_path, [published(role="baseline")])) == 1
    assert "make bench TASK=all" in readme_block(all_boards(tmp_path))
