"""What a run's page shows, and says that it does not."""

import argparse
import dataclasses
import shlex
from pathlib import Path

import numpy as np
import pytest
from helpers import make_record
from pages import put_scored
from site_runs import put_bad, put_run

from benchmark.cli import build_parser
from benchmark.predictions import read_predictions
from benchmark.registry import get_task
from leaderboard.site.clips import ClipPictures
from leaderboard.site.entries import load_site
from leaderboard.site.run_page import repeat_command, run_context
from leaderboard.site.table import NOTHING


def parsed(command) -> tuple[argparse.Namespace, list[str]]:
    python, m, package, *words = shlex.split(command)
    assert (python, m, package) == ("python", "-m", "benchmark")
    return build_parser().parse_known_args(words)


@pytest.mark.parametrize(
    ("variant", "root", "data"),
    [
        ("mini", "/cache/mini/bad-v1", "mini"),
        ("full", None, "full"),
        ("full", "/my data/sets", "/my data/sets"),
        ("custom:abc", "/my data/sets", "/my data/sets"),
        ("partial:0.5", None, "DIR"),
    ],
)
def test_the_command_asks_for_the_same_work(variant, root, data):
    record = make_record(variant=variant, seed=3, overrides=["--trainer.max_steps", "20", "--data.on_error", "skip it"])
    options, further = parsed(repeat_command(record, root and Path(root)))
    found = (options.task, options.system, options.data, options.protocol, options.fold, options.seed)
    assert found == ("bad", "cnn8", data, "random-3-fold", "1", 3)
    assert further == record.overrides


def test_a_model_of_the_users_own_takes_no_recipe():
    record = make_record(system="my.Model", overrides=["--model", "my.Model", "--trainer.max_steps", "20"])
    options, further = parsed(repeat_command(record, None))
    assert (options.model, options.system, further) == ("my.Model", "", ["--trainer.max_steps", "20"])


def test_hostile_names_stay_words_of_the_command():
    options, further = parsed(repeat_command(make_record(system="x; rm -rf ~", overrides=["$(date)"]), None))
    assert (options.system, further) == ("x; rm -rf ~", ["$(date)"])


def context(tmp_path, task="bad"):
    (entry,) = load_site(tmp_path / "records", tmp_path / "runs").entries
    return run_context(entry, get_task(task), ClipPictures(tmp_path / "site", with_audio=False))


def test_a_binary_run_has_curves_and_learning_curves(tmp_path):
    put_bad(tmp_path / "runs")
    found = context(tmp_path)
    assert [curve["name"] for curve in found["plots"]["detection"]] == ["all clips", "north", "south"]
    assert found["plots"]["confusion"] is None
    assert [series["name"] for series in found["plots"]["learning"][0]["losses"]] == ["train/loss", "val/loss"]
    assert "max_steps: 30" in found["config"]
    assert found["absent"] == ["No clips to see or hear: the run's data is not here."]


def test_what_is_not_there_is_said(tmp_path):
    folder = put_run(tmp_path / "runs")
    (folder / "config.yaml").unlink()
    (folder / "metrics.csv").write_text("step,train/loss\n1,much\n")
    found = context(tmp_path)
    assert found["plots"] == {"learning": [], "confusion": None, "detection": []}
    config, learning, predictions = found["absent"]
    assert config == "config.yaml is missing."
    assert learning.startswith("No learning curves: not a table of metrics")
    assert predictions == "No pictures of the predictions: there are no predictions"


def test_predictions_of_another_number_of_classes_are_passed_over(tmp_path):
    folder = put_bad(tmp_path / "runs")
    other = put_run(tmp_path / "other", task="asc", protocol="official-fold1", scores={"accuracy": 0.5})
    (other / "predictions.npz").write_bytes((folder / "predictions.npz").read_bytes())
    (entry,) = load_site(tmp_path / "records", tmp_path / "other").entries
    found = run_context(entry, get_task("asc"), ClipPictures(tmp_path / "site", with_audio=False))
    assert found["plots"]["detection"] == []


def test_decisions_for_classes_that_do_not_exist_are_passed_over(tmp_path):
    put_scored(tmp_path / "runs", 18)
    entries = load_site(tmp_path / "records", tmp_path / "runs").entries
    pictures, esc = ClipPictures(tmp_path / "site", with_audio=False), get_task("esc")
    matrix = run_context(entries[0], esc, pictures)["plots"]["confusion"]
    assert np.trace(matrix["counts"]) == 18
    found = read_predictions(entries[0].run.predictions)
    dataclasses.replace(found, decision=found.decision + 5).write(entries[0].folder)
    assert run_context(entries[0], esc, pictures)["plots"]["confusion"] is None


def test_the_main_score_comes_first_and_classes_have_a_table(tmp_path):
    scores = {"accuracy/micro": 0.6, "accuracy/bus": None, "accuracy": 0.7, "accuracy/park": 0.25}
    put_run(tmp_path / "runs", task="asc", protocol="official-fold1", scores=scores)
    found = context(tmp_path, "asc")
    assert [[cell.text for cell in row] for row in found["headline"].rows] == [
        ["accuracy", "0.700"],
        ["accuracy/micro", "0.600"],
    ]
    assert [[cell.text for cell in row] for row in found["by_class"].rows] == [["bus", NOTHING], ["park", "0.250"]]
