import dataclasses
import json
import re

import pytest
from helpers import make_record

import leaderboard.__main__ as command_line
from benchmark.published import PublishedRow
from benchmark.records import write_json
from benchmark.registry import get_task
from leaderboard import load_runs
from leaderboard.markdown import escape, markdown_table
from leaderboard.tables import render

LODO = "leave-one-dataset-out"
BAD = dataclasses.replace(
    get_task("bad"),
    protocols={LODO: ("ff1010bird", "warblrb10k", "BirdVox-DCASE-20k"), "random-3-fold": ("1", "2", "3")},
)


def put(root, **changes):
    record = make_record(**changes)
    path = root / record.task / record.system / record.id / "record.json"
    write_json(path, dataclasses.asdict(record))
    return path


def put_folds(root, values, seed=0, **changes):
    for fold, value in values.items():
        scores = value if isinstance(value, dict) else {"auc": value}
        group = changes.get("group", "abc")
        put(root, **({"id": f"{group}-{fold}-s{seed}", "fold": fold, "seed": seed, "scores": scores} | changes))


def page(root, published=()):
    runs, left_out = load_runs(root, "*/*/*/record.json")
    assert left_out == []
    return render(BAD, runs, published, local=True)


def tables(text):
    """Heading to its tables, each a list of rows as dicts."""
    found, heading = {}, ""
    for block in text.split("\n\n"):
        if block.startswith("#"):
            heading = block.lstrip("# ")
        elif block.startswith("| "):
            header, _, *rows = [
                [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in block.splitlines()
            ]
            found.setdefault(heading, []).append([dict(zip(header, row, strict=True)) for row in rows])
    return found


def score_row(root):
    (heading,) = (name for name in tables(page(root)) if not name.startswith("Published"))
    (row,) = tables(page(root))[heading][0]
    return row


def published(**changes):
    fields = {
        "system": "cnn8",
        "role": "entry",
        "metric": "auc",
        "class_name": "",
        "value": 0.854,
        "printed": "0.854",
        "std": None,
        "split": "development",
        "protocol": LODO,
        "selection": "none",
        "source": "A paper",
        "table": "Table 4",
    }
    return PublishedRow(**(fields | changes))


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
    (row,) = tables(page(tmp_path))["full, random-3-fold"][1]
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


def test_text_from_records_cannot_break_the_page(tmp_path):
    nasty = "a|b\n# c<img src=x> `d` [e](f) \ud800"
    for name in ("group", "device", "commit", "precision", "dataset_fingerprint", "created"):
        put(tmp_path, id=name, variant="mini", scores={"auc": 0.5, "auc/<b>|\n": 0.5}, **{name: nasty})
    text = page(tmp_path)
    assert "<" not in text.replace("&lt;", "")
    assert "\n# c" not in text and "](f)" not in text.replace(r"\](f)", "")
    text.encode()
    assert tables(text)


def test_escape():
    assert escape("a|b\r\n<i>&*") == r"a\|b &lt;i&gt;&amp;\*"


def test_markdown_columns_line_up():
    header, rule, row, empty = markdown_table([{"system": "cnn8", "auc": "0.854"}])
    assert (header, rule, row, empty) == ("| system |   auc |", "| ------ | ----: |", "| cnn8   | 0.854 |", "")


def test_published_rows_keep_printed_digits_and_stand_apart():
    rows = [
        published(system="low", value=0.7, printed="70.0%"),
        published(system="high", role="winner", value=0.953, printed="95.3", std=0.012),
        published(system="high", role="winner", metric="auc/ff1010bird", value=0.9, printed="0.90", std=None),
        published(system="chosen", selection="test"),
        published(system="by class", class_name="bird"),
        published(system="other", role="baseline", protocol="challenge"),
    ]
    found = tables(render(BAD, [], rows, local=False))
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
    found = tables(
        render(BAD, [], [published(value=0.1, printed="0.1"), published(value=0.2, printed="0.2")], local=False)
    )
    assert [row["auc"] for row in found[f"Published, {LODO}"][0]] == ["0.2", "0.1"]


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Records, tables and runs of the command line, in folders of this test."""
    monkeypatch.setenv("DCASE_BENCH_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(command_line, "RECORDS", tmp_path / "records")
    return tmp_path


def write(folders):
    return command_line.main(["--out", str(folders / "out")])


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*")}


def test_without_runs_there_are_published_rows_and_the_first_command(folders, capsys):
    assert write(folders) == 0
    out = capsys.readouterr().out
    assert "make bench TASK=" in out and str(folders / "out" / "bad.md") in out
    text = (folders / "out" / "bad.md").read_text()
    assert "make bench TASK=bad DATA=full" in text and "## Published scores" in text
    assert not (folders / "runs").exists()


def test_local_runs_never_enter_the_committed_table(folders):
    put_folds(folders / "runs", dict.fromkeys("123", 0.5), system="mine")
    (folders / "records").mkdir()
    write_json(folders / "records" / "r.json", dataclasses.asdict(make_record(system="committed")))
    assert write(folders) == 0
    committed, local = (
        (folders / "out" / "bad.md").read_text(),
        (folders / "runs" / "leaderboard" / "bad.md").read_text(),
    )
    assert "mine" not in committed and "`leaderboard/records/r.json`" in committed
    assert "mine" in local and "committed" not in tables(local)["full, random-3-fold"][0][0].values()
    assert "## Published scores" in local


def test_the_same_input_gives_the_same_bytes(folders):
    put_folds(folders / "runs", dict.fromkeys("123", 0.5))
    put_folds(folders / "runs", dict.fromkeys("123", 0.5), group="other")
    write(folders)
    before = contents(folders / "out"), contents(folders / "runs" / "leaderboard")
    write(folders)
    assert (contents(folders / "out"), contents(folders / "runs" / "leaderboard")) == before


def test_a_page_does_not_outlive_its_runs(folders):
    path = put(folders / "runs")
    write(folders)
    path.unlink()
    assert write(folders) == 0
    assert "No finished run yet" in (folders / "runs" / "leaderboard" / "bad.md").read_text()


BROKEN = {
    "half a file": lambda record: json.dumps(record)[:100],
    "another schema": lambda record: json.dumps(record | {"schema": 2}),
    "a text for a number": lambda record: json.dumps(record | {"parameters": "many"}),
    "null for a text": lambda record: json.dumps(record | {"device": None}),
    "seconds that are no numbers": lambda record: json.dumps(record | {"seconds": {"train": "long"}}),
    "a negative score": lambda record: json.dumps(
        record | {"scores": {"auc": 0.5, "auc/x": -1, "auc/harmonic_mean": 1}}
    ),
    "a number beyond floats": lambda record: json.dumps(record | {"macs": 10**400, "scores": {"auc": 1e308}}),
    "not a number": lambda record: json.dumps(record | {"coverage": float("nan")}),
    "an unknown task": lambda record: json.dumps(record | {"task": "fishing"}),
    "an unknown fold": lambda record: json.dumps(record | {"fold": "7"}),
    "deep nesting": lambda record: "[" * 100_000,
    "not utf-8": lambda record: "\udcff",
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_record_is_named_and_left_out(folders, capsys, kind):
    put(folders / "runs", id="good")
    path = folders / "runs" / "bad" / "cnn8" / "broken" / "record.json"
    path.parent.mkdir()
    text = BROKEN[kind](dataclasses.asdict(make_record(id="broken", seed=1)))
    path.write_bytes(text.encode(errors="surrogateescape"))
    assert write(folders) == 0
    (warning,) = capsys.readouterr().err.splitlines()
    assert warning.startswith(f"warning: {path} was left out: ") and len(warning) > len(
        f"warning: {path} was left out: "
    )
    local = (folders / "runs" / "leaderboard" / "bad.md").read_text()
    assert "good/record.json" in local and "broken/record.json" not in local


def test_a_second_record_of_the_same_id_is_named_and_left_out(folders, capsys):
    put(folders / "runs", id="one")
    copy = folders / "runs" / "bad" / "cnn8" / "two" / "record.json"
    write_json(copy, dataclasses.asdict(make_record(id="one", seed=5)))
    assert write(folders) == 0
    assert (
        capsys.readouterr().err
        == f"warning: {copy} was left out: task, system and id are those of bad/cnn8/one/record.json\n"
    )


def test_exit_codes(folders, capsys, monkeypatch):
    assert command_line.main(["--help"]) == 0
    assert command_line.main(["--nonsense"]) == 2
    (folders / "file").write_text("")
    capsys.readouterr()
    assert command_line.main(["--out", str(folders / "file")]) == 1
    err = capsys.readouterr().err
    assert err.startswith("error: cannot write") and "Traceback" not in err
    monkeypatch.setattr(command_line, "render", lambda *args, **kwargs: 1 / 0)
    assert write(folders) == 1
    assert "Traceback" not in (err := capsys.readouterr().err) and "ZeroDivisionError" in err
    monkeypatch.setattr(command_line, "render", interrupt)
    assert write(folders) == 3


def interrupt(*args, **kwargs):
    raise KeyboardInterrupt
