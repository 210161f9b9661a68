"""Whole runs of the task on small folders in the official layout, good and bad."""

import shutil

import numpy as np
import pytest
import soundfile
from helpers import read_records

from benchmark.cli import main
from benchmark.paths import runs_root
from benchmark.plan import write_mini
from benchmark.registry import get_task
from tasks.ust.official import CLASSES, FOLDER, SPLITS, read_predictions, score

TASK = get_task("ust")
CLIPS = {"train": 9, "validate": 6, "test": 4}
QUICK = ["--trainer.max_steps", "2", "--data.batch_size", "4", "--data.clip_seconds", "1"]


@pytest.fixture
def root(tmp_path):
    """The first clips of each split of the mini variant, training clips of three sensors."""
    source, folder = write_mini(TASK) / FOLDER, tmp_path / "data" / FOLDER
    header, *rows = (source / "annotations.csv").read_text().splitlines()
    chosen = []
    for split in SPLITS:
        (folder / split).mkdir(parents=True)
        paths = sorted((source / split).iterdir())
        for path in paths[:: len(paths) // CLIPS[split]][: CLIPS[split]]:
            shutil.copy(path, folder / split)
            chosen += [row for row in rows if path.name in row]
    (folder / "annotations.csv").write_text("\n".join([header, *chosen]) + "\n")
    shutil.copy(source / "dcase-ust-taxonomy.yaml", folder)
    return folder.parent


def run(root, *words, system="cnn4"):
    return main(["run", "--task", "ust", "--system", system, "--data", str(root), *QUICK, *words])


def record():
    return read_records(runs_root())[-1]


def leavings(name):
    (path,) = runs_root().glob(f"ust/*/*/{name}")
    return path


@pytest.mark.parametrize("protocol", ["validate", "test"])
def test_submission_scores_as_the_run_did(root, protocol):
    assert run(root, "--protocol", protocol) == 0
    assert record().variant.startswith("custom:")
    submission = leavings("submission.csv")
    assert score(root / FOLDER / "annotations.csv", submission) == record().scores
    assert len(record().scores) == 22
    names, probabilities = read_predictions(submission)
    assert {root / FOLDER / protocol / name for name in names} == set((root / FOLDER / protocol).iterdir())
    with np.load(leavings("predictions.npz")) as kept:
        np.testing.assert_array_equal(kept["probabilities"], probabilities)
    assert leavings("scores.png").stat().st_size > 1000


def test_every_label_rule_trains(root):
    for rule in ("any", "majority", "soft"):
        assert run(root, "--data.labels", rule) == 0
    groups = {one.group for one in read_records(runs_root())}
    assert len(groups) == 3


def test_unknown_label_rule(root, capsys):
    assert run(root, "--data.labels", "some") == 2
    error = capsys.readouterr().err
    assert "task ust has no 'some'" in error and "data.labels" in error


def test_a_broken_recording_stops_the_run_by_name_or_is_skipped(root, capsys):
    path = min((root / FOLDER / "train").iterdir())
    path.write_bytes(path.read_bytes()[:1000])
    assert run(root) == 2
    error = capsys.readouterr().err
    assert path.name in error and "Traceback" not in error
    assert run(root, "--data.on_error", "skip") == 0
    assert list(record().skipped) == [path.name]


def test_two_channels_are_refused_by_name(root, capsys):
    path = min((root / FOLDER / "validate").iterdir())
    samples, rate = soundfile.read(path)
    soundfile.write(path, np.stack([samples, samples], axis=1), rate)
    assert run(root) == 2
    assert path.name in capsys.readouterr().err


def test_two_sample_rates_are_refused_by_name(root, capsys):
    path = min((root / FOLDER / "validate").iterdir())
    soundfile.write(path, soundfile.read(path)[0], 48_000)
    assert run(root) == 2
    error = capsys.readouterr().err
    assert path.name in error and "48000" in error and "44100" in error


def test_the_official_baseline_asks_for_its_weights(root, capsys):
    assert run(root, system="logistic-regression-vggish") == 2
    error = capsys.readouterr().err
    for part in ("vggish-10086976.pth are not there", "torchvggish/releases", "--allow-random-weights"):
        assert part in error


def test_the_official_baseline_with_random_weights_is_marked(root):
    words = ["--allow-random-weights", "--data.clip_seconds", "0.975", "--trainer.val_every", "1"]
    words += ["--data.valid_fraction", "0.34"]
    assert run(root, *words, system="logistic-regression-vggish") == 0
    assert record().random_weights
    assert record().external_data
    assert record().parameters == 128 * len(CLASSES) + len(CLASSES)
    assert record().selection == "validation"
