import hashlib
import json
import multiprocessing
import os
import random
import resource
import signal
import sys
import tempfile
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from archive_makers import tar_member, write_archive, write_tar, write_zip

from benchmark.data import archives as archives_module
from benchmark.data import unpack as unpack_module
from benchmark.data.files import Limit
from benchmark.data.receipts import Member
from benchmark.data.unpack import unpack
from benchmark.errors import BenchmarkError, InputError

ENOUGH = Limit(files=100, bytes=10**8)
FORK = multiprocessing.get_context("fork")
FORMATS = [".zip", ".tar", ".tar.gz", ".tgz"]
both = pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])


def noise(size, seed=0):
    return random.Random(seed).randbytes(size)


CONTENT = {f"audio/{i:02}.wav": noise(3000 + 100 * i, i) for i in range(12)} | {"meta.csv": b"file,label\n" * 50}


def files_below(folder):
    """What is in a folder; temporary files too."""
    paths = [Path(parent, name) for parent, _, names in os.walk(folder) for name in names]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def go(archive, root, folder="set", limit=ENOUGH, advance=lambda size: None):
    return unpack(archive, root, folder, limit, archive.with_name("journal"), advance)


@pytest.fixture
def root(tmp_path):
    return tmp_path / "data"


@pytest.mark.parametrize("top", ["", "set/", "./set/", "other/"])
@pytest.mark.parametrize("suffix", FORMATS)
def test_an_archive_comes_into_the_official_layout(tmp_path, root, suffix, top):
    archive = write_archive(tmp_path / f"a{suffix}", {top + name: content for name, content in CONTENT.items()})
    lands = "other/" if top == "other/" else ""
    steps = []
    members = go(archive, root, "tut/set", advance=steps.append)
    assert members == [
        Member(f"tut/set/{lands}{name}", len(content), hashlib.sha256(content).hexdigest())
        for name, content in CONTENT.items()
    ]
    assert files_below(root) == {f"tut/set/{lands}{name}": content for name, content in CONTENT.items()}
    assert sum(steps) == sum(map(len, CONTENT.values()))


@both
def test_the_data_root_itself_can_be_the_folder(tmp_path, root, suffix):
    archive = write_archive(tmp_path / f"a{suffix}", {"set/x": b"1", "y": b"2"})
    assert [member.path for member in go(archive, root, ".")] == ["set/x", "y"]
    assert files_below(root) == {"set/x": b"1", "y": b"2"}


def test_folders_and_what_macos_leaves_are_passed_over(tmp_path, root):
    names = ["set/._x.wav", "__MACOSX/set/x.wav", "set/.DS_Store"]
    members = [("set/x.wav", b"1"), *((name, b"2") for name in names)]
    zipped = write_zip(tmp_path / "a.zip", ("set/", b""), ("set/empty/", b""), *members)
    folders = (tar_member("./", type=b"5"), tar_member("set/empty", type=b"5"))
    for archive in (zipped, write_tar(tmp_path / "a.tar.gz", *folders, *members)):
        assert [member.path for member in go(archive, root, limit=Limit(1, 100))] == ["set/x.wav"]
        assert files_below(root) == {"set/x.wav": b"1"}


@pytest.mark.parametrize("in_the_way", ["set/audio", "set", "set/meta.csv/"])
@both
def test_a_file_in_place_of_a_folder_or_the_other_way_round_is_named(tmp_path, root, suffix, in_the_way):
    archive = write_archive(tmp_path / f"a{suffix}", CONTENT)
    place = root / in_the_way
    if in_the_way.endswith("/"):
        place.mkdir(parents=True)
    else:
        place.parent.mkdir(parents=True)
        place.write_bytes(b"mine")
    with pytest.raises(InputError, match="move it away") as caught:
        go(archive, root)
    assert str(place) in str(caught.value)
    assert place.is_dir() or place.read_bytes() == b"mine"
    assert not any("unpacking" in name for name in files_below(root))


@both
def test_files_that_are_there_are_replaced_and_others_left_alone(tmp_path, root, suffix):
    (root / "set" / "audio").mkdir(parents=True)
    (tmp_path / "precious").write_bytes(b"precious")
    (root / "set" / "audio" / "00.wav").symlink_to(tmp_path / "precious")
    (root / "set" / "meta.csv").write_bytes(b"old")
    (root / "set" / "audio" / "mine.wav").write_bytes(b"mine")
    before = (root / "set" / "meta.csv").open("rb")
    go(write_archive(tmp_path / f"a{suffix}", CONTENT), root)
    assert before.read() == b"old"  # replaced at once, not overwritten
    assert files_below(root / "set") == CONTENT | {"audio/mine.wav": b"mine"}
    assert (tmp_path / "precious").read_bytes() == b"precious"


