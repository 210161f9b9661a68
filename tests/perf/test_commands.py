"""Made-up runs and predictions are such as tables and scorers take."""

import json
import subprocess
import sys
from pathlib import Path

from benchmark.registry import all_tasks
from leaderboard import load_runs
from perf.commands import DEVELOPMENT, answering, scoring, write_runs
from perf.measuring import Options

ROOT = Path(__file__).resolve().parents[2]


def test_every_task_is_scored():
    found = scoring(Options("cpu", quick=True))
    assert found.keys() == DEVELOPMENT.keys() == all_tasks().keys()
    assert all(one["clips"] == 60 and one["seconds"][0] > 0 for one in found.values())


def test_the_leaderboard_takes_every_record(tmp_path):
    write_runs(tmp_path, 17)
    runs, left_out = load_runs(tmp_path, "*/*/*/record.json")
    assert (len(runs), left_out) == (17, [])
    assert all(run.predictions.exists() for run in runs)
    assert {run.record.task for run in runs} == set(all_tasks())


def test_commands_are_timed_by_the_clock_and_weighed():
    found = answering({"it": ["-m", "this"], "wait": ["-m", "perf.peak", "this"]}, {"A": "b"}, 2)
    assert all(len(one["seconds"]) == 2 and min(one["seconds"]) > 0 for one in found.values())
    assert 5 < found["it"]["megabytes"] < 200


def test_what_a_module_printed_stands_before_its_memory():
    done = subprocess.run(
        [sys.executable, "-m", "perf.peak", "benchmark", "--help"], capture_output=True, text=True, cwd=ROOT
    )
    assert "COMMAND" in done.stdout
    assert 5 < json.loads(done.stdout.splitlines()[-1]) < 200
