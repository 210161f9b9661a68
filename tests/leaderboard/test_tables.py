"""Documents of a task: what stands in their tables, and what does not."""

import pytest
from pages import BAD, LODO, published, put, put_folds, tables

from benchmark.metrics.bootstrap import Estimate
from benchmark.registry import get_task
from leaderboard import boards, load_runs
from leaderboard.boards import make_board
from leaderboard.statistics import Difference, RowStatistics
from leaderboard.tables import render


def page(root, rows=(), task=BAD):
    runs, left_out = load_runs(root, "*/*/*/record.json")
    assert left_out == []
    return render(make_board(task, runs, rows), local=True)


def row_of(text):
    """The cells of the only result, of all tables that it is in."""
    (heading,) = (name for name in tables(text) if not name.startswith("Published"))
    return {column: cell for rows in tables(text)[heading] for row in rows for column, cell in row.items()}


def score_row(root):
    return row_of(page(root))


@pytest.fixture
def statistics(monkeypatch):
    """A function that sets what is computed of the rows of every table."""

    def set_statistics(*rows):
        monkeypatch.setattr(boards, "table_statistics", lambda task, results: list(rows))

    return set_statistics


def test_mean_over_folds_then_mean_and_sample_deviation_over_seeds(tmp_path):
    put_folds(tmp_path, {"1": 0.6, "2": 0.7, "3": 0.8}, seed=0)
    put_folds(tmp_path, {"1": 0.7, "2": 0.8, "3": 0.9}, seed=1)
    put_folds(tmp_path, {"1": 0.5, "2": 0.6, "3": 0.7}, seed=2)
    row = score_row(tmp_path)
    # Seeds: 0.7, 0.8, 0.6; mean 0.7, deviations 0, 0.1, -0.1: sqrt(0.02 / 2) = 0.1.
    assert row["auc"] == "0.700 ± 0.100"
    assert (row["fold 1"], row["fold 2"], row["fold 3"]) == ("0.600", "0.700", "0.800")
    assert (row["seeds"], row["folds"], row["selection"]) == ("3", "3/3", "last")


def test_one_seed_has_no_deviation(tmp_path):
    put_folds(tmp_path, {"1": 0.6, "2": 0.7, "3": 0.8})
    assert score_row(tmp_path)["auc"] == "0.700"


def test_harmonic_mean_is_formed_from_the_datasets_not_from_the_folds(tmp_path):
    for fold, value in {"ff1010bird": 0.5, "warblrb10k": 0.75, "BirdVox-DCASE-20k": 1.0}.items():
        scores = {"auc": value, f"auc/{fold}": value, "auc/harmonic_mean": value, "auc/pooled": value, "accuracy": 0.3}
        put(tmp_path, id=fold, protocol=LODO, fold=fold, scores=scores)
    row = score_row(tmp_path)
    assert row["auc"] == "0.750"
    assert row["auc/harmonic_mean"] == "0.692"  # 3 / (2 + 4/3 + 1) = 9/13
    assert row["accuracy"] == "0.300"
    assert (row["fold ff1010bird"], row["fold warblrb10k"], row["fold BirdVox-DCASE-20k"]) == (
        "0.500",
        "0.750",
        "1.000",
    )
    assert not {"auc/ff1010bird", "auc/pooled"} & row.keys()


def test_scores_by_dataset_stay_where_folds_are_not_datasets(tmp_path):
    put_folds(tmp_path, {fold: {"auc": 0.5, "auc/ff1010bird": 0.25, "auc/pooled": 0.75, "loss": 3.0} for fold in "123"})
    row = score_row(tmp_path)
    assert (row["auc/ff1010bird"], row["auc/pooled"]) == ("0.250", "0.750")
    assert "loss" not in row


def test_costs(tmp_path):
    for seed, train in ((0, 10.0), (1, 30.0)):
        for fold in "123":
            changes = {"steps": 100 + seed, "commit": f"{seed}abc+", "created": f"2026-01-0{seed + 1}T00:00:00+00:00"}
            name = f"{fold}-{seed}"
            put(tmp_path, id=name, fold=fold, seed=seed, seconds={"train": train}, coverage=0.99, **changes)
    row = score_row(tmp_path)
    assert row["train"] == "60 s"  # three folds: 30 s and 90 s
    assert (row["parameters"], row["MACs"], row["steps"]) == ("4,686,657", "2.5 M", "100 to 101")
    assert (row["device"], row["precision"], row["coverage"]) == ("cpu (2 threads)", "32-true", "0.99")
    assert (row["commit"], row["last run"]) == ("0abc+, 1abc+", "2026-01-02")


