import hashlib
import json
import random
import signal
import time
from email.utils import formatdate

import pytest
from fetching import (
    CONTENT,
    OTHER,
    PATH,
    assert_is,
    begin,
    get,
    official,
    quick_hosts,
    ranges,
    refuse,
    start_alone,
    wrong_name,
)
from server import Fault


@pytest.mark.parametrize(("size", "step"), [(300, 1), (None, 7)])
def test_a_connection_dropped_at_any_byte_is_resumed_at_that_byte(server, tmp_path, size, step):
    """Of the headers, too: -300 is before the first of them."""
    hosts = quick_hosts()
    for drop in range(-300, 301, step):
        folder = tmp_path / str(drop)
        server.log.clear()
        server.fail(PATH, Fault(drop=drop))
        assert_is(get(official(server.url(PATH), size=size), folder, hosts), folder)
        resumed = [] if drop == 300 else [f"bytes={drop}-" if drop > 0 else None]
        assert ranges(server) == [None, *resumed]


def test_a_resume_dropped_at_any_byte_loses_nothing(server, tmp_path):
    hosts = quick_hosts()
    for drop in range(-300, 200, 7):
        folder = tmp_path / str(drop)
        server.log.clear()
        server.fail(PATH, Fault(drop=100), Fault(drop=drop))
        assert_is(get(official(server.url(PATH)), folder, hosts), folder)
        assert ranges(server) == [None, "bytes=100-", f"bytes={100 + max(drop, 0)}-"]


@pytest.mark.parametrize("reset", [False, True])
def test_many_drops_in_a_row_are_survived_while_bytes_come(server, tmp_path, reset):
    server.fail(PATH, Fault(times=None, drop=7, reset=reset, stall=0.005 * reset))
    assert_is(get(official(server.url(PATH)), tmp_path), tmp_path)
    assert ranges(server) == [None, *(f"bytes={start}-" for start in range(7, 300, 7))]


def test_without_progress_an_address_is_given_up_and_its_bytes_are_kept(server, tmp_path):
    server.fail(PATH, Fault(drop=100), Fault(times=None, drop=0))
    message = refuse(official(server.url(PATH)), tmp_path, quick_hosts(tries=5))
    assert "dropped (5 times in a row)" in message and server.url(PATH) in message
    assert ranges(server) == [None] + ["bytes=100-"] * 5
    server.fail(PATH)
    assert_is(get(official(server.url(PATH)), tmp_path, have=100), tmp_path)
    assert ranges(server)[6:] == ["bytes=100-"]


def test_a_server_without_ranges_is_asked_for_the_whole_again(server, tmp_path):
    server.fail(PATH, Fault(drop=100, ranges=False), Fault(drop=50, ranges=False), Fault(ranges=False))
    assert_is(get(official(server.url(PATH)), tmp_path), tmp_path)
    assert ranges(server) == [None, "bytes=100-", "bytes=50-"]


@pytest.mark.parametrize("fault", [{}, {"etag": "weak"}, {"etag": False}, {"etag": False, "modified": 1e9}])
def test_the_rest_is_asked_for_under_the_condition_that_the_file_is_the_same(server, tmp_path, fault):
    server.fail(PATH, Fault(drop=100, **fault), Fault(**fault))
    assert_is(get(official(server.url(PATH)), tmp_path), tmp_path)
    condition = {"etag": f'"{hashlib.md5(CONTENT).hexdigest()}"', "modified": formatdate(1e9, usegmt=True)}
    expected = condition["modified"] if "modified" in fault else None if "etag" in fault else condition["etag"]
    assert [asked.headers.get("if-range") for asked in server.asked(PATH)] == [None, expected]
    assert ranges(server) == [None, "bytes=100-"]


def test_without_hash_and_without_version_the_whole_is_asked_for_again(server, tmp_path):
    server.fail(PATH, Fault(drop=100, etag=False), Fault(etag=False))
    assert_is(get(official(server.url(PATH), md5=None, sha256=None), tmp_path), tmp_path)
    assert ranges(server) == [None, None]


@pytest.mark.parametrize("conditional", [True, False])
def test_content_that_changes_between_attempts_is_not_mixed(server, tmp_path, conditional):
    server.fail(PATH, Fault(drop=100, content=OTHER), Fault(conditional=conditional))
    assert_is(get(official(server.url(PATH), md5=None, sha256=None), tmp_path), tmp_path)
    assert ranges(server) == [None, "bytes=100-"] + [None] * (not conditional)


