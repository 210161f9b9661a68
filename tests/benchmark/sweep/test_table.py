"""What a sweep prints."""

import io
import re

import pytest
from rich.console import Console
from sweep_runs import finish, job, run_of

from benchmark.errors import InputError
from benchmark.sweep.forecast import Cost
from benchmark.sweep.loop import look_up
from benchmark.sweep.table import Board, print_plan, tail


@pytest.fixture
def rows():
    """Four seeds: the first is finished."""
    finish(run_of(job(0)), "bad", "cnn8", 3)
    return look_up([job(seed) for seed in range(4)])


def test_lines_tell_what_has_changed_and_no_more(rows):
    console = Console(file=io.StringIO(), width=200)
    with Board(console) as board:
        board(rows)
        rows[1].status, rows[1].number, rows[1].word = "submitted", "41_1", "running"
        board(rows)
        board(rows)
        rows[1].status, rows[2].status, rows[2].failures = "finished", "to do", 1
        board(rows)
    lines = [re.sub(r"^[\d:]+  bad / cnn8, random-3-fold, fold 1, ", "", line) for line in _text(console)]
    assert lines == ["seed 1: running (job 41_1)", "seed 1: finished", "seed 2: to do, failed once before"]


def test_a_terminal_shows_what_needs_attention_first_and_counts_the_rest(rows):
    console = Console(file=io.StringIO(), width=120, height=9, force_terminal=True)
    rows[3].status = "failed"
    with Board(console) as board:
        board(rows)
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", "\n".join(_text(console)))
    assert re.search(r"seed 3 .*failed", text)
    assert re.search(r"1 finished|2 to do", text)
    assert "1 more not shown" in text
    assert not re.search(r"seed 0 .*finished", text)


def test_the_plan_adds_up(rows):
    console = Console(file=io.StringIO(), width=200)
    costs = {"abc": Cost(1800.0, 2_000_000, False)}
    refused = {"esc / cnn8": InputError("there is no protocol")}
    print_plan(console, rows, refused, costs, stores=3_000_000, free=4_000_000_000, at_once=2)
    text = "\n".join(_text(console))
    assert "4 jobs: 3 to do, 1 finished" in text
    assert "about 1.50 h one after the other, 0.75 h with 2 at once" in text
    assert "6.0 MB of runs, and 3.0 MB of waveform stores; 4.0 GB are free" in text
    assert "esc / cnn8 cannot run: there is no protocol" in text
    assert text.count("about 0.50") == 3


def test_the_tail_of_a_log_is_what_a_terminal_would_show(tmp_path):
    path = tmp_path / "log"
    assert tail(path) == ["(it has printed nothing)"]
    path.write_bytes(
        b"".join(b"line %d\n" % number for number in range(100)) + b"step 1\rstep 2\rstep 3\nerror: \xff\n"
    )
    assert tail(path) == [*(f"line {number}" for number in range(87, 100)), "step 3", "error: \ufffd"]


def _text(console):
    return console.file.getvalue().splitlines()
