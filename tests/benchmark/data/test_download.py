"""Downloads in one process: what lands where, what is trusted, and what is done again."""

import hashlib
import io
import os
import re
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest
from downloading import asked, contents, publish, refused, sha256
from rich.console import Console
from server import Fault

from benchmark.data import download as download_module
from benchmark.data.receipts import FOLDER
from benchmark.errors import InputError, Interrupted

CLIPS = {"wav/a.wav": b"A" * 3000, "wav/b.wav": b"B" * 2000}
LISTS = {"lists/train.csv": b"a,b\n"}
FILES = {"audio.zip": CLIPS, "lists.tar.gz": LISTS, "about.txt": b"about\n"}
TREE = {f"clips/{name}": content for name, content in {**CLIPS, **LISTS, "about.txt": b"about\n"}.items()}
BEFORE = {"one.zip": {"1.wav": b"one"}, "two.zip": {"2.wav": b"two", "3.wav": b"three"}}


# What lands where


@pytest.mark.parametrize("source", ["registry", "record", "first download"])
def test_files_and_archives_land_in_their_places_with_receipts(server, site, tmp_path, source):
    registry = publish(server, tmp_path, files=FILES, known=source == "registry", record=source == "record")
    said = site.bring(registry)
    assert site.data() == TREE
    for file, members in (("audio.zip", CLIPS), ("lists.tar.gz", LISTS), ("about.txt", {"about.txt": b"about\n"})):
        receipt, content = site.receipt(file), server.files[f"/clips/files/{file}/content"]
        assert (receipt.file, receipt.url) == (file, server.url(f"/clips/files/{file}/content"))
        assert (receipt.bytes, receipt.md5) == (len(content), hashlib.md5(content).hexdigest())
        assert (receipt.sha256, receipt.confirmed) == (sha256(content), source)
        expected = [(f"clips/{name}", len(content), sha256(content)) for name, content in members.items()]
        assert list(receipt.members) == expected
        (line,) = (line for line in said.splitlines() if line.startswith(f"{file}: "))
        by = {"registry": "its published hash agrees", "record": "the hash in the record's list agrees"}
        assert (
            by.get(source, f"no published hash is known; recorded for the next time: SHA-256 {sha256(content)}") in line
        )
    assert site.kept() == ["audio.zip", "lists.tar.gz"]  # the file that is no archive is not kept twice


def test_a_second_call_asks_for_nothing_and_writes_nothing(server, site, tmp_path):
    registry = publish(server, tmp_path, files=FILES, known=False, record=True)
    site.bring(registry)
    server.log.clear()
    before = {path: path.stat().st_mtime_ns for path in site.root.rglob("*")}
    assert site.bring(registry) == ""
    assert server.log == []
    assert {path: path.stat().st_mtime_ns for path in site.root.rglob("*")} == before


def test_data_that_is_there_may_be_read_only(server, site, tmp_path, monkeypatch):
    registry = publish(server, tmp_path, files=FILES)
    site.bring(registry)
    locked = []
    monkeypatch.setattr(download_module, "_lock", lambda locks, folder, dataset: locked.append(folder))
    site.bring(registry, delete_archives=True)
    assert locked == [site.cache / "downloads" / "clips"] and site.kept() == []


def test_names_may_be_of_any_script(server, site, tmp_path):
    names = {"größe/日本 語.wav": b"x" * 500, "größe/[bold]ж.wav": b"y"}
    registry = publish(server, tmp_path, name="дата", files={"鳥 [1].zip": names, "lïste.tar.gz": {"ñ.csv": b"n"}})
    said = site.bring(registry)
    assert site.data() == {f"дата/{name}": content for name, content in (names | {"ñ.csv": b"n"}).items()}
    assert site.receipt("鳥 [1].zip", "дата") and "鳥 [1].zip: " in said
    server.log.clear()
    (site.root / "дата/größe/日本 語.wav").unlink()
    site.bring(registry)
    assert site.data()["дата/größe/日本 語.wav"] == b"x" * 500 and server.log == []


def test_several_data_sets_come_at_once(server, site, tmp_path):
    registries = [publish(server, tmp_path, name, {f"{name}.zip": {"a": name.encode()}}) for name in "cab"]
    site.bring(*registries)
    assert site.data() == {f"{name}/a": name.encode() for name in "cab"}


# Failures


def test_a_file_that_fails_does_not_keep_the_others_from_coming(server, site, tmp_path):
    registry = publish(server, tmp_path, files=BEFORE | {"about.txt": b"about"})
    server.fail("/clips/files/one.zip/content", Fault(status=404))
    error, said = refused(site, registry)
    assert error.exit_code == 1
    assert "1 of 3 files could not be had: one.zip;" in str(error) and "the same command goes on" in str(error)
    assert "one.zip: cannot download one.zip: " in said and "HTTP 404" in said
    assert sorted(site.data()) == ["clips/2.wav", "clips/3.wav", "clips/about.txt"]
    server.log.clear()
    said = site.bring(registry)
    assert [one.path for one in server.log] == ["/clips/files/one.zip/content"] and said.startswith("one.zip: ")
    assert site.data()["clips/1.wav"] == b"one"


