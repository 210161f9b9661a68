"""Several processes of one training give what one gives: the same losses, predictions and scores."""

import csv
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import several_processes
import torch
from helpers import read_records
from pytorch_lightning.utilities.rank_zero import rank_zero_only

import benchmark
from benchmark.errors import InputError
from benchmark.launch import start_processes
from benchmark.plan import RunOptions
from benchmark.predictions import read_predictions
from benchmark.processes import any_of, drawn, share, whole_batch
from benchmark.training.module import TaskModule

MIXED = '--augmentations=[{"class_path":"benchmark.augmentations.mixup.Mixup"}]'
SHORT = "--data mini --system cnn4 --trainer.precision 32-true --trainer.max_steps 3 --data.batch_size 8"
KINDS = {
    "bad": f"--task bad {SHORT} {MIXED}",
    "esc": f"--task esc {SHORT} --selection.monitor loss --selection.mode min --data.valid_fraction 0.2",
    "ust": f"--task ust {SHORT} --data.eval_batch_size 3",
    "sed": f"--task sed {SHORT}",
}
OTHERS = {task: f"--task {task} {SHORT}" for task in ("asc", "asc-mobile", "tagging", "domestic")}


def together(number, jobs, runs, clips=0, code=0):
    """Let so many processes do the jobs; the folders that they leave, by task."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("fork")  # which need not import everything again
    words = [["--devices", str(number), *job.split()] for job in jobs.values()]
    processes = [
        context.Process(target=member, args=(rank, number, port, words, runs, clips)) for rank in range(number)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [code] * number
    return {record.task: runs / record.task / record.system / record.id for record in read_records(runs)}


def member(rank, number, port, jobs, runs, clips):
    """What torchrun makes of a process."""
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(number), "TORCHELASTIC_RUN_ID": "1"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "DCASE_BENCH_RUNS": str(runs)}
    rank_zero_only.rank = rank  # which was set when it was imported
    for job in jobs:
        if code := several_processes.run(job, clips):
            os._exit(code)
    os._exit(0)


def alone(jobs, runs, clips=0):
    """Do the jobs in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DCASE_BENCH_RUNS", str(runs))
        for job in jobs.values():
            assert several_processes.run(job.split(), clips) == 0
    return {record.task: runs / record.task / record.system / record.id for record in read_records(runs)}


def losses(folder, name):
    with (folder / "metrics.csv").open() as file:
        return [float(row[name]) for row in csv.DictReader(file) if row.get(name)]


def require_same(found, expected):
    assert found.keys() == expected.keys()
    for task, folder in expected.items():
        theirs, ours = read_predictions(found[task]), read_predictions(folder)
        np.testing.assert_array_equal(theirs.clip_id, ours.clip_id)
        np.testing.assert_allclose(theirs.probabilities, ours.probabilities, atol=1e-6, rtol=0, err_msg=task)
        np.testing.assert_allclose(losses(found[task], "train/loss"), losses(folder, "train/loss"), atol=1e-4)
        scores = [{r.task: r.scores for r in read_records(one.parents[2])}[task] for one in (found[task], folder)]
        assert scores[0] == pytest.approx(scores[1], abs=1e-6)


def test_two_processes_are_like_one_for_every_kind_of_problem(tmp_path):
    found, expected = together(2, KINDS, tmp_path / "two"), alone(KINDS, tmp_path / "one")
    require_same(found, expected)
    np.testing.assert_allclose(*(losses(folders["esc"], "val/loss") for folders in (found, expected)), atol=1e-6)
    (record,) = [record for record in read_records(tmp_path / "two") if record.task == "esc"]
    assert record.device.startswith("2 x cpu")


@pytest.mark.slow
@pytest.mark.parametrize("number", [2, 4])
def test_so_many_processes_are_like_one_for_every_task(tmp_path, number):
    require_same(together(number, KINDS | OTHERS, tmp_path / "many"), alone(KINDS | OTHERS, tmp_path / "one"))


@pytest.mark.slow
@pytest.mark.parametrize("clips", [1, 3, 5])
def test_no_clip_is_lost_or_doubled_whatever_their_number(tmp_path, clips):
    """Less clips than processes, and numbers that no number of processes divides."""
    found = together(4, KINDS | OTHERS, tmp_path / "many", clips)
    require_same(found, alone(KINDS | OTHERS, tmp_path / "one", clips))
    assert {len(read_predictions(folder).clip_id) for folder in found.values()} == {clips}


def spoil(patch, rank):
    """Make the second step's input no numbers, in one process only; None: in any."""
    original = TaskModule.network_input

    def spoilt(self, *words):
        x, *rest = original(self, *words)
        bad = self.training and self.global_step == 1 and rank in (None, self.global_rank)
        return (x * torch.nan if bad else x, *rest)

    patch.setattr(TaskModule, "network_input", spoilt)


