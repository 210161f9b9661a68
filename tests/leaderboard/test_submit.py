import dataclasses

import numpy as np
import pytest
from helpers import make_record

import leaderboard.__main__ as command_line
from benchmark.errors import InputError
from benchmark.predictions import Predictions, read_predictions
from benchmark.records import write_json
from leaderboard import load_runs
from leaderboard.submit import submit


def put(root, **changes):
    record = make_record(**changes)
    folder = root / "runs" / "bad" / "cnn8" / record.id.replace("/", "_")
    write_json(folder / "record.json", dataclasses.asdict(record))
    return folder


def submitted(root, name):
    warnings = []
    names = [path.name for path in submit(root / "runs", name, root / "records", warnings.append)]
    assert all("without predictions, its row will have no interval: there are no" in line for line in warnings)
    return names


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


def put_predictions(folder, probabilities):
    found = Predictions(
        clip_id=np.array(["a", "b", "c", "d"]),
        group=np.full(4, "warblrb10k"),
        target=np.array([[0], [1], [0], [1]], dtype=np.float32),
        probabilities=np.array(probabilities)[:, None],
        cluster=np.array(["a", "b", "c", "d"]),
        conditions={"data set": np.full(4, "warblrb10k")},
    )
    found.write(folder, frames=np.zeros((1000, 10)))


CLOSE = 0.5 + 1e-12  # the same as 0.5 in 32 bits


@pytest.mark.parametrize(
    ("probabilities", "auc", "kind"),
    [([0.1, 0.9, 1 / 3, 2 / 3], 1.0, "float32"), ([0.5, CLOSE, 0.1, 0.9], 1.0, "float64")],
)
def test_predictions_come_along_as_small_as_they_give_the_same_scores(tmp_path, probabilities, auc, kind):
    put_predictions(put(tmp_path, scores={"auc": auc}), probabilities)
    names = submitted(tmp_path, "last")
    assert names == ["bad-cnn8-20260101-000000-1-s0.json", "bad-cnn8-20260101-000000-1-s0.npz"]
    with np.load(tmp_path / "records" / names[1]) as file:
        assert sorted(file.files) == ["clip_id", "cluster", "condition/data set", "group", "probabilities", "target"]
        assert file["probabilities"].dtype == kind
    (run,), left_out = load_runs(tmp_path / "records", "*.json")
    assert left_out == []
    assert read_predictions(run.predictions).probabilities[:, 0] == pytest.approx(probabilities)
    before = (tmp_path / "records" / names[1]).read_bytes()
    assert submitted(tmp_path, "last") == names
    assert (tmp_path / "records" / names[1]).read_bytes() == before


def test_predictions_of_another_score_stay_behind(tmp_path):
    put_predictions(put(tmp_path, scores={"auc": 0.75}), [0.1, 0.9, 0.3, 0.7])
    warnings = []
    submit(tmp_path / "runs", "last", tmp_path / "records", warnings.append)
    (line,) = warnings
    assert "the predictions give auc 1.0, the record 0.75" in line
    assert [path.suffix for path in (tmp_path / "records").iterdir()] == [".json"]


def test_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DCASE_BENCH_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(command_line, "RECORDS", tmp_path / "records")
    assert command_line.main(["submit", "last"]) == 2
    assert "there is no finished run yet" in capsys.readouterr().err
    put(tmp_path)
    assert command_line.main(["submit", "last"]) == 0
    said = capsys.readouterr()
    assert "make leaderboard" in said.out
    assert said.err.startswith("warning: 20260101-000000-1-s0 is submitted without predictions")
    put(tmp_path, id="mini", variant="mini")
    assert command_line.main(["submit", "mini"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: a run on mini data") and "Traceback" not in err
    assert command_line.main(["submit", "mini", "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err
    assert command_line.main(["submit"]) == 2
