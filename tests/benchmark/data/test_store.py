import fcntl
import multiprocessing
import os
import pickle
import resource
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from benchmark.data import store as store_module
from benchmark.data.audio import load_clip, read_audio, to_int16
from benchmark.data.store import Clip, WaveformStore, build_store, store_folder
from benchmark.errors import BenchmarkError, InputError

RATE = 8000


def write_clip(path, seed, samples=None, channels=1, rate=RATE):
    generator = np.random.default_rng(seed)
    samples = samples or int(generator.integers(500, 2000))
    sf.write(path, generator.uniform(-0.5, 0.5, (samples, channels)), rate)
    return Clip(path.stem, path)


def make_clips(folder, count=8, **options):
    folder.mkdir(exist_ok=True)
    return [write_clip(folder / f"clip{i:02}.wav", i, **options) for i in range(count)]


@pytest.fixture
def clips(tmp_path):
    return make_clips(tmp_path / "audio")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def decoded(monkeypatch):
    """The names of the files that were decoded, as they are."""
    names = []

    def load(path):
        names.append(path.stem)
        return read_audio(path)

    monkeypatch.setattr(store_module, "read_audio", load)
    return names


def build(folder, clips, **options):
    return build_store(folder, clips, RATE, progress=False, **options)


def content(folder):
    assert sorted(path.name for path in folder.iterdir()) == ["audio.i16", "index.json", "lock"]
    return (folder / "audio.i16").read_bytes(), (folder / "index.json").read_bytes()


def signal_of(store, clip_id):
    place = store.clip_ids.index(clip_id)
    samples, gain, length = store.cut(np.array([place]), np.array([0]), int(store.lengths[place]))
    assert length == store.lengths[place]
    return (samples * gain[:, None, None])[0].numpy()


def assert_holds(store, clips, mono=True):
    assert store.clip_ids == [clip.clip_id for clip in clips]
    for clip in clips:
        expected = load_clip(clip.path, store.sample_rate, mono)
        assert np.abs(signal_of(store, clip.clip_id) - expected).max() <= np.abs(expected).max() / 32767 * 0.51


@pytest.mark.parametrize("mono", [True, False])
def test_holds_every_clip_in_order(tmp_path, folder, mono):
    clips = make_clips(tmp_path / "audio", channels=2)
    store = build(folder, clips, mono=mono)
    assert_holds(store, clips, mono)
    assert (store.sample_rate, store.channels) == (RATE, 1 if mono else 2)
    assert np.array_equal(store.seconds, store.lengths / RATE)


def test_resamples_to_its_rate(tmp_path, folder):
    clips = [write_clip(tmp_path / "a.wav", 0, samples=44100, rate=44100)]
    store = build(folder, clips)
    assert store.lengths.tolist() == [RATE]
    assert_holds(store, clips)


def test_is_mapped_and_cannot_be_written(clips, folder):
    store = build(folder, clips)
    assert isinstance(store.data, np.memmap)
    assert not store.data.flags.writeable
    assert np.shares_memory(store.data, store._samples)


def test_pickles_without_its_samples(tmp_path, folder):
    store = build(folder, make_clips(tmp_path / "audio", samples=20_000))
    assert len(pickled := pickle.dumps(store)) < 1000
    assert np.array_equal(pickle.loads(pickled).data, store.data)


@pytest.mark.parametrize("channels", [1, 2])
def test_cut_equals_a_plain_loop(tmp_path, folder, channels):
    clips = make_clips(tmp_path / "audio", channels=channels)
    store = build(folder, clips, mono=False)
    chosen = np.random.default_rng(0).integers(0, len(clips), 50)
    starts = np.random.default_rng(1).integers(0, store.lengths[chosen])
    samples, gains, lengths = store.cut(chosen, starts, 700)
    assert samples.shape == (50, channels, 700)
    for window, gain, length, place, start in zip(samples.numpy(), gains, lengths, chosen, starts, strict=True):
        whole, expected_gain = to_int16(load_clip(clips[place].path, RATE, mono=False))
        expected = np.zeros((channels, 700), np.int16)
        for time_ in range(700):
            if start + time_ < whole.shape[1]:
                expected[:, time_] = whole[:, start + time_]
        assert np.array_equal(window, expected)
        assert gain == expected_gain
        assert length == min(700, whole.shape[1] - start)


@pytest.mark.parametrize("start", [-1, 1000])
def test_a_window_outside_of_its_clip_is_an_error(tmp_path, folder, start):
    store = build(folder, make_clips(tmp_path / "audio", count=2, samples=1000))
    with pytest.raises(IndexError):
        store.cut(np.array([0]), np.array([start]), 10)


