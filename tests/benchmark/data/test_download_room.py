"""The room that a download needs, told before anything is fetched."""

import random
from pathlib import Path

import pytest
from downloading import asked, contents, publish, refused

from benchmark.data import steps as steps_module
from benchmark.data.files import Dataset, Limit, OfficialFile, read_registry
from benchmark.data.steps import Step, limit_of, make_steps, space_needed

CLIPS = {"wav/a.wav": b"A" * 3000, "wav/b.wav": b"B" * 2000}


def steps_of(dataset, *states, **further):
    """The steps of a data set, each in its state with the bytes that are there."""
    pairs = zip(dataset.files, states, strict=False)
    return [Step(dataset, file, state, have, "registry", **further) for file, (state, have) in pairs]


def dataset_of(*files, limit=1000):
    about = dict.fromkeys(("title", "holds", "licence", "citation", "source"), "")
    official = tuple(OfficialFile(name, folder, ("http://localhost/",), size) for name, folder, size in files)
    return Dataset("d", **about, files=official, limit=Limit(9, limit))


ROOT, CACHE = Path("/root-of-data"), Path("/cache")
TWO = dataset_of(("a.zip", "audio", 300), ("b.zip", "audio", 100), ("c.csv", "lists", 50))


@pytest.mark.parametrize(
    ("states", "delete", "cache", "audio", "lists"),
    [
        # both archives stay, the list passes through; 1,000 bytes are shared by size: 750 and 250
        ([("to do", 0), ("to do", 0), ("to do", 0)], False, 300 + 100 + 50, 1000, 50),
        ([("to do", 0), ("to do", 0), ("to do", 0)], True, 300 + 100, 1000, 50),  # the two largest of three at once
        ([("there", 0), ("to do", 0), ("to do", 0)], False, 100 + 50, 250, 50),
        ([("begun", 200), ("to do", 0), ("there", 0)], False, 100 + 100, 1000, 0),
        ([("downloaded", 300), ("there", 0), ("there", 0)], False, 0, 750, 0),
        ([("there", 0), ("there", 0), ("there", 0)], False, 0, 0, 0),
    ],
)
def test_the_room_that_is_needed(states, delete, cache, audio, lists):
    needed = space_needed(steps_of(TWO, *states), ROOT, CACHE, 2, delete)
    assert (needed[CACHE], needed[ROOT / "audio"], needed[ROOT / "lists"]) == (cache, audio, lists)


def test_what_has_been_unpacked_needs_no_room(tmp_path):
    steps = steps_of(TWO, ("downloaded", 300), placed=600)
    assert space_needed(steps, ROOT, CACHE, 2, False)[ROOT / "audio"] == 150
    steps = steps_of(TWO, ("downloaded", 300), placed=900)  # more than was thought
    assert space_needed(steps, ROOT, CACHE, 2, False)[ROOT / "audio"] == 0


def test_archives_of_unknown_size_have_equal_shares():
    dataset = dataset_of(("a.zip", "audio", None), ("b.zip", "audio", None), ("c.csv", "lists", None))
    needed = space_needed(steps_of(dataset, ("to do", 0), ("there", 0), ("to do", 0)), ROOT, CACHE, 4, False)
    assert needed == {CACHE: 0, ROOT / "audio": 500, ROOT / "lists": 0}


def test_a_stopped_unpacking_and_a_lost_member_count_as_there(server, site, tmp_path):
    registry = publish(server, tmp_path, files={"audio.zip": CLIPS}, limit={"files": 9, "bytes": 6000})
    datasets = read_registry(registry)
    site.archive("audio.zip").parent.mkdir(parents=True)
    site.archive("audio.zip").write_bytes(b"x" * 40)
    journal = site.archive("audio.zip.journal")
    journal.write_text('{"archive": "audio.zip"}\n["clips/wav/a.wav", 3000, "x"]\n["clips/wav/b.w')
    (step,) = make_steps(datasets, site.root, site.cache)
    assert (step.state, step.have, step.placed) == ("downloaded", 40, 3000)
    journal.unlink()
    site.archive("audio.zip").unlink()
    site.bring(registry)
    (site.root / "clips/wav/a.wav").unlink()
    (step,) = make_steps(datasets, site.root, site.cache)
    assert (step.state, step.placed) == ("downloaded", 2000)
    assert space_needed([step], site.root, site.cache, 4, False)[site.root / "clips"] == 4000


