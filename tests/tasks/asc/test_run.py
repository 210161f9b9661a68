"""Whole runs of the task on the mini variant."""

import pytest
import soundfile
from helpers import read_records

from benchmark.cli import main
from benchmark.paths import cache_root, runs_root
from benchmark.plan import write_mini
from benchmark.registry import get_task
from tasks.asc.mini import write_mini as write
from tasks.asc.official import STEREO, score

DEVELOPMENT = STEREO.folder("development")
SHORT = ["--trainer.max_steps", "2", "--data.batch_size", "4"]


def run(*words):
    return main(["run", "--task", "asc", *words])


def record():
    (found,) = read_records(runs_root())
    return found


def test_the_submission_scores_as_the_run_did():
    assert run("--data", "mini", "--system", "cnn4", *SHORT) == 0
    lists = write_mini(get_task("asc")) / DEVELOPMENT / "evaluation_setup"
    (submission,) = runs_root().glob("*/*/*/submission.csv")
    assert submission.read_text().splitlines()[0].startswith("audio/airport-barcelona-")
    assert score(lists / "fold1_evaluate.txt", submission) == record().scores
    assert cache_root() in lists.parents


def test_the_challenges_sets_run_too():
    assert run("--data", "mini", "--system", "cnn4", "--protocol", "challenge", *SHORT) == 0
    assert record().protocol == "challenge"
    (submission,) = runs_root().glob("*/*/*/submission.csv")
    assert [line.split("\t")[0] for line in submission.read_text().splitlines()] == [
        f"audio/{number}.wav" for number in range(10)
    ]


def test_the_baseline_selects_on_other_places_and_can_decide_by_arg_max():
    short = ["--trainer.max_steps", "4", "--trainer.val_every", "2", "--selection.start", "2"]
    assert run("--data", "mini", "--system", "baseline-tut", "--postprocessing", "null", *short) == 0
    assert record().selection != "test"


@pytest.mark.parametrize(("rate", "channels"), [(44_100, 2), (48_000, 1)])
def test_files_that_are_not_like_the_others_are_named(tmp_path, capsys, rate, channels):
    write(tmp_path)
    path = sorted((tmp_path / DEVELOPMENT / "audio").iterdir())[-1]
    samples, _ = soundfile.read(path)
    soundfile.write(path, samples[:, :channels], rate, subtype="PCM_24")
    assert run("--data", str(tmp_path), "--system", "cnn4", *SHORT) == 2
    error = capsys.readouterr().err
    assert path.stem in error and "Traceback" not in error


def test_a_place_in_both_lists_stops_before_work_begins(tmp_path, capsys):
    write(tmp_path)
    setup = tmp_path / DEVELOPMENT / "evaluation_setup"
    moved = (setup / "fold1_evaluate.txt").read_text().splitlines()[0]
    with (setup / "fold1_train.txt").open("a") as file:
        file.write(f"{moved}\n")
    assert run("--data", str(tmp_path), "--system", "cnn4", *SHORT) == 2
    error = capsys.readouterr().err
    assert "is in the training list and in the test list" in error
    assert "fold1_evaluate.txt:1" in error
