"""Published rows as markdown."""

from pages import BAD, LODO, published, tables

from benchmark.published import read_published
from benchmark.registry import all_tasks
from leaderboard.published_tables import headlines, published_tables


def test_published_rows_keep_printed_digits_and_stand_apart():
    rows = [
        published(system="low", value=0.7, printed="70.0%"),
        published(system="high", role="winner", value=0.953, printed="95.3", std=0.012),
        published(system="high", role="winner", metric="auc/ff1010bird", value=0.9, printed="0.90", std=None),
        published(system="chosen", selection="test"),
        published(system="by class", class_name="bird"),
        published(system="other", role="baseline", protocol="challenge"),
    ]
    found = tables("\n".join(published_tables(BAD, rows)))
    assert list(found) == [
        f"Published, {LODO}",
        f"Published, {LODO}: by class",
        f"Published, {LODO}: selected on the scored data",
        "Published, challenge",
    ]
    high, low = found[f"Published, {LODO}"][0]
    assert high == {
        "system": "high (winner)", "auc": "0.953 ± 0.012", "auc/ff1010bird": "0.90",
        "split": "development", "selection": "none", "source": "S1", "table": "Table 4",
    }  # fmt: skip
    assert (low["auc"], low["auc/ff1010bird"]) == ("0.700", "-")
    assert found[f"Published, {LODO}: by class"][0][0]["class"] == "bird"
    assert found["Published, challenge"][0][0]["system"] == "other (official baseline)"


def test_two_numbers_for_the_same_place_are_both_shown():
    rows = [published(value=0.1, printed="0.1"), published(value=0.2, printed="0.2")]
    found = tables("\n".join(published_tables(BAD, rows)))
    assert [row["auc"] for row in found[f"Published, {LODO}"][0]] == ["0.2", "0.1"]


def test_headlines_are_of_the_suites_systems_the_baselines_and_the_winners_best_first():
    rows = [
        published(),
        published(value=0.9, source="A second paper"),
        published(system="stranger", value=0.99),
        published(system="first", role="winner", value=0.8),
        published(system="official", role="baseline", value=0.95),
        published(system="cnn4", protocol="challenge"),
    ]
    assert [(row.system, row.value) for row in headlines(BAD, rows, LODO)] == [
        ("official", 0.95),
        ("cnn8", 0.854),
        ("first", 0.8),
    ]


def test_a_protocol_and_the_main_score_name_one_published_split():
    for task in all_tasks().values():
        rows = read_published(task.folder / "published.csv")
        for protocol in task.protocols:
            splits = {row.split for row in rows if (row.protocol, row.metric) == (protocol, task.main_score)}
            assert len(splits) <= 1, (task.name, protocol)