@both
def test_the_folder_may_be_a_link_to_another_disk(tmp_path, root, suffix):
    root.mkdir()
    (tmp_path / "disk").mkdir()
    (root / "set").symlink_to(tmp_path / "disk")
    go(write_archive(tmp_path / f"a{suffix}", CONTENT), root)
    assert files_below(tmp_path / "disk") == CONTENT
    assert (root / "set").is_symlink()


def state(root, members):
    return {path: ((root / path).stat().st_ino, (root / path).stat().st_mtime_ns) for path in members}


def journaled(path):
    """The paths of the whole lines of a journal."""
    return [json.loads(line)[0] for line in path.read_text().splitlines(keepends=True)[1:] if line.endswith("\n")]


def unpack_until(archive, root, lines):
    """Unpack and die by SIGKILL when that many lines of code were run in the two modules."""
    left = [lines]
    ours = {unpack_module.__file__, archives_module.__file__}

    def count(frame, event, argument):
        if frame.f_code.co_filename not in ours:
            return None
        left[0] -= event == "line"
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return count

    sys.settrace(count)
    go(archive, root)
    sys.settrace(None)
    return lines - left[0]


@both
def test_a_killed_unpacking_goes_on_where_it_was(tmp_path, root, suffix, monkeypatch):
    monkeypatch.setattr(archives_module, "CHUNK", 1000)
    archive, journal = write_archive(tmp_path / f"a{suffix}", CONTENT), tmp_path / "journal"
    everything = go(archive, root)
    journal.unlink()
    lines = unpack_until(archive, tmp_path / "counted", 10**9)
    kept = leftovers = 0
    for moment in random.Random(4).sample(range(lines // 3, lines), 8):
        journal.unlink(missing_ok=True)
        target = tmp_path / str(moment)
        child = FORK.Process(target=unpack_until, args=(archive, target, moment))
        child.start()
        child.join()
        assert child.exitcode == -signal.SIGKILL
        there = files_below(target)
        assert {name: there[name] for name in there if ".unpacking" not in name}.items() <= files_below(root).items()
        done = state(target, journaled(journal)) if journal.exists() else {}
        kept += len(done)
        leftovers += any(".unpacking" in name for name in there)
        assert go(archive, target) == everything
        assert files_below(target) == files_below(root)
        assert state(target, done) == done
    assert kept > 10 and leftovers > 0


def test_archives_unpacked_at_once_into_one_folder_do_not_meet(tmp_path, root):
    parts = [{f"audio/{part}-{i}.wav": noise(2000, part) for i in range(40)} for part in range(4)]
    archives = [write_archive(tmp_path / f"{part}.zip", content) for part, content in enumerate(parts)]
    for _ in range(2):  # the second time each removes its own leftovers only
        with ThreadPoolExecutor(4) as pool:
            done = [pool.submit(unpack, a, root, "set", ENOUGH, a.with_suffix(".j"), bool) for a in archives]
            assert [len(future.result()) for future in done] == [40] * 4
        assert files_below(root / "set") == {name: content for part in parts for name, content in part.items()}
        for archive in archives:
            archive.with_suffix(".j").write_text("of another archive")


@both
def test_a_journal_of_another_archive_or_another_place_is_ignored(tmp_path, root, suffix):
    archive, journal = write_archive(tmp_path / f"a{suffix}", CONTENT), tmp_path / "journal"
    go(archive, root)
    stale = {name: bytes(len(content)) for name, content in CONTENT.items()}
    for name, content in stale.items():
        (tmp_path / "other" / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "other" / "set" / name).write_bytes(content)
    go(archive, tmp_path / "other")
    assert files_below(tmp_path / "other" / "set") == CONTENT
    write_archive(archive, stale)
    assert go(archive, root)[0].sha256 == hashlib.sha256(stale["audio/00.wav"]).hexdigest()
    assert files_below(root / "set") == stale
    assert len(journaled(journal)) == len(stale)


@both
def test_what_a_killed_unpacking_of_another_archive_left_is_removed(tmp_path, root, suffix):
    archive, journal = write_archive(tmp_path / f"a{suffix}", CONTENT), tmp_path / "journal"
    seen = []
    go(archive, root, advance=lambda size: seen.extend(path for path in root.rglob(".unpacking-*")))
    (root / "set" / "gone").mkdir()
    (root / "set" / "gone" / seen[0].name).write_bytes(b"half")
    (root / "set" / "gone" / ".unpacking-of-another").write_bytes(b"under way")
    assert journal.exists()
    go(archive, root)
    assert files_below(root / "set") == CONTENT | {"gone/.unpacking-of-another": b"under way"}
    journal.unlink()
    for place in ("audio", "gone"):  # in the second, this archive writes nothing
        (root / "set" / place / seen[0].name).write_bytes(b"half")
    go(archive, root)
    assert files_below(root / "set") == CONTENT | {"gone/.unpacking-of-another": b"under way"}


@pytest.mark.parametrize("tail", ['["set/audio/05.wav", 35', "garbage", "[1]", '{"a": 1}', '"x"\n["set/', "\udcff\n"])
@both
def test_a_torn_line_of_the_journal_is_ignored(tmp_path, root, suffix, tail):
    archive, journal = write_archive(tmp_path / f"a{suffix}", CONTENT), tmp_path / "journal"
    everything = go(archive, root)
    lines = journal.read_text().splitlines(keepends=True)
    (root / "set" / "audio" / "05.wav").write_bytes(b"half")
    before = state(root, [member.path for member in everything])
    journal.write_bytes(("".join(lines[:5]) + tail).encode(errors="surrogateescape"))
    assert go(archive, root) == everything
    assert files_below(root / "set") == CONTENT
    kept = [path for path, now in state(root, before).items() if now == before[path]]
    assert kept == ([] if "\udcff" in tail else [member.path for member in everything[:4]])
    assert journaled(journal) == [member.path for member in everything]


@both
def test_files_changed_in_size_or_lost_since_are_unpacked_again(tmp_path, root, suffix):
    archive = write_archive(tmp_path / f"a{suffix}", CONTENT)
    everything, steps = go(archive, root), []
    (root / "set" / "audio" / "03.wav").unlink()
    (root / "set" / "meta.csv").write_bytes(b"")
    before = state(root, [member.path for member in everything[:3]])
    assert go(archive, root, advance=steps.append) == everything
    assert files_below(root / "set") == CONTENT
    assert state(root, before) == before
    assert sum(steps) == sum(map(len, CONTENT.values()))


def told(work, reply):
    """What a child's work that should fail ended with."""
    try:
        work()
    except BenchmarkError as error:
        reply.send((error.exit_code, str(error)))
    except BaseException as error:
        reply.send((None, repr(error)))
    else:
        reply.send((0, ""))


def in_child(work):
    ours, childs = FORK.Pipe()
    child = FORK.Process(target=told, args=(work, childs))
    child.start()
    assert ours.poll(20)
    reply = ours.recv()
    child.join()
    return reply


@both
def test_a_full_disk_is_an_error_of_the_work_and_it_goes_on_when_there_is_room(tmp_path, root, suffix):
    content = CONTENT | {"audio/long.wav": noise(40_000)} | {"last": b"1"}
    archive = write_archive(tmp_path / f"a{suffix}", content)

    def with_little_room():
        resource.setrlimit(resource.RLIMIT_FSIZE, (9000, resource.RLIM_INFINITY))
        go(archive, root)

    exit_code, message = in_child(with_little_room)
    assert exit_code == 1 and "long.wav" in message and "free space" in message
    assert files_below(root / "set") == CONTENT
    before = state(root, [f"set/{name}" for name in CONTENT])
    go(archive, root)
    assert files_below(root / "set") == content
    assert state(root, before) == before


@both
def test_a_read_only_target_is_an_error_of_the_work(suffix):
    with tempfile.TemporaryDirectory() as folder:  # that another user can reach: nothing is read-only for root
        root, cache = Path(folder, "data"), Path(folder, "cache")
        root.mkdir()
        cache.mkdir()
        archive = write_archive(cache / f"a{suffix}", CONTENT)
        for path, mode in ((Path(folder), 0o755), (root, 0o555), (cache, 0o777), (archive, 0o444)):
            path.chmod(mode)

        def as_nobody():
            if os.geteuid() == 0:
                os.seteuid(65534)
            go(archive, root)

        exit_code, message = in_child(as_nobody)
        assert exit_code == 1 and "cannot write: Permission denied" in message and str(root / "set") in message
        assert files_below(root) == {}


@both
def test_stopping_from_the_callback_leaves_nothing_half_done(tmp_path, root, suffix):
    archive, steps = write_archive(tmp_path / f"a{suffix}", CONTENT), []

    def stop(size):
        steps.append(size)
        if sum(steps) > 20_000:
            raise BenchmarkError("stopped")

    with pytest.raises(BenchmarkError, match="stopped"):
        go(archive, root, advance=stop)
    assert 0 < len(there := files_below(root / "set")) < len(CONTENT)
    assert there.items() <= CONTENT.items()


@both
def test_memory_does_not_grow_with_the_size_of_a_member(tmp_path, root, suffix):
    archive = write_archive(tmp_path / f"a{suffix}", {"silence.wav": bytes(40 << 20)})
    tracemalloc.start()
    go(archive, root)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (root / "set" / "silence.wav").stat().st_size == 40 << 20
    assert peak < 8 << 20