def test_all_processes_leave_a_step_out_that_is_bad_in_one(tmp_path):
    jobs = {"bad": f"--task bad {SHORT} --trainer.gradient_clip_val 1 --trainer.on_bad_loss skip"}
    with pytest.MonkeyPatch.context() as patch:
        spoil(patch, rank=1)
        found = together(2, jobs, tmp_path / "two")
    with pytest.MonkeyPatch.context() as patch:
        spoil(patch, rank=None)
        expected = alone(jobs, tmp_path / "one")
    theirs, ours = (read_predictions(folders["bad"]).probabilities for folders in (found, expected))
    np.testing.assert_allclose(theirs, ours, atol=1e-6, rtol=0)
    assert [record.skipped_steps for runs in ("two", "one") for record in read_records(tmp_path / runs)] == [1, 1]


def test_a_step_that_is_bad_in_one_process_stops_all_and_names_its_clips(tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        spoil(patch, rank=1)
        together(2, {"bad": f"--task bad {SHORT}"}, tmp_path, code=1)
    (path,) = tmp_path.glob("*/*/*/state.json")
    state = json.loads(path.read_text())
    assert state["status"] == "failed" and "the loss is nan in step 2, of the clips" in state["message"]
    assert "and 1 more" in state["message"], "of a batch of 8 each process has 4"


@pytest.fixture
def started(monkeypatch):
    """Make this process look like one of so many that torchrun has started."""

    def start(number):
        for name, value in {"TORCHELASTIC_RUN_ID": "1", "RANK": "0", "LOCAL_RANK": "0"}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("WORLD_SIZE", str(number))

    return start


def plan_of(devices=1, nodes=1, trainings=1):
    options = RunOptions("bad", devices=devices, nodes=nodes)
    return SimpleNamespace(options=options, config=SimpleNamespace(trainings=lambda: [None] * trainings))


def test_one_process_is_a_group_of_one():
    assert start_processes([plan_of()], []) is False
    assert share(lambda: 7) == 7
    assert any_of(True) and not any_of(False)
    assert drawn(torch.arange, 3).tolist() == [0, 1, 2]
    assert whole_batch(torch.arange(3)).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("plan", "number", "message"),
    [
        (plan_of(devices=3), 2, "2 processes were started, and DEVICES=3 NODES=1 are 3"),
        (plan_of(nodes=2), 1, "nothing has started processes on them"),
        (plan_of(devices=2, trainings=5), 2, "2 processes were started for a system of several trainings"),
    ],
)
def test_processes_that_do_not_fit_the_command_are_refused(started, plan, number, message):
    started(number)
    with pytest.raises(InputError, match=message):
        start_processes([plan], [])


def test_machines_without_processes_are_refused_and_a_system_of_several_trainings_starts_its_own():
    with pytest.raises(InputError, match="2 machines are asked for"):
        start_processes([plan_of(nodes=2)], [])
    assert start_processes([plan_of(devices=2, trainings=5)], []) is False


def command(runs, *words):
    """Start `run` on two devices, as a user does."""
    words = [sys.executable, "-m", "benchmark", "run", *KINDS["esc"].split(), "--devices", "2", *words]
    environment = os.environ | {"DCASE_BENCH_RUNS": str(runs), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    root = Path(benchmark.__file__).parents[1]
    return subprocess.Popen(words, env=environment, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def at_step(runs, step):
    """Wait until a run has come to this step; its folder."""
    for _ in range(3000):
        for path in runs.glob("*/*/*/state.json"):
            if json.loads(path.read_text())["step"] >= step:
                return path.parent
        time.sleep(0.1)
    raise TimeoutError


@pytest.mark.slow
def test_a_stopped_run_of_two_processes_goes_on_and_ends_as_if_undisturbed(tmp_path):
    """SIGTERM or SIGUSR1 to what has started them, then SIGKILL to one of them, which ends the other."""
    long = ("--trainer.max_steps", "400", "--trainer.checkpoint_every", "20", "--selection.monitor", "null")
    state = {"step": 0}
    for number in (signal.SIGTERM, signal.SIGUSR1):
        run = command(tmp_path / "stopped", *long)
        folder = at_step(tmp_path / "stopped", state["step"] + 20)
        run.send_signal(number)
        _, said = run.communicate()
        assert run.returncode == 3, said
        state = json.loads((folder / "state.json").read_text())
        assert state["status"] == "interrupted" and "the same command resumes it" in said

    run = command(tmp_path / "stopped", *long)
    at_step(tmp_path / "stopped", state["step"] + 60)
    workers = subprocess.run(["pgrep", "-P", str(run.pid)], capture_output=True, text=True, check=True)
    os.kill(int(workers.stdout.split()[-1]), signal.SIGKILL)
    _, said = run.communicate()
    assert run.returncode == 1 and "was killed (SIGKILL) by the system" in said and "the same command goes on" in said

    for runs in ("stopped", "undisturbed"):
        run = command(tmp_path / runs, *long)
        _, said = run.communicate()
        assert run.returncode == 0, said
    (undisturbed,) = (tmp_path / "undisturbed").glob("*/*/*/record.json")
    assert [path.parent for path in (tmp_path / "stopped").glob("*/*/*/record.json")] == [folder]
    theirs, ours = read_predictions(folder), read_predictions(undisturbed.parent)
    np.testing.assert_allclose(theirs.probabilities, ours.probabilities, atol=1e-5)