def test_every_row_names_its_records(tmp_path):
    put_folds(tmp_path, {"1": 0.6, "2": 0.7, "3": 0.8})
    assert "`bad/cnn8/abc-1-s0/record.json`, `bad/cnn8/abc-2-s0/record.json`" in page(tmp_path)


def test_best_first_then_undefined_then_incomplete(tmp_path):
    put_folds(tmp_path, dict.fromkeys("123", 0.6), system="worse", group="a")
    put_folds(tmp_path, dict.fromkeys("123", 0.7), system="better", group="b")
    put_folds(tmp_path, dict.fromkeys("123", None), system="undefined", group="c")
    put_folds(tmp_path, {"1": 0.99}, system="incomplete", group="d")
    rows = tables(page(tmp_path))["full, random-3-fold"][0]
    assert [row["system"] for row in rows] == ["better", "worse", "undefined", "incomplete"]
    assert [row["#"] for row in rows] == ["1", "2", "3", "4"]


def test_different_data_and_different_rules_stand_apart(tmp_path):
    changes = [
        {},
        {"selection": "test"},
        {"scale": 0.01},
        {"protocol": LODO, "fold": "warblrb10k"},
        {"variant": "partial:0.9800"},
        {"variant": "partial:0.9800", "dataset_fingerprint": "012345"},
        {"variant": "custom:777", "dataset_fingerprint": "777"},
        {"variant": "mini"},
    ]
    for number, change in enumerate(changes):
        put(tmp_path, id=str(number), **change)
    headings = [heading for heading in tables(page(tmp_path)) if not heading.startswith("Published")]
    assert headings == [
        f"full, {LODO}",
        "full, random-3-fold",
        "full, random-3-fold: weights selected on the scored data",
        "full, random-3-fold: scale 0.01, not the whole recipe; not comparable",
        "partial:0.9800 (data 012345), random-3-fold: part of the official data; not comparable with the whole",
        "partial:0.9800 (data fedcba), random-3-fold: part of the official data; not comparable with the whole",
        "custom:777, random-3-fold: custom data 777; not comparable",
        "mini (data fedcba), random-3-fold: pipeline check on synthetic data; not comparable",
    ]
    assert all(len(rows) == 1 for heading in headings for rows in tables(page(tmp_path))[heading])


def test_incomplete_folds_have_no_mean(tmp_path):
    put_folds(tmp_path, {"1": 0.6, "3": 0.8})
    row = score_row(tmp_path)
    assert (row["auc"], row["folds"]) == ("incomplete", "2/3 incomplete")
    assert (row["fold 1"], row["fold 2"], row["fold 3"]) == ("0.600", "-", "0.800")
    assert "seed 0 lacks fold 2" in page(tmp_path)


def test_an_incomplete_seed_is_left_out_of_a_complete_row(tmp_path):
    put_folds(tmp_path, {"1": 0.6, "2": 0.7, "3": 0.8}, seed=0)
    put_folds(tmp_path, {"1": 0.1}, seed=1)
    row = score_row(tmp_path)
    assert (row["auc"], row["fold 1"], row["seeds"]) == ("0.700", "0.600", "1")
    assert "seed 1 lacks folds 2, 3, is left out" in page(tmp_path)


def test_the_newest_of_repeated_runs_counts(tmp_path):
    put_folds(tmp_path, {"2": 0.7, "3": 0.8})
    put(tmp_path, id="z-first", scores={"auc": 0.1}, created="2026-01-01T00:00:00+00:00")
    put(tmp_path, id="a-third", scores={"auc": 0.6}, created="2026-01-03T00:00:00+00:00")
    put(tmp_path, id="m-second", scores={"auc": 0.2}, created="2026-01-02T00:00:00+00:00")
    assert score_row(tmp_path)["auc"] == "0.700"
    assert "2 older runs of the same fold and seed left out" in page(tmp_path)


def test_undefined_in_one_seed_is_undefined(tmp_path):
    put_folds(tmp_path, dict.fromkeys("123", 0.5), seed=0)
    put_folds(tmp_path, dict.fromkeys("123", None), seed=1)
    row = score_row(tmp_path)
    assert (row["auc"], row["fold 1"], row["seeds"]) == ("undefined", "undefined", "2")


