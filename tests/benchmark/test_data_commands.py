"""`data status`, `download`, `verify` and `prepare` as they are typed: what is printed, refused and returned."""

import csv
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import yaml
from downloading import Site, publish
from fetching import serving
from rich.filesize import decimal
from server import Fault

import tasks.bad.datamodule
from benchmark import prepare as prepare_module
from benchmark.cli import main
from benchmark.data import download as download_module
from benchmark.data import steps as steps_module
from benchmark.data.files import read_registry
from benchmark.errors import BenchmarkError, Interrupted
from benchmark.plan import write_mini
from benchmark.registry import all_tasks, get_task
from benchmark.weights import REGISTRY
from tasks.bad.datamodule import BirdDataModule
from tasks.bad.official import DATASETS

ALONE = """
import sys

asked = []
sys.addaudithook(lambda event, arguments: asked.append(event) if event.startswith("socket.") else None)
from benchmark.cli import main

code = main(sys.argv[1:])
assert not asked, asked
assert "torch" not in sys.modules
sys.exit(code)
"""


def plan_alone(*words):
    """What a dry run prints, of a process that opens no socket and imports no torch."""
    command = [sys.executable, "-c", ALONE, "data", "download", *words, "--dry-run"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(capsys, *words):
    """What is said of a command that is wrong."""
    assert main(["data", *words]) == 2
    out, error = capsys.readouterr()
    assert out == "" and "Traceback" not in error
    return error


def assert_is_complete(text, datasets):
    """Every file has its row with its size, every data set its licence and who to cite."""
    rows = {line.split()[0]: line for line in text.splitlines() if line.strip() and line.startswith("  ")}
    whole = " ".join(text.split())
    for dataset in datasets:
        assert f"{dataset.title}: {dataset.holds}" in whole
        assert f"licence: {dataset.licence}\n" in text and f"cite: {dataset.citation}\n" in text
        for file in dataset.files:
            size = "?" if file.size is None else f"{'' if file.bytes else '~ '}{decimal(file.size)}"
            assert f" {size} " in rows[file.name], file.name
            assert "MD5" in rows[file.name] or "SHA-256" in rows[file.name] or not file.is_known
            assert rows[file.name].rstrip().endswith("to do") or file.urls[0][:30] in rows[file.name]


@pytest.fixture
def server(monkeypatch):
    with serving(monkeypatch) as running:
        yield running


@pytest.fixture
def site(tmp_path, monkeypatch):
    site = Site(tmp_path / "data", tmp_path / "cache")
    monkeypatch.setenv("DCASE_BENCH_DATA", str(site.root))
    monkeypatch.setenv("DCASE_BENCH_CACHE", str(site.cache))
    return site


# download


def test_the_plan_of_all_tasks_names_every_official_file_and_asks_no_server():
    text = plan_alone("all", "--protocol", "all")
    datasets = [dataset for task in all_tasks().values() for dataset in read_registry(task.folder / "files.yaml")]
    assert_is_complete(text, datasets)
    for name in all_tasks():
        assert f" {name} (all) " in text
    total = sum(file.size or 0 for dataset in datasets for file in dataset.files)
    unknown = sum(file.size is None for dataset in datasets for file in dataset.files)
    assert text.splitlines()[-1] == f"all together to fetch: {decimal(total)} and {unknown} files of unknown size"


def test_the_plan_of_the_weights():
    assert_is_complete(plan_alone("weights"), read_registry(REGISTRY))


def test_the_plan_of_a_task_is_that_of_its_first_protocol_unless_another_is_named(capsys):
    assert main(["data", "download", "esc", "--dry-run"]) == 0
    assert "ESC-50-master.zip" not in capsys.readouterr().out
    assert main(["data", "download", "esc", "--dry-run", "--protocol", "esc50-5-fold"]) == 0
    out = capsys.readouterr().out
    assert "ESC-50-master.zip" in out and "ESC-10-master.zip" not in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["download", "bda"], "there is no task 'bda'\n  to do: did you mean 'bad'"),
        (["download", "weigths"], "did you mean 'weights'"),
        (["download", "all", "--registry", "mine.yaml"], "--registry and --protocol are about one task"),
        (["download", "all", "--protocol", "4-fold"], "--registry and --protocol are about one task"),
        (["download", "weights", "--protocol", "all"], "not about weights"),
        (["download", "bad", "--protocol", "random-2-fold"], "did you mean 'random-3-fold'"),
        (["download", "bad", "--registry", "/nowhere.yaml"], "where: /nowhere.yaml"),
        (["download", "bad", "--jobs", "0"], "argument --jobs: must be a whole number of at least 1, not '0'"),
        (["download", "bad", "--jobs", "many"], "argument --jobs: must be a whole number of at least 1, not 'many'"),
        (["status", "--protocol", "test"], "--protocol is about one task"),
        (["status", "bda"], "did you mean 'bad'"),
        (["verify", "bda"], "did you mean 'bad'"),
        (["verify", "bad", "--jobs", "-1"], "must be a whole number of at least 1"),
        (["prepare", "bda"], "did you mean 'bad'"),
        (["prepare", "bad", "--rate", "0"], "must be a whole number of at least 1"),
    ],
)
def test_what_is_wrong_with_a_command_is_said(capsys, words, said):
    assert said in refused(capsys, *words)