@pytest.fixture
def disks(monkeypatch):
    """Folder to the bytes that are free on its disk; `/` is that of all the others."""
    free = {"/": 10**9}

    def disk(folder):
        places = sorted(free, key=len)
        place = next(place for place in reversed(places) if str(folder).startswith(place))
        return places.index(place), free[place]

    monkeypatch.setattr(steps_module, "_disk", disk)
    return free


def test_without_room_both_figures_are_named_and_nothing_is_asked_for(server, site, tmp_path, monkeypatch):
    registry = publish(server, tmp_path, files={"audio.zip": CLIPS}, limit={"files": 9, "bytes": 40_000_000})
    usage = type("Usage", (), {"free": 30_000_000})
    monkeypatch.setattr(steps_module.shutil, "disk_usage", lambda folder: usage)
    error, _ = refused(site, registry)
    assert error.exit_code == 1 and server.log == []
    assert "not enough room: 40.0 MB are needed, 30.0 MB are free" in str(error)
    assert all(word in str(error) for word in ("DCASE_BENCH_DATA", "DCASE_BENCH_CACHE", "--delete-archives"))
    usage.free = 50_000_000
    site.bring(registry)
    assert sorted(site.data()) == ["clips/wav/a.wav", "clips/wav/b.wav"]


def test_each_disk_needs_its_own_room(server, site, tmp_path, disks):
    registry = publish(server, tmp_path, files={"audio.zip": CLIPS}, limit={"files": 9, "bytes": 9000})
    size = len(server.files["/clips/files/audio.zip/content"])
    disks[str(site.root)], disks[str(site.cache)] = 9000, size - 1
    error, _ = refused(site, registry)
    assert f"{size} bytes are needed, {size - 1} bytes are free" in str(error) and str(site.cache) in str(error)
    disks[str(site.root)], disks[str(site.cache)] = 8999, size
    error, _ = refused(site, registry)
    assert "9.0 kB are needed" in str(error) and str(site.root / "clips") in str(error)
    disks[str(site.root)] = 9000
    site.bring(registry)


def test_a_folder_that_is_a_link_to_another_disk_counts_there(server, site, tmp_path, monkeypatch):
    registry = publish(server, tmp_path, files={"audio.zip": CLIPS})
    large = tmp_path / "large"
    large.mkdir()
    site.root.mkdir()
    (site.root / "clips").symlink_to(large)
    looked = []

    def usage(folder):
        looked.append(folder.resolve())
        return type("Usage", (), {"free": 10**9})

    monkeypatch.setattr(steps_module.shutil, "disk_usage", usage)
    site.bring(registry)
    assert large in looked
    assert contents(large) == CLIPS and (site.root / "clips").is_symlink()
    site.bring(registry)


def test_room_is_asked_for_what_the_record_says(server, site, tmp_path, disks):
    registry = publish(server, tmp_path, files={"list.csv": b"x" * 7000}, known=False, record=True)
    disks["/"] = 10_000
    error, _ = refused(site, registry)
    assert "14.0 kB are needed, 10.0 kB are free" in str(error)  # in the cache and in its place
    assert asked(server, "list.csv") == 0
    disks["/"] = 14_000
    site.bring(registry)


def test_one_archive_may_unpack_to_its_share_of_the_limit_and_some_more():
    dataset = dataset_of(("a.zip", "d", 300), ("b.zip", "d", 100), ("c.csv", "d", 900), limit=10**9)
    a, b, _ = dataset.files
    assert limit_of(dataset, b) == Limit(9, round(1.5 * 10**9 / 4) + 10**8)
    assert limit_of(dataset, a) == dataset.limit  # never more than the whole


@pytest.mark.parametrize("files", [[("a.zip", "d", 300), ("b.zip", "d", None)], [("a.zip", "d", 3), ("c.csv", "d", 9)]])
def test_an_archive_alone_or_among_unknown_sizes_may_unpack_to_the_whole_limit(files):
    dataset = dataset_of(*files, limit=10**9)
    assert limit_of(dataset, dataset.files[0]) == dataset.limit


def test_an_archive_that_takes_the_share_of_the_others_is_refused(server, site, tmp_path, monkeypatch):
    monkeypatch.setattr(steps_module, "SLACK", 10**7)
    files = {"small.zip": {"a": bytes(12_000_000)}, "large.zip": {"b": random.Random(0).randbytes(1_000_000)}}
    registry = publish(server, tmp_path, files=files, limit={"files": 9, "bytes": 14_000_000})
    _, said = refused(site, registry)
    assert "small.zip: refused: it unpacks to more than 9 files or 10," in said
    assert list(site.data()) == ["clips/b"]
