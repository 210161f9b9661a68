"""The command that writes the tables: which files, from which records."""

import dataclasses
import json
import shutil

import pytest
from helpers import make_record
from pages import put, put_folds, put_scored, tables

import leaderboard.__main__ as command_line
from benchmark.records import write_json
from leaderboard import RECORDS, TABLES
from leaderboard.__main__ import README
from leaderboard.overview import BEGIN, END


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


@pytest.fixture
def copies(folders, monkeypatch):
    """The committed pages and the README, to be written where nobody minds, from the committed records."""
    monkeypatch.setattr(command_line, "RECORDS", RECORDS)
    monkeypatch.setattr(command_line, "TABLES", folders / "tables")
    monkeypatch.setattr(command_line, "README", folders / "README.md")
    shutil.copy(README, folders / "README.md")
    return folders


def test_what_is_committed_is_what_the_command_writes(copies):
    assert command_line.main([]) == 0
    written, committed = contents(copies / "tables"), contents(TABLES)
    assert written.keys() == committed.keys()
    for name, text in written.items():
        assert text == committed[name], f"{name} is not up to date: make leaderboard"
    assert (copies / "README.md").read_bytes() == README.read_bytes(), "README.md is not up to date: make leaderboard"


def test_the_readme_is_left_alone_where_tables_go_elsewhere_and_its_other_text_always(copies):
    readme = copies / "README.md"
    readme.write_text(f"before\n{BEGIN}\nobsolete\n{END}\nafter\n")
    assert command_line.main(["--out", str(copies / "elsewhere")]) == 0
    assert readme.read_text() == f"before\n{BEGIN}\nobsolete\n{END}\nafter\n"
    assert command_line.main([]) == 0
    text = readme.read_text()
    assert text.startswith(f"before\n{BEGIN}\n") and text.endswith(f"\n{END}\nafter\n") and "obsolete" not in text
    command_line.main([])
    assert readme.read_text() == text


def test_a_readme_without_its_markers_is_named(copies, capsys):
    (copies / "README.md").write_text(f"text {END}\n{BEGIN}\n")
    assert command_line.main([]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and str(copies / "README.md") in error and BEGIN in error
    assert (copies / "README.md").read_text() == f"text {END}\n{BEGIN}\n"


def test_local_runs_never_enter_the_committed_table(folders):
    put_folds(folders / "runs", dict.fromkeys("123", 0.5), system="mine")
    put(folders / "runs", task="sed", protocol="test", fold="test", system="mine", scores={"event_f1": 0.5})
    (folders / "records").mkdir()
    write_json(folders / "records" / "r.json", dataclasses.asdict(make_record(system="committed")))
    assert write(folders) == 0
    committed, local = (
        (folders / "out" / "bad.md").read_text(),
        (folders / "runs" / "leaderboard" / "bad.md").read_text(),
    )
    assert "mine" not in committed and "`leaderboard/records/r.json`" in committed
    for page in (folders / "out").iterdir():
        assert "mine" not in page.read_text()
    assert "mine" in (folders / "runs" / "leaderboard" / "README.md").read_text()
    assert "mine" in local and "committed" not in tables(local)["full, random-3-fold"][0][0].values()
    assert "## Published scores" in local


def test_the_same_input_gives_the_same_bytes(folders):
    put_folds(folders / "runs", dict.fromkeys("123", 0.5))
    put_folds(folders / "runs", dict.fromkeys("123", 0.5), group="other")
    put_scored(folders / "runs", 15, system="cnn4", group="scored")
    put_scored(folders / "runs", 16, group="better")
    write(folders)
    before = contents(folders / "out"), contents(folders / "runs" / "leaderboard")
    write(folders)
    assert (contents(folders / "out"), contents(folders / "runs" / "leaderboard")) == before


def test_rows_have_intervals_where_there_are_predictions_and_say_so_where_not(folders):
    put_scored(folders / "runs", 15, system="cnn4", group="scored")
    put_scored(folders / "runs", 16, group="better")
    (folders / "runs" / "esc" / "cnn4" / "scored-3" / "predictions.npz").unlink()
    assert write(folders) == 0
    text = (folders / "runs" / "leaderboard" / "esc.md").read_text()
    better, scored = tables(text)["full, esc10-5-fold"][0]
    low, high = map(float, better["95 % interval"].split(" to "))
    # Of 100 clips 80 are right: a binomial deviation of sqrt(0.8 * 0.2 / 100) = 0.04, and 1.96 of them on each side.
    assert abs(low - 0.722) < 0.02 and abs(high - 0.878) < 0.02
    assert (better["resampled"], scored["95 % interval"], scored["resampled"]) == ("clips only", "-", "-")
    assert "2. cnn4, group scored; no interval: " in text
    assert "0.800 (0." in (folders / "runs" / "leaderboard" / "README.md").read_text()


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
