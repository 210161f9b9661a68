"""`python -m benchmark sweep`."""

import os
import subprocess
import sys

import pytest
from helpers import read_records
from sweep_runs import job, record_paths

from benchmark.cli import main
from benchmark.errors import InputError
from benchmark.paths import runs_root
from benchmark.sweep import command
from benchmark.sweep.command import workers_of
from benchmark.sweep.matrix import Planned

TINY = ["--systems", "logistic-regression", "--data", "mini", "--trainer.max_steps", "2"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--tasks", "bda"], "did you mean 'bad'"),
        (["--tasks", "bad", "--launcher", "pbs"], "invalid choice: 'pbs'"),
        (["--tasks", "bad", "--launcher", "slurm"], "no sbatch"),
        (["--tasks", "bad", "--gpus", "2", "--slurm", "a=b"], "--gpus, --slurm: for SLURM's jobs alone"),
        (["--tasks", "bad", "--jobs", "0"], "at least 1"),
        (["--tasks", "bad", "--retries", "-1"], "at least 0"),
        (["--tasks", "bad", "--seeds", "x"], "no seeds: 'x'"),
    ],
)
def test_a_wrong_command_says_what_is_wrong(words, said, monkeypatch, tmp_path, capfd):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["sweep", *words]) == 2
    assert said in capfd.readouterr().err


@pytest.mark.parametrize(
    ("visible", "there", "jobs", "devices", "gpus"),
    [
        ("", 0, None, 1, [None]),
        ("", 0, 3, 1, [None] * 3),
        ("", 3, None, 1, ["0", "1", "2"]),
        ("GPU-aa,5", 2, None, 1, ["GPU-aa", "5"]),
        ("", 4, None, 2, ["0,1", "2,3"]),
        ("", 2, 4, 1, ["0", "1", "0", "1"]),
        ("", 1, None, 2, ["0"]),
    ],
)
def test_workers_have_devices_of_their_own(visible, there, jobs, devices, gpus, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: there)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert [worker.get("CUDA_VISIBLE_DEVICES") for worker in workers_of(jobs, devices)] == gpus


def test_workers_share_the_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(16)))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert [worker.get("OMP_NUM_THREADS") for worker in workers_of(3, 1)] == ["5"] * 3
    assert [worker.get("OMP_NUM_THREADS") for worker in workers_of(1, 1)] == [None]
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert [worker.get("OMP_NUM_THREADS") for worker in workers_of(3, 1)] == [None] * 3


def test_the_exit_code_says_whether_everything_is_done(monkeypatch, tmp_path, capfd):
    (tmp_path / "fails").write_text("3")
    planned = Planned([job(0), job(1, fails=tmp_path / "fails")])
    monkeypatch.setattr(command, "make_jobs", lambda matrix, settings: planned)
    words = ["sweep", "--tasks", "bad", "--jobs", "2"]
    assert main(words) == 1
    shown = capfd.readouterr()
    assert "2 jobs: 2 to do" in shown.out
    assert "  | the disk is made of cheese" in shown.out
    assert "not everything is done: 1 finished, 1 failed" in shown.err
    assert main(words) == 0  # it fails for a third time, and is done once more
    assert "nothing is left to do" in capfd.readouterr().out
    assert len(record_paths()) == 2
    planned.refused["esc / cnn8"] = InputError("there is no protocol")
    assert main(words) == 1
    shown = capfd.readouterr()
    assert "esc / cnn8 cannot run: there is no protocol" in shown.out
    assert "2 finished, 1 cannot run" in shown.err


@pytest.mark.slow
def test_two_real_runs_and_nothing_is_left(capfd):
    words = ["sweep", "--tasks", "bad", "--seeds", "0-1", *TINY, "--jobs", "2"]
    assert subprocess.run([sys.executable, "-m", "benchmark", *words], check=False).returncode == 0
    records = read_records(runs_root())
    assert sorted(record.seed for record in records) == [0, 1]
    assert {record.steps for record in records} == {2}
    assert len({record.group for record in records}) == 1
    capfd.readouterr()
    assert main(words) == 0
    assert len(read_records(runs_root())) == 2
    shown = capfd.readouterr().out
    assert "2 jobs: 2 finished" in shown
    assert "nothing is left to do" in shown


@pytest.mark.slow
def test_the_forecast_of_disk_is_what_a_run_leaves(capfd):
    from benchmark.sweep.forecast import costs
    from benchmark.sweep.loop import look_up
    from benchmark.sweep.matrix import Matrix, make_jobs

    settings = {"data": "mini", "protocol": "", "devices": 1, "logger": "csv", "model": None, "overrides": TINY[-2:]}
    settings |= {"allow_random_weights": False, "scale": 1.0}
    planned = make_jobs(Matrix(["bad"], ["cnn4"], [], [0, 1]), settings)
    group = planned.jobs[0].identity.group
    before = costs(look_up(planned.jobs), planned.plans)[group]
    assert main(["run", "--task", "bad", "--system", "cnn4", *TINY[2:]]) == 0
    after = costs(look_up(planned.jobs), planned.plans)[group]
    (record,) = read_records(runs_root())
    assert (before.measured, after.measured) == (False, True)
    assert after.seconds == pytest.approx(sum(record.seconds.values()))
    assert before.size == pytest.approx(after.size, rel=0.02)
    words = ["sweep", "--tasks", "bad", "--systems", "cnn4", "--seeds", "0-1", *TINY[2:], "--dry-run"]
    assert main(words) == 0
    assert "2 jobs: 1 finished, 1 to do" in capfd.readouterr().out
