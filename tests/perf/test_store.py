"""The measurement of the waveform store, on two clips; how fast anything is, is not asked here."""

import sys
from pathlib import Path

import pytest
import soundfile as sf

from benchmark.errors import BenchmarkError
from perf.isolated import Child, python_with
from perf.measuring import Options
from perf.store import FORMATS, make_clips, run, tables

ROOT = Path(__file__).resolve().parents[2]
LIBROSA_STAND_IN = """
def load(path, sr, mono):
    assert mono and sr == 32000 and open(path, "rb").read(4) == b"RIFF"
"""


@pytest.mark.slow
def test_every_table_appears_and_every_rate_is_positive(monkeypatch):
    monkeypatch.setattr("perf.store.start_librosa", lambda: "no network")
    found = run(Options("cpu", quick=True))
    assert list(found["formats"]) == [form.name for form in FORMATS]
    for form in found["formats"].values():
        assert len(form["cutting"]) == 4 and {"soundfile", "soundfile + soxr"} <= form["building"].keys()
        rates = [*form["building"].values(), *form["cutting"].values()]
        assert all(len(values) == 1 and values[0] > 0 for values in rates)
    (memory,) = [form["memory"] for form in found["formats"].values() if "memory" in form]
    assert [row["clips"] for row in memory] == [2, 8]
    assert all(0 < row[doing]["before"] <= row[doing]["most"] for row in memory for doing in ("building", "cutting"))
    made = tables(found)
    assert len(made) == 2 * len(FORMATS) + 1
    assert made[0].note == "librosa.load is not there: no network"


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


def test_librosa_is_asked_for_each_repeat(tmp_path, monkeypatch):
    (tmp_path / "librosa.py").write_text(LIBROSA_STAND_IN)
    for name in ("librosa", "numba"):
        folder = tmp_path / f"{name}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    clips = make_clips(tmp_path / "clips", FORMATS[0], 1)
    child = Child([sys.executable, str(ROOT / "perf" / "librosa_child.py")])
    try:
        assert child.ready["librosa"] == "1.0"
        for _ in range(2):
            assert child.ask({"load": {"paths": [str(clip.path) for clip in clips], "sample_rate": 32000}}) > 0
    finally:
        child.close()


def test_a_child_that_ends_is_named():
    with pytest.raises(BenchmarkError, match="ended with status 3"):
        Child([sys.executable, "-c", "raise SystemExit(3)"])


def test_without_a_network_there_is_no_environment_and_the_reason_is_said(tmp_path, monkeypatch):
    for name in ("UV_OFFLINE", "PIP_NO_INDEX"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    with pytest.raises(BenchmarkError, match=r"(?s)cannot install: .*librosa"):
        python_with(tmp_path / "made", ["librosa==0.11.0"])
    assert not (tmp_path / "made" / "packages.txt").exists()
