"""What lies at a data root: names, gaps, leftovers, and what the data is called."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.data.inventory import (
    Count,
    Event,
    Example,
    Inventory,
    Parts,
    deal_folds,
    match_audio,
    require_folders,
)
from benchmark.errors import InputError


@pytest.fixture
def root(tmp_path):
    """A folder `audio` of three clips, a, b and c."""
    (tmp_path / "audio").mkdir()
    for name in "abc":
        (tmp_path / "audio" / f"{name}.wav").write_bytes(b"RIFF")
    return tmp_path


def listed(root, names="abc"):
    return {name: root / "audio" / f"{name}.wav" for name in names}


def match(root, clips, on_error="stop", folders=("audio",)):
    return match_audio(clips, [root / name for name in folders], "test data", root, on_error)


def test_what_agrees_has_no_gaps(root):
    assert match(root, listed(root)) == ({}, {})
    assert match(root, listed(root), folders=("audio", "absent")) == ({}, {})


@pytest.mark.parametrize("leftover", ["._a.wav", ".DS_Store", "Thumbs.db", "readme.txt", ".hidden.flac"])
def test_leftovers_are_no_strangers(root, leftover):
    (root / "audio" / leftover).write_bytes(b"x")
    assert match(root, listed(root)) == ({}, {})


@pytest.mark.parametrize("stranger", ["d.wav", "d.WAV", "d.flac", "d.ogg", "a.b.wav"])
def test_a_stranger_stops_or_is_named(root, stranger):
    (root / "audio" / stranger).write_bytes(b"x")
    with pytest.raises(InputError, match=f"test data: 1 listed(.|\n)*{stranger}(.|\n)*on_error skip") as caught:
        match(root, listed(root))
    assert str(root) in str(caught.value)
    missing, strangers = match(root, listed(root), "skip")
    assert not missing
    assert list(strangers) == [f"audio/{stranger}"] and strangers[f"audio/{stranger}"]


def test_missing_clips_stop_or_are_named(root):
    clips = listed(root, "abcdefghij")
    with pytest.raises(InputError) as caught:
        match(root, clips)
    first = str(caught.value).splitlines()[0]
    assert "7 listed clips" in first and "audio/d.wav is missing" in first and "audio/j.wav" not in first
    missing, strangers = match(root, clips, "skip")
    assert list(missing) == list("defghij") and not strangers
    assert missing["d"] == "audio/d.wav is missing"


def test_a_clip_that_lies_beside_the_folders_is_there(root):
    (root / "elsewhere").mkdir()
    (root / "elsewhere" / "d.wav").write_bytes(b"x")
    assert match(root, listed(root) | {"d": root / "elsewhere" / "d.wav"}) == ({}, {})


@pytest.mark.parametrize("name", ["../secret.wav", "audio/../../secret.wav", "/etc/secret.wav", ""])
@pytest.mark.parametrize("on_error", ["stop", "skip"])
def test_a_listed_path_cannot_leave_the_root(root, name, on_error):
    (root.parent / "secret.wav").write_bytes(b"x")
    with pytest.raises(InputError, match="'evil' would lie outside"):
        match(root, {"evil": root / name}, on_error)


@pytest.mark.parametrize(
    ("here", "start"),
    [(".", "."), ("audio", ".."), ("audio/x", "../.."), ("audio", "../audio/.."), ("..", "data"), ("..", "./data/")],
)
def test_the_root_may_be_relative(tmp_path, monkeypatch, here, start):
    (tmp_path / "data" / "audio" / "x").mkdir(parents=True)
    (tmp_path / "data" / "audio" / "a.wav").write_bytes(b"x")
    monkeypatch.chdir(tmp_path / "data" / here)
    start = Path(start)
    folders = [start / "audio"]
    assert match_audio({"a": start / "audio" / "a.wav"}, folders, "", start, "stop") == ({}, {})
    missing, strangers = match_audio({"b": start / "audio" / "b.wav"}, folders, "", start, "skip")
    assert missing["b"] == "audio/b.wav is missing" and list(strangers) == ["audio/a.wav"]
    for name in ("../b.wav", "audio/../../b.wav", "/etc/b.wav", "audio/.."):
        with pytest.raises(InputError, match="'evil' would lie outside"):
            match_audio({"evil": start / name}, folders, "", start, "skip")


def test_folders_and_files_that_are_needed(root):
    (root / "meta.csv").write_text("x")
    require_folders("test data", root, ["audio/", "meta.csv"], "somewhere")
    needed = ["audio/", "audio", "meta.csv/", "other/", "list.csv"]  # a folder is no file and a file no folder
    with pytest.raises(InputError) as caught:
        require_folders("test data", root, needed, "TASK=x")
    what, where, remedy = str(caught.value).splitlines()
    assert what == "test data: missing audio, meta.csv/, other/, list.csv"
    assert str(root) in where
    assert "make data TASK=x" in remedy and "DATA=mini" in remedy


def example(root, name="a", target=(1.0, 0.0), group="g", events=()):
    return Example(name, root / "audio" / f"{name}.wav", target, group, events)


def inventory(root, *counts, missing=0, strangers=0, examples=None):
    gone = {f"m{number}": "is missing" for number in range(missing)}
    others = {f"audio/s{number}.wav": "is on no list" for number in range(strangers)}
    found = [example(root, name) for name in "abc"] if examples is None else examples
    return Inventory(found, [Count(*count) for count in counts], "", gone, others)


def test_full_is_what_agrees_with_every_official_figure(root):
    assert inventory(root, ("clips", 3, 3)).variant == "full"
    assert inventory(root, ("clips", 3, 3), ("other", 7, None)).variant == "full"
    assert inventory(root, ("clips", 3, 3), strangers=2).variant == "full"


def test_partial_is_the_share_of_the_listed_clips(root):
    assert inventory(root, ("clips", 4, 4), missing=1).variant == "partial:0.7500"
    assert inventory(root, ("clips", 9, 9), missing=6, strangers=9).variant == "partial:0.3333"
    assert inventory(root, ("clips", 9, 9), missing=9, examples=[]).variant == "partial:0.0000"


@pytest.mark.parametrize(
    "counts",
    [[("clips", 3, 4)], [("clips", 3, 3), ("rows", 8, 9)], [("clips", 3, None)], []],
    ids=["fewer", "one of two", "nothing official", "none"],
)
def test_other_counts_are_custom(root, counts):
    data = inventory(root, *counts)
    assert data.variant == f"custom:{data.fingerprint}"
    assert inventory(root, *counts, missing=1).variant.startswith("custom:")


def test_listed_and_skipped(root):
    data = inventory(root, ("clips", 5, 5), missing=2, strangers=1)
    assert data.listed == 5
    assert list(data.skipped) == ["m0", "m1", "audio/s0.wav"]


@pytest.mark.parametrize(
    "change",
    [
        {"clip_id": "other"},
        {"target": (1.0, 1.0)},
        {"target": (float("nan"), 0.0)},
        {"group": "h"},
        {"events": (Event(0.0, 1.0, "x"),)},
        {"events": (Event(0.0, 1.5, "x"),)},
        {"cluster": "somewhere"},
    ],
)
def test_the_fingerprint_knows_labels_groups_and_events(root, change):
    first = [example(root, "a", events=(Event(0.5, 1.0, "x"),)), example(root, "b")]
    other = [replace(first[0], **change), first[1]]
    before, after = (inventory(root, examples=examples).fingerprint for examples in (first, other))
    assert len(before) == 12 and int(before, 16) >= 0
    assert before == inventory(root, examples=list(first)).fingerprint != after


def test_the_fingerprint_knows_sizes_and_not_places(root, tmp_path):
    before = inventory(root).fingerprint
    moved = (root / "audio").rename(root / "moved")
    there = [replace(example(root, name), path=moved / f"{name}.wav") for name in "abc"]
    assert inventory(root, examples=there).fingerprint == before
    (moved / "b.wav").write_bytes(b"RIFF+")
    assert inventory(root, examples=there).fingerprint != before


def test_the_fingerprint_knows_the_division(root):
    def divided(train, test, fold="1"):
        return replace(inventory(root), parts={fold: Parts(frozenset(train), frozenset(test))}).fingerprint

    assert divided("ab", "c") == divided("ba", "c")
    assert len({divided("ab", "c"), divided("ac", "b"), divided("a", "c"), divided("ab", "c", "2")}) == 4
    # A clip that is not there divides nothing.
    assert divided("abz", "c") == divided("ab", "c")


def test_folds_are_disjoint_complete_and_spread_each_stratum():
    strata = {f"clip{n}": (n % 7 == 0, "ab"[n % 2]) for n in range(101)}
    parts = deal_folds(strata, ("1", "2", "x"), seed=3)
    assert list(parts) == ["1", "2", "x"]
    tests = [part.test for part in parts.values()]
    assert sorted(clip for test in tests for clip in test) == sorted(strata)
    assert all(part.train == strata.keys() - part.test for part in parts.values())
    assert max(map(len, tests)) - min(map(len, tests)) <= 1
    for stratum in set(strata.values()):
        counts = [Counter(strata[clip] for clip in test)[stratum] for test in tests]
        assert max(counts) - min(counts) <= 1


def test_folds_are_a_function_of_the_seed():
    strata = {f"clip{n}": n % 3 for n in range(60)}
    first = deal_folds(strata, ("1", "2"), seed=0)
    assert first == deal_folds(dict(strata), ("1", "2"), seed=0) != deal_folds(strata, ("1", "2"), seed=1)
