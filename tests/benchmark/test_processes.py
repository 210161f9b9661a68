"""Several processes of one training give what one gives: the same losses, predictions and scores."""

import csv
import multiprocessing
import os
import socket

import numpy as np
import pytest
import several_processes
from helpers import read_records
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from benchmark.predictions import read_predictions

MIXED = '--augmentations=[{"class_path":"benchmark.augmentations.mixup.Mixup"}]'
SHORT = "--data mini --system cnn4 --trainer.precision 32-true --trainer.max_steps 3 --data.batch_size 8"
KINDS = {
    "bad": f"--task bad {SHORT} {MIXED}",
    "esc": f"--task esc {SHORT} --selection.monitor loss --selection.mode min --data.valid_fraction 0.2",
    "ust": f"--task ust {SHORT} --data.eval_batch_size 3",
    "sed": f"--task sed {SHORT}",
}
OTHERS = {task: f"--task {task} {SHORT}" for task in ("asc", "asc-mobile", "tagging", "domestic")}


def together(number, jobs, runs, clips=0):
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
    assert [process.exitcode for process in processes] == [0] * number
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
