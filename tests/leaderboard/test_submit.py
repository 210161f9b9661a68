import dataclasses

import pytest
from helpers import make_record

import leaderboard.__main__ as command_line
from benchmark.errors import InputError
from benchmark.records import write_json
from leaderboard.submit import submit


def put(root, **changes):
    record = make_record(**changes)
    folder = root / "runs" / "bad" / "cnn8" / record.id.replace("/", "_")
    write_json(folder / "record.json", dataclasses.asdict(record))
    return folder


def submitted(root, name):
    return [path.name for path in submit(root / "runs", name, root / "records")]


@pytest.mark.parametrize("variant", ["full", "partial:0.9800"])
def test_a_record_is_copied_as_it_is(tmp_path, variant):
    folder = put(tmp_path, variant=variant)
    assert submitted(tmp_path, "last") == ["bad-cnn8-20260101-000000-1-s0.json"]
    copy = tmp_path / "records" / "bad-cnn8-20260101-000000-1-s0.json"
    assert copy.read_bytes() == (folder / "record.json").read_bytes()


@pytest.mark.parametrize("name", ["2026", "abc", "last", "PATH"])
def test_run_is_named_as_everywhere(tmp_path, name):
    folder = put(tmp_path)
    assert submitted(tmp_path, str(folder) if name == "PATH" else name) == ["bad-cnn8-20260101-000000-1-s0.json"]


def test_a_group_means_all_its_members(tmp_path):
    for fold in "123":
        put(tmp_path, id=f"run-{fold}", fold=fold)
    put(tmp_path, id="run-of-another", group="xyz")
    assert submitted(tmp_path, "abc") == [f"bad-cnn8-run-{fold}.json" for fold in "123"]


REFUSED = {
    "synthetic data": ({"variant": "mini"}, "mini data"),
    "data of one's own": ({"variant": "custom:777"}, "custom:777 data"),
    "a part of the recipe": ({"scale": 0.01}, "scale 0.01"),
    "a changed recipe": ({"overrides": ["--data.batch_size", "4"]}, "--data.batch_size 4"),
    "uncommitted changes": ({"commit": "0123456789ab+"}, "uncommitted changes"),
    "no commit": ({"commit": ""}, "outside a checkout"),
    "an id that leaves the folder": ({"id": "../../x"}, "file name"),
    "a hidden id": ({"id": ".x"}, "file name"),
    "a task that is not there": ({"task": "fishing"}, "fishing"),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_refusals_say_why(tmp_path, reason):
    changes, words = REFUSED[reason]
    put(tmp_path, id="fine")
    put(tmp_path, **changes)
    with pytest.raises(InputError, match=words):
        submitted(tmp_path, "abc")
    assert not (tmp_path / "records").exists()


def test_the_same_record_twice_is_no_error(tmp_path):
    put(tmp_path)
    assert submitted(tmp_path, "last") == submitted(tmp_path, "last")


def test_a_different_record_is_never_overwritten(tmp_path):
    put(tmp_path)
    submitted(tmp_path, "last")
    before = (tmp_path / "records" / "bad-cnn8-20260101-000000-1-s0.json").read_bytes()
    put(tmp_path, scores={"auc": 0.9})
    with pytest.raises(InputError, match="another record"):
        submitted(tmp_path, "last")
    assert (tmp_path / "records" / "bad-cnn8-20260101-000000-1-s0.json").read_bytes() == before


def test_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DCASE_BENCH_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(command_line, "RECORDS", tmp_path / "records")
    assert command_line.main(["submit", "last"]) == 2
    assert "there is no finished run yet" in capsys.readouterr().err
    put(tmp_path)
    assert command_line.main(["submit", "last"]) == 0
    assert "make leaderboard" in capsys.readouterr().out
    put(tmp_path, id="mini", variant="mini")
    assert command_line.main(["submit", "mini"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: a run on mini data") and "Traceback" not in err
    assert command_line.main(["submit", "mini", "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err
    assert command_line.main(["submit"]) == 2