def test_threads_do_not_change_a_byte(clips, tmp_path):
    build(tmp_path / "one", clips, jobs=1)
    build(tmp_path / "four", clips, jobs=4)
    assert content(tmp_path / "one") == content(tmp_path / "four")


def test_opening_again_decodes_and_writes_nothing(clips, folder, decoded):
    build(folder, clips)
    before = [(path.name, path.stat().st_mtime_ns, path.stat().st_ino) for path in sorted(folder.iterdir())]
    decoded.clear()
    assert_holds(build(folder, clips), clips)
    assert decoded == []
    assert [(path.name, path.stat().st_mtime_ns, path.stat().st_ino) for path in sorted(folder.iterdir())] == before


def test_a_touched_and_a_changed_source_are_decoded_again(clips, folder, decoded):
    build(folder, clips)
    size = (folder / "audio.i16").stat().st_size
    decoded.clear()
    os.utime(clips[2].path, ns=(0, 0))
    write_clip(clips[5].path, seed=99)
    store = build(folder, clips)
    assert sorted(decoded) == ["clip02", "clip05"]
    assert (folder / "audio.i16").stat().st_size == size + 2 * (store.lengths[2] + store.lengths[5])
    assert_holds(store, clips)


def test_a_store_opened_before_an_update_stays_right(clips, folder):
    store = build(folder, clips)
    before = signal_of(store, "clip02")
    write_clip(clips[2].path, seed=99)
    build(folder, clips)
    assert np.array_equal(signal_of(store, "clip02"), before)


def test_the_file_is_made_afresh_when_most_of_it_is_dead(clips, folder):
    build(folder, clips)
    size = (folder / "audio.i16").stat().st_size
    for clip in clips[1:]:
        os.utime(clip.path, ns=(0, 0))
    assert_holds(build(folder, clips), clips)
    assert (folder / "audio.i16").stat().st_size == size


def test_fewer_clips_open_fewer_and_all_of_them_come_back(clips, folder, decoded):
    build(folder, clips)
    decoded.clear()
    assert_holds(build(folder, clips[5:2:-1]), clips[5:2:-1])
    assert WaveformStore(folder).clip_ids == ["clip05", "clip04", "clip03"]
    assert_holds(build(folder, clips), clips)
    assert decoded == []


@pytest.mark.parametrize("settings", [{"sample_rate": 16000}, {"sample_rate": RATE, "mono": False}])
def test_other_settings_start_afresh(clips, tmp_path, settings):
    build(tmp_path / "reused", clips)
    build_store(tmp_path / "reused", clips, **settings, progress=False)
    build_store(tmp_path / "new", clips, **settings, progress=False)
    assert content(tmp_path / "reused") == content(tmp_path / "new")


def test_another_format_and_a_broken_index_start_afresh(clips, folder, tmp_path):
    build(tmp_path / "new", clips)
    build(folder, clips)
    index = (folder / "index.json").read_text()
    for broken in ("{", "{}", index.replace('"format": 2', '"format": 1')):
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


def slowly(path):
    time.sleep(0.03)
    return read_audio(path)


FORK = multiprocessing.get_context("fork")  # starts without importing torch again


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


def test_stop_names_the_file(clips, folder):
    clips[3].path.write_bytes(b"")
    with pytest.raises(InputError, match=r"empty \(0 bytes\)\n.*clip03\.wav"):
        build(folder, clips)
    assert not (folder / "index.json").exists()


def test_skip_says_why_and_tries_again_when_the_file_changes(clips, folder, decoded):
    clips[3].path.write_bytes(b"")
    clips[6].path.unlink()
    there = [clip for clip in clips if clip.clip_id not in ("clip03", "clip06")]
    store = build(folder, clips, on_error="skip")
    assert_holds(store, there)
    assert list(store.skipped) == ["clip03", "clip06"]
    assert "empty" in store.skipped["clip03"]
    assert "missing" in store.skipped["clip06"]
    decoded.clear()
    assert build(folder, clips, on_error="skip").skipped == store.skipped
    assert decoded == []
    write_clip(clips[3].path, seed=3)
    assert list(build(folder, clips, on_error="skip").skipped) == ["clip06"]
    assert decoded == ["clip03"]
    with pytest.raises(InputError, match=r"clip06\.wav"):
        build(folder, clips, on_error="stop")


