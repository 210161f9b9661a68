"""Every task with the baseline of all tasks in one command, on synthetic data: learns, and is shown in one table."""

import pytest
from helpers import read_records

from benchmark.cli import main
from benchmark.paths import runs_root
from benchmark.registry import all_tasks


@pytest.mark.slow
def test_all_tasks_learn_in_one_command(capsys):
    assert main(["run", "--task", "all", "--data", "mini"]) == 0
    records = {record.task: record for record in read_records(runs_root())}
    assert records.keys() == all_tasks().keys()
    assert {record.system for record in records.values()} == {"cnn8"}
    for name, task in all_tasks().items():
        assert records[name].scores[task.main_score] > task.chance + task.mini_margin, name
    runs, published = capsys.readouterr().out.split("all tasks: cnn8")[1].split("published, for orientation")
    for name, task in all_tasks().items():
        value = f"{records[name].scores[task.main_score]:.3f}"
        (line,) = (line for line in runs.splitlines() if line.split()[:1] == [name])
        assert value in line and "mini" in line
    assert "0.680" in published and "0.854" in published  # the Surrey paper's scenes and birds
