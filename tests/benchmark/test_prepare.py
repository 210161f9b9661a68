import io
import os
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile as sf
from rich.console import Console
from store_clips import write_clip

from benchmark import prepare as prepare_module
from benchmark.cli import main
from benchmark.data import store as store_module
from benchmark.data.audio import read_audio
from benchmark.data.store import build_store
from benchmark.data.store_index import Clip
from benchmark.errors import BenchmarkError, InputError
from benchmark.plan import write_mini
from benchmark.prepare import prepare, samples_bytes, stores_of
from benchmark.registry import all_tasks, get_task

RATE = 16_000
ESC, PROTOCOL = get_task("esc"), "esc10-5-fold"


@pytest.fixture(scope="module")
def mini():
    return write_mini(ESC)


@pytest.fixture
def data(tmp_path, mini, monkeypatch):
    """The user's own copy of ESC-10, and a cache of its own."""
    monkeypatch.setenv("DCASE_BENCH_CACHE", str(tmp_path / "cache"))
    shutil.copytree(mini / "ESC-10", tmp_path / "data" / "ESC-10")
    return tmp_path / "data"


@pytest.fixture
def decoded(monkeypatch):
    names = []

    def load(path):
        names.append(path.name)
        return read_audio(path)

    monkeypatch.setattr(store_module, "read_audio", load)
    return names


def prepared(data, rate=RATE, mono=True, on_error="stop"):
    """The store, and what was said."""
    console = Console(width=200, record=True, file=io.StringIO())
    return prepare(ESC, data, PROTOCOL, (), rate, mono, on_error, 2, console), console.export_text()


def broken(data):
    path = sorted(data.rglob("*.ogg"))[7]
    path.write_bytes(path.read_bytes()[:3000])
    return path


def test_says_what_is_needed_and_what_was_done(data, decoded):
    store, said = prepared(data)
    first, last = said.splitlines()
    assert first.startswith(f"esc at {RATE} Hz: 150 clips to decode, which take 4.8 MB; ")  # 149.2 s, and the index
    assert first.endswith(" are free")
    assert last.startswith("150 clips, 0.04 hours, 4.8 MB (150 decoded in ")
    assert last.endswith(f" clips/s), 0 skipped: {store.folder}")
    assert len(decoded) == 150


def test_a_second_time_and_a_third_file_decode_what_is_new(data, decoded):
    prepared(data)
    decoded.clear()
    store, said = prepared(data)
    assert decoded == []
    assert said.startswith("150 clips, 0.04 hours, 4.8 MB (all of them there), 0 skipped: ")
    os.utime(sorted(data.rglob("*.ogg"))[3], ns=(0, 0))
    store, said = prepared(data)
    assert "1 of 150 clips to decode" in said and "(1 decoded in" in said
    assert len(decoded) == 1 and len(store.clip_ids) == 150


def test_a_run_after_it_decodes_nothing(data, decoded):
    ((rate, mono),) = stores_of(ESC, ["logistic-regression"])
    prepared(data, rate, mono)
    assert len(decoded) == 150
    decoded.clear()
    run = ["run", "--task", "esc", "--system", "logistic-regression", "--data", str(data), "--fold", "1"]
    assert main([*run, "--trainer.max_steps", "1", "--trainer.val_every", "1"]) == 0
    assert decoded == []
    assert len(list((data.parent / "cache" / "stores").iterdir())) == 1


def test_without_room_it_says_both_figures_and_writes_nothing(data, monkeypatch):
    monkeypatch.setattr(prepare_module.shutil, "disk_usage", lambda path: SimpleNamespace(free=4_000_000))
    with pytest.raises(BenchmarkError, match=r"4\.8 MB are needed, 4\.0 MB are free") as caught:
        prepared(data)
    assert "DCASE_BENCH_CACHE" in str(caught.value) and "stores/esc-16000-mono" in str(caught.value)
    assert caught.value.exit_code == 1
    assert not (data.parent / "cache").exists()


def test_room_that_a_rebuild_frees_counts(data, monkeypatch):
    store, _ = prepared(data)
    for path in data.rglob("*.ogg"):
        os.utime(path, ns=(0, 0))
    monkeypatch.setattr(prepare_module.shutil, "disk_usage", lambda path: SimpleNamespace(free=200_000))
    size = (store.folder / "audio.i16").stat().st_size
    assert prepared(data)[0].data.nbytes == size == (store.folder / "audio.i16").stat().st_size