def test_a_store_of_nothing_is_an_error(tmp_path, folder):
    (tmp_path / "a.wav").write_bytes(b"")
    for _ in range(2):
        with pytest.raises(InputError, match=r"none of 1 clips can be read: .*empty"):
            build(folder, [Clip("a", tmp_path / "a.wav")], on_error="skip")
    with pytest.raises(InputError, match="at least one clip"):
        build(folder, [])


def test_two_clips_of_one_name_are_an_error(clips, folder):
    with pytest.raises(InputError, match=r"same name\n.*clip00"):
        build(folder, [*clips, clips[0]])


def test_clips_that_differ_in_channels_are_named(tmp_path, folder):
    clips = [write_clip(tmp_path / "a.wav", 0), write_clip(tmp_path / "b.wav", 1, channels=2)]
    with pytest.raises(InputError, match="a has 1 channels, b has 2"):
        build(folder, clips, mono=False)
    build(folder, clips[1:], mono=False)
    with pytest.raises(InputError, match=r"a has 1 channels, b has 2|b has 2 channels, a has 1"):
        build(folder, clips, mono=False)
    assert_holds(build(folder, clips, mono=True), clips)


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


def test_no_terminal_gets_one_line(clips, folder, capsys):
    build_store(folder, clips, RATE)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"waveform store {RATE} Hz")
    assert "8/8" in line
    build_store(folder, clips, RATE)
    assert capsys.readouterr().err == ""


def test_store_folders_are_readable_stable_and_unique(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = store_folder(tmp_path, "bad", Path("data"), 32000, True)
    assert folder.parent == tmp_path / "stores"
    assert folder.name.startswith("bad-32000-mono-")
    assert folder == store_folder(tmp_path, "bad", tmp_path / "x" / ".." / "data", 32000, True)
    others = [
        ("asc", "data", 32000, True),
        ("bad", "other", 32000, True),
        ("bad", "data", 16000, True),
        ("bad", "data", 32000, False),
    ]
    assert len({folder, *(store_folder(tmp_path, task, Path(root), *rest) for task, root, *rest in others)}) == 5


def test_a_wrong_number_of_channels_stops_by_name_or_is_skipped(tmp_path, folder):
    clips = [*make_clips(tmp_path / "audio", count=2, channels=2), write_clip(tmp_path / "mono.wav", 9)]
    clips.append(write_clip(tmp_path / "four.wav", 8, channels=4))
    for mono in (True, False):
        with pytest.raises(InputError, match=r"1 channels instead of 2\n.*mono\.wav") as caught:
            build(folder, clips[:3], mono=mono, channels=2)
        assert "on_error skip" in str(caught.value)
        with pytest.raises(InputError, match=r"4 channels instead of 2\n.*four\.wav"):
            build(folder, clips[3:], mono=mono, channels=2)
        store = build(folder, clips, mono=mono, channels=2, on_error="skip")
        assert_holds(store, clips[:2], mono)
        assert {name: reason[:20] for name, reason in store.skipped.items()} == {
            "mono": "1 channels instead o",
            "four": "4 channels instead o",
        }
        with pytest.raises(InputError, match=r"mono\.wav"):
            build(folder, clips, mono=mono, channels=2)


@pytest.mark.parametrize("on_error", ["stop", "skip"])
@pytest.mark.parametrize("odd", [0, 3, 7])
def test_mixed_sample_rates_name_both_files(tmp_path, folder, on_error, odd):
    clips = make_clips(tmp_path / "audio")
    clips[odd] = write_clip(tmp_path / "audio" / f"clip{odd:02}.wav", 1, rate=44100)
    assert_holds(build(folder, clips), clips)  # unless one rate is asked for
    for rebuilt in (folder, tmp_path / "new", tmp_path / "new"):
        os.utime(clips[odd].path, ns=(0, 1))
        with pytest.raises(InputError, match="mixed sample rates") as caught:
            build(rebuilt, clips[:-1] if odd < 7 else clips, one_rate=True, on_error=on_error)
        first = str(caught.value).splitlines()[0]
        assert clips[odd].clip_id in first and "44100 Hz" in first
        assert f"{RATE} Hz" in first and ("clip01" if odd == 0 else "clip00") in first


def test_one_rate_is_enough_whatever_it_is(tmp_path, folder):
    clips = make_clips(tmp_path / "audio", count=3, rate=44100)
    assert_holds(build(folder, clips, one_rate=True), clips)
    (tmp_path / "broken.wav").write_bytes(b"")  # what cannot be read has no rate
    clips = [Clip("broken", tmp_path / "broken.wav"), *clips]
    assert list(build(folder, clips, one_rate=True, on_error="skip").skipped) == ["broken"]
