import hashlib
import json
import time

import pytest
from server import Fault, Server

from benchmark.data.hosts import Hosts
from benchmark.data.record import Published, read_record
from benchmark.errors import BenchmarkError

RECORD = "/api/records/1"
FILES = {f"{RECORD}/files/{name}/content": name.encode() * 50 for name in ("meta.zip", "Töne 1.zip")}


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server(FILES) as server:
        yield server


def read(url):
    return read_record(url, Hosts(sleep=lambda s: time.sleep(s / 1000), clock=lambda: time.monotonic() * 1000))


@pytest.mark.parametrize("old", [False, True])
def test_a_record_says_size_and_hash_of_each_file(server, old):
    url = server.publish_record(RECORD, ["meta.zip", "Töne 1.zip"], old=old)
    expected = {
        path.split("/")[-2]: Published(len(content), hashlib.md5(content).hexdigest())
        for path, content in FILES.items()
    }
    assert read(url) == expected


def test_a_record_is_asked_for_until_it_comes(server):
    url = server.publish_record(RECORD, ["meta.zip"])
    server.fail(RECORD, Fault(drop=0), Fault(drop=20), Fault(status=429, headers={"Retry-After": "2"}), Fault(drop=-9))
    assert list(read(url)) == ["meta.zip"]
    assert len(server.asked(RECORD)) == 5


@pytest.mark.parametrize("content", [b'{"files": [{"key"', b'{"files": "\xff"}', b"<html>please wait</html>"])
def test_an_answer_that_is_no_json_is_asked_for_again(server, content):
    url = server.publish_record(RECORD, ["meta.zip"])
    server.fail(RECORD, Fault(content=content), Fault(content=content, chunked=True))
    assert list(read(url)) == ["meta.zip"]
    assert len(server.asked(RECORD)) == 3


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault(times=None, status=404), "HTTP 404 Not Found"),
        (Fault(times=None, status=500), "HTTP 500 Internal Server Error (8 times in a row)"),
        (Fault(times=None, redirect=RECORD), "redirects without end"),
        (Fault(times=None, drop=10), "the connection was dropped (8 times in a row)"),
        (Fault(times=None, content=b"<html>log in first</html>"), "what it sends is no JSON: "),
    ],
)
def test_a_record_that_does_not_come_is_an_error_of_the_work(server, fault, reason):
    server.fail(RECORD, fault)
    url = server.publish_record(RECORD, ["meta.zip"])
    with pytest.raises(BenchmarkError) as caught:
        read(url)
    assert caught.value.exit_code == 1
    assert all(part in str(caught.value) for part in (reason, url, "run again later"))


ENTRY = {"key": "a", "size": 1, "checksum": "md5:" + "0" * 32}


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "3",
        '{"files": 3}',
        '{"entries": {}}',
        json.dumps({"files": [3]}),
        json.dumps({"files": [ENTRY | {"size": "much"}]}),
        json.dumps({"files": [ENTRY | {"size": None}]}),
        json.dumps({"files": [ENTRY | {"checksum": "sha1:" + "0" * 40}]}),
        json.dumps({"files": [ENTRY | {"checksum": None}]}),
    ],
)
def test_what_is_no_list_of_files_is_named_as_such(server, content):
    server.files[RECORD] = content.encode()
    with pytest.raises(BenchmarkError) as caught:
        read(server.url(RECORD))
    assert caught.value.exit_code == 1
    assert server.url(RECORD) in str(caught.value) and len(str(caught.value).splitlines()) == 3
