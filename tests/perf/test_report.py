"""The report and its command, on made-up figures; the whole command is tried once, on the smallest sizes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.errors import InputError
from perf.__main__ import main
from perf.report import BEGIN, END, PAGE, PARTS, RESULTS, read_report, render, with_reports, write_report
from perf.targets import targets

ROOT = Path(__file__).resolve().parents[2]
CPU = {"cpu": "AMD EPYC", "cores": "2", "bfloat16 instructions": "avx512_bf16", "commit": "abc"}
GPU = CPU | {"gpu": "NVIDIA H200"}
WHOLE = "`asc/cnn8`: features, 5,000 steps of 128 clips, scoring (projected)"
TRAINING = {
    "batch": 128,
    "clips": 512,
    "test_clips": 256,
    "words": [],
    "missing": "",
    "recipe": {"trainer": {"max_steps": 8, "precision": "auto"}, "data": {"cache_features": True}},
    "rates": {
        "the suite": [6400.0, 6400.0],
        "the suite, bf16-mixed": [5000.0, 5000.0],
        "plain loop": [3200.0, 1600.0],
        "network alone: float32, channels first": [4000.0, 4000.0],
        "network alone: bf16, channels last": [8000.0, 6400.0],
    },
    "waiting": [0.01, 0.05, 0.02],
    "start": [5.12],
    "scoring": [2.56],
}


def rows_of(machine, **parts):
    return {row[0]: row[2:] for row in targets(machine, parts).rows}


def test_the_recipe_is_projected_from_start_steps_and_scoring():
    rows = rows_of(GPU, training=TRAINING)
    # 6122 clips at 0.01 s, 640,000 at 6,400 a second, 2518 at 0.01 s
    assert rows[WHOLE][0] == "186 s"
    assert rows[WHOLE][2] == "missed: 1.55 times the target"
    assert rows["the device waits for data, share of a step"] == ["0.02", "at most 0.03", "met"]


def test_ratios_are_to_the_quickest_setting_and_to_the_plain_loop():
    rows = rows_of(CPU, training=TRAINING)
    assert rows["training throughput (the suite) to that of the network alone in its quickest setting"][0] == "0.9"
    assert rows["training throughput (the suite) to the plain loop"] == ["3", "at least 3", "met"]


def test_an_aim_for_other_machines_is_not_missed_here():
    rows = rows_of(CPU | {"bfloat16 instructions": "none"}, training=TRAINING)
    assert rows["training throughput (the suite) to the plain loop"][2] == "not asked here: 1 times the target"
    assert rows[WHOLE][2].startswith("not asked here")


def test_front_ends_are_compared_with_librosa_and_torchaudio():
    rates = {"torch.stft": [150.0], "nnAudio": [300.0], "torchaudio": [200.0], "librosa, one core": [2.0]}
    found = {"presets": {"LogMel": {"systems": ["asc/cnn4", "asc/cnn8"], "rates": rates}}}
    rows = rows_of(GPU, frontend=found)
    assert rows["front end of `asc/cnn8` (nnAudio) to librosa on one core"] == ["150", "at least 100", "met"]
    assert rows["nnAudio to torchaudio, `asc/cnn8`"][0] == "1.5"


def test_a_report_keeps_the_parts_that_were_measured_before(tmp_path):
    path = tmp_path / "a-machine.json"
    about = {"seconds": 12.0, "megabytes": 100.0, "commit": "abc", "when": "2026-01-01 00:00 UTC"}
    write_report(path, {"machine": CPU, "parts": {"training": about | {"found": TRAINING}}})
    again = read_report(path)
    assert again["parts"]["training"]["found"] == TRAINING
    text = path.with_suffix(".md").read_text()
    assert text == render("a-machine", again)
    assert "| the suite | 6,400 |" in text and "### Targets" in text and "2.83" not in text
    assert read_report(tmp_path / "other.json") == {"parts": {}}


def test_the_page_holds_the_reports_of_all_machines():
    text = PAGE.read_text()
    assert with_reports(text, RESULTS) == text


def test_the_page_is_changed_between_its_markers_alone(tmp_path):
    assert (
        with_reports(f"a {BEGIN} b {END} c", tmp_path) == f"a {BEGIN}\n\nNo machine has been measured yet.\n\n{END} c"
    )
    (tmp_path / "one.json").write_text(json.dumps({"machine": CPU, "parts": {}}))
    assert "## one\n\ncpu AMD EPYC" in with_reports(f"a {BEGIN} b {END} c", tmp_path)
    with pytest.raises(InputError, match="no place for the reports"):
        with_reports("nothing", tmp_path)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--parts", "store,stroe"], "no part 'stroe'"),
        (["--quick"], "a quick report measures nothing"),
        (["--trainr.precision", "32-true"], "unknown option '--trainr.precision'"),
    ],
)
def test_wrong_words_are_named_before_anything_is_measured(words, said, capsys):
    assert main(words) == 2
    assert said in capsys.readouterr().err


@pytest.mark.slow
def test_the_whole_command_on_the_smallest_sizes(tmp_path):
    command = [sys.executable, "-m", "perf", "--quick", "--out", str(tmp_path), "--trainer.channels_last", "false"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-2000:]
    (path,) = tmp_path.glob("*.json")
    report = json.loads(path.read_text())
    assert list(report["parts"]) == list(PARTS)
    assert report["parts"]["training"]["found"]["recipe"]["trainer"]["channels_last"] is False
    rates = report["parts"]["training"]["found"]["rates"]
    assert all(rate > 0 for values in rates.values() for rate in values) and len(rates) >= 5
    assert all(part["megabytes"] > 100 and part["commit"] for part in report["parts"].values())
    text = path.with_suffix(".md").read_text()
    assert all(title in text for title, _ in PARTS.values())