def test_a_mean_over_fewer_folds_says_so(tmp_path):
    put_folds(tmp_path, {"1": 0.5, "2": None, "3": 0.7})
    row = score_row(tmp_path)
    assert (row["auc"], row["fold 2"]) == ("0.600", "undefined")
    assert "auc is undefined in fold 2" in page(tmp_path)


def test_intervals_ranks_and_differences_have_cells(tmp_path, statistics):
    put_folds(tmp_path, dict.fromkeys("123", 0.7), system="cnn8", group="a")
    put_folds(tmp_path, dict.fromkeys("123", 0.6), system="bulbul", group="b")
    put_folds(tmp_path, dict.fromkeys("123", 0.5), system="cnn4", group="c")
    difference = Difference(Estimate(0.1, -0.02, 0.22), 0.06, 0.12)
    statistics(
        RowStatistics(Estimate(0.7, 0.6504, 0.7496), "clips only", difference, (1, 2), ""),
        RowStatistics(Estimate(0.6, 0.55, 0.65), "clips and seeds", None, (2, 2), ""),
        RowStatistics(None, "", None, None, "no interval: <predictions> are missing"),
    )
    better, baseline, old = tables(page(tmp_path))["full, random-3-fold"][0]
    assert (better["#"], better["95 % interval"], better["resampled"]) == ("1 (1-2)", "0.650 to 0.750", "clips only")
    assert (better["to official baseline"], better["p (Holm)"]) == ("+0.100 (-0.020 to +0.220)", "0.120")
    assert baseline["system"] == "bulbul (official baseline)"
    assert (baseline["#"], baseline["resampled"]) == ("2 (2)", "clips and seeds")
    assert (baseline["to official baseline"], baseline["p (Holm)"]) == ("-", "-")
    assert (old["#"], old["auc"], old["95 % interval"], old["resampled"]) == ("3", "0.500", "-", "-")
    assert "3. cnn4, group c; no interval: &lt;predictions&gt; are missing" in page(tmp_path)


def test_without_a_baseline_or_published_figures_there_are_no_columns_for_them(tmp_path):
    put_folds(tmp_path, dict.fromkeys("123", 0.7))
    assert not {"to official baseline", "p (Holm)", "to published", "published"} & score_row(tmp_path).keys()


def put_lodo(root, **changes):
    for fold in BAD.protocols[LODO]:
        put(root, **{"id": fold, "protocol": LODO, "fold": fold, "scores": {"auc": 0.9}} | changes)


def test_the_published_score_of_the_same_system_stands_beside_a_run(tmp_path):
    put_lodo(tmp_path)
    rows = [
        published(system="other", source="Another paper"),
        published(value=0.999, protocol="random-3-fold"),
        published(value=0.998, class_name="bird"),
        published(value=0.997, metric="accuracy"),
        published(value=0.95, printed="95.0", selection="test"),
        published(),
    ]
    row = row_of(page(tmp_path, rows))
    assert (row["to published"], row["published"]) == ("+0.046", "0.854 (S2, Table 4)")  # 0.9 - 0.854
    row = row_of(page(tmp_path, rows[:-1]))
    assert (row["to published"], row["published"]) == ("-0.050", "0.950 (S2, Table 4, selected)")


@pytest.mark.parametrize(
    "changes",
    [
        {"variant": "partial:0.9900"},
        {"variant": "mini"},
        {"variant": "custom:fedcba"},
        {"scale": 0.5},
        {"overrides": ["--trainer.max_steps", "2"]},
        {"system": "cnn4"},
    ],
)
def test_other_work_is_not_held_against_a_published_score(tmp_path, changes):
    put_lodo(tmp_path, **changes)
    assert "to published" not in row_of(page(tmp_path, [published()]))


def test_incomplete_or_ambiguous_results_are_not_held_against_a_published_score(tmp_path):
    put(tmp_path, protocol=LODO, fold="warblrb10k", scores={"auc": 0.9})
    assert "to published" not in row_of(page(tmp_path, [published()]))
    put_lodo(tmp_path)
    assert "to published" in row_of(page(tmp_path, [published()]))
    assert "to published" not in row_of(page(tmp_path, [published(), published(split="evaluation", value=0.8)]))


