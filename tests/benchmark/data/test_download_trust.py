"""What a file is compared with: the registry's hash, the record's list, or what came first."""

import hashlib
import re
from dataclasses import replace
from pathlib import Path

from downloading import asked, publish, refused, sha256
from server import Fault

BEFORE = {"one.zip": {"1.wav": b"one"}, "two.zip": {"2.wav": b"two", "3.wav": b"three"}}


def lose(site, file, *members, name="clips"):
    """Lose members, and the archive that they came in."""
    site.archive(file, name).unlink()
    for member in members:
        (site.root / name / member).unlink()


def test_a_file_without_a_hash_that_comes_again_and_differs_is_refused(server, site, tmp_path):
    registry = publish(server, tmp_path, files=BEFORE, known=False)
    site.bring(registry)
    first = site.receipt("two.zip")
    lose(site, "two.zip", "3.wav")
    publish(server, tmp_path, files=BEFORE | {"two.zip": {"2.wav": b"TWO", "3.wav": b"THREE"}}, known=False)
    now = sha256(server.files["/clips/files/two.zip/content"])
    left = {"clips/1.wav": b"one", "clips/2.wav": b"two"}
    for _ in range(2):
        error, said = refused(site, registry)
        assert error.exit_code == 1 and "1 of 1 files could not be had: two.zip" in str(error)
        assert f"its SHA-256 is {now} instead of {first.sha256}" in said
        assert f"delete {site.receipt_path('two.zip')} instead" in said
        assert site.data() == left and site.receipt("two.zip") == first
    assert asked(server, "two.zip") == 2  # at first, and once more
    site.receipt_path("two.zip").unlink()
    said = site.bring(registry)
    assert f"recorded for the next time: SHA-256 {now}" in said and site.receipt("two.zip").sha256 == now
    assert site.data() == {"clips/1.wav": b"one", "clips/2.wav": b"TWO", "clips/3.wav": b"THREE"}
    assert asked(server, "two.zip") == 2


def test_a_file_that_was_damaged_on_its_way_is_fetched_again_by_deleting_it(server, site, tmp_path):
    registry = publish(server, tmp_path, files=BEFORE, known=False)
    site.bring(registry)
    lose(site, "two.zip", "3.wav")
    server.fail("/clips/files/two.zip/content", Fault(content=b"captive portal"))
    _, said = refused(site, registry)
    where = Path(re.search("where: (.*)", said)[1])
    assert "delete it and run again" in said and where == site.archive("two.zip")
    where.unlink()
    assert "the same as at its first download" in site.bring(registry)
    assert site.data()["clips/3.wav"] == b"three" and site.receipt("two.zip").confirmed == "first download"


def test_a_registry_that_knows_a_new_version_replaces_the_old_one(server, site, tmp_path):
    site.bring(publish(server, tmp_path, files=BEFORE, known=False))
    registry = publish(server, tmp_path, files=BEFORE | {"two.zip": {"2.wav": b"TWO", "3.wav": b"three"}})
    said = site.bring(registry)
    assert site.data()["clips/2.wav"] == b"TWO"
    assert asked(server, "one.zip") == 1 and asked(server, "two.zip") == 2
    assert "kept aside as two.zip.wrong-" in said and site.receipt("two.zip").confirmed == "registry"


def test_a_file_that_differs_from_the_records_list_is_refused(server, site, tmp_path):
    registry = publish(server, tmp_path, files=BEFORE, known=False, record=True)
    there = server.files["/clips/files/two.zip/content"]
    server.fail("/clips/files/two.zip/content", Fault(content=bytes(len(there)), times=None))
    error, said = refused(site, registry)
    assert error.exit_code == 1 and "two.zip" in str(error)
    assert (
        f"its MD5 is {hashlib.md5(bytes(len(there))).hexdigest()} instead of {hashlib.md5(there).hexdigest()}" in said
    )
    assert site.data() == {"clips/1.wav": b"one"} and site.receipt("two.zip") is None
    assert [name for name in site.kept() if "two" in name] == [f"two.zip.wrong-{sha256(bytes(len(there)))[:8]}"]


