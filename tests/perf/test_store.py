"""The measurement of the waveform store, on two clips; how fast anything is, is not asked here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile as sf

from benchmark.errors import BenchmarkError
from perf.isolated import Child, python_with
from perf.store import FORMATS, make_clips, measure, show

ROOT = Path(__file__).resolve().parents[2]
LIBROSA_STAND_IN = """
def load(path, sr, mono):
    assert mono and sr == 32000 and open(path, "rb").read(4) == b"RIFF"
"""


@pytest.mark.slow
def test_every_table_appears_and_every_rate_is_positive(tmp_path):
    options = ["--clips", "2", "--repeats", "1", "--without-librosa", "--out", str(tmp_path / "out.json")]
    done = subprocess.run([sys.executable, "-m", "perf.store", *options], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("| building |") == done.stdout.count("| batches of 32 clips") == len(FORMATS)
    assert done.stdout.count("| librosa.load: not there |") == len(FORMATS)
    assert done.stdout.count("| most while building |") == 1
    report = json.loads((tmp_path / "out.json").read_text())
    assert {"cpu", "cores", "memory", "python", "soundfile", "commit"} <= report["machine"].keys()
    assert list(report["formats"]) == [form.name for form in FORMATS]
    for found in report["formats"].values():
        assert len(found["cutting"]) == 4 and {"soundfile", "soundfile + soxr"} <= found["building"].keys()
        rates = [*found["building"].values(), *found["cutting"].values()]
        assert all(len(values) == 1 and values[0] > 0 for values in rates)
    (memory,) = [found["memory"] for found in report["formats"].values() if "memory" in found]
    assert [row["clips"] for row in memory] == [2, 8]
    assert all(0 < row[doing]["before"] <= row[doing]["most"] for row in memory for doing in ("building", "cutting"))


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_the_files_are_of_their_format_and_the_same_each_time(form, tmp_path):
    first, again = (make_clips(tmp_path / name, form, 2) for name in ("first", "again"))
    info = sf.info(first[0].path)
    assert (info.samplerate, info.channels, info.subtype) == (form.sample_rate, form.channels, form.subtype)
    assert info.duration == 10
    contents = [sf.read(clip.path)[0] for clip in (*first, *again)]
    assert (contents[0] == contents[2]).all() and (contents[1] == contents[3]).all()
    assert (contents[0] != contents[1]).any()
    if form.suffix == "ogg":  # kbit/s of the usual quality; noise alone or silence would lie far from it
        assert 60 < first[0].path.stat().st_size * 8 / 10 / 1000 < 100


def test_variants_take_turns_and_the_first_round_is_not_counted():
    called = []
    variants = {name: lambda name=name: called.append(name) or 0.5 for name in "ab"}
    assert measure(variants, 4, 2, lambda: called.append("-")) == {"a": [8, 8], "b": [8, 8]}
    assert "".join(called) == "-a-b-b-a-a-b"


def test_a_ratio_is_taken_within_each_repeat(capsys):
    show("building", {"soundfile": [10, 20, 40], "store": [20, 60, 40]})
    row = capsys.readouterr().out.splitlines()[-1]
    assert row == "| store | 40 | 20 to 60 | 2.00 (1.00 to 3.00) |"


def test_librosa_is_asked_for_each_repeat(tmp_path, monkeypatch):
    (tmp_path / "librosa.py").write_text(LIBROSA_STAND_IN)
    for name in ("librosa", "numba"):
        folder = tmp_path / f"{name}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    clips = make_clips(tmp_path / "clips", FORMATS[0], 1)
    child = Child([sys.executable, str(ROOT / "perf" / "librosa_load.py")])
    try:
        assert child.ready["librosa"] == "1.0"
        for _ in range(2):
            assert child.ask({"paths": [str(clip.path) for clip in clips], "sample_rate": 32000}) > 0
    finally:
        child.close()


def test_a_child_that_ends_is_named():
    with pytest.raises(BenchmarkError, match="ended with status 3"):
        Child([sys.executable, "-c", "raise SystemExit(3)"])


def test_without_a_network_there_is_no_environment_and_the_reason_is_said(tmp_path, monkeypatch):
    for name in ("UV_OFFLINE", "PIP_NO_INDEX"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    with pytest.raises(BenchmarkError, match=r"(?s)cannot make the environment: .*librosa"):
        python_with(tmp_path / "made", ["librosa==0.11.0"])
    assert not (tmp_path / "made" / "packages.txt").exists()
