"""The command that repeats a run is one that the command line takes, and means the same run."""

import shlex

import pytest
from helpers import make_record

from benchmark.cli import build_parser
from benchmark.repeat import repeat_command


def parsed(command):
    python, *words = shlex.split(command)
    assert (python, words[:2]) == ("python", ["-m", "benchmark"])
    return build_parser().parse_known_args(words[2:])


@pytest.mark.parametrize(
    ("variant", "data"), [("mini", "mini"), ("full", "full"), ("custom:ab", "/my data"), ("partial:0.9", "/my data")]
)
def test_the_command_line_takes_it(variant, data):
    record = make_record(variant=variant, seed=3, overrides=["--trainer.max_steps", "20"], random_weights=True)
    options, further = parsed(repeat_command(record, "/my data"))
    found = (options.task, options.system, options.data, options.protocol, options.fold, options.seed)
    assert found == ("bad", "cnn8", data, "random-3-fold", "1", 3)
    assert options.allow_random_weights and further == ["--trainer.max_steps", "20"]


def test_all_folds_and_data_that_nobody_named():
    options, _ = parsed(repeat_command(make_record(variant="custom:ab"), "", "all"))
    assert (options.fold, options.data) == ("all", "DIR")


def test_a_users_own_model_is_named_as_such():
    record = make_record(system="mine.Net", overrides=["--model", "mine.Net", "--trainer.scale", "0.1"])
    options, further = parsed(repeat_command(record, ""))
    assert (options.system, options.model, further) == ("", "mine.Net", ["--trainer.scale", "0.1"])


def test_words_are_quoted():
    assert "'a; rm -rf *'" in repeat_command(make_record(system="a; rm -rf *"), "")
