"""Whole runs of the task on a small folder in the official layout, good and bad."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from helpers import read_records

from benchmark.cli import main
from benchmark.paths import runs_root
from benchmark.plan import write_mini
from benchmark.registry import get_task
from tasks.tagging.official import AUDIO_TEST, AUDIO_TRAIN, CLASSES, SCORED_LIST, TRAIN_LIST, WHOLE_TEST_LIST

KEPT = ("Flute", "Hi-hat")


@pytest.fixture
def root(tmp_path):
    """The clips of two classes of the miniature, the test list under its other name."""
    source, folder = write_mini(get_task("tagging")), tmp_path / "data"
    for lists, audio in (((TRAIN_LIST, TRAIN_LIST), AUDIO_TRAIN), ((WHOLE_TEST_LIST, SCORED_LIST), AUDIO_TEST)):
        header, *rows = (source / lists[0]).read_text().splitlines()
        chosen = [row for row in rows if row.split(",")[1] in KEPT]
        (folder / lists[1]).parent.mkdir(parents=True, exist_ok=True)
        (folder / audio).mkdir()
        (folder / lists[1]).write_text("\n".join([header, *chosen]) + "\n")
        for row in chosen:
            shutil.copy(source / audio / row.split(",")[0], folder / audio)
    return folder


def run(root, *words):
    base = ["run", "--task", "tagging", "--system", "logistic-regression", "--data", str(root)]
    return main([*base, "--trainer.max_steps", "2", "--data.batch_size", "4", "--data.clip_seconds", "1", *words])


def record():
    (found,) = read_records(runs_root())
    return found


def first_wav(root, folder=AUDIO_TRAIN):
    return sorted((root / folder).iterdir())[0]


def test_the_submission_of_a_run_scores_as_the_run(root, capsys):
    assert run(root) == 0
    assert record().variant.startswith("custom:")
    (submission,) = runs_root().glob("*/*/*/submission.csv")
    capsys.readouterr()
    assert (
        main(["score", "tagging", "--reference", str(root / SCORED_LIST), "--predictions", str(submission), "--json"])
        == 0
    )
    found = json.loads(capsys.readouterr().out)
    assert found == pytest.approx(record().scores)
    defined = {key for key, value in found.items() if value is not None}
    parts = ("public", "private", *KEPT)
    assert defined == {"map@3", "accuracy", *(f"{m}/{part}" for m in ("map@3", "accuracy") for part in parts)}


def test_predictions_are_kept_with_usage_and_sum_to_one(root):
    assert run(root) == 0
    (path,) = runs_root().glob("*/*/*/predictions.npz")
    with np.load(path) as kept:
        probability = next(
            kept[name] for name in kept.files if kept[name].shape == (len(kept["clip_id"]), len(CLASSES))
        )
        assert set(kept["group"].tolist()) == {"public", "private"}
    np.testing.assert_allclose(probability.sum(1), 1.0, atol=1e-6)


def test_a_fold_of_verified_clips_has_no_public_part(root):
    shutil.rmtree(root / AUDIO_TEST)
    assert run(root, "--protocol", "verified-4-fold", "--fold", "2") == 0
    assert (record().protocol, record().fold) == ("verified-4-fold", "2")
    assert record().scores["map@3"] is not None
    assert "map@3/public" not in record().scores


@pytest.mark.parametrize("folder", [AUDIO_TRAIN, AUDIO_TEST])
def test_a_row_without_a_file_stops_or_is_skipped_and_counted(root, capsys, folder):
    listed = len(list(root.rglob("*.wav")))
    path = first_wav(root, folder)
    path.unlink()
    assert run(root) == 2
    error = capsys.readouterr().err
    assert path.name in error and "Traceback" not in error
    assert run(root, "--data.on_error", "skip") == 0
    assert list(record().skipped) == [path.name]
    assert record().coverage == pytest.approx((listed - 1) / listed, abs=1e-6)


def test_a_file_without_a_row_stops_or_is_skipped(root, capsys):
    shutil.copy(first_wav(root), root / AUDIO_TRAIN / "stranger.wav")
    assert run(root) == 2
    assert "stranger.wav" in capsys.readouterr().err
    assert run(root, "--data.on_error", "skip") == 0
    assert list(record().skipped) == [f"{AUDIO_TRAIN}/stranger.wav"]


def faults(path):
    samples, rate = soundfile.read(path)
    return {
        "empty": lambda: path.write_bytes(b""),
        "no samples": lambda: soundfile.write(path, samples[:0], rate),
        "stereo": lambda: soundfile.write(path, np.stack([samples, samples], 1), rate),
        "another rate": lambda: soundfile.write(path, samples, 32_000),
    }


@pytest.mark.parametrize("fault", ["empty", "no samples", "stereo", "another rate"])
def test_an_unusual_recording_stops_the_run_by_name(root, capsys, fault):
    path = first_wav(root)
    faults(path)[fault]()
    assert run(root) == 2
    error = capsys.readouterr().err
    assert path.name in error and "Traceback" not in error
    assert {"stereo": "channel", "another rate": "32000"}.get(fault, "") in error


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [(",Hi-hat,", ",Hi-Hat,", "did you mean 'Hi-hat'"), (",Flute,1,", ",Flute,?,", "manually_verified is '?'")],
)
def test_a_wrong_row_is_named_with_its_line(root, capsys, old, new, message):
    path = root / TRAIN_LIST
    lines = path.read_text().splitlines()
    place = next(index for index, line in enumerate(lines) if old in line)
    lines[place] = lines[place].replace(old, new)
    path.write_text("\n".join(lines))
    assert run(root) == 2
    error = capsys.readouterr().err
    assert f"{path}:{place + 1}" in error and message in error


def test_missing_data_says_what_where_and_how_to_get_it(root, capsys):
    shutil.rmtree(root / AUDIO_TEST)
    assert run(root) == 2
    error = capsys.readouterr().err
    assert AUDIO_TEST in error and str(root) in error and "make data TASK=tagging" in error


def test_a_wrong_submission_is_refused_by_the_command(root, capsys):
    predictions = Path(root / "p.csv")
    predictions.write_text("fname,label\na.wav,Bark Bark Bark Bark\n")
    words = ["score", "tagging", "--reference", str(root / SCORED_LIST), "--predictions", str(predictions)]
    assert main(words) == 2
    out = capsys.readouterr()
    assert f"{predictions}:2" in out.err and out.out == ""


def test_the_yardstick_beats_chance_on_mini():
    short = ["--trainer.max_steps", "40", "--data.batch_size", "16"]
    assert main(["run", "--task", "tagging", "--system", "logistic-regression", "--data", "mini", *short]) == 0
    assert record().scores["map@3"] >= get_task("tagging").chance + 0.3
