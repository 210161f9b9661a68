"""Every task's data from a server to its waveform store, by the commands that users give."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from publisher import publish
from server import Server

from benchmark.cli import main
from benchmark.data.files import read_registry
from benchmark.plan import write_mini
from benchmark.registry import all_tasks, get_task

NAMES = sorted(all_tasks())
PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def server():
    with Server() as running:
        yield running


@pytest.fixture
def registry(request, server, tmp_path):
    """The registry of a task's mini data, served under the official names."""
    task = get_task(request.param)
    path = tmp_path / "files.yaml"
    path.write_text(publish(task, write_mini(task), server))
    return task, path


def contents_of(root, folders):
    """Name to content; lists have several names, and so has the folder of an archive of GitHub's."""
    found = {}
    for folder in folders:
        for path in (root / folder).rglob("*"):
            if path.is_file():
                found[path.suffix if path.suffix == ".csv" else path.name, path.read_bytes()] = path
    return found.keys()


@pytest.mark.parametrize("registry", NAMES, indirect=True)
def test_what_is_downloaded_is_what_was_published(registry, tmp_path, capsys):
    task, path = registry
    root = tmp_path / "data"
    words = ["data", "download", task.name, "--registry", str(path), "--data", str(root)]
    assert main(words) == 0, capsys.readouterr()
    folders = {file.folder.partition("/")[0] for dataset in read_registry(path) for file in dataset.files}
    there = contents_of(root, folders)
    published = contents_of(write_mini(task), {folder.removesuffix("-master") for folder in folders})
    if task.name == "sed":  # its audio has no publisher
        published = {entry for entry in published if not entry[0].endswith(".wav")}
    assert published and published <= there
    capsys.readouterr()
    assert main([*words, "--dry-run"]) == 0
    assert "to fetch: 0 bytes" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("registry", NAMES, indirect=True)
def test_make_data_brings_a_task_from_the_server_to_its_store(registry, tmp_path):
    task, path = registry
    root, cache = tmp_path / "data", tmp_path / "cache"
    if task.name == "sed":
        shutil.copytree(write_mini(task) / "dataset" / "audio", root / "dataset" / "audio")
    environment = os.environ | {"DCASE_BENCH_DATA": str(root), "DCASE_BENCH_CACHE": str(cache)}
    words = [f"TASK={task.name}", f"REGISTRY={path}", "ARGS=--delete-archives"]
    done = subprocess.run(["make", "data", *words], cwd=PROJECT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "its published hash agrees" in done.stdout and "nothing is wrong" in done.stdout
    assert "this is not the official data" in done.stdout  # it is the mini variant's
    assert (cache / "downloads").is_dir()
    assert not [path for path in (cache / "downloads").rglob("*") if path.suffix in (".zip", ".gz")]
    (store,) = (cache / "stores").iterdir()
    assert (store / "index.json").exists()
