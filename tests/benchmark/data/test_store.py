import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from store_clips import RATE, assert_holds, build, content, make_clips, write_clip

from benchmark.data.audio import load_clip, to_int16
from benchmark.data.store import WaveformStore, build_store
from benchmark.data.store_index import Clip, store_folder
from benchmark.errors import InputError


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
