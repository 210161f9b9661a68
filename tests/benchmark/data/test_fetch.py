import gzip
import hashlib
import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from fetching import (
    CONTENT,
    OTHER,
    PATH,
    Bar,
    assert_is,
    get,
    official,
    quick_hosts,
    ranges,
    refuse,
    start_alone,
    wrong_name,
)
from server import Fault

from benchmark.data import fetch as fetch_module
from benchmark.data.fetch import fetch
from benchmark.data.files import OfficialFile
from benchmark.errors import BenchmarkError


def test_a_file_arrives_whole(server, tmp_path):
    bar = Bar()
    fetched = fetch(official(server.url(PATH)), tmp_path / "new" / "folder", quick_hosts(), bar.advance, bar.total)
    assert_is(fetched, tmp_path / "new" / "folder")
    assert (fetched.url, fetched.bytes, fetched.remarks) == (server.url(PATH), 300, ())
    assert (bar.have, bar.size) == (300, 300)
    (asked,) = server.asked(PATH)
    assert asked.headers["accept-encoding"] == "identity"
    assert asked.headers["user-agent"].startswith("dcase-bench/")


def test_a_file_of_which_nothing_is_known_arrives(server, tmp_path):
    assert_is(get(official(server.url(PATH), size=None, md5=None, sha256=None), tmp_path), tmp_path)


def test_an_empty_file_arrives(server, tmp_path):
    server.files[PATH] = b""
    assert_is(get(official(server.url(PATH), content=b"", size=0), tmp_path), tmp_path, b"")


def test_a_size_other_than_the_published_one_stops_before_anything_is_kept(server, tmp_path):
    server.files["/long.bin"] = CONTENT + b"x"
    server.fail(PATH, Fault(content=CONTENT[:-1]))
    message = refuse(official(server.url("/long.bin"), server.url(PATH)), tmp_path)
    assert "it has 301 bytes instead of 300" in message and "it has 299 bytes instead of 300" in message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("length", [200, 400])
@pytest.mark.parametrize("size", [300, None])
def test_a_content_length_that_lies_does_not_pass(server, tmp_path, length, size):
    server.fail(PATH, Fault(times=None, length=length))
    file = official(server.url(PATH), size=size)
    refuse(file, tmp_path, quick_hosts(tries=4))
    server.fail(PATH)
    have = sum(path.stat().st_size for path in tmp_path.glob("*.part"))
    assert (tmp_path / wrong_name(CONTENT[:200])).exists() == (size is None and length == 200)
    assert get(file, tmp_path, have=have).path.read_bytes() == CONTENT


@pytest.mark.parametrize("fault", [{"length": "none"}, {"chunked": True}])
@pytest.mark.parametrize("drop", [None, 100])
def test_a_body_without_announced_length_arrives(server, tmp_path, fault, drop):
    server.fail(PATH, Fault(drop=drop, **fault))
    assert_is(get(official(server.url(PATH)), tmp_path), tmp_path)
    assert ranges(server) == [None] + ["bytes=100-"] * (drop is not None)


