"""One fault of the clips, lists and stores is one finding that names the file."""

import os
import shutil

import numpy as np
import pytest
import soundfile
from verification import (
    RATE,
    SECONDS,
    VICTIM,
    WARBLR_LIST,
    give_receipts,
    look,
    only,
    printed,
    registry_of,
    write_audio,
)

from benchmark.data.store import build_store
from benchmark.data.store_index import Clip, store_folder
from benchmark.plan import write_mini
from benchmark.registry import get_task
from benchmark.verify import (
    AUDIO,
    CLIPS,
    CONTENTS,
    COUNTS,
    LISTS,
    STORES,
    write_findings,
)
from tasks.bad.official import DATASETS
from tasks.sed.datamodule import SoundEventDataModule


def test_a_truncated_clip(root, registry):
    path = root / VICTIM
    os.truncate(path, path.stat().st_size // 2)
    finding = only(look(root, registry)[0])
    assert finding.file == VICTIM
    assert "truncated" in finding.what or "bytes instead of the" in finding.what
    assert finding.remedy == f"delete it and run: python -m benchmark data download bad --data {root}"


@pytest.mark.parametrize(
    ("seconds", "rate", "channels", "what"),
    [
        (SECONDS, 16_000, 1, "16000 Hz instead of 8000 Hz"),
        (SECONDS, RATE, 2, "stereo instead of mono"),
        (1.25, RATE, 1, "1.25 s instead of 2 s"),
        (1.25, 16_000, 2, "16000 Hz instead of 8000 Hz, stereo instead of mono, 1.25 s instead of 2 s"),
    ],
)
def test_a_clip_of_another_format_than_the_official(root, seconds, rate, channels, what):
    write_audio(root / VICTIM, seconds, rate, channels)
    finding = only(look(root, registry_of(sorted(DATASETS)))[0])
    assert (finding.check, finding.file, finding.what) == (AUDIO, VICTIM, what)


def test_a_clip_with_samples_that_are_no_numbers(root):
    soundfile.write(root / VICTIM, np.full(round(SECONDS * RATE), np.nan), RATE, subtype="FLOAT")
    finding = only(look(root)[0])
    assert finding.file == VICTIM and "NaN" in finding.what
    assert "download" not in finding.remedy  # nothing is published that could be downloaded


@pytest.mark.parametrize("kind", ["empty", "folder", "pipe", "link to nowhere"])
def test_a_clip_that_is_no_audio_file(root, registry, kind):
    path = root / VICTIM
    path.unlink()
    if kind == "empty":
        path.touch()
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(root / "nowhere.wav")
    assert only(look(root, registry)[0]).file == VICTIM


def test_a_missing_clip(root, registry):
    (root / VICTIM).unlink()
    report, _ = look(root, registry)
    finding = only(report)
    assert (finding.check, finding.file) == (CLIPS, VICTIM)
    assert finding.remedy == f"run: python -m benchmark data download bad --data {root}"
    assert report.variant.startswith("partial:") and report.coverage == {"warblrb10k/wav": (3, 4)}
    assert "warblrb10k/wav: 3 of 4 listed clips (75 %)" in printed(report)


def test_a_stranger(root, registry):
    write_audio(root / "ff1010bird/wav/Ümläut [x].wav")
    finding = only(look(root, registry)[0])
    assert (finding.check, finding.file) == (CLIPS, "ff1010bird/wav/Ümläut [x].wav")
    assert "no list" in finding.what


def test_a_list_without_one_of_its_rows(root, registry):
    path = root / WARBLR_LIST
    path.write_text("".join(line for line in path.read_text().splitlines(True) if not line.startswith("b3")))
    report, _ = look(root, registry)
    finding = only(report)
    if finding.check == CONTENTS:
        assert finding.file == WARBLR_LIST
    else:  # its rows are gone, so its clip is on no list and still not to be deleted
        assert finding.check == COUNTS and "warblrb10k/wav/b3.wav" in finding.what
        assert "warblrb10k: clips: 3 instead of 4; warblrb10k: with birds: 1 instead of 2" in finding.what
        assert "delete" not in finding.remedy


def test_a_broken_list_ends_the_checks(root, registry):
    path = root / WARBLR_LIST
    path.write_text(path.read_text().replace("b3,warblrb10k,1", "b3,warblrb10k,3"))
    (root / "ff1010bird/wav/a0.wav").unlink()
    report, _ = look(root, registry)
    assert report.checks == {LISTS: 1} and report.variant == "unknown"
    assert (only(report).file, only(report).what) == (f"{WARBLR_LIST}:5", "hasbird is '3', neither 0 nor 1")


def test_missing_folders_are_named(root):
    shutil.rmtree(root / "ff1010bird")
    finding = only(look(root)[0])
    assert finding.file == "ff1010bird/wav/" and "make data" in finding.remedy
    assert only(look(root / "nowhere")[0]).file == "ff1010bird/wav/"


def test_unicode_long_and_linked_paths(root, tmp_path):
    far = tmp_path
    for _ in range(12):
        far = far / ("ж" * 120)  # 240 bytes each
    far.mkdir(parents=True)
    moved = far / "данные"
    shutil.move(root, moved)
    name = "鳥" * 83  # with `.wav`, 253 of the 255 bytes that a name may have
    (moved / VICTIM).rename(moved / "warblrb10k/wav" / f"{name}.wav")
    path = moved / WARBLR_LIST
    path.write_text(path.read_text().replace("b2,", f"{name},"), encoding="utf-8")
    link = tmp_path / "link"
    link.symlink_to(moved)
    for folder in (moved, link):
        assert look(folder, give_receipts(folder))[0].findings == []
        assert look(folder)[0].findings == []
    os.truncate(moved / "warblrb10k/wav" / f"{name}.wav", 1000)
    assert only(look(link)[0]).file == f"warblrb10k/wav/{name}.wav"


def test_a_listed_name_too_long_for_the_file_system(root):
    path = root / WARBLR_LIST
    path.write_text(path.read_text().replace("b2,", f"{'b' * 300},"))
    report, _ = look(root)
    assert {finding.file for finding in report.findings} == {f"warblrb10k/wav/{'b' * 300}.wav", "warblrb10k/wav/b2.wav"}


def test_a_name_that_is_no_utf8_can_be_printed_and_written(root, tmp_path):
    write_audio(root / VICTIM, 1.0)
    (root / VICTIM).rename(os.fsdecode(os.fsencode(root / "warblrb10k/wav") + b"/\xff.wav"))
    report, _ = look(root)
    assert {finding.file for finding in report.findings} == {VICTIM, "warblrb10k/wav/\\udcff.wav"}
    printed(report).encode()
    write_findings(tmp_path / "found.tsv", report)


def test_missing_clips_are_no_fault_where_they_are_normal(tmp_path, monkeypatch):
    monkeypatch.setattr(SoundEventDataModule, "may_be_partial", True)
    root = shutil.copytree(write_mini(get_task("sed")), tmp_path / "data")
    gone, damaged, *_ = sorted((root / "dataset/audio/train/weak").iterdir())
    gone.unlink()
    os.truncate(damaged, 2000)
    report, _ = look(root, registry_of(["dcase2018_baseline"]), get_task("sed"), "test", ("unlabel_in_domain",))
    (said,) = (finding for finding in report.findings if not finding.wrong)
    assert said.file == f"dataset/audio/train/weak/{gone.name}"
    assert [finding.check for finding in report.wrong] == [AUDIO, COUNTS]  # the mini variant has other numbers
    assert report.wrong[0].file == f"dataset/audio/train/weak/{damaged.name}"
    assert "download" not in report.wrong[0].remedy
    assert report.coverage == {"dataset/audio/train/weak": (79, 80)}
    assert "1 listed clips are missing, which is no fault" in printed(report)


def test_a_damaged_waveform_store_is_named(root, tmp_path, monkeypatch):
    monkeypatch.setenv("DCASE_BENCH_CACHE", str(tmp_path / "cache"))
    folder = store_folder(tmp_path / "cache", "bad", root, RATE, True)
    paths = sorted((root / "warblrb10k/wav").iterdir())
    build_store(folder, [Clip(path.stem, path) for path in paths], RATE, progress=False)
    report, _ = look(root)
    assert report.checks[STORES] == 1 and not report.findings
    samples = bytearray((folder / "audio.i16").read_bytes())
    samples[100] ^= 1
    (folder / "audio.i16").write_bytes(samples)
    finding = only(look(root)[0])
    assert (finding.check, finding.file) == (STORES, str(folder)) and "b0" in finding.what
