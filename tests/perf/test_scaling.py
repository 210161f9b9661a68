"""The measurement of growth: tiny sizes run through, and its arithmetic; how fast anything is, is not asked here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from perf.scaling import Measured, Part, apart, carried, exponent, memory_text, row, seconds_text

ROOT = Path(__file__).resolve().parents[2]


def part(prepare=None, **changes):
    return Part(**{"name": "p", "title": "a part", "unit": "clips", "sizes": (1, 2), "quick": (1, 2), "target": 400,
                   "prepare": prepare} | changes)  # fmt: skip


@pytest.mark.slow
def test_every_part_runs_and_has_its_row(tmp_path):
    out = tmp_path / "out.json"
    command = [sys.executable, "-m", "perf.scaling", "--quick", "--out", str(out), "--work", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    report = json.loads(out.read_text())
    listed = subprocess.run([*command[:3], "--list"], capture_output=True, text=True, cwd=ROOT, check=True).stdout
    assert list(report["parts"]) == [line.split()[0] for line in listed.splitlines()]
    assert {"cpu", "cores", "memory", "python", "torch", "commit"} <= report["machine"].keys()
    for name, found in report["parts"].items():
        assert f"(`{name}`)" in done.stdout
        assert len(found["measured"]) == 2 and all(one["cpu"] > 0 for one in found["measured"])
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]


def test_an_unknown_part_is_named():
    command = [sys.executable, "-m", "perf.scaling", "--parts", "nothing"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2 and "no part is called nothing" in done.stderr


@pytest.mark.parametrize("sizes", [(10, 100, 1000), (100, 1000, 3000)])
@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_the_exponent_is_that_of_a_power_beside_a_fixed_cost_and_carries_on(sizes, power):
    found = [(size, 7 + 0.3 * size**power) for size in sizes]
    assert exponent(found) == pytest.approx(power)
    assert carried(found, power, 50_000) == pytest.approx(7 + 0.3 * 50_000**power)


def test_what_does_not_rise_has_no_exponent():
    assert exponent([(10, 3.0), (100, 4.0), (1000, 4.0)]) is None
    assert exponent([(10, 3.0), (100, 4.0)]) is None
    assert exponent([(10, 3.0), (100, 2.0), (1000, 200.0)]) == pytest.approx(2)  # between the two larger ones


def test_a_row_says_how_both_grow():
    found = [Measured(1, 1.0, 9.0, 0.0), Measured(10, 100.0, 9.0, 10.0), Measured(100, 1e4, 9.0, 110.0)]
    cells = row(part(), found)
    assert cells["CPU time"] == "1 s / 100 s / 2.8 h" and cells["memory"] == "- / 10 MB / 110 MB"
    assert cells["growth"] == "2.00, 1.00"
    assert cells["extrapolated"] == "400 clips: 44 h, 443 MB"
    assert row(part(target=0), found)["extrapolated"] == "-"
    cells = row(part(), [one._replace(cpu=2.0, memory=0.1) for one in found])
    assert cells["growth"] == "-, -" and cells["extrapolated"] == "400 clips: 2 s, -"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(2e-6, "2 µs"), (0.0123, "12 ms"), (1.234, "1.2 s"), (90, "90 s"), (7300, "2 h"), (8.64e6, "100 days")],
)
def test_times_have_two_digits(seconds, text):
    assert seconds_text(seconds) == text


def test_memory_is_shown_from_a_megabyte_on():
    assert [memory_text(size) for size in (0.4, 12.3, 2048.0)] == ["-", "12 MB", "2.0 GB"]


@pytest.mark.parametrize("before", [0, 300])
def test_the_peak_is_the_measured_call_s_own(tmp_path, before):
    """Neither what was taken before nor what it gives back hides it."""

    def prepare(work, size):
        del work
        bytearray(before << 20)
        return lambda: len(bytearray(size << 20))

    assert apart(part(prepare, once=True), 100, tmp_path).memory == pytest.approx(100, abs=10)


def test_what_fails_in_its_process_is_named(tmp_path):
    def prepare(work, size):
        raise ValueError("too large")

    with pytest.raises(RuntimeError, match=r"p, 7 clips: ValueError: too large"):
        apart(part(prepare), 7, tmp_path)
