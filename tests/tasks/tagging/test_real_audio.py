"""The task on genuine clips in the official layout; needs the reference pool."""

from collections import Counter

import pytest
from helpers import read_records

from benchmark.cli import main
from benchmark.paths import runs_root
from tasks.tagging.datamodule import TaggingDataModule


def test_the_folder_is_read(real_audio):
    """Ten of the classes."""
    found = TaggingDataModule.take_stock(real_audio, "stop", "official-test")
    groups = Counter(example.group for example in found.examples)
    assert groups == {"verified": 110, "public": 10, "private": 40}
    assert set(Counter(example.target for example in found.examples).values()) == {16}
    assert found.variant.startswith("custom:")


@pytest.mark.slow
def test_logistic_regression_reaches_what_another_implementation_reaches(real_audio):
    """About 0.56 of the 50 clips with scikit-learn on the same statistics of 40 log-mel bands; chance is 0.10."""
    words = ["run", "--task", "tagging", "--system", "logistic-regression", "--data", str(real_audio)]
    short = ["--trainer.max_steps", "60", "--scheduler.init_args.step_size", "15", "--data.batch_size", "32"]
    assert main([*words, *short, "--data.clip_seconds", "4"]) == 0
    (record,) = read_records(runs_root())
    assert record.scores["accuracy"] == pytest.approx(0.56, abs=0.1)
    assert record.scores["map@3"] > record.scores["accuracy"]


def test_a_short_run_of_the_official_baseline(real_audio):
    words = ["run", "--task", "tagging", "--system", "fsdkaggle2018-baseline", "--data", str(real_audio)]
    short = ["--trainer.max_steps", "2", "--data.batch_size", "8", "--data.hop_seconds", "2"]
    assert main([*words, *short]) == 0
    (record,) = read_records(runs_root())
    assert record.variant.startswith("custom:")
    assert 0 <= record.scores["map@3/private"] <= 1
    assert record.scores["map@3/Bark"] is None
