"""Whole runs on the mini variant, with a network small enough for a test."""

import json
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import read_records

from benchmark.cli import main
from benchmark.data.datamodule import ClipDataModule
from benchmark.paths import runs_root
from benchmark.plan import RunOptions, make_plan

SHORT = ["--data", "mini", "--trainer.max_steps", "6", "--data.batch_size", "4"]
FAST = ["run", "--task", "bad", "--system", "logistic-regression", *SHORT]
# Dropout, augmentation and several layers: what makes repeating and resuming hard.
RANDOM = ["run", "--task", "bad", "--system", "bulbul", *SHORT]


def records():
    return list(read_records(runs_root()))


def folder_of(record):
    return runs_root() / record.task / record.system / record.id


def probabilities(record):
    return np.load(folder_of(record) / "predictions.npz")["probabilities"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The record of a whole run of the network with dropout, and its predictions."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DCASE_BENCH_RUNS", str(tmp_path_factory.mktemp("undisturbed-runs")))
        assert main(RANDOM) == 0
        (record,) = records()
        return SimpleNamespace(record=record, probabilities=probabilities(record))


def test_a_run_leaves_its_record_predictions_submission_picture_and_state(capsys):
    assert main(FAST) == 0
    (record,) = records()
    folder = folder_of(record)
    assert (record.variant, record.protocol, record.fold, record.selection, record.steps) == (
        "mini",
        "leave-one-dataset-out",
        "ff1010bird",
        "last",
        6,
    )
    assert record.parameters == 121
    assert record.coverage == 1
    predictions = np.load(folder / "predictions.npz")
    assert set(predictions["group"]) == {"ff1010bird"}
    assert predictions["probabilities"].shape == predictions["target"].shape == (len(predictions["clip_id"]), 1)
    assert (folder / "scores.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((folder / "state.json").read_text())["status"] == "finished"
    assert (folder / "metrics.csv").exists()
    out = capsys.readouterr().out
    assert (
        out.index("data: mini")
        < out.index("this run (mini")
        < out.index("not comparable")
        < out.index("published, for orientation")
    )
    assert f"-m benchmark predict {record.group}" in out


def test_the_submission_scores_to_the_record(capsys, tmp_path):
    assert main(FAST) == 0
    (record,) = records()
    from benchmark.plan import write_mini
    from benchmark.registry import get_task

    reference = write_mini(get_task("bad")) / "ff1010bird" / "ff1010bird_metadata_2018.csv"
    capsys.readouterr()
    assert (
        main(
            [
                "score",
                "bad",
                "--reference",
                str(reference),
                "--predictions",
                str(folder_of(record) / "submission.csv"),
                "--json",
            ]
        )
        == 0
    )
    scores = json.loads(capsys.readouterr().out)
    assert scores["auc/ff1010bird"] == pytest.approx(record.scores["auc/ff1010bird"], abs=1e-6)


def test_the_same_recipe_and_seed_give_the_same_scores_and_another_seed_does_not(undisturbed):
    for seed in ("0", "4"):
        assert main([*RANDOM, "--seed", seed]) == 0
    same, other = map(probabilities, records())
    np.testing.assert_allclose(same, undisturbed.probabilities, atol=1e-6)
    assert np.abs(other - undisturbed.probabilities).max() > 1e-3
    assert {r.group for r in records()} == {undisturbed.record.group}


def test_a_stopped_run_is_resumed_and_ends_as_if_undisturbed(undisturbed):
    assert _run_and_stop(RANDOM, after_step=2) == 3
    (state,) = runs_root().glob("*/*/*/state.json")
    assert json.loads(state.read_text())["status"] == "interrupted"
    assert not records()
    assert main(RANDOM) == 0
    (resumed,) = records()
    assert (resumed.id, resumed.group) == (state.parent.name, undisturbed.record.group)
    np.testing.assert_allclose(probabilities(resumed), undisturbed.probabilities, atol=1e-5)


def _run_and_stop(words, after_step):
    """Run in this process and send it SIGINT once the training has taken some steps."""
    from benchmark.training import callbacks

    original = callbacks.RunKeeper.on_train_batch_end

    def stop_then(self, trainer, *args):
        if trainer.global_step == after_step:
            os.kill(os.getpid(), signal.SIGINT)
        original(self, trainer, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(callbacks.RunKeeper, "on_train_batch_end", stop_then)
        return main(words)


def test_resume_no_starts_afresh_and_a_foreign_run_is_refused(capsys):
    assert _run_and_stop(FAST, after_step=2) == 3
    assert main([*FAST, "--resume", "no"]) == 0
    assert len(list(runs_root().glob("*/*/*/state.json"))) == 2
    (stopped,) = [
        path.parent for path in runs_root().glob("*/*/*/state.json") if not (path.parent / "record.json").exists()
    ]
    assert main([*FAST, "--trainer.max_steps", "7", "--resume", str(stopped)]) == 2
    assert "another group" in capsys.readouterr().err


def test_validation_chooses_the_checkpoint_and_the_record_says_so():
    words = [
        *FAST,
        "--data.valid_fraction",
        "0.2",
        "--selection.monitor",
        "auc",
        "--selection.patience",
        "1",
        "--trainer.val_every",
        "2",
    ]
    assert main(words) == 0
    (record,) = records()
    assert record.selection == "validation"
    assert (folder_of(record) / "checkpoints" / "best.ckpt").exists()
    assert record.steps <= 6


def test_monitoring_without_a_validation_part_is_refused(capsys):
    assert main([*FAST, "--selection.monitor", "auc"]) == 2
    assert "--data.valid_fraction 0.1" in capsys.readouterr().err


def test_all_folds_are_run_and_their_mean_is_shown(capsys):
    assert main([*FAST, "--fold", "all", "--trainer.max_steps", "1"]) == 0
    assert [r.fold for r in records()] == ["ff1010bird", "warblrb10k", "BirdVox-DCASE-20k"]
    assert "all folds" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--task", "bda"], "no task 'bda'"),
        (["--task", "bad", "--system", "cnn9"], "did you mean 'cnn"),
        (["--task", "bad", "--protocol", "official"], "no protocol 'official'"),
        (["--task", "bad", "--fold", "ff1010"], "did you mean 'ff1010bird'"),
        (["--task", "bad", "--trainer.max_step", "3"], "did you mean 'max_steps'"),
        (["--task", "bad", "--nodes", "2"], "nothing has started processes on them"),
        (["--task", "sed", "--system", "wgru-mil", "--nodes", "2"], "side by side on one machine"),
        (["--task", "bad", "--sytem", "cnn4"], "did you mean 'system'"),
        (["--task", "bad", "--data", "full"], "missing ff1010bird"),
        (["--task", "bad", "--data", "/nowhere"], "/nowhere"),
        (["--task", "bad", "--data", "mini", "--model", "json.JSONDecoder"], "model"),
    ],
)
def test_wrong_input_is_one_clear_error_with_code_2(capsys, words, message):
    assert main(["run", *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert len(error.splitlines()) <= 4


def test_auto_takes_mini_and_says_why_when_there_is_no_official_data():
    plan = make_plan(RunOptions("bad"))
    assert plan.variant == "mini"
    assert "missing ff1010bird" in plan.source.reason


def test_a_full_disk_fails_the_run_with_code_1_and_leaves_nothing_half(capsys, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device", "predictions.npz")

    monkeypatch.setattr("numpy.savez_compressed", full)
    assert main(FAST) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert not records()
    (state,) = runs_root().glob("*/*/*/state.json")
    assert json.loads(state.read_text())["status"] == "failed"


def test_a_runs_folder_that_cannot_be_made_is_named(capsys, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("DCASE_BENCH_RUNS", str(tmp_path / "file"))
    assert main(FAST) == 1
    assert str(tmp_path / "file") in capsys.readouterr().err


def test_a_users_own_model_runs(tmp_path, monkeypatch):
    (tmp_path / "my_pkg.py").write_text(
        "import torch\n"
        "class Wave(torch.nn.Module):\n"
        "    input = 'waveform'\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.conv = torch.nn.Conv1d(1, 5, 400, 200)\n"
        "    def forward(self, x):\n"
        "        return self.conv(x).relu().transpose(1, 2)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert main([*FAST, "--model", "my_pkg.Wave"]) == 0
    (record,) = records()
    assert record.system == "my_pkg.Wave"
    assert record.overrides[:2] == ["--model", "my_pkg.Wave"]
    assert record.parameters == 5 * 400 + 5 + 5 + 1


@pytest.mark.parametrize("system", ["bulbul", "cnn4", "logistic-regression"])
def test_evaluation_does_not_depend_on_the_batch_size(system):
    words = ["run", "--task", "bad", "--system", system, "--data", "mini", "--data.batch_size", "4"]
    for size in ("1", "32"):
        assert main([*words, "--data.eval_batch_size", size, "--trainer.max_steps", "2"]) == 0
    one, many = map(probabilities, records())
    np.testing.assert_allclose(one, many, atol=1e-5)


def test_a_stopped_fold_is_not_resumed_as_another_fold_or_seed(capsys):
    assert _run_and_stop(FAST, after_step=2) == 3
    (stopped,) = [path.parent for path in runs_root().glob("*/*/*/state.json")]
    for change in (["--fold", "warblrb10k"], ["--seed", "1"]):
        assert main([*FAST, *change, "--resume", stopped.name]) == 2
        assert "this run had another" in capsys.readouterr().err
    assert main([*FAST, "--resume", stopped.name]) == 0
    assert [r.id for r in records()] == [stopped.name]
    assert main([*FAST, "--resume", stopped.name]) == 2
    assert "this run is finished" in capsys.readouterr().err


def test_repeating_a_stopped_command_keeps_the_folds_that_are_done(capsys):
    assert main([*FAST, "--fold", "ff1010bird"]) == 0
    assert _run_and_stop([*FAST, "--fold", "warblrb10k"], after_step=2) == 3
    assert main([*FAST, "--fold", "all"]) == 0
    assert [r.fold for r in records()] == ["ff1010bird", "warblrb10k", "BirdVox-DCASE-20k"]
    assert "finished already" in capsys.readouterr().out


def test_a_run_resumed_with_validation_scores_and_keeps_the_same_best_weights():
    words = [*RANDOM, "--data.valid_fraction", "0.2", "--selection.monitor", "auc", "--trainer.val_every", "2"]
    assert main(words) == 0
    assert _run_and_stop(words, after_step=3) == 3
    assert main(words) == 0
    undisturbed, resumed = records()
    assert resumed.selection == "validation"
    expected, found = map(probabilities, (undisturbed, resumed))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert [p.name for p in (folder_of(resumed) / "checkpoints").glob("best*")] == ["best.ckpt"]


def test_selecting_by_an_unknown_score_names_the_nearest(capsys):
    words = ["--data.valid_fraction", "0.2", "--selection.monitor", "acu", "--trainer.val_every", "2"]
    assert main([*FAST, *words]) == 2
    assert "did you mean 'auc'" in capsys.readouterr().err


def test_a_loss_that_is_no_number_stops_the_run_with_code_1(capsys):
    assert main([*RANDOM, "--optimizer.init_args.lr", "1e30"]) == 1
    assert "the loss is nan" in capsys.readouterr().err


@pytest.mark.parametrize("key", ["max_steps", "checkpoint_every", "val_every"])
def test_steps_must_be_positive(capsys, key):
    assert main([*FAST, f"--trainer.{key}", "0"]) == 2
    assert f"{key} must be at least 1" in capsys.readouterr().err


@pytest.mark.slow
def test_a_killed_run_continues_from_its_last_checkpoint():
    words = [*RANDOM, "--trainer.max_steps", "40", "--trainer.checkpoint_every", "5"]
    process = subprocess.Popen([sys.executable, "-m", "benchmark", *words], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not list(runs_root().glob("*/*/*/checkpoints/last.ckpt")):
        time.sleep(0.05)
    process.kill()
    process.wait()
    (killed,) = [path.parent for path in runs_root().glob("*/*/*/state.json")]
    assert not (killed / "record.json").exists()
    assert main(words) == 0
    assert [r.id for r in records()] == [killed.name]
    assert main([*words, "--resume", "no"]) == 0
    resumed, undisturbed = map(probabilities, records())
    np.testing.assert_allclose(resumed, undisturbed, atol=1e-5)


@pytest.mark.slow
def test_ctrl_c_ends_a_real_process_with_code_3():
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmark", *FAST, "--trainer.max_steps", "100000"], stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not list(runs_root().glob("*/*/*/metrics.csv")):
        time.sleep(0.2)
    time.sleep(3)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 3
    assert "the same command resumes it" in process.stderr.read()
    (state,) = runs_root().glob("*/*/*/state.json")
    assert json.loads(state.read_text())["status"] == "interrupted"


def test_a_run_says_that_it_is_alive_while_it_builds_its_store(monkeypatch):
    """On another machine, one that is silent for ten minutes is taken for dead."""
    beats, prepare = [], ClipDataModule.prepare_data

    def slow(self):
        (path,) = runs_root().glob("*/*/*/state.json")
        before = path.stat().st_mtime_ns
        deadline = time.monotonic() + 60
        while path.stat().st_mtime_ns == before and time.monotonic() < deadline:
            time.sleep(0.01)
        beats.append(path.stat().st_mtime_ns > before)
        monkeypatch.setattr(ClipDataModule, "prepare_data", prepare)
        prepare(self)

    monkeypatch.setattr("benchmark.fitting.BEAT_SECONDS", 0.05)
    monkeypatch.setattr(ClipDataModule, "prepare_data", slow)
    assert main(FAST) == 0
    assert beats == [True]
