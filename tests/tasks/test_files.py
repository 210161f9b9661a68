"""The registries of official files: complete, consistent, and in keeping with what the tasks' loaders read."""

import re
from collections import Counter
from functools import cache
from pathlib import PurePosixPath

import pytest

from benchmark.data.files import needed, read_registry
from benchmark.errors import InputError
from benchmark.registry import all_tasks, get_task
from tasks.asc.official import STEREO, TESTED_SET
from tasks.asc_mobile.official import MOBILE
from tasks.bad.official import DATASETS
from tasks.domestic.official import DEVELOPMENT, EVALUATION
from tasks.esc.official import ROOTS
from tasks.tagging.official import AUDIO_TEST, AUDIO_TRAIN, SCORED_LIST

TASKS = sorted(all_tasks())
# Zenodo record to its number of files and gigabytes, as publishers and papers print them.
RECORDS = {
    "1228142": (15, 21.35),
    "1245181": (4, 2.97),
    "1293883": (8, 8.91),
    "1228235": (9, 11.27),
    "1245184": (4, 2.53),
    "1293901": (13, 16.6),
    "1247102": (25, 45.8),
    "1964758": (25, 45.3),
}


@cache
def registry(name):
    return read_registry(get_task(name).folder / "files.yaml")


def everything():
    return [dataset for name in TASKS for dataset in registry(name)]


def covers(dataset, path):
    """Whether a data set puts something at `path`: the file itself, or an archive unpacked there or above."""
    return any(
        path.is_relative_to(file.folder) if file.is_archive else path == PurePosixPath(file.folder, file.name)
        for file in dataset.files
    )


def asked_for(task, protocol, root):
    """The files and folders that the task's loader misses at an empty root."""
    with pytest.raises(InputError, match="missing") as error:
        task.load("datamodule").take_stock(root, "stop", protocol)
    names = re.search(r"missing (.+)", str(error.value).splitlines()[0])[1]
    return [PurePosixPath(name) for name in names.split(", ")]


@pytest.mark.parametrize("name", TASKS)
def test_protocols_are_those_of_the_task(name):
    task = get_task(name)
    for dataset in registry(name):
        assert set(dataset.protocols) <= set(task.protocols), dataset.name


@pytest.mark.parametrize("name", TASKS)
def test_every_protocol_needs_some_files_and_all_needs_all(name):
    datasets = registry(name)
    for protocol in get_task(name).protocols:
        assert any(dataset.files for dataset in needed(datasets, protocol)), protocol
    assert needed(datasets, "all") == datasets


@pytest.mark.parametrize(("name", "protocol"), [(name, each) for name in TASKS for each in get_task(name).protocols])
def test_what_a_loader_misses_is_downloaded_or_said_not_to_be(name, protocol, tmp_path):
    datasets = needed(registry(name), protocol)
    for path in asked_for(get_task(name), protocol, tmp_path):
        if name == "esc":
            path = PurePosixPath(ROOTS[protocol][1])  # the loader names the plain folder, and takes GitHub's too
        if not any(covers(dataset, path) for dataset in datasets):
            assert name == "sed" and path.parts[:2] == ("dataset", "audio"), path
            assert any("audio is not downloaded" in dataset.remark for dataset in datasets)


def test_the_folders_of_sets_that_only_some_protocols_need_are_those_of_the_loaders():
    for name, corpus in (("asc", STEREO), ("asc-mobile", MOBILE)):
        for protocol, part in TESTED_SET.items():
            folders = {file.folder for dataset in needed(registry(name), protocol) for file in dataset.files}
            assert folders == {corpus.folder("development"), corpus.folder(part)}
    domestic = {dataset.name: dataset for dataset in registry("domestic")}
    assert {file.folder for file in domestic[DEVELOPMENT].files} == {DEVELOPMENT}
    assert {file.folder for file in domestic[EVALUATION].files} == {EVALUATION}
    assert domestic[EVALUATION].protocols == ("evaluation",)
    train, test = registry("tagging")
    assert {AUDIO_TRAIN, str(PurePosixPath(SCORED_LIST).parent)} <= {file.folder for file in train.files}
    assert [file.folder for file in test.files] == [AUDIO_TEST]


def test_bird_sets_hold_an_archive_and_the_label_file_of_the_loader():
    for dataset in registry("bad"):
        audio, labels = dataset.files
        assert audio.is_archive and audio.folder == dataset.name
        assert labels.folder == dataset.name and labels.name in DATASETS[dataset.name].csv_names


@pytest.mark.parametrize(("number", "files", "gigabytes"), [(key, *value) for key, value in RECORDS.items()])
def test_records_have_the_printed_number_of_files_and_size(number, files, gigabytes):
    (dataset,) = [each for each in everything() if each.record == f"https://zenodo.org/api/records/{number}"]
    assert len(dataset.files) == files
    assert sum(file.size for file in dataset.files) / 1e9 == pytest.approx(gigabytes, rel=0.01)
    assert all(file.md5 for file in dataset.files)


def test_no_two_files_share_a_hash():
    """soundata's three bird loaders have one MD5 for all of their files: a copied checksum."""
    for kind in ("md5", "sha256"):
        known = [getattr(file, kind) for dataset in everything() for file in dataset.files]
        assert [value for value, times in Counter(known).items() if value and times > 1] == []
    assert "2f4e7e194ccbd3de86e997af8f2a0405" not in {file.md5 for dataset in everything() for file in dataset.files}


def test_rounded_sizes_are_not_taken_for_exact_ones():
    for dataset in everything():
        for file in dataset.files:
            assert file.bytes is None or file.about is None, file.name
            assert file.bytes is None or file.bytes % 1000, f"{file.name}: {file.bytes} looks rounded"


def test_every_data_set_says_what_people_need_to_know():
    for dataset in everything():
        for about in (dataset.title, dataset.holds, dataset.licence, dataset.citation, dataset.source, dataset.page):
            assert about.strip(), dataset.name


def test_addresses_are_safe_ones():
    for dataset in everything():
        for file in dataset.files:
            assert all(url.startswith("https://") for url in file.urls), file.name


def test_limits_leave_room_for_the_archives_but_not_for_a_bomb():
    """No audio shrinks to less than a quarter in a lossless archive, and none grows."""
    for dataset in everything():
        archives = [file.size for file in dataset.files if file.is_archive]
        if not archives:
            assert (dataset.limit.files, dataset.limit.bytes) == (0, 0), dataset.name
        elif all(archives):
            assert sum(archives) < dataset.limit.bytes < 4 * sum(archives), dataset.name