def test_content_that_changes_unnoticed_is_fetched_once_more_from_the_start(server, tmp_path):
    server.fail(PATH, Fault(drop=100, content=OTHER, etag=False), Fault(etag=False))
    fetched = get(official(server.url(PATH)), tmp_path)
    assert_is(fetched, tmp_path, aside=[wrong_name(mixed := OTHER[:100] + CONTENT[100:])])
    assert (tmp_path / wrong_name(mixed)).read_bytes() == mixed
    assert ranges(server) == [None, "bytes=100-", None]


@pytest.mark.parametrize("claim", ["bytes 99-299/300", "bytes 0-299/300", "bytes 100-399/400", "lines 100-299/300", ""])
def test_a_content_range_that_does_not_fit_is_not_taken(server, tmp_path, claim):
    server.fail(PATH, Fault(drop=100), Fault(content_range=claim or "none"))
    assert_is(get(official(server.url(PATH), size=None), tmp_path), tmp_path)
    assert ranges(server) == [None, "bytes=100-", None]


def test_a_content_range_that_lies_is_found_out_by_the_hash(server, tmp_path):
    server.fail(PATH, Fault(drop=100), Fault(content=OTHER, conditional=False, etag=False))
    fetched = get(official(server.url(PATH)), tmp_path)
    assert_is(fetched, tmp_path, aside=[wrong_name(CONTENT[:100] + OTHER[100:])])
    assert ranges(server) == [None, "bytes=100-", None]


def test_more_bytes_than_the_content_range_announces_are_not_taken(server, tmp_path):
    lie = Fault(content=CONTENT + b"x", etag=False, conditional=False, content_range="bytes 100-299/300", length="none")
    server.fail(PATH, Fault(drop=100), lie)
    fetched = get(official(server.url(PATH), size=None, md5=None, sha256=None), tmp_path)
    assert_is(fetched, tmp_path, aside=[wrong_name(CONTENT + b"x")])


def test_wrong_content_that_comes_in_pieces_is_fetched_twice_and_no_more(server, tmp_path):
    server.fail(PATH, Fault(times=None, content=OTHER, drop=200))
    refuse(official(server.url(PATH)), tmp_path)
    assert ranges(server) == [None, "bytes=200-"] * 2


def test_a_server_that_sends_less_than_the_rest_is_asked_for_more(server, tmp_path):
    server.fail(PATH, Fault(drop=100), Fault(content_range="bytes 100-149/300", length=50, drop=50))
    assert_is(get(official(server.url(PATH)), tmp_path), tmp_path)
    assert ranges(server) == [None, "bytes=100-", "bytes=150-"]


def test_a_size_other_than_the_published_one_costs_no_byte_that_is_there(server, tmp_path):
    file = official(server.url(PATH))
    begin(file, tmp_path, 100, server)
    server.fail(PATH, Fault(times=None, content=CONTENT + b"x"))
    assert "it has 301 bytes instead of 300" in refuse(file, tmp_path)
    assert (tmp_path / "a.bin.part").read_bytes() == CONTENT[:100]


def test_a_mirror_goes_on_where_the_first_address_stopped(server, tmp_path):
    server.files["/mirror"] = CONTENT
    server.fail(PATH, Fault(drop=100), Fault(status=404))
    fetched = get(official(server.url(PATH), server.url("/mirror")), tmp_path)
    assert_is(fetched, tmp_path)
    (asked,) = server.asked("/mirror")
    assert asked.range == "bytes=100-" and "if-range" not in asked.headers
    assert fetched.url == server.url("/mirror")


def test_an_unknown_file_is_not_pieced_together_from_two_addresses(server, tmp_path):
    server.files["/mirror"] = OTHER
    server.fail(PATH, Fault(drop=100), Fault(status=404))
    file = official(server.url(PATH), server.url("/mirror"), md5=None, sha256=None)
    assert_is(get(file, tmp_path), tmp_path, OTHER)
    assert ranges(server, "/mirror") == [None]


def test_a_part_that_is_whole_is_only_checked(server, tmp_path):
    file = official(server.url(PATH))
    begin(file, tmp_path, 300, server)
    assert_is(get(file, tmp_path, have=300), tmp_path)
    assert server.log == []