def test_scores_of_classes_are_means_over_folds_then_seeds(tmp_path):
    esc, folds = get_task("esc"), "12345"
    for system, seed, right in [("a", 0, [1, 1, 1, 1, 0]), ("a", 1, [1, 1, 0, 0, 0]), ("b", 0, [1, 1, 1, 0, 0])]:
        for fold, value in zip(folds, right, strict=True):
            scores = {"accuracy": 0.5 if system == "a" else 0.4, "accuracy/Rain": value, "accuracy/Rooster": 0.25}
            name = f"{system}{seed}{fold}"
            put(tmp_path, id=name, task="esc", protocol="esc10-5-fold", system=system, group=system, fold=fold,
                seed=seed, scores=scores)  # fmt: skip
    rain, rooster = tables(page(tmp_path, task=esc))["full, esc10-5-fold"][2]
    # a: 0.8 and 0.4, mean 0.6, deviation sqrt(2 * 0.2 ** 2); b: 0.6.
    assert rain == {"class": "Rain", "1 a": "**0.600 ± 0.283**", "2 b": "**0.600**"}
    assert rooster == {"class": "Rooster", "1 a": "**0.250 ± 0.000**", "2 b": "**0.250**"}


def test_systems_go_down_where_there_are_more_of_them_than_classes(tmp_path):
    esc = get_task("esc")
    for number, value in enumerate((0.5, 0.75)):
        for fold in "12345":
            put(tmp_path, id=f"{number}{fold}", task="esc", protocol="esc10-5-fold", group=str(number), fold=fold,
                scores={"accuracy": 0.5, "accuracy/Rain": value})  # fmt: skip
    rows = tables(page(tmp_path, task=esc))["full, esc10-5-fold"][2]
    assert rows == [{"system": "1 cnn8", "Rain": "0.500"}, {"system": "2 cnn8", "Rain": "**0.750**"}]


def test_the_name_of_a_system_cannot_break_the_tables(tmp_path):
    for fold in "12345":
        put(tmp_path, id=fold, task="esc", protocol="esc10-5-fold", fold=fold, system="a|b\n<i>",
            scores={"accuracy": 0.5, "accuracy/Rain": 0.5})  # fmt: skip
    ranking, folds, classes, cost = tables(page(tmp_path, task=get_task("esc")))["full, esc10-5-fold"]
    assert {rows[0]["system"] for rows in (ranking, folds, cost)} == {r"a\|b &lt;i&gt;"}
    assert classes == [{"class": "Rain", r"1 a\|b &lt;i&gt;": "0.500"}]


def test_numbered_classes_have_their_names(tmp_path):
    scores = {"coarse/micro_auprc": 0.5, "coarse/auprc/1": 0.25, "coarse/auprc/8": None, "fine/auprc/2": 0.75}
    put(tmp_path, task="ust", protocol="validate", fold="validate", scores=scores)
    engine, dog = tables(page(tmp_path, task=get_task("ust")))["full, validate"][1]
    assert engine == {"class": "1_engine", "1 cnn8": "0.250"}
    assert dog == {"class": "8_dog", "1 cnn8": "undefined"}


def test_text_from_records_cannot_break_the_page(tmp_path):
    nasty = "a|b\n# c<img src=x> `d` [e](f) \ud800"
    for name in ("group", "device", "commit", "precision", "dataset_fingerprint", "created"):
        put(tmp_path, id=name, variant="mini", scores={"auc": 0.5, "auc/<b>|\n": 0.5}, **{name: nasty})
    text = page(tmp_path)
    assert "<" not in text.replace("&lt;", "")
    assert "\n# c" not in text and "](f)" not in text.replace(r"\](f)", "")
    text.encode()
    assert tables(text)


def test_a_page_of_twice_the_results_asks_twice_as_often_what_is_shown(tmp_path, monkeypatch):
    asked, is_shown = [], type(BAD).is_shown
    monkeypatch.setattr(type(BAD), "is_shown", lambda task, key: asked.append(key) or is_shown(task, key))

    def times(results):
        asked.clear()
        for number in range(results):
            put_folds(tmp_path, dict.fromkeys(BAD.protocols[LODO], 0.8), group=f"g{number}", protocol=LODO)
        page(tmp_path)
        return len(asked)

    few = times(4)
    assert few < times(8) <= 2 * few