def test_a_size_in_the_registry_that_the_record_contradicts_is_not_given_up(server, site, tmp_path):
    registry = publish(server, tmp_path, files=BEFORE, known=False, record=True)
    registry.write_text(registry.read_text().replace("name: two.zip", "name: two.zip\n    bytes: 5"))
    _, said = refused(site, registry)
    assert "two.zip: cannot download" in said and "instead of 5" in said and asked(server, "two.zip") == 1
    assert site.data() == {"clips/1.wav": b"one"}


def test_without_the_record_a_file_is_trusted_on_first_use_aloud(server, site, tmp_path):
    registry = publish(server, tmp_path, files=BEFORE, known=False, record=True)
    server.fail("/clips", Fault(status=404, times=None))
    said = site.bring(registry)
    assert "cannot read the list of published files: HTTP 404" in said and server.url("/clips") in said
    assert said.count("no published hash is known; recorded for the next time: SHA-256 ") == 2
    assert site.receipt("one.zip").confirmed == "first download"
    server.fail("/clips")
    lose(site, "one.zip", "1.wav")
    assert "the hash in the record's list agrees" in site.bring(registry)
    assert site.receipt("one.zip").confirmed == "record"
    server.fail("/clips", Fault(status=404, times=None))
    lose(site, "one.zip", "1.wav")
    site.bring(registry)
    assert site.receipt("one.zip").confirmed == "record"  # it is the same file


def test_a_record_is_asked_once_and_only_where_it_is_needed(server, site, tmp_path):
    known = publish(server, tmp_path, "known", BEFORE, record=True)
    unknown = publish(server, tmp_path, "unknown", BEFORE, known=False, record=True)
    site.bring(known, unknown)
    assert len(server.asked("/unknown")) == 1 and server.asked("/known") == []


def trusted(server, site, tmp_path):
    """Files that came while their record did not answer; it answers again."""
    registry = publish(server, tmp_path, files=BEFORE, known=False, record=True)
    server.fail("/clips", Fault(status=404, times=None))
    site.bring(registry)
    assert site.receipt("one.zip").confirmed == site.receipt("two.zip").confirmed == "first download"
    assert "cannot read the list of published files" in site.bring(registry)  # asked again, and what is there stays
    server.fail("/clips")
    server.log.clear()
    return registry


def test_what_was_trusted_is_confirmed_once_the_record_answers_and_not_fetched_again(server, site, tmp_path):
    registry = trusted(server, site, tmp_path)
    before = site.receipt("two.zip")
    assert site.bring(registry).count("the hash in the record's list agrees now") == 2
    assert [one.path for one in server.log] == ["/clips"]
    assert site.receipt("two.zip") == replace(before, confirmed="record")
    assert site.bring(registry) == "" and len(server.log) == 1


def test_what_was_trusted_and_is_not_what_the_record_lists_is_refused_until_it_is_replaced(server, site, tmp_path):
    registry = trusted(server, site, tmp_path)
    files = BEFORE | {"two.zip": {"2.wav": b"TWO", "3.wav": b"THREE"}}
    publish(server, tmp_path, files=files, known=False, record=True)
    before = site.receipt("two.zip")
    error, said = refused(site, registry)
    now = hashlib.md5(server.files["/clips/files/two.zip/content"]).hexdigest()
    assert error.exit_code == 1 and "1 of 2 files could not be had: two.zip" in str(error)
    assert f"its MD5 is {before.md5} instead of {now}" in said and str(site.receipt_path("two.zip")) in said
    assert site.receipt("two.zip") == before and site.receipt("one.zip").confirmed == "record"
    site.receipt_path("two.zip").unlink()
    site.bring(registry)
    assert site.data()["clips/2.wav"] == b"TWO" and site.receipt("two.zip").confirmed == "record"


def test_the_address_of_a_file_that_somebody_put_into_the_cache_is_not_made_up(server, site, tmp_path):
    registry = publish(server, tmp_path, files=BEFORE)
    place = site.archive("one.zip")
    place.parent.mkdir(parents=True)
    place.write_bytes(server.files["/clips/files/one.zip/content"])
    site.bring(registry)
    assert site.receipt("one.zip").url == "" and site.receipt("two.zip").url.startswith("http")
