"""Turns, medians and tables of the measurements."""

import subprocess
import sys

import pytest
import torch

from perf.isolated import ROOT
from perf.machine import machine_name
from perf.measuring import Table, measure, rates_table, timed


def test_variants_take_turns_and_the_first_round_is_not_counted():
    called = []
    variants = {name: lambda name=name: called.append(name) or 0.5 for name in "ab"}
    assert measure(variants, 4, 2, lambda: called.append("-")) == {"a": [8, 8], "b": [8, 8]}
    assert "".join(called) == "-a-b-b-a-a-b"


def test_a_ratio_is_taken_within_each_repeat():
    table = rates_table("building", {"soundfile": [10, 20, 40], "store": [20, 60, 40]}, ["soundfile", "not there"])
    assert table.rows == [
        ["soundfile", "20.0", "10.0 to 40.0", "1"],
        ["store", "40.0", "20.0 to 60.0", "2.00 (1.00 to 3.00)"],
    ]


def test_a_table_is_markdown():
    table = Table("a title", ["", "clips/s"], [["this", "1"]], "a note")
    assert table.markdown() == "**a title**\n\n|  | clips/s |\n| --- | ---: |\n| this | 1 |\n\na note"


def test_what_a_gpu_has_in_its_queue_is_waited_for_before_and_after(monkeypatch):
    said = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: said.append("wait"))
    assert timed(lambda: said.append("call"), torch.device("cuda"))() >= 0
    assert said == ["wait", "call", "wait"]


@pytest.mark.parametrize(
    ("found", "name"),
    [
        ({"gpu": "NVIDIA H200", "cpu": "AMD EPYC", "cores": "16"}, "nvidia-h200"),
        ({"cpu": "AMD EPYC", "cores": "2"}, "amd-epyc-2-cores"),
        ({"cpu": "Intel(R) Xeon(R) CPU @ 2.20GHz", "cores": "8"}, "intel-xeon-cpu-2-20ghz-8-cores"),
    ],
)
def test_a_report_is_named_by_its_machine(found, name):
    assert machine_name(found) == name


def test_peak_memory_is_the_most_there_ever_was():
    """Of a process of its own: one that has run other tests may have had more before."""
    code = """
from perf.memory import peak_memory
before = peak_memory()
block = bytearray(200 * 2**20)
block[:: 2**12] = b"x" * len(block[:: 2**12])
del block
print(peak_memory() - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert float(done.stdout) >= 100
