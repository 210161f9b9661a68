"""Protocols and whole runs of the task on the mini variant, and on real audio in the official layout."""

import subprocess
import sys

import pytest
from helpers import mini_data, read_records

from benchmark.cli import main
from benchmark.data.settings import DataSettings
from benchmark.paths import runs_root
from benchmark.plan import RunOptions, make_plan, write_mini
from benchmark.registry import get_task
from tasks.asc_mobile.datamodule import MobileSceneDataModule
from tasks.asc_mobile.mini import write_mini as write
from tasks.asc_mobile.official import MOBILE, score

SHORT = ["--trainer.max_steps", "2", "--data.batch_size", "4"]


def run(*words):
    return main(["run", "--task", "asc-mobile", *words])


def record():
    (found,) = read_records(runs_root())
    return found


@pytest.mark.parametrize(
    ("protocol", "trained", "tested"),
    [
        ("official-fold1", {"a": 80, "b": 20, "c": 20}, {"a": 40, "b": 40, "c": 40}),
        ("official-fold1-device-a", {"a": 80}, {"a": 40, "b": 40, "c": 40}),
        ("challenge", {"a": 120, "b": 60, "c": 60}, {"a": 10, "b": 10, "c": 10, "d": 10}),
    ],
)
def test_devices_of_each_protocol(protocol, trained, tested):
    settings = DataSettings(sample_rate=44_100, clip_seconds=1, batch_size=4)
    data = mini_data(get_task("asc-mobile"), settings, protocol, "1")
    examples = data.inventory.examples
    for part, devices in zip(data.split(examples), (trained, tested), strict=True):
        groups = [examples[i].group for i in part]
        assert {name: groups.count(name) for name in sorted(set(groups))} == devices


def test_validation_keeps_all_devices_of_a_place_together():
    settings = DataSettings(sample_rate=44_100, clip_seconds=1, batch_size=4)
    data = mini_data(get_task("asc-mobile"), settings, "official-fold1", "1")
    examples = data.inventory.examples
    fitted, valid = data.hold_out(examples, data.split(examples)[0], 0.3)
    places = [{examples[i].cluster for i in part} for part in (fitted, valid)]
    assert not places[0] & places[1]
    assert {"a", "b", "c"} == {examples[i].group for i in fitted}


def test_missing_clips_are_still_divided(tmp_path):
    write(tmp_path)
    folder = tmp_path / MOBILE.folder("development")
    names = (folder / "evaluation_setup" / "fold1_train.txt").read_text(encoding="utf-8-sig").splitlines()
    gone = {device: next(n for n in names if f"-{device}.wav" in n).split("\t")[0] for device in "ab"}
    for name in gone.values():
        (folder / name).unlink()
    inventory = MobileSceneDataModule.take_stock(tmp_path, "skip", "official-fold1-device-a")
    assert len(inventory.missing) == 2
    assert len(inventory.parts["1"].train) == 80
    assert [gone[d].removeprefix("audio/").removesuffix(".wav") in inventory.parts["1"].train for d in "ab"] == [
        True,
        False,
    ]


def test_the_baseline_takes_the_protocol_of_its_figures_unless_told():
    def protocol(system, **options):
        return make_plan(RunOptions("asc-mobile", system, data="mini", **options)).protocol

    assert protocol("baseline-tut") == "official-fold1-device-a"
    assert protocol("baseline-tut", protocol="official-fold1") == "official-fold1"
    assert protocol("cnn8") == "official-fold1"


@pytest.mark.parametrize(("protocol", "part"), [("challenge", "evaluation"), ("leaderboard", "leaderboard")])
def test_the_submission_of_numbered_files_scores_as_the_run_did(protocol, part):
    assert run("--data", "mini", "--system", "cnn4", "--protocol", protocol, *SHORT) == 0
    (submission,) = runs_root().glob("*/*/*/submission.csv")
    assert submission.read_text().startswith("audio/0.wav\t")
    meta = write_mini(get_task("asc-mobile")) / MOBILE.folder(part) / "meta.csv"
    assert score(meta, submission) == record().scores
    assert record().scores["accuracy/device_d"] is not None


def test_the_submission_scores_as_the_run_did():
    assert run("--data", "mini", "--system", "cnn4", *SHORT) == 0
    lists = write_mini(get_task("asc-mobile")) / MOBILE.folder("development") / "evaluation_setup"
    (submission,) = runs_root().glob("*/*/*/submission.csv")
    assert score(lists / "fold1_evaluate.txt", submission) == record().scores
    assert record().scores["accuracy/device_bc"] is not None


def test_selection_by_devices_that_validation_lacks_asks_for_more_of_it(capsys):
    words = ["--data.valid_fraction", "0.1", "--selection.monitor", "accuracy/device_bc", "--trainer.val_every", "1"]
    assert run("--data", "mini", "--system", "cnn4", *SHORT, *words) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert "'accuracy/device_bc' is undefined on the validation part" in error and "data.valid_fraction" in error


@pytest.mark.slow
def test_real_audio(reference, tmp_path):
    """72 clips by device A, and a third of them by devices B and C: 12 each to train, 12 each to test."""
    command = [sys.executable, str(reference / "realdata" / "build.py"), "--out", str(tmp_path), "--only", "asc"]
    subprocess.run(command, check=True, capture_output=True)
    inventory = MobileSceneDataModule.take_stock(tmp_path, "stop", "official-fold1")
    found = {count.name: count.found for count in inventory.counts}
    assert [found[f"device {name}"] for name in "abc"] == [72, 24, 24]
    assert [found[f"fold 1 test, device {name}"] for name in "abc"] == [24, 12, 12]
    words = ["--system", "cnn4", "--data", str(tmp_path), "--protocol", "official-fold1-device-a"]
    assert run(*words, "--trainer.max_steps", "40", "--data.batch_size", "16") == 0
    scores = record().scores
    assert scores["accuracy/device_a"] > 1 / 6 + 0.1
    assert scores["accuracy/device_bc"] == pytest.approx(
        (scores["accuracy/device_b"] + scores["accuracy/device_c"]) / 2
    )
