import io
import random
import tarfile
import time
import tracemalloc
import zipfile

import pytest
from archive_makers import add_member, gzipped, tar_member, write_archive, write_tar, write_zip

from benchmark.data.files import Limit
from benchmark.data.unpack import unpack
from benchmark.errors import InputError

ENOUGH = Limit(files=100, bytes=10**7)
CONTENT = {
    "set/audio/a.wav": random.Random(0).randbytes(3000),
    "set/audio/鳥.wav": b"\0\1" * 4000,
    "set/note.txt": b"a few words\n" * 20,
    "set/o": b"",
    "n_readme": b"read me",
}


def go(archive, root, limit=ENOUGH):
    journal = archive.with_name("journal")
    journal.unlink(missing_ok=True)
    return unpack(archive, root, "set", limit, journal, lambda size: None)


def files_below(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


EXPECTED = {name.removeprefix("set/"): content for name, content in CONTENT.items()}


def is_right_or_refused(archive, root):
    """Whether all of a damaged archive came out right; if not, it was named and nothing wrong was left."""
    try:
        go(archive, root)
    except InputError as error:
        assert str(archive) in str(error) and "delete it and download again" in str(error)
        assert len(str(error).splitlines()) == 3
        assert files_below(root / "set").items() <= EXPECTED.items()
        return False
    assert files_below(root / "set") == EXPECTED
    return True


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz"])
def test_a_truncated_archive_is_named(tmp_path, suffix):
    archive = write_archive(tmp_path / f"a{suffix}", CONTENT)
    whole = archive.read_bytes()
    assert is_right_or_refused(archive, tmp_path / "whole")
    generator = random.Random(1)
    needed = len(whole) - (1023 if suffix == ".tar" else 0)  # of the two empty blocks at a tar's end, one will do
    cuts = {0, 1, 10, 512, 1024, needed - 1, *(generator.randrange(needed) for _ in range(60))}
    for cut in cuts:
        archive.write_bytes(whole[:cut])
        assert not is_right_or_refused(archive, tmp_path / str(cut))


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
def test_a_flipped_bit_never_makes_a_wrong_file(tmp_path, suffix):
    archive = write_archive(tmp_path / f"a{suffix}", CONTENT)
    whole, generator = archive.read_bytes(), random.Random(2)
    refused = 0
    for case in range(400):
        damaged = bytearray(whole)
        place = generator.randrange(len(whole)) if case % 2 else -1 - generator.randrange(400)
        damaged[place] ^= 1 << generator.randrange(8)
        archive.write_bytes(damaged)
        refused += not is_right_or_refused(archive, tmp_path / str(case))
    assert refused > 200


@pytest.mark.parametrize(("name", "damaged"), [(b"n_readme", b"._readme"), (b"set/o", b"set//")])
def test_a_file_whose_damaged_name_looks_like_nothing_of_interest_is_noticed(tmp_path, name, damaged):
    archive = write_archive(tmp_path / "a.zip", CONTENT)
    head, directory = archive.read_bytes().split(b"PK\1\2", 1)
    archive.write_bytes(head + b"PK\1\2" + directory.replace(name, damaged))
    assert not is_right_or_refused(archive, tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_a_flipped_bit_in_a_header_of_a_plain_tar_is_named(tmp_path):
    archive = write_archive(tmp_path / "a.tar", CONTENT)
    whole, generator = archive.read_bytes(), random.Random(3)
    with tarfile.open(archive) as reader:
        headers = [member.offset for member in reader]
    for case in range(200):
        damaged = bytearray(whole)
        damaged[generator.choice(headers) + generator.randrange(512)] ^= 1 << generator.randrange(8)
        archive.write_bytes(damaged)
        is_right_or_refused(archive, tmp_path / str(case))


@pytest.mark.parametrize("hole", [(1, 2), (3, 5)])
def test_a_tar_with_a_hole_of_zeros_is_no_shorter_tar(tmp_path, hole):
    archive = write_tar(tmp_path / "a.tar", *((f"{i}", bytes([i + 1]) * 512) for i in range(4)))
    whole = bytearray(archive.read_bytes())
    begin, end = (1024 * block for block in hole)
    whole[begin : min(end, 4096)] = bytes(min(end, 4096) - begin)
    archive.write_bytes(whole if hole == (1, 2) else whole + b"PaxHeader")
    with pytest.raises(InputError, match="damaged"):
        go(archive, tmp_path / "data")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tgz"])
def test_a_page_of_an_error_instead_of_an_archive_is_named(tmp_path, name):
    (tmp_path / name).write_text("<html>404</html>")
    with pytest.raises(InputError, match="damaged"):
        go(tmp_path / name, tmp_path / "data")
    with pytest.raises(InputError, match="cannot read"):
        go(tmp_path / f"missing-{name}", tmp_path / "data")


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
def test_archives_of_the_usual_programs_are_read(tmp_path, suffix):
    archive = tmp_path / f"a{suffix}"
    if suffix == ".zip":
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as writer:
            for name, content in CONTENT.items():
                with writer.open(name, "w", force_zip64=True) as file:
                    file.write(content)
    else:
        with tarfile.open(archive, "w:gz", format=tarfile.PAX_FORMAT) as writer:
            for name, content in CONTENT.items():
                info, _ = tar_member(name, content, mtime=1.5, pax_headers={"comment": "x" * 3000})
                writer.addfile(info, io.BytesIO(content))
    assert is_right_or_refused(archive, tmp_path / "data")


LINKS = {
    "a symbolic link": {"type": tarfile.SYMTYPE, "linkname": "/tmp"},
    "a hard link": {"type": tarfile.LNKTYPE, "linkname": "fine"},
    "a fifo": {"type": tarfile.FIFOTYPE},
    "a device": {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3},
    "of an unknown kind": {"type": b"Z"},
    "a sparse file": {"type": tarfile.GNUTYPE_SPARSE},
}


@pytest.mark.parametrize("kind", LINKS)
@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_links_and_devices_in_a_tar_are_refused_before_anything_is_written(tmp_path, suffix, kind):
    attack = tar_member("set/door", **LINKS[kind])
    archive = write_tar(tmp_path / f"a{suffix}", ("fine", b"1"), attack, ("set/door/evil", b"2"))
    with pytest.raises(InputError, match=rf"refused: its member 'set/door' is {kind}\n.*a{suffix}"):
        go(archive, tmp_path / "data")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("mode", "kind"),
    [(0o120777, "a symbolic link"), (0o010644, "a fifo"), (0o020644, "a device"), (0o060644, "a device")],
)
def test_links_and_devices_in_a_zip_are_refused_before_anything_is_written(tmp_path, mode, kind):
    attack = add_member("door", b"/tmp", mode=mode)
    archive = write_zip(tmp_path / "a.zip", ("fine", b"1"), attack, ("door/evil", b"2"))
    with pytest.raises(InputError, match=f"refused: its member 'door' is {kind}"):
        go(archive, tmp_path / "data")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("options", [{"flags": 0x801}, {"method": 12}, {"method": 14}, {"method": 9}])
def test_encrypted_members_and_unknown_compression_are_refused(tmp_path, options):
    archive = write_zip(tmp_path / "a.zip", ("fine", b"1"), add_member("x", b"2", **options))
    with pytest.raises(InputError, match=r"'x' is encrypted|'x' is compressed by method") as caught:
        go(archive, tmp_path / "data")
    assert str(archive) in str(caught.value)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz"])
def test_more_bytes_or_files_than_the_limit_are_refused_before_anything_is_written(tmp_path, suffix):
    archive = write_archive(tmp_path / f"a{suffix}", {"a": bytes(600), "b": bytes(400)})
    for limit in (Limit(1, 1000), Limit(2, 999), Limit(0, 0)):
        with pytest.raises(InputError, match=f"more than {limit.files} files or {limit.bytes:,} bytes") as caught:
            go(archive, tmp_path / "data", limit)
        assert str(archive) in str(caught.value) and "registry" in str(caught.value)
        assert not (tmp_path / "data").exists()
    assert len(go(archive, tmp_path / "data", Limit(2, 1000))) == 2


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
def test_bombs_of_size_and_of_number_are_refused_at_once(tmp_path, suffix):
    silence = write_archive(tmp_path / f"ratio{suffix}", {f"{i}": bytes(30_000_000) for i in range(2)})
    crowd = write_archive(tmp_path / f"crowd{suffix}", {f"{i}": b"" for i in range(5000)})
    assert silence.stat().st_size < 100_000
    tracemalloc.start()
    for archive in (silence, crowd):
        with pytest.raises(InputError, match="unpacks to more"):
            go(archive, tmp_path / "data")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000_000
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("declared", [0, 10, 99_999, 100_001])
def test_a_zip_that_holds_other_than_it_declares_is_named(tmp_path, stored, declared):
    archive = write_zip(tmp_path / "a.zip", ("ok", b"1"), add_member("x", b"x" * 100_000, size=declared, stored=stored))
    with pytest.raises(InputError, match="damaged"):
        go(archive, tmp_path / "data")
    assert files_below(tmp_path / "data") == {"set/ok": b"1"}


@pytest.mark.parametrize("declared", [0, 10, 600, 5000])
@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_a_tar_that_holds_other_than_it_declares_is_named(tmp_path, suffix, declared):
    archive = write_tar(tmp_path / f"a{suffix}", ("ok", b"1"), tar_member("x", b"x" * 3000, size=declared))
    with pytest.raises(InputError, match="damaged"):
        go(archive, tmp_path / "data")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("size", [-1, -512, -(10**6)])
def test_a_negative_size_in_a_tar_is_refused(tmp_path, size):
    archive = write_tar(tmp_path / "a.tar", ("ok", b"1"), tar_member("x", size=size))
    with pytest.raises(InputError, match=r"damaged|bytes"):
        go(archive, tmp_path / "data")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_a_header_that_asks_for_much_memory_is_refused(tmp_path, kind):
    archive = write_tar(tmp_path / "a.tar.gz", tar_member("x", bytes(50_000_000), type=kind))
    tracemalloc.start()
    with pytest.raises(InputError, match="a header of"):
        go(archive, tmp_path / "data")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000_000


@pytest.mark.parametrize("block", [tar_member("d", type=tarfile.DIRTYPE)[0].tobuf(), bytes(512)])
def test_a_tar_of_endless_folders_or_of_endless_nothing_is_refused(tmp_path, block):
    archive = tmp_path / "a.tar.gz"
    archive.write_bytes(gzipped(block * 40_000))
    begin = time.monotonic()
    with pytest.raises(InputError, match="unpacks to more"):
        go(archive, tmp_path / "data", Limit(1, 1000))
    assert time.monotonic() - begin < 5


def test_headers_that_call_one_another_for_ever_are_named(tmp_path):
    chain = [tar_member("x", b"y", type=tarfile.GNUTYPE_LONGNAME)] * 3000
    with pytest.raises(InputError, match="damaged"):
        go(write_tar(tmp_path / "a.tar.gz", *chain), tmp_path / "data")