def test_what_was_wrong_with_a_mirror_is_said(server, site, tmp_path):
    registry = publish(server, tmp_path, files={"one.zip": BEFORE["one.zip"]})
    mirror = server.url("/clips/files/one.zip/content")
    text = registry.read_text().replace(f"url: {mirror}", f"url: {server.url('/gone')}\n    mirrors: [{mirror}]")
    registry.write_text(text)
    said = site.bring(registry)
    assert f"one.zip: {server.url('/gone')}: HTTP 404 Not Found" in said
    assert site.receipt("one.zip").url == mirror
    (site.root / "clips/1.wav").unlink()
    site.bring(registry)
    assert site.receipt("one.zip").url == mirror  # restored from the archive that came from there


@pytest.mark.parametrize("name", ["clips.zip", "clips.tar.gz"])
def test_a_truncated_archive_of_unknown_hash_comes_again_once_it_is_deleted(server, site, tmp_path, name):
    registry = publish(server, tmp_path, files={name: CLIPS}, known=False)
    whole = server.files[f"/clips/files/{name}/content"]
    server.fail(f"/clips/files/{name}/content", Fault(content=whole[:-40]))
    for _ in range(2):
        error, said = refused(site, registry)
        assert error.exit_code == 1 and "the archive is damaged" in said and "delete it and download again" in said
        assert site.data() == {} and site.receipt(name) is None
    Path(re.search("where: (.*)", said)[1]).unlink()
    site.bring(registry)
    assert site.data() == {f"clips/{name}": content for name, content in CLIPS.items()}


def test_a_broken_receipt_is_named_and_not_taken_for_none(server, site, tmp_path):
    registry = publish(server, tmp_path, files=BEFORE, known=False)
    site.bring(registry)
    site.receipt_path("one.zip").write_text("{")
    error, _ = refused(site, registry)
    assert isinstance(error, InputError) and str(site.receipt_path("one.zip")) in str(error)
    assert "delete it" in str(error)


def test_what_is_in_the_way_is_named(server, site, tmp_path):
    registry = publish(server, tmp_path, files={"about.txt": b"about", "one.zip": BEFORE["one.zip"]})
    (site.root / "clips" / "about.txt").mkdir(parents=True)
    error, said = refused(site, registry)
    assert "about.txt: cannot write: Is a directory" in said and "1 of 2 files" in str(error)
    assert site.data() == {"clips/1.wav": b"one"}
    (site.root / "clips" / "about.txt").rmdir()
    site.bring(registry)
    assert site.data() == {"clips/1.wav": b"one", "clips/about.txt": b"about"} and asked(server, "about.txt") == 1


def test_a_cache_that_cannot_be_written_is_named(server, site, tmp_path):
    registry = publish(server, tmp_path, files=BEFORE)
    site.cache.write_text("no folder")
    error, _ = refused(site, registry)
    assert error.exit_code == 1 and str(site.cache) in str(error) and server.log == []


def test_an_error_of_the_program_is_not_taken_for_one_of_a_file_and_stops_the_others(
    server, site, tmp_path, monkeypatch
):
    registry = publish(server, tmp_path, files={"one.zip": BEFORE["one.zip"], "slow.csv": bytes(10_000)})
    server.fail("/clips/files/slow.csv/content", Fault(trickle=(20, 0.02)))  # ten seconds

    def unpack(*arguments):
        raise AssertionError("a mistake")

    monkeypatch.setattr(download_module, "unpack", unpack)
    with pytest.raises(AssertionError, match="a mistake"):
        site.bring(registry)
    assert not [thread.name for thread in threading.enumerate() if "(work)" in thread.name]


def test_a_stopped_call_can_be_repeated_at_once(server, site, tmp_path, monkeypatch):
    registry = publish(server, tmp_path, files=FILES)
    say = download_module._Bars.say

    def interrupt(bars, text):
        raise KeyboardInterrupt

    monkeypatch.setattr(download_module._Bars, "say", interrupt)
    error, _ = refused(site, registry)
    assert isinstance(error, Interrupted) and "the same command goes on" in str(error)
    monkeypatch.setattr(download_module._Bars, "say", say)
    site.bring(registry)
    assert site.data() == TREE and site.kept() == ["audio.zip", "lists.tar.gz"]


# What is restored, and what is deleted


@pytest.mark.parametrize("source", ["registry", "record", "first download"])
@pytest.mark.parametrize("loss", ["deleted", "truncated"])
def test_a_lost_member_comes_from_the_archive_without_a_server(server, site, tmp_path, source, loss):
    registry = publish(server, tmp_path, files=FILES, known=source == "registry", record=source == "record")
    site.bring(registry)
    receipt = site.receipt("audio.zip")
    server.log.clear()
    victim = site.root / "clips/wav/b.wav"
    victim.unlink() if loss == "deleted" else os.truncate(victim, 100)
    said = site.bring(registry)
    assert site.data() == TREE and server.log == [] and said.startswith("audio.zip: ") and said.count("\n") == 1
    assert site.receipt("audio.zip") == receipt


