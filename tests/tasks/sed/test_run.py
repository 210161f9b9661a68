"""Whole runs of the task on small folders in the official layout, good and bad."""

import json
import math
import shutil

import numpy as np
import pytest
import torch
from helpers import read_records

from benchmark.cli import main
from benchmark.losses import FrameBCE
from benchmark.paths import runs_root
from benchmark.plan import write_mini
from benchmark.recipe import load_recipe
from benchmark.registry import get_task
from benchmark.settings import Selection
from tasks.sed import TASK
from tasks.sed.official import SUBSETS

TAKEN = {"weak": 6, "unlabel_in_domain": 2, "unlabel_out_of_domain": 1, "test": 4, "eval": 3}


@pytest.fixture
def root(tmp_path):
    """The first clips of each list."""
    folder, source = tmp_path / "data", write_mini(get_task("sed"))
    for name, number in TAKEN.items():
        subset = SUBSETS[name]
        header, *rows = (source / subset.csv).read_text().splitlines()
        names = list(dict.fromkeys(row.split("\t")[0] for row in rows))[2 : 2 + number]  # the first two are short
        (folder / subset.audio).mkdir(parents=True)
        (folder / subset.csv).parent.mkdir(parents=True, exist_ok=True)
        kept = [row for row in rows if row.split("\t")[0] in names]
        (folder / subset.csv).write_text("\n".join([header, *kept]) + "\n")
        for clip in names:
            shutil.copy(source / subset.audio / clip, folder / subset.audio)
    return folder


def run(root, *words, system="cnn4"):
    base = ["run", "--task", "sed", "--system", system, "--data", str(root), "--data.clip_seconds", "1"]
    return main([*base, "--trainer.max_steps", "1", "--data.batch_size", "2", *words])


def record():
    (found,) = read_records(runs_root())
    return found


def only_run():
    return next(runs_root().glob("*/*/*/record.json")).parent


def score(root, capsys, protocol="test"):
    """What `score` says of the run's submission."""
    capsys.readouterr()
    files = ["--reference", str(root / SUBSETS[protocol].csv), "--predictions", str(only_run() / "submission.csv")]
    assert main(["score", "sed", *files, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_run_leaves_a_submission_that_scores_the_same(root, capsys):
    low = ["--postprocessing.init_args.threshold", "0.3"]  # an untrained network is sure of nothing
    assert run(root, *low) == 0
    scores = score(root, capsys)
    assert record().scores["event_precision_micro"] is not None
    assert {key: record().scores[key] for key in scores} == scores
    assert {"tag_auc", "tag_f1", "tag_auc/Cat", "event_f1/Cat"} <= record().scores.keys()
    assert record().variant.startswith("custom:")


def test_the_evaluation_list_is_scored_under_its_own_protocol(root, capsys):
    assert run(root, "--protocol", "eval") == 0
    assert (record().protocol, record().fold) == ("eval", "eval")
    scores = score(root, capsys, "eval")
    assert record().scores["event_f1"] == scores["event_f1"]
    names = np.load(only_run() / "predictions.npz")["clip_id"]
    assert len(names) == TAKEN["eval"] and all(name.startswith("eval/") for name in names)


def test_two_passes_leave_one_record(root, capsys):
    words = ["--trainer.val_every", "1", "--selection.start", "0", "--data.valid_fraction", "0.4"]
    assert run(root, *words, system="baseline-crnn") == 0
    assert record().steps == 2  # one a pass
    assert record().selection == "validation"
    scores = score(root, capsys)
    assert {key: record().scores[key] for key in scores} == scores
    frames = np.load(only_run() / "predictions.npz")
    assert frames["frames"].shape == (frames["frame_counts"].sum(), 10)
    assert frames["frame_seconds"] == pytest.approx(0.02, rel=0.02)


def test_the_two_passes_follow_the_card():
    first, second = (training.config.build() for training in load_recipe(TASK, "baseline-crnn").trainings())
    epochs = {16: math.ceil(round(0.8 * 1578) / 16), 128: math.ceil(14412 / 128)}
    for recipe, batch in ((first, 16), (second, 128)):
        assert recipe.data.batch_size == batch
        assert recipe.trainer.val_every == epochs[batch]
        assert recipe.trainer.max_steps == 100 * epochs[batch]
        start = 6 * epochs[batch]  # the first 5 do not count
        assert recipe.selection == Selection("tag_f1", mode="max", patience=15, min_delta=0.01, start=start)
        assert recipe.data.subsets == ["unlabel_in_domain"]
    assert (type(first.loss), type(second.loss)) == (torch.nn.BCEWithLogitsLoss, FrameBCE)
    module = TASK.load("module")(second, TASK.classes)
    assert module.example_input().shape == (1, 1, 500, 64)
    assert module.frame_seconds == pytest.approx(0.02)


def test_two_passes_need_unlabelled_clips_and_one_does_not_look_for_them(root, capsys):
    for name in ("unlabel_in_domain", "unlabel_out_of_domain"):
        shutil.rmtree(root / SUBSETS[name].audio)
        (root / SUBSETS[name].csv).unlink()
    assert run(root) == 0
    assert record().coverage == 1
    for word in ("stop", "skip"):
        assert run(root, "--data.on_error", word, system="baseline-crnn") == 2
        assert "missing dataset/metadata/train/unlabel_in_domain.csv" in capsys.readouterr().err


def test_two_passes_stop_before_the_first_if_no_unlabelled_clip_is_there(root, capsys):
    for path in (root / SUBSETS["unlabel_in_domain"].audio).iterdir():
        path.unlink()
    assert run(root, "--data.on_error", "skip", system="baseline-crnn") == 2
    assert "no clip of unlabel_in_domain is there" in capsys.readouterr().err
    assert not list(runs_root().glob("*/*/*"))


def test_a_broken_line_stops_the_run_before_work_begins(root, capsys):
    path = root / SUBSETS["test"].csv
    path.write_text(path.read_text() + "Yx_0.000_2.000.wav\t1.5\t0.5\tDog\n")
    assert run(root) == 2
    error = capsys.readouterr().err
    assert f"{path}:{len(path.read_text().splitlines())}" in error
    assert "Traceback" not in error


def test_a_broken_file_stops_the_run_by_name_or_is_skipped(root, capsys):
    path = sorted((root / SUBSETS["test"].audio).iterdir())[0]
    path.write_bytes(b"")
    assert run(root) == 2
    assert path.name in capsys.readouterr().err
    assert run(root, "--data.on_error", "skip") == 0
    assert list(record().skipped) == [f"test/{path.name}"]