@pytest.mark.parametrize("fault", [{"length": "none"}, {"chunked": True}])
def test_a_body_longer_than_published_is_kept_aside(server, tmp_path, fault):
    server.fail(PATH, Fault(content=CONTENT + b"x", **fault))
    assert "it has 301 bytes instead of 300" in refuse(official(server.url(PATH)), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [wrong_name(CONTENT + b"x")]


def test_a_body_without_end_is_left(server, tmp_path):
    server.fail(PATH, Fault(content=CONTENT * 20_000, length="none"))
    assert "instead of 300" in refuse(official(server.url(PATH)), tmp_path)
    (aside,) = tmp_path.iterdir()
    assert aside.stat().st_size < 1_000_000


@pytest.mark.parametrize("known", ["md5", "sha256"])
def test_content_with_a_wrong_hash_is_kept_aside_and_said_and_not_used(server, tmp_path, known):
    server.fail(PATH, Fault(content=OTHER))
    hidden = {name: None for name in ("md5", "sha256") if name != known}
    message = refuse(official(server.url(PATH), **hidden), tmp_path)
    found, expected = (getattr(hashlib, known)(content).hexdigest() for content in (OTHER, CONTENT))
    assert all(part in message for part in (server.url(PATH), found, expected, wrong_name(OTHER), "run again"))
    assert [path.name for path in tmp_path.iterdir()] == [wrong_name(OTHER)]
    assert (tmp_path / wrong_name(OTHER)).read_bytes() == OTHER
    assert len(server.asked(PATH)) == 1


def test_after_a_wrong_hash_a_mirror_that_is_right_is_used(server, tmp_path):
    server.files["/mirror/a.bin"] = OTHER
    urls = [server.url("/mirror/a.bin"), server.url(PATH)]
    fetched = get(official(*urls), tmp_path)
    assert_is(fetched, tmp_path, aside=[wrong_name(OTHER)])
    assert fetched.url == urls[1]
    (remark,) = fetched.remarks
    assert urls[0] in remark and wrong_name(OTHER) in remark


@pytest.mark.parametrize("status", [401, 403, 404, 410, 451, 202])
def test_an_address_without_the_file_gives_way_to_the_mirror_at_once(server, tmp_path, status):
    server.files["/gone"] = b""
    server.fail("/gone", Fault(status=status))
    fetched = get(official(server.url("/gone"), server.url(PATH)), tmp_path)
    assert_is(fetched, tmp_path)
    assert f"HTTP {status}" in fetched.remarks[0]
    assert len(server.asked("/gone")) == 1


def test_when_every_address_fails_each_is_named_with_its_reason(server, tmp_path):
    server.fail("/busy", Fault(times=None, status=503))
    server.fail("/loop", Fault(times=None, redirect="/loop"))
    reasons = {
        server.url("/missing"): "HTTP 404 Not Found",
        server.url("/busy"): "HTTP 503 Service Unavailable (8 times in a row)",
        server.url("/loop"): "redirects without end",
        "ftp://127.0.0.1/a.bin": "not an http or https address",
        "file:///etc/hostname": "not an http or https address",
        "http://": "No host supplied",
    }
    message = refuse(official(*reasons), tmp_path)
    assert all(f"{url}: {reason}" in message for url, reason in reasons.items())
    assert str(tmp_path / "a.bin") in message and "run again" in message
    assert len(message.splitlines()) == 3
    assert len(server.asked("/loop")) == 11
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.bin", "a.tar.gz"])
def test_a_compressed_form_that_was_not_asked_for_is_never_unpacked_on_the_way(server, tmp_path, name):
    packed = gzip.compress(CONTENT)
    server.files["/mirror"] = CONTENT
    server.fail(PATH, Fault(content=packed, headers={"Content-Encoding": "gzip"}))
    fetched = get(official(server.url(PATH), server.url("/mirror"), name=name, size=None), tmp_path)
    assert_is(fetched, tmp_path, aside=[wrong_name(packed, name)] if name == "a.tar.gz" else [])
    assert fetched.url == server.url("/mirror") and fetched.remarks


def test_an_archive_that_its_server_calls_compressed_arrives_as_published(server, tmp_path):
    server.files[PATH] = packed = gzip.compress(CONTENT)
    server.fail(PATH, Fault(headers={"Content-Encoding": "gzip"}))
    file = official(server.url(PATH), name="a.tar.gz", size=len(packed), md5=None, sha256=None)
    assert_is(get(file, tmp_path), tmp_path, packed)


def test_a_web_page_is_not_taken_for_an_unknown_file(server, tmp_path):
    server.fail(PATH, Fault(headers={"Content-Type": "text/html; charset=utf-8"}))
    assert "a web page" in refuse(official(server.url(PATH), md5=None, sha256=None, size=None), tmp_path)


def test_a_file_that_is_there_is_checked_and_not_fetched(server, tmp_path):
    (tmp_path / "a.bin").write_bytes(CONTENT)
    assert_is(get(official(server.url(PATH)), tmp_path, have=300), tmp_path)
    assert server.log == []


@pytest.mark.parametrize("content", [OTHER, CONTENT[:-1], b""])
def test_a_file_that_is_there_and_wrong_is_kept_aside_and_fetched_anew(server, tmp_path, content):
    (tmp_path / "a.bin").write_bytes(content)
    fetched = get(official(server.url(PATH)), tmp_path, have=len(content))
    assert_is(fetched, tmp_path, aside=[wrong_name(content)])
    assert (tmp_path / wrong_name(content)).read_bytes() == content
    assert "was there" in fetched.remarks[0] and wrong_name(content) in fetched.remarks[0]


def test_a_name_may_have_any_letters(server, tmp_path):
    name = "Übergänge 音 100% & more?.bin"
    server.files[f"/{name}"] = CONTENT
    server.fail(f"/{name}", Fault(drop=100))
    assert_is(get(official(server.url(f"/{name}"), name=name), tmp_path), tmp_path)
    server.files["/höhe 1.bin"] = CONTENT
    plain = server.url() + "/höhe 1.bin"
    assert get(official(plain, name="höhe 1.bin"), tmp_path).url == plain


def test_many_threads_fetch_many_files_over_one_pool_of_hosts(server, tmp_path):
    files = []
    for number in range(12):
        content = random.Random(number).randbytes(50_000)
        server.files[f"/{number}"] = content
        server.fail(f"/{number}", Fault(drop=1000 * number), Fault(status=503), Fault(drop=5000, reset=True))
        files.append(official(server.url(f"/{number}"), name=str(number), content=content, size=50_000))
    hosts = quick_hosts()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda file: get(file, tmp_path, hosts), files))
    assert all((tmp_path / name[1:]).read_bytes() == content for name, content in server.files.items() if name != PATH)