def test_the_plan_says_how_far_each_file_has_come(server, site, tmp_path, capsys):
    files = {f"{name}.zip": {name: bytes(500)} for name in ("there", "downloaded", "begun", "new")}
    registry = publish(server, tmp_path, files=files)
    partial = yaml.safe_load(registry.read_text())
    partial[0]["files"] = [file for file in partial[0]["files"] if file["name"] == "there.zip"]
    (tmp_path / "partial.yaml").write_text(yaml.safe_dump(partial))
    site.bring(tmp_path / "partial.yaml", delete_archives=True)
    site.archive("downloaded.zip").write_bytes(server.files["/clips/files/downloaded.zip/content"])
    site.archive("begun.zip.part").write_bytes(bytes(41))
    size = len(server.files["/clips/files/new.zip/content"])
    begun = len(server.files["/clips/files/begun.zip/content"])
    words = ["data", "download", "esc", "--registry", str(registry)]
    assert main([*words, "--dry-run"]) == 0
    out = capsys.readouterr().out
    rows = {line.split()[0]: line for line in out.splitlines() if ".zip" in line}
    states = {"there": "there", "downloaded": "downloaded", "begun": "41 bytes fetched", "new": "to do"}
    for name, state in states.items():
        assert rows[f"{name}.zip"].partition(server.url())[0].rstrip().endswith(f"MD5            {state}")
    assert f"to fetch: {size + begun - 41} bytes, to {site.root}" in out
    assert sorted(site.kept()) == ["begun.zip.part", "downloaded.zip"]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "Next: python -m benchmark data verify esc, then make bench TASK=esc DATA=full" in out
    assert f"of archives are kept in {site.cache / 'downloads'}; --delete-archives removes them" in out
    assert main([*words, "--delete-archives"]) == 0
    assert "are kept" not in capsys.readouterr().out


