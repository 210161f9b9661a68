import os
from pathlib import Path

import pytest
from archive_makers import add_member, write_archive, write_tar, write_zip

from benchmark.data.files import Limit
from benchmark.data.unpack import unpack
from benchmark.errors import InputError

both = pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])


def go(archive, root):
    return unpack(archive, root, "set", Limit(100, 10**6), archive.with_name("journal"), lambda size: None)


def files_below(folder):
    paths = [Path(parent, name) for parent, _, names in os.walk(folder) for name in names]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


@pytest.fixture
def root(tmp_path):
    return tmp_path / "data"


LONG = "ä" * 50 + "w" * 150  # 200 characters, 250 bytes


@both
def test_unicode_and_very_long_paths(tmp_path, root, suffix):
    names = [f"{LONG}/{LONG}/{LONG}/{LONG}/{LONG}.wav", "Straße/鳥の声 ♫.wav", "e\u0301.wav"]
    archive = write_archive(tmp_path / f"a{suffix}", {name: name.encode() for name in names})
    assert len(names[0]) > 1000
    assert [member.path for member in go(archive, root)] == [f"set/{name}" for name in names]
    assert files_below(root / "set") == {name: name.encode() for name in names}


def test_utf8_in_a_zip_without_its_flag_is_utf8(tmp_path, root):
    go(write_zip(tmp_path / "a.zip", add_member("鳥.wav", b"1", flags=0), add_member(b"\x81.wav", flags=0)), root)
    assert set(files_below(root)) == {"set/鳥.wav", "set/ü.wav"}


@pytest.mark.parametrize("name", ["ü" * 200, "/".join(["x" * 200] * 21), "/".join("x" * 70)])
@both
def test_a_name_too_long_for_the_file_system_is_refused(tmp_path, root, suffix, name):
    archive = write_archive(tmp_path / f"a{suffix}", {"fine": b"1", name: b"2"})
    with pytest.raises(InputError, match=r"too long for the file system|deeper than") as caught:
        go(archive, root)
    assert str(archive) in str(caught.value) and name[:60] in str(caught.value)
    assert not root.exists()


ESCAPES = ["../evil", "set/../../evil", "a/..", "/etc/evil", "//evil", "C:\\evil", "c:/evil", "C:evil", "..\\evil"]
ESCAPES += ["a\\b", "", ".", "./."]
ESCAPES += [
    "\u2025/evil",
    "\u2024\u2024/evil",
    "\uff0e\uff0e\uff0fevil",
    "a\uff0f..\uff0fb",
]  # two dots, once normalised
ESCAPES += ["\uff0fetc/evil", "\uff23\uff1a/evil", "\uff3cevil"]  # wide slash, drive and backslash


@pytest.mark.parametrize("name", ESCAPES)
@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz"])
def test_a_path_that_leaves_the_folder_is_refused_before_anything_is_written(tmp_path, root, suffix, name):
    archive = write_archive(tmp_path / f"a{suffix}", {"fine": b"1", name: b"2"})
    with pytest.raises(InputError, match="refused: its member") as caught:
        go(archive, root)
    assert str(archive) in str(caught.value) and repr(name) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == [archive.name]


@pytest.mark.parametrize("name", [b"a\0.wav", b"\0", b"../\xff"])
def test_a_zip_with_a_name_cut_by_nul_or_of_no_encoding_is_refused(tmp_path, root, name):
    with pytest.raises(InputError, match=r"a\.zip"):
        go(write_zip(tmp_path / "a.zip", add_member(name, b"1")), root)
    assert not root.exists()


def test_a_tar_with_a_name_that_is_no_utf8_is_refused(tmp_path, root):
    with pytest.raises(InputError, match="no UTF-8"):
        go(write_tar(tmp_path / "a.tar", ("a\udcff.wav", b"1")), root)


TWICE = [("a/x", "a/x"), ("a/x", "a/./x"), ("a/x", "a//x"), ("set/x", "x"), ("a/x.wav", "A/X.WAV")]
TWICE += [("é", "e\u0301"), ("straße", "STRASSE"), ("a", "a/x"), ("a/x", "a"), ("a/x/y", "A")]


@pytest.mark.parametrize(("first", "second"), TWICE)
@both
def test_two_members_of_one_path_are_refused(tmp_path, root, suffix, first, second):
    with pytest.raises(InputError, match=r"twice|a file and a folder") as caught:
        go((write_zip if suffix == ".zip" else write_tar)(tmp_path / f"a{suffix}", (first, b"1"), (second, b"2")), root)
    assert repr(second) in str(caught.value)
    assert not root.exists()