def test_a_full_disk_is_an_error_of_the_work_and_the_download_goes_on_later(server, tmp_path):
    server.files[PATH] = content = random.Random(2).randbytes(100_000)
    told, _ = start_alone(server, tmp_path, content, limit=30_000).communicate(timeout=20)
    assert told.startswith("BenchmarkError 1 cannot write: File too large")
    assert str(tmp_path / "a.bin.part") in told and "free space" in told
    assert (tmp_path / "a.bin.part").stat().st_size == 30_000
    assert_is(get(official(server.url(PATH), content=content, size=100_000), tmp_path, have=30_000), tmp_path, content)
    assert ranges(server) == [None, "bytes=30000-"]


def test_a_folder_that_cannot_be_made_is_an_error_of_the_work(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BenchmarkError, match="or choose another folder"):
        get(official(server.url(PATH)), tmp_path / "file" / "folder")


@pytest.mark.parametrize("about", [100, None])
@pytest.mark.parametrize("fault", [Fault(chunked=True, times=None), Fault(length="none", times=None)])
def test_an_answer_without_length_or_end_is_stopped_and_leaves_nothing(server, tmp_path, monkeypatch, fault, about):
    monkeypatch.setattr(fetch_module, "SLACK", 50_000)
    monkeypatch.setattr(fetch_module, "LONGEST_UNKNOWN", 60_000)
    monkeypatch.setattr(fetch_module, "CHUNK", 10_000)
    server.files["/endless"] = bytes(2_000_000)
    server.fail("/endless", fault)
    file = OfficialFile("a.bin", "folder", (server.url("/endless"), server.url(PATH)), about=about)
    fetched = get(file, tmp_path)
    most = "60,000" if about is None else "50,200"
    assert fetched.remarks == (f"{server.url('/endless')}: it sends no length, and more than {most} bytes",)
    assert_is(fetched, tmp_path)
    assert len(server.asked("/endless")) == 1
