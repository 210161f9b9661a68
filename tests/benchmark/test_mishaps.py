"""What a run says, and leaves, when memory, disk space, a disk or a process is gone."""

import errno
import json
import os
import signal
import subprocess

import numpy as np
import pytest
import tiny_systems as tiny
import torch
from helpers import read_records

from benchmark.data.store import WaveformStore
from benchmark.mishaps import how_it_ended
from benchmark.paths import cache_root, runs_root
from benchmark.training import callbacks
from benchmark.training.module import TaskModule


def no_gpu_memory():
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of …")


def no_memory_for_a_tensor():
    torch.empty(1 << 60)


def no_memory_for_an_array():
    np.empty(1 << 58)


def the_run():
    """The only run's folder and state."""
    (path,) = runs_root().glob("*/*/*/state.json")
    return path.parent, json.loads(path.read_text())


def error_of(capsys):
    """The error that was printed, of at most three lines."""
    said = capsys.readouterr().err.split("error: ")[1]
    assert len(said.splitlines()) <= 3
    return said


@pytest.mark.parametrize(
    ("fails", "whose"),
    [(no_gpu_memory, "the GPU"), (no_memory_for_a_tensor, "the machine"), (no_memory_for_an_array, "the machine")],
)
def test_a_training_batch_that_does_not_fit_is_told_with_one_that_should(write, monkeypatch, capsys, fails, whose):
    original = TaskModule.training_step
    monkeypatch.setattr(
        TaskModule, "training_step", lambda self, *words: fails() if self.global_step == 1 else original(self, *words)
    )
    write()
    assert tiny.run() == 1
    said = error_of(capsys)
    assert f"{whose} has no memory left in training" in said
    assert "data.batch_size 4" in said and "--data.batch_size 2 should fit (an estimate" in said
    assert the_run()[1]["status"] == "failed" and whose in the_run()[1]["message"]
    assert tiny.run("--data.batch_size", "1") == 1
    assert "a batch cannot be smaller" in error_of(capsys)


@pytest.mark.parametrize("stage", ["validation_step", "test_step"])
def test_an_evaluation_batch_that_does_not_fit_costs_no_training(write, trained, monkeypatch, capsys, stage):
    write(data={"valid_fraction": 0.2}, selection={"monitor": "auc"}, trainer={"max_steps": 4, "val_every": 2})
    with monkeypatch.context() as patch:
        original = getattr(TaskModule, stage)

        def step(self, *words):
            return no_gpu_memory() if self.global_step != 2 else original(self, *words)

        patch.setattr(TaskModule, stage, step)
        assert tiny.run() == 1
    said = error_of(capsys)
    assert "no memory left in evaluation" in said and "--data.eval_batch_size 32 should fit" in said
    assert len(trained) == 4
    assert tiny.run("--data.eval_batch_size", "32") == 0
    assert len(trained) <= 6  # the steps after the last checkpoint
    assert [record.id for record in read_records(runs_root())] == [the_run()[0].name]


def test_a_full_disk_leaves_the_checkpoint_before_and_the_run_goes_on_once_there_is_room(
    write, trained, monkeypatch, capsys
):
    write(trainer={"max_steps": 6, "checkpoint_every": 2})
    with monkeypatch.context() as patch:
        original = callbacks.RunKeeper.on_train_batch_end

        def fill(self, trainer, *rest):
            if trainer.global_step == 4:
                self.checkpoint.with_suffix(".part").symlink_to("/dev/full")
            original(self, trainer, *rest)

        patch.setattr(callbacks.RunKeeper, "on_train_batch_end", fill)
        assert tiny.run() == 1
    said, (folder, state) = error_of(capsys), the_run()
    assert "No space left on device (the disk at /" in said and str(folder) in said
    assert "then the same command goes on" in said and state["status"] == "failed"
    assert torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 2
    assert not list((folder / "checkpoints").glob("*.part"))
    trained.clear()
    assert tiny.run() == 0
    assert [step for _, step in trained] == [3, 4, 5, 6]
    assert [record.id for record in read_records(runs_root())] == [folder.name]


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE])
def test_a_disk_that_is_gone_fails_the_run_and_is_named(write, monkeypatch, capsys, code):
    write(trainer={"max_steps": 6, "checkpoint_every": 2})
    cut, cuts = WaveformStore.cut, []

    def gone(self, *words):
        cuts.append(1)
        if len(cuts) > 6:
            raise OSError(code, os.strerror(code))
        return cut(self, *words)

    with monkeypatch.context() as patch:
        patch.setattr(WaveformStore, "cut", gone)
        assert tiny.run() == 1
    said = error_of(capsys)
    assert os.strerror(code) in said and str(cache_root() / "stores") in said
    assert the_run()[1]["status"] == "failed"
    assert tiny.run() == 0


def test_a_store_that_was_cut_short_is_noticed_by_the_next_run(write, tmp_path, monkeypatch):
    monkeypatch.setenv("DCASE_BENCH_CACHE", str(tmp_path))
    write()
    assert tiny.run() == 0
    (samples,) = tmp_path.glob("stores/*/audio.i16")
    os.truncate(samples, samples.stat().st_size // 3)
    assert tiny.run() == 0
    whole, mended = read_records(runs_root())
    assert mended.scores == whole.scores


@pytest.mark.parametrize(
    ("number", "told"), [(signal.SIGKILL, "for want of memory"), (signal.SIGBUS, "its disk is gone"), (15, "SIGTERM")]
)
def test_how_a_process_ended_is_told(number, told):
    process = subprocess.Popen(["sleep", "60"])
    process.send_signal(number)
    assert told in how_it_ended(process.wait())
    assert how_it_ended(subprocess.call(["false"])) == "ended with exit code 1"
