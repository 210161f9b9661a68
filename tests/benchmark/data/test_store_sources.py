"""Audio files that change, are links, have odd names, or may not be written to."""

import os

import numpy as np
import pytest
from store_clips import RATE, assert_holds, build, make_clips, signal_of, write_clip

from benchmark.data.store import WaveformStore
from benchmark.data.store_index import Clip, store_folder
from benchmark.errors import InputError


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


def test_a_change_that_keeps_the_size_is_seen_by_its_time(clips, folder, decoded):
    build(folder, clips)
    samples = int(WaveformStore(folder).lengths[2])
    size = clips[2].path.stat().st_size
    decoded.clear()
    write_clip(clips[2].path, seed=99, samples=samples)
    assert clips[2].path.stat().st_size == size
    assert_holds(build(folder, clips), clips)
    assert decoded == ["clip02"]


def test_a_change_that_keeps_size_and_time_is_left_to_data_verify(clips, folder, decoded):
    """Reading every file at every start would take as long as decoding it; hashes of the files are `data verify`'s."""
    store = build(folder, clips)
    before, status = signal_of(store, "clip02"), clips[2].path.stat()
    decoded.clear()
    write_clip(clips[2].path, seed=99, samples=int(store.lengths[2]))
    os.utime(clips[2].path, ns=(status.st_atime_ns, status.st_mtime_ns))
    store = build(folder, clips)
    assert decoded == []
    assert np.array_equal(signal_of(store, "clip02"), before)
    assert store.verify(progress=False) == []  # the store is as it was written


def everything_below(folder):
    return {path: (path.lstat().st_mtime_ns, path.lstat().st_size) for path in (folder, *folder.rglob("*"))}


def test_nothing_is_written_beside_the_audio(tmp_path, folder):
    clips = make_clips(tmp_path / "audio")
    for path in (*(clip.path for clip in clips), tmp_path / "audio"):
        path.chmod(0o555)
    before = everything_below(tmp_path / "audio")
    assert_holds(build(folder, clips), clips)
    assert build(folder, clips).verify(progress=False) == []
    assert everything_below(tmp_path / "audio") == before


def linked_clips(tmp_path):
    """Clips behind a linked folder with a linked file in it."""
    make_clips(tmp_path / "elsewhere", count=3)
    write_clip(tmp_path / "far.wav", 9)
    (tmp_path / "elsewhere" / "link.wav").symlink_to(tmp_path / "far.wav")
    (tmp_path / "audio").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    return [Clip(path.stem, path) for path in sorted((tmp_path / "audio").iterdir())]


def test_linked_files_and_folders_are_followed_to_what_they_point_to(tmp_path, folder, decoded):
    clips = linked_clips(tmp_path)
    assert_holds(build(folder, clips), clips)
    decoded.clear()
    os.utime(tmp_path / "elsewhere" / "link.wav", ns=(0, 0), follow_symlinks=False)
    build(folder, clips)
    assert decoded == []  # the link's own time says nothing
    os.utime(tmp_path / "far.wav", ns=(0, 0))
    build(folder, clips)
    assert decoded == ["link"]
    write_clip(tmp_path / "other.wav", 10)
    (tmp_path / "elsewhere" / "link.wav").unlink()
    (tmp_path / "elsewhere" / "link.wav").symlink_to(tmp_path / "other.wav")
    assert_holds(build(folder, clips), clips)


def test_a_link_to_nowhere_is_a_missing_file(tmp_path, folder):
    clips = linked_clips(tmp_path)
    (tmp_path / "far.wav").unlink()
    with pytest.raises(InputError, match=r"symbolic link to .*far\.wav, which is missing\n.*link\.wav"):
        build(folder, clips)
    store = build(folder, clips, on_error="skip")
    assert "symbolic link" in store.skipped["link"]
    write_clip(tmp_path / "far.wav", 9)
    assert_holds(build(folder, clips, on_error="skip"), clips)


def odd_names(base):
    """Names of 200 characters from several scripts, a path of more than 1,000, and one that is no UTF-8."""
    nested = base.joinpath(*("nested " * 20 + str(level) for level in range(9)))
    not_utf8 = os.fsdecode(b"not utf-8 \xff\xfe")
    names = [180 * "a" + 16 * "ö" + "音声音声", "e\u0301 combined", 'quotes " and \n lines', "[bold]markup", not_utf8]
    return [base / f"{name}.wav" for name in names] + [nested / "deep.wav"]


def test_unicode_and_very_long_paths_are_kept(tmp_path):
    paths = odd_names(tmp_path / "Tonaufnahmen 录音")
    assert len(paths[0].stem) == 200 and len(str(paths[-1])) > 1000
    clips = []
    for seed, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_clip(tmp_path / "plain.wav", seed).path.rename(path)
        clips.append(Clip(path.stem, path))
    folder = store_folder(paths[-1].parent, "täsk", paths[4], RATE, True)
    assert_holds(build(folder, clips), clips)
    assert WaveformStore(folder).verify(progress=False) == []


def test_a_path_that_no_file_system_takes_is_named(tmp_path, folder, clips):
    clips.append(Clip("endless", tmp_path / (5000 * "x") / "a.wav"))
    with pytest.raises(InputError, match="File name too long"):
        build(folder, clips)
    assert "File name too long" in build(folder, clips, on_error="skip").skipped["endless"]