@pytest.mark.parametrize("size", [300, None])
def test_a_whole_part_of_unknown_size_ends_with_416(server, tmp_path, size):
    file = official(server.url(PATH), size=size)
    begin(file, tmp_path, 300, server)
    note = tmp_path / "a.bin.part.json"
    note.write_text(json.dumps(json.loads(note.read_text()) | {"total": None}))
    assert_is(get(file, tmp_path, have=300), tmp_path)
    assert ranges(server) == ["bytes=300-"] * (size is None)


@pytest.mark.parametrize("headers", [{"Content-Range": "bytes */90"}, {}])
def test_a_range_that_the_server_does_not_have_is_given_up_for_the_whole(server, tmp_path, headers):
    file = official(server.url(PATH))
    begin(file, tmp_path, 100, server)
    server.fail(PATH, Fault(status=416, headers=headers))
    assert_is(get(file, tmp_path, have=100), tmp_path)
    assert ranges(server) == ["bytes=100-", None]


@pytest.mark.parametrize(
    "note",
    [
        None,
        "",
        "[]",
        "{",
        '{"url": 5, "validator": "", "total": 300}',
        '{"url": "SELF", "validator": "", "total": "300"}',
        '{"url": "SELF", "validator": "", "total": 300, "more": 1}',
        '{"url": "SELF", "validator": "", "total": 200}',
    ],
)
def test_a_part_with_a_note_that_is_not_its_own_is_fetched_anew(server, tmp_path, note):
    (tmp_path / "a.bin.part").write_bytes(OTHER[:100])
    if note is not None:
        (tmp_path / "a.bin.part.json").write_text(note.replace("SELF", server.url(PATH)))
    assert_is(get(official(server.url(PATH)), tmp_path, have=100), tmp_path)
    assert ranges(server) == [None]


@pytest.mark.parametrize("size", [100, 300])
def test_a_part_of_another_address_is_not_taken_for_an_unknown_file(server, tmp_path, size):
    (tmp_path / "a.bin.part").write_bytes(OTHER[:size])
    note = {"url": "http://elsewhere/a.bin", "validator": '"tag"', "total": 300}
    (tmp_path / "a.bin.part.json").write_text(json.dumps(note))
    assert_is(get(official(server.url(PATH), md5=None, sha256=None), tmp_path, have=size), tmp_path)
    assert ranges(server) == [None]


def test_a_part_longer_than_the_file_is_fetched_anew(server, tmp_path):
    (tmp_path / "a.bin.part").write_bytes(OTHER + OTHER)
    (tmp_path / "a.bin.part.json").write_text(json.dumps({"url": server.url(PATH), "validator": "", "total": None}))
    assert_is(get(official(server.url(PATH)), tmp_path, have=600), tmp_path)
    assert ranges(server) == [None]


@pytest.mark.parametrize("size", [100, 300])
def test_a_part_with_other_bytes_under_a_note_that_fits_is_found_out(server, tmp_path, size):
    file = official(server.url(PATH))
    begin(file, tmp_path, size, server)
    (tmp_path / "a.bin.part").write_bytes(OTHER[:size])
    fetched = get(file, tmp_path, have=size)
    assert_is(fetched, tmp_path, aside=[wrong_name(OTHER[:size] + CONTENT[size:])])
    assert ranges(server) == ["bytes=100-"] * (size == 100) + [None]


def test_a_process_killed_at_any_moment_resumes_to_the_same_bytes_and_fetches_none_twice(server, tmp_path):
    server.files[PATH] = content = random.Random(3).randbytes(1_200_000)
    server.fail(PATH, Fault(times=None, trickle=(4000, 0.004)))
    moments, part = random.Random(4), tmp_path / "a.bin.part"
    sizes = []
    for _ in range(5):
        asked = len(server.log)
        process = start_alone(server, tmp_path, content)
        while len(server.log) == asked and process.poll() is None:
            time.sleep(0.001)
        time.sleep(moments.uniform(0.0, 0.12))
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert not (tmp_path / "a.bin").exists()
        sizes.append(part.stat().st_size if part.exists() else 0)
        assert content.startswith(part.read_bytes() if part.exists() else b"")
    file = official(server.url(PATH), content=content, size=len(content))
    server.fail(PATH)
    assert_is(get(file, tmp_path, have=sizes[-1]), tmp_path, content)
    assert len([size for size in sizes if 0 < size < len(content)]) >= 3
    assert ranges(server) == [None] + [f"bytes={size}-" if size else None for size in sizes]