def test_brackets_in_names_are_printed_as_they_are(server, site, tmp_path, capsys):
    registry = publish(server, tmp_path, files={"[b]a.zip": {"a": b""}}, title="[red]T", holds="H [1]")
    assert main(["data", "download", "esc", "--registry", str(registry), "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "[red]T: H [1]" in out and "  [b]a.zip " in out


def test_the_next_command_means_the_same_data(server, site, tmp_path, capsys):
    registry = publish(server, tmp_path, files={"a.zip": {"a": b""}})
    root = tmp_path / "my data"
    words = ["data", "download", "bad", "--registry", str(registry), "--data", str(root)]
    assert main([*words, "--protocol", "random-3-fold"]) == 0
    verify = f"python -m benchmark data verify bad --data '{root}' --protocol random-3-fold"
    bench = f"make bench TASK=bad 'DATA={root}' PROTOCOL=random-3-fold"
    assert f"Next: {verify}, then {bench}\n" in capsys.readouterr().out
    assert (root / "clips/a").exists()


def test_a_failure_of_one_task_does_not_keep_the_others_from_coming(site, capsys, monkeypatch):
    begun = []

    def download(datasets, root, cache, console, jobs, delete_archives):
        begun.append((datasets[0].name, jobs, delete_archives))
        if datasets[0].name == "ff1010bird":
            raise BenchmarkError("2 of 6 files could not be had")

    monkeypatch.setattr(download_module, "download", download)
    monkeypatch.setattr(steps_module, "_disk", lambda folder: (1, 10**15))
    words = ["data", "download", "all", "--jobs", "3", "--delete-archives"]
    assert main(words) == 1
    assert len(begun) == len(all_tasks()) and {one[1:] for one in begun} == {(3, True)}
    out, error = capsys.readouterr()
    assert "error: bad (leave-one-dataset-out): 2 of 6 files could not be had" in error
    assert f"1 of {len(begun)} downloads failed: bad (leave-one-dataset-out)" in error
    assert out.count("Next: ") == len(begun) - 1 and "verify bad" not in out

    def stopped(*arguments):
        raise Interrupted("stopped")

    monkeypatch.setattr(download_module, "download", stopped)
    assert main(words) == 3


def test_room_for_all_tasks_is_looked_for_before_the_first(site, capsys, monkeypatch):
    monkeypatch.setattr(steps_module, "_disk", lambda folder: (1, 100 * 10**9))  # enough for any but domestic
    monkeypatch.setattr(download_module, "download", lambda *arguments: pytest.fail("it began"))
    assert main(["data", "download", "all"]) == 1
    assert "not enough room: " in capsys.readouterr().err


def test_a_failed_download_returns_1_and_names_the_file(server, site, tmp_path, capsys):
    registry = publish(server, tmp_path, files={"a.zip": {"a": b""}, "b.zip": {"b": b""}})
    server.fail("/clips/files/a.zip/content", Fault(status=404))
    words = ["data", "download", "esc", "--registry", str(registry)]
    assert main(words) == 1
    out, error = capsys.readouterr()
    assert "1 of 2 files could not be had: a.zip" in error and "HTTP 404" in out and "Next:" not in out
    assert main(words) == 0


# status


def test_the_status_without_a_task_lists_all(site, capsys):
    assert main(["data", "status"]) == 0
    out = capsys.readouterr().out
    for name in all_tasks():
        (line,) = [line for line in out.splitlines() if line.startswith(f"  {name} ")]
        assert " missing " in line and f"make data TASK={name}" in line


def test_a_subset_that_is_there_is_counted_without_the_others(tmp_path, capsys):
    root = shutil.copytree(write_mini(get_task("sed")), tmp_path / "data")
    assert main(["data", "status", "sed", "--data", str(root)]) == 0
    whole = capsys.readouterr().out
    assert "without" not in whole and "unlabel_out_of_domain" in whole
    shutil.rmtree(root / "dataset/audio/train/unlabel_in_domain")
    assert main(["data", "status", "sed", "--data", str(root)]) == 0
    out = capsys.readouterr().out
    assert [line for line in out.splitlines() if line.startswith("without ")] == [
        "without unlabel_in_domain: sound events in domestic environments: no clip of unlabel_in_domain is there"
    ]
    assert " unlabel_out_of_domain, " in out  # the line that says what there is


@pytest.mark.parametrize("name", ["unlabel_in_domain", "unlabel_out_of_domain"])
def test_a_subset_whose_list_is_wrong_is_not_passed_over(tmp_path, capsys, name):
    root = shutil.copytree(write_mini(get_task("sed")), tmp_path / "data")
    path, report = root / f"dataset/metadata/train/{name}.csv", tmp_path / "found.tsv"
    path.write_text(path.read_text() + "x.wav\nx.wav\n")
    for action in ("status", "prepare"):
        assert str(path) in refused(capsys, action, "sed", "--data", str(root))
    assert main(["data", "verify", "sed", "--data", str(root), "--report", str(report)]) == 1
    assert f"dataset/metadata/train/{name}.csv:" in report.read_text()


# verify


@pytest.fixture
def birds(tmp_path, monkeypatch):
    """The whole official data, as if four clips of 2 s had been published of each data set."""
    small = {name: replace(release, clips=4, birds=2) for name, release in DATASETS.items()}
    monkeypatch.setattr(tasks.bad.datamodule, "DATASETS", small)
    for name, value in (("rate", 8000), ("channels", 1), ("seconds", (2.0, 2.0))):
        monkeypatch.setattr(BirdDataModule, name, value)
    root = tmp_path / "birds"
    for name, release in DATASETS.items():
        (root / name / "wav").mkdir(parents=True)
        rows = [("itemid", "datasetid", "hasbird"), *((f"{name}-{n}", name, n % 2) for n in range(4))]
        with (root / name / release.csv_names[0]).open("w", newline="") as file:
            csv.writer(file).writerows(rows)
        for clip, *_ in rows[1:]:
            noise = np.random.default_rng(0).uniform(-0.5, 0.5, 16_000)
            soundfile.write(root / name / "wav" / f"{clip}.wav", noise, 8000)
    return root


def test_verified_data_returns_0_and_a_fault_1(birds, tmp_path, capsys):
    report = tmp_path / "found.tsv"
    words = ["data", "verify", "bad", "--data", str(birds), "--report", str(report)]
    assert main(words) == 0
    assert "nothing is wrong" in capsys.readouterr().out and len(report.read_text().splitlines()) == 1
    (birds / "warblrb10k/wav/warblrb10k-2.wav").unlink()
    assert main(words) == 1
    assert f"error: 1 thing is wrong with the data of bad\n  where: {birds}" in capsys.readouterr().err
    assert "warblrb10k/wav/warblrb10k-2.wav" in report.read_text()
    (birds / "warblrb10k/wav/warblrb10k-1.wav").unlink()
    assert main(words) == 1
    assert "2 things are wrong" in capsys.readouterr().err


@pytest.mark.parametrize("fault", ["broken", "missing", "a folder"])
def test_the_report_is_written_where_a_list_is_wrong(birds, tmp_path, capsys, fault):
    path, report = birds / "warblrb10k" / DATASETS["warblrb10k"].csv_names[0], tmp_path / "found.tsv"
    path.unlink()
    if fault == "broken":
        path.write_text("itemid,datasetid,hasbird\nx,warblrb10k,7\n")
    elif fault == "a folder":
        path.mkdir()
    assert main(["data", "verify", "bad", "--data", str(birds), "--report", str(report)]) == 1
    out, error = capsys.readouterr()
    assert "error: 1 thing is wrong" in error and f"the whole list: {report}" in out
    (row,) = list(csv.reader(report.open(encoding="utf-8"), delimiter="\t"))[1:]
    assert row[0] == "label lists" and "warblrb10k" in row[1]


def test_a_report_that_cannot_be_written_is_named(birds, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["data", "verify", "bad", "--data", str(birds), "--report", str(tmp_path / "file" / "x.tsv")]) == 1
    assert str(tmp_path / "file") in capsys.readouterr().err


# prepare


@pytest.fixture
def built(monkeypatch):
    """What was asked of `prepare`, which does nothing."""
    calls = []
    monkeypatch.setattr(prepare_module, "prepare", lambda *arguments: calls.append(arguments))
    return calls


def test_the_store_is_of_the_rate_that_is_named(tmp_path, monkeypatch, capsys):
    root = shutil.copytree(write_mini(get_task("esc")), tmp_path / "data")
    monkeypatch.setenv("DCASE_BENCH_CACHE", str(tmp_path / "cache"))
    assert main(["data", "prepare", "esc", "--data", str(root), "--rate", "8000"]) == 0
    assert "esc at 8000 Hz: 150 clips to decode" in capsys.readouterr().out
    (store,) = (tmp_path / "cache" / "stores").iterdir()
    assert store.name.startswith("esc-8000-mono") and (store / "index.json").exists()


def test_the_store_is_of_the_system_that_is_named(built):
    task, root = get_task("domestic"), write_mini(get_task("domestic"))
    words = ["data", "prepare", "domestic", "--data", str(root)]
    assert main(words) == 0
    assert main([*words, "--system", "baseline", "--jobs", "1", "--skip-broken"]) == 0
    assert main([*words, "--system", "baseline", "--rate", "8000"]) == 0
    assert [call[:2] for call in built] == [(task, root)] * 3
    assert [call[4:8] for call in built] == [
        (16_000, True, "stop", None),
        (16_000, False, "skip", 1),
        (8000, False, "stop", None),
    ]


def test_a_rate_in_place_of_several_is_built_once(built, monkeypatch):
    monkeypatch.setattr(prepare_module, "stores_of", lambda task, systems: [(44_100, True), (22_050, True)])
    words = ["data", "prepare", "esc", "--data", str(write_mini(get_task("esc")))]
    assert main(words) == 0
    assert [call[4] for call in built] == [44_100, 22_050]
    built.clear()
    assert main([*words, "--rate", "8000"]) == 0
    assert [call[4] for call in built] == [8000]


def test_an_unknown_system_gets_a_suggestion(built, capsys):
    words = ["data", "prepare", "esc", "--data", str(write_mini(get_task("esc"))), "--system", "cnn9"]
    assert main(words) == 2
    assert "did you mean 'cnn" in capsys.readouterr().err and built == []
