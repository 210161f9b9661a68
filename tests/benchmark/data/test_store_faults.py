"""What kills, full disks, other processes and bad disks do to a waveform store."""

import fcntl
import json
import multiprocessing
import os
import resource
import signal
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from store_clips import assert_holds, build, content, make_clips, signal_of, write_clip

from benchmark.data import store as store_module
from benchmark.data.audio import read_audio
from benchmark.data.store import WaveformStore
from benchmark.data.store_index import read_index
from benchmark.errors import BenchmarkError, InputError

FORK = multiprocessing.get_context("fork")  # starts without importing torch again


def test_another_format_and_a_broken_index_start_afresh(clips, folder, tmp_path):
    build(tmp_path / "new", clips)
    build(folder, clips)
    index = (folder / "index.json").read_text()
    for broken in ("{", "{}", index.replace('"format": 4', '"format": 3')):
        (folder / "index.json").write_text(broken)
        with pytest.raises(InputError, match="no complete waveform store"):
            WaveformStore(folder)
        build(folder, clips)
        assert content(folder) == content(tmp_path / "new")


def test_a_truncated_store_is_refused_and_mended(clips, folder, decoded):
    build(folder, clips)
    os.truncate(folder / "audio.i16", (folder / "audio.i16").stat().st_size // 2 + 1)
    with pytest.raises(InputError, match="no complete waveform store"):
        WaveformStore(folder)
    decoded.clear()
    assert_holds(build(folder, clips), clips)
    assert 0 < len(decoded) < len(clips)


def test_mending_that_fails_never_leaves_one_clip_with_anothers_samples(clips, folder):
    build(folder, clips)
    os.truncate(folder / "audio.i16", (folder / "audio.i16").stat().st_size * 3 // 4)
    write_clip(clips[0].path, seed=99, samples=30_000)
    clips[-1].path.write_bytes(b"broken")
    with pytest.raises(InputError, match=r"clip07\.wav"):
        build(folder, clips)
    with pytest.raises(InputError, match="no complete waveform store"):
        WaveformStore(folder)
    assert_holds(build(folder, clips[:-1]), clips[:-1])


@pytest.mark.parametrize("seed", range(12))
def test_a_build_cut_anywhere_ends_with_the_same_bytes(clips, folder, tmp_path, seed):
    build(tmp_path / "undisturbed", clips)
    whole, status = clips[-1].path.read_bytes(), clips[-1].path.stat()
    clips[-1].path.write_bytes(b"broken")
    with pytest.raises(InputError):
        build(folder, clips)
    assert not (folder / "index.json").exists()
    clips[-1].path.write_bytes(whole)
    os.utime(clips[-1].path, ns=(status.st_atime_ns, status.st_mtime_ns))
    generator = np.random.default_rng(seed)
    for name in ("audio.i16", "journal.jsonl"):
        os.truncate(folder / name, int(generator.integers((folder / name).stat().st_size + 1)))
    build(folder, clips)
    assert content(folder) == content(tmp_path / "undisturbed")


def test_a_disk_that_vanishes_stops_the_build_even_where_broken_clips_are_skipped(clips, folder, tmp_path, monkeypatch):
    audio, away = clips[0].path.parent, tmp_path / "away"

    def read(path):
        if path == clips[3].path:
            audio.rename(away)
        return read_audio(path)

    monkeypatch.setattr(store_module, "read_audio", read)
    with pytest.raises(InputError, match=str(audio)):
        build(folder, clips, on_error="skip", jobs=1)
    assert not (folder / "index.json").exists()
    away.rename(audio)
    monkeypatch.undo()
    assert_holds(build(folder, clips), clips)


def slowly(path):
    time.sleep(0.03)
    return read_audio(path)


def test_a_killed_build_goes_on_where_it_was(tmp_path, folder, decoded, monkeypatch):
    clips = make_clips(tmp_path / "audio", count=40)
    build(tmp_path / "undisturbed", clips)
    decoded.clear()
    with monkeypatch.context() as slow:
        slow.setattr(store_module, "read_audio", slowly)
        child = FORK.Process(target=build, args=(folder, clips))
        child.start()
    while child.is_alive() and (not (folder / "audio.i16").exists() or (folder / "audio.i16").stat().st_size < 30_000):
        time.sleep(0.002)
    child.kill()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert not (folder / "index.json").exists()
    build(folder, clips)
    assert 0 < len(decoded) < len(clips)
    assert content(folder) == content(tmp_path / "undisturbed")


def build_with_little_room(folder, clips, reply):
    resource.setrlimit(resource.RLIMIT_FSIZE, (9000, resource.RLIM_INFINITY))
    try:
        build(folder, clips)
    except BenchmarkError as error:
        reply.send((error.exit_code, str(error)))


def test_a_full_disk_is_an_error_of_the_work_and_the_build_goes_on_later(clips, folder, tmp_path):
    ours, childs = FORK.Pipe()
    child = FORK.Process(target=build_with_little_room, args=(folder, clips, childs))
    child.start()
    assert ours.poll(20)
    exit_code, message = ours.recv()
    child.join()
    assert exit_code == 1 and all(part in message for part in (str(folder), "free space", "DCASE_BENCH_CACHE"))
    assert not (folder / "index.json").exists()
    build(folder, clips)
    build(tmp_path / "undisturbed", clips)
    assert content(folder) == content(tmp_path / "undisturbed")


def test_a_folder_that_cannot_be_made_is_an_error_of_the_work(clips, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BenchmarkError, match="DCASE_BENCH_CACHE") as caught:
        build(tmp_path / "file" / "store", clips)
    assert caught.value.exit_code == 1


def test_a_second_build_waits_for_the_first(clips, folder, capsys):
    folder.mkdir()
    with (folder / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        second = threading.Thread(target=build, args=(folder, clips))
        second.start()
        deadline = time.monotonic() + 5
        while "waiting" not in (said := capsys.readouterr().err) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert str(folder) in said
        assert second.is_alive()
        assert not (folder / "audio.i16").exists()
    second.join()
    assert_holds(WaveformStore(folder), clips)


def test_two_builds_at_once_decode_each_clip_once(clips, folder, decoded):
    with ThreadPoolExecutor(2) as pool:
        for store in pool.map(lambda _: build(folder, clips), range(2)):
            assert_holds(store, clips)
    assert len(decoded) == len(clips)


def size_of(folder):
    return (folder / "audio.i16").stat().st_size if (folder / "audio.i16").exists() else 0


def run_until(child, folder, size, seconds):
    """Let a build go on until its file has `size` bytes, and for some time more."""
    child.start()
    while child.is_alive() and size_of(folder) < size:
        time.sleep(0.0005)
    time.sleep(seconds)


@pytest.mark.parametrize("seed", range(4))
def test_a_build_killed_at_random_moments_ends_with_the_same_bytes(tmp_path, folder, seed):
    clips = make_clips(tmp_path / "audio", count=40, samples=40_000, rate=32_000)
    build(tmp_path / "undisturbed", clips)
    whole, generator, killed = size_of(tmp_path / "undisturbed"), np.random.default_rng(seed), 0
    for share in np.sort(generator.uniform(0, 0.9, 5)):
        child = FORK.Process(target=build, args=(folder, clips), kwargs={"jobs": 2})
        run_until(child, folder, int(share * whole), generator.uniform(0, 0.005))
        child.kill()
        child.join()
        killed += child.exitcode == -signal.SIGKILL
    assert killed >= 2
    assert_holds(build(folder, clips), clips)
    assert content(folder) == content(tmp_path / "undisturbed")


def test_what_a_kill_leaves_half_written_is_removed(clips, folder):
    folder.mkdir()
    for name in (".index.json.abcd1234", ".journal.jsonl.abcd1234"):
        (folder / name).write_text("half")
    build(folder, clips)
    content(folder)


def test_two_processes_prepare_one_store_and_decode_each_clip_once(tmp_path, folder):
    clips = make_clips(tmp_path / "audio", count=40, samples=40_000, rate=32_000)
    build(tmp_path / "undisturbed", clips)
    children = [FORK.Process(target=build, args=(folder, clips)) for _ in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join(20)
    assert [child.exitcode for child in children] == [0, 0]
    assert content(folder) == content(tmp_path / "undisturbed")  # a clip decoded twice would be there twice


def test_when_one_of_two_processes_is_killed_the_other_ends_the_work(tmp_path, folder, monkeypatch):
    clips = make_clips(tmp_path / "audio", count=40)
    build(tmp_path / "undisturbed", clips)
    first, second = (FORK.Process(target=build, args=(folder, clips)) for _ in range(2))
    with monkeypatch.context() as slow:
        slow.setattr(store_module, "read_audio", slowly)
        run_until(first, folder, 1, 0)
    second.start()
    first.kill()
    second.join(20)
    assert (first.join(), first.exitcode, second.exitcode) == (None, -signal.SIGKILL, 0)
    assert content(folder) == content(tmp_path / "undisturbed")


def flip(path, byte, bit=0):
    content = bytearray(path.read_bytes())
    content[byte] ^= 1 << bit
    path.write_bytes(content)


@pytest.mark.parametrize("jobs", [1, 3])
@pytest.mark.parametrize("channels", [1, 2])
def test_verify_names_the_clips_whose_samples_changed(tmp_path, folder, jobs, channels):
    clips = make_clips(tmp_path / "audio", channels=channels)
    store = build(folder, clips, mono=False)
    assert store.verify(jobs, progress=False) == []
    flip(folder / "audio.i16", 2 * int(store.offsets[2]))  # its first sample
    flip(folder / "audio.i16", 2 * int(store.offsets[6]) - 1, bit=7)  # the last of clip05
    assert WaveformStore(folder).verify(jobs, progress=False) == ["clip02", "clip05"]
    assert build(folder, clips, mono=False).verify(jobs, progress=False) == ["clip02", "clip05"]


def test_verify_of_a_store_that_loses_its_end_names_the_lost_clips(clips, folder):
    store = build(folder, clips)
    os.truncate(folder / "audio.i16", 2 * int(store.offsets[6]) + 1)
    assert store.verify(progress=False) == ["clip06", "clip07"]


def test_verify_takes_no_memory_that_grows_with_the_clips(tmp_path, folder):
    store = build(folder, [write_clip(tmp_path / "long.wav", 0, samples=8_000_000)])
    tracemalloc.start()
    try:
        assert store.verify(progress=False) == []
        assert tracemalloc.get_traced_memory()[1] < 4_000_000  # of 16 MB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("seed", range(3))
def test_a_flipped_bit_anywhere_in_the_index_is_noticed(clips, folder, tmp_path, seed):
    build(tmp_path / "new", clips)
    build(folder, clips)
    whole, generator = (folder / "index.json").read_bytes(), np.random.default_rng(seed)
    for byte, bit in zip(generator.integers(0, len(whole), 200), generator.integers(0, 8, 200), strict=True):
        flip(folder / "index.json", byte, bit)
        with pytest.raises(InputError, match="no complete waveform store"):
            WaveformStore(folder)
        (folder / "index.json").write_bytes(whole)
    flip(folder / "index.json", byte, bit)
    build(folder, clips)
    assert content(folder) == content(tmp_path / "new")


@pytest.mark.parametrize(("field", "value"), [("gain", 0.5), ("length", 5), ("offset", 3)])
def test_verify_also_finds_a_row_that_was_damaged_while_the_store_was_built(clips, folder, field, value):
    build(folder, clips)
    rows, settings = read_index(folder).rows, read_index(folder).settings
    rows[2] = rows[2]._replace(**{field: value})
    lines = [json.dumps(line) for line in ((settings, 0), *rows)]
    (folder / "index.json").unlink()
    (folder / "journal.jsonl").write_text("\n".join(lines) + "\n")
    assert build(folder, clips).verify(progress=False) == ["clip02"]


@pytest.mark.parametrize("stopped", [False, True])
def test_an_open_store_keeps_the_samples_of_a_clip_that_broke_later(tmp_path, folder, stopped):
    clips = make_clips(tmp_path / "audio", count=5)
    opened = build(folder, clips[:4])
    last = signal_of(opened, "clip03")
    clips[3].path.write_bytes(b"broken")
    assert build(folder, clips[:4], on_error="skip").clip_ids == ["clip00", "clip01", "clip02"]
    if stopped:  # what was known of the file's end must then come from the journal
        whole = clips[4].path.read_bytes()
        clips[4].path.write_bytes(b"broken too")
        with pytest.raises(InputError):
            build(folder, [*clips[:3], clips[4]])
        (folder / "index.json").unlink()
        clips[4].path.write_bytes(whole)
    assert_holds(build(folder, [*clips[:3], clips[4]]), [*clips[:3], clips[4]])
    assert np.array_equal(signal_of(opened, "clip03"), last)
    assert opened.verify(progress=False) == []
