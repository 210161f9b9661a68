"""Several processes of one training give what one gives: the same losses, predictions and scores."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import several_processes
from helpers import read_records

from benchmark.launch import start_processes
from benchmark.paths import runs_root
from benchmark.predictions import read_predictions

MIXED = '--augmentations=[{"class_path":"benchmark.augmentations.mixup.Mixup"}]'
SHORT = "--data mini --system cnn4 --trainer.precision 32-true --trainer.max_steps 3 --data.batch_size 8"
KINDS = {
    "bad": f"--task bad {SHORT} {MIXED}",
    "esc": f"--task esc {SHORT} --selection.monitor loss --selection.mode min --data.valid_fraction 0.2 --trainer.val_every 1",
    "ust": f"--task ust {SHORT} --data.eval_batch_size 3",
    "sed": f"--task sed {SHORT}",
}
OTHERS = {task: f"--task {task} {SHORT}" for task in ("asc", "asc-mobile", "tagging", "domestic")}


def together(number, jobs, runs, clips=0):
    """Let so many processes do the jobs; the folders that they leave, by task."""
    script = Path(several_processes.__file__)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(number)]
    done = subprocess.run(
        [*launcher, str(script), str(number), str(clips), *jobs.values()],
        env=os.environ | {"DCASE_BENCH_RUNS": str(runs), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
        | {"PYTHONPATH": f"{script.parent.parent}{os.pathsep}{script.parent}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, "\n".join(line for line in done.stderr.splitlines() if "error" in line or "  to do" in line)
    return {record.task: runs / record.task / record.system / record.id for record in read_records(runs)}


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
