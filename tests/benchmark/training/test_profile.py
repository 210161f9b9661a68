"""`run --profile`: parts of a step that add up, operations, a trace."""

import json

import pytest
from helpers import read_records

from benchmark.cli import main
from benchmark.paths import runs_root
from benchmark.training.profile import PARTS, StepProfiler

SHORT = ("--data.batch_size", "4", "--data.clip_seconds", "0.5", "--data.cache_features", "false")
RUN = ("run", "--task", "bad", "--system", "cnn4", "--data", "mini", "--model", "small_network.ConvNet", *SHORT)


def test_a_profile_says_where_the_time_goes(capsys):
    assert main([*RUN, "--trainer.max_steps", "40", "--profile"]) == 0
    (record,) = read_records(runs_root())
    folder = runs_root() / record.task / record.system / record.id / "profile"
    found = json.loads((folder / "profile.json").read_text())
    parts, costliest = found["ms_per_step"], found["operations"]
    assert list(parts) == [part.name for part in PARTS] + ["rest"]
    assert all(value > 0 for value in parts.values()), parts
    names = {event.get("name") for event in json.loads((folder / "trace.json").read_text())["traceEvents"]}
    assert "aten::convolution_backward" in names
    assert len(costliest) == 10 and costliest == sorted(costliest, key=lambda row: -row["share"])
    said = capsys.readouterr().out
    assert all(f"\n  {name} " in said for name in parts)
    assert all(row["name"][:60] in said for row in costliest)


def test_a_training_too_short_for_a_profile_says_so(capsys):
    assert main([*RUN, "--trainer.max_steps", "30", "--profile"]) == 0
    assert "no training of this session had more than 30 steps" in capsys.readouterr().out


def test_time_inside_of_a_part_that_is_one_of_its_own_counts_there(tmp_path, monkeypatch):
    """Each action takes 2 ms, then begins the next inside of it."""
    clock = [0.0]
    monkeypatch.setattr(StepProfiler, "_now", lambda self: clock[0])
    profiler = StepProfiler(tmp_path)
    nested = ("[Module]X.optimizer_step", "[Strategy]Y.training_step", "features")
    for _ in range(31):
        profiler.start("[Loop].train_dataloader_next")
        profiler.stop("[Loop].train_dataloader_next")
        for action in nested:
            profiler.start(action)
            clock[0] += 0.002
        for action in reversed(nested):
            profiler.stop(action)
        clock[0] += 0.001
    parts = json.loads((tmp_path / "profile.json").read_text())["ms_per_step"]
    expected = {"data": 0, "features": 2, "forward": 2, "backward": 0, "optimiser": 2, "metrics": 0, "rest": 1}
    assert parts == pytest.approx(expected, abs=1e-6)