def test_a_lost_file_that_is_no_archive_is_fetched_again(server, site, tmp_path):
    registry = publish(server, tmp_path, files=FILES)
    site.bring(registry)
    (site.root / "clips/about.txt").unlink()
    site.bring(registry)
    assert site.data() == TREE and asked(server, "about.txt") == 2 and asked(server, "audio.zip") == 1


def test_archives_are_deleted_and_receipts_and_data_stay(server, site, tmp_path):
    registry = publish(server, tmp_path, files=FILES)
    site.bring(registry, delete_archives=True)
    assert site.data() == TREE and site.kept() == []
    assert [path for path in contents(site.root) if path.endswith(".json")] == [
        f"{FOLDER}/clips/{file}.json" for file in sorted(FILES)
    ]
    server.log.clear()
    site.bring(registry)
    assert server.log == []


def test_archives_of_an_earlier_call_are_deleted_too(server, site, tmp_path):
    first = publish(server, tmp_path, files={"audio.zip": CLIPS})
    site.bring(first)
    registry = publish(server, tmp_path, files=FILES)
    server.fail("/clips/files/lists.tar.gz/content", Fault(status=404))
    assert site.kept() == ["audio.zip"]
    refused(site, registry, delete_archives=True)
    assert site.kept() == []  # at once, whatever becomes of the others
    site.bring(registry, delete_archives=True)
    assert site.data() == TREE and site.kept() == [] and asked(server, "audio.zip") == 1


def test_an_archive_is_deleted_before_the_next_one_comes(server, site, tmp_path):
    names = [f"{number}.zip" for number in range(4)]
    registry = publish(server, tmp_path, files={name: {name: b"x" * 5000} for name in names})
    kept, read = [], server.read

    def look(path):
        kept.append([name for name in site.kept() if name.endswith(".zip")])
        return read(path)

    server.read = look
    site.bring(registry, jobs=1, delete_archives=True)
    assert kept == [[], [], [], []]


def test_what_a_killed_process_left_is_cleared_away(server, site, tmp_path):
    registry = publish(server, tmp_path, files=FILES)
    site.bring(registry)
    cache = site.cache / "downloads" / "clips"
    for name in ("audio.zip.journal", "audio.zip.part.json", "about.txt", ".lists.tar.gz.part.json.x1y2z3_4"):
        (cache / name).write_text("{}")
    site.bring(registry)
    assert site.kept() == ["audio.zip", "lists.tar.gz"]
    (site.root / "clips/about.txt").unlink()
    (site.root / FOLDER / "clips" / ".about.txt.json.x1y2z3_4").write_text("{")
    site.bring(registry)
    assert not [path for path in contents(site.root / FOLDER) if "x1y2" in path]


# Progress


def test_bars_count_from_what_was_there(server, site, tmp_path, monkeypatch):
    registry = publish(server, tmp_path, files={"list.csv": b"x" * 5000})
    part = site.archive("list.csv.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x" * 2000)
    note = f'{{"url": "{server.url("/clips/files/list.csv/content")}", "validator": "", "total": 5000}}'
    site.archive("list.csv.part.json").write_text(note)
    seen = []
    remove = download_module.Progress.remove_task

    def look(progress, task):
        seen.append((progress.tasks[0].description, progress.tasks[0].completed, progress.tasks[0].total))
        remove(progress, task)

    monkeypatch.setattr(download_module.Progress, "remove_task", look)
    site.bring(registry)
    assert seen == [("fetching list.csv", 5000, 5000)]
    assert [one.range for one in server.asked("/clips/files/list.csv/content")] == ["bytes=2000-"]


@pytest.mark.parametrize("again", [False, True])
def test_the_locks_are_kept_while_a_thread_may_write_also_after_a_second_ctrl_c(again, monkeypatch):
    released, go_on, join = [], threading.Event(), threading.Thread.join
    monkeypatch.setattr(download_module, "GRACE", 0.1)
    monkeypatch.setattr(download_module, "_held", [])
    threads = []

    def one(step):
        threads.append(threading.current_thread())
        if step == "interrupted":
            raise KeyboardInterrupt
        go_on.wait(10)
        return ""

    def interrupted(thread, timeout=None):
        if again:
            raise KeyboardInterrupt
        join(thread, timeout)

    with monkeypatch.context() as second, ExitStack() as locks:
        second.setattr(threading.Thread, "join", interrupted)
        locks.callback(released.append, True)
        bars = download_module._Bars(Console(file=io.StringIO()))
        with pytest.raises(KeyboardInterrupt):
            download_module._work(["slow", "interrupted"], one, 2, bars, locks)
    assert released == [] and bars.stopped.is_set()
    go_on.set()
    for thread in threads:
        thread.join()


def test_the_locks_are_free_once_every_thread_has_stopped(monkeypatch):
    released = []
    monkeypatch.setattr(download_module, "_held", [])

    def one(step):
        raise KeyboardInterrupt

    with ExitStack() as locks:
        locks.callback(released.append, True)
        with pytest.raises(KeyboardInterrupt):
            download_module._work(["a"], one, 1, download_module._Bars(Console(file=io.StringIO())), locks)
        assert released == [True] and download_module._held == []