def test_a_broken_file_stops_or_is_skipped_by_name(data):
    path = broken(data)
    with pytest.raises(InputError, match=rf"truncated or damaged(?s:.*){path.name}"):
        prepared(data)
    store, said = prepared(data, on_error="skip")
    (name,) = store.skipped
    assert len(store.clip_ids) == 149
    assert f"skipped {name}: cannot read audio: truncated or damaged" in said
    assert ", 1 skipped:" in said


def test_what_a_stopped_preparation_has_done_is_kept(data, decoded, monkeypatch):
    path = sorted(data.rglob("*.ogg"))[100]
    whole, status = path.read_bytes(), path.stat()
    path.write_bytes(b"")
    with pytest.raises(InputError):
        prepared(data)
    path.write_bytes(whole)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    decoded.clear()
    prepared(data)
    assert 0 < len(decoded) <= 60


def test_data_behind_links_is_not_written_to(data, mini):
    shutil.rmtree(data / "ESC-10")
    for path in (mini / "ESC-10").rglob("*.ogg"):
        link = data / path.relative_to(mini)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path)
    before = {path: path.lstat().st_mtime_ns for folder in (data, mini) for path in (folder, *folder.rglob("*"))}
    assert len(prepared(data)[0].clip_ids) == 150
    assert {path: path.lstat().st_mtime_ns for path in before} == before
    assert set(data.rglob("*")) <= set(before)


def test_the_estimate_is_the_size_within_one_percent(tmp_path):
    generator, clips = np.random.default_rng(0), []
    formats = (("wav", "PCM_24", 48000), ("flac", "PCM_16", 44100), ("ogg", "VORBIS", 22050), ("mp3", None, 16000))
    for number, (extension, subtype, rate) in enumerate(formats):
        path = tmp_path / f"{number}.{extension}"
        sf.write(path, generator.uniform(-0.5, 0.5, (2 * rate + number * 777, 2)), rate, subtype=subtype)
        clips.append(Clip(path.name, path))
    for mono in (True, False):
        store = build_store(tmp_path / f"store-{mono}", clips, RATE, mono, progress=False)
        size = (store.folder / "audio.i16").stat().st_size
        assert abs(samples_bytes(clips, RATE, mono) - size) < 0.01 * size


def test_the_estimate_does_not_believe_what_no_file_can_hold(tmp_path):
    whole = write_clip(tmp_path / "whole.wav", 0, samples=8000)
    sf.write(tmp_path / "open.flac", np.zeros(8000), 8000)
    content = bytearray((tmp_path / "open.flac").read_bytes())
    content[21] &= 0xF0
    content[22:26] = bytes(4)  # no number of samples: an endless stream
    (tmp_path / "open.flac").write_bytes(content)
    (tmp_path / "text.wav").write_text("no audio")
    os.mkfifo(tmp_path / "pipe.wav")
    names = ("open.flac", "text.wav", "pipe.wav", "missing.wav")
    assert samples_bytes([Clip(name, tmp_path / name) for name in names], RATE, True) == 0
    assert samples_bytes([whole], RATE, True) == 2 * RATE
    (tmp_path / "whole.wav").rename(odd := tmp_path / os.fsdecode(b"\xff.wav"))
    assert samples_bytes([Clip("odd", odd)], RATE, True) == 2 * RATE


@pytest.mark.parametrize("rate", [0, -16000])
def test_a_rate_that_is_none_is_refused(data, rate):
    with pytest.raises(InputError, match="positive sample rate"):
        prepared(data, rate)


def test_the_systems_of_a_task_share_stores():
    assert stores_of(ESC, ESC.systems) == [(44100, True)]
    assert stores_of(get_task("domestic"), ["baseline", "cnn4", "cnn8"]) == [(16000, False), (16000, True)]
    with pytest.raises(InputError, match="no system 'cnn9'"):
        stores_of(ESC, ["cnn9"])


def test_every_default_system_needs_one_store():
    for task in all_tasks().values():
        assert len(stores_of(task, [task.default_system])) == 1
