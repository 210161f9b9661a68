"""Learning curves as they were logged, also by several sessions and trainings."""

import numpy as np

from benchmark.report.learning import POINTS, pick, read_curves


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_sessions_of_a_run_are_joined(tmp_path):
    write(tmp_path / "metrics-1.csv", "epoch,step,train/loss\n0,9,4.0\n0,19,3.0\n")
    write(tmp_path / "metrics.csv", "epoch,step,train/loss,val/auc\n0,19,2.0,\n0,29,1.0,\n0,29,,0.5\n")
    (curves,) = read_curves(tmp_path).values()
    steps, values = curves["train/loss"]
    assert (steps.tolist(), values.tolist()) == ([9, 19, 29], [4.0, 2.0, 1.0])
    assert [part.tolist() for part in curves["val/auc"]] == [[29], [0.5]]


def test_what_is_no_number_is_no_point(tmp_path):
    write(tmp_path / "metrics.csv", "epoch,step,train/loss\n0,9,nan\n0,19,\n0,x,1.0\n0,29\n0,39,oops\n0,49,inf\n")
    (curves,) = read_curves(tmp_path).values()
    assert curves["train/loss"][0].tolist() == [49]


def test_a_long_curve_keeps_its_end(tmp_path):
    write(tmp_path / "metrics.csv", "step,train/loss\n" + "".join(f"{step},{step / 2}\n" for step in range(5000)))
    steps, values = read_curves(tmp_path)[""]["train/loss"]
    assert len(steps) <= POINTS and steps[-1] == 4999 and np.array_equal(values, steps / 2)


def test_trainings_of_a_system(tmp_path):
    for name in ("one", "two"):
        write(tmp_path / "metrics" / name / "metrics.csv", "step,train/loss\n1,2.0\n")
    write(tmp_path / "metrics" / "two" / "metrics.csv", "step,train/loss,val/loss\n1,2.0,3.0\n")
    runs = {"fold 1": read_curves(tmp_path)}
    assert list(pick(runs, ["train/loss"])[1]) == ["one", "two"]
    assert pick(runs, ["val/auc", "val/loss"])[0] == "val/loss"
    assert list(pick(runs | {"fold 2": read_curves(tmp_path)}, ["val/loss"])[1]) == ["fold 1: two", "fold 2: two"]


def test_a_run_without_metrics_has_none(tmp_path):
    assert read_curves(tmp_path) == {}
    assert pick({"": read_curves(tmp_path)}, ["train/loss"]) == ("", {})
