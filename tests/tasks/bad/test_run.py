"""Whole runs of the task on small folders in the official layout, good and bad."""

import json
import shutil

import numpy as np
import pytest
import soundfile
from helpers import read_records

from benchmark.cli import main
from benchmark.paths import runs_root
from benchmark.plan import write_mini
from benchmark.registry import get_task

SETS = {
    "ff1010bird": "ff1010bird_metadata_2018.csv",
    "warblrb10k": "warblrb10k_public_metadata_2018.csv",
    "BirdVox-DCASE-20k": "BirdVoxDCASE20k_csvpublic.csv",
}


@pytest.fixture
def root(tmp_path):
    """Six clips of each data set, three with birds."""
    folder = tmp_path / "data"
    for name, csv in SETS.items():
        source = next(path for path in (write_mini(get_task("bad")) / name).glob("*.csv"))
        header, *rows = source.read_text().splitlines()
        chosen = [row for label in "01" for row in [r for r in rows if r.endswith(label)][:3]]
        (folder / name / "wav").mkdir(parents=True)
        (folder / name / csv).write_text("\n".join([header, *chosen]) + "\n")
        for row in chosen:
            shutil.copy(source.parent / "wav" / f"{row.split(',')[0]}.wav", folder / name / "wav")
    return folder


def run(root, *words):
    base = ["run", "--task", "bad", "--system", "logistic-regression", "--data", str(root), "--fold", "ff1010bird"]
    return main([*base, "--trainer.max_steps", "2", "--data.batch_size", "4", "--data.clip_seconds", "1", *words])


def record():
    (found,) = read_records(runs_root())
    return found


def first_wav(root, name="warblrb10k"):
    return sorted((root / name / "wav").iterdir())[0]


def test_a_folder_of_ones_own_is_custom(root, capsys):
    assert run(root) == 0
    assert record().variant.startswith("custom:")
    assert record().coverage == 1
    out = capsys.readouterr().out
    assert "not comparable with published scores" in out


def test_one_changed_label_is_another_dataset(root):
    assert run(root) == 0
    csv = root / "warblrb10k" / SETS["warblrb10k"]
    csv.write_text(csv.read_text().replace(",1\n", ",0\n", 1))
    assert run(root) == 0
    first, second = read_records(runs_root())
    assert first.dataset_fingerprint != second.dataset_fingerprint
    assert first.group != second.group


def broken_wavs(path):
    rate = soundfile.info(path).samplerate
    samples, _ = soundfile.read(path, dtype="float32")
    whole = path.read_bytes()
    nan = samples.copy()
    nan[100] = np.nan
    return {
        "empty file": lambda: path.write_bytes(b""),
        "no audio": lambda: path.write_text("itemid,hasbird\n"),
        "truncated": lambda: path.write_bytes(whole[: len(whole) // 2]),
        "wrong header": lambda: path.write_bytes(b"RIFX" + whole[4:]),
        "zero length": lambda: soundfile.write(path, samples[:0], rate),
        "not a number": lambda: soundfile.write(path, nan, rate, subtype="FLOAT"),
    }


@pytest.mark.parametrize(
    "fault", ["empty file", "no audio", "truncated", "wrong header", "zero length", "not a number"]
)
def test_a_broken_file_stops_the_run_by_name_or_is_skipped_and_counted(root, capsys, fault):
    path = first_wav(root)
    broken_wavs(path)[fault]()
    assert run(root) == 2
    error = capsys.readouterr().err
    assert path.name in error and "Traceback" not in error
    assert json.loads(next(runs_root().glob("*/*/*/state.json")).read_text())["status"] == "failed"
    assert run(root, "--data.on_error", "skip") == 0
    assert list(record().skipped) == [f"warblrb10k/{path.stem}"]
    assert record().coverage == pytest.approx(17 / 18, abs=1e-6)
    assert "1 clips were left out" in capsys.readouterr().out


def test_a_row_without_a_file_stops_or_is_skipped(root, capsys):
    path = first_wav(root)
    path.unlink()
    assert run(root) == 2
    assert path.stem in capsys.readouterr().err
    assert run(root, "--data.on_error", "skip") == 0
    assert list(record().skipped) == [f"warblrb10k/{path.stem}"]


def test_a_file_without_a_row_stops_or_is_skipped(root, capsys):
    shutil.copy(first_wav(root), root / "warblrb10k" / "wav" / "stranger.wav")
    assert run(root) == 2
    assert "stranger" in capsys.readouterr().err
    assert run(root, "--data.on_error", "skip") == 0
    assert list(record().skipped) == ["warblrb10k/wav/stranger.wav"]
    assert record().coverage == 1


def test_an_item_in_two_data_sets_is_refused_before_work_begins(root, capsys):
    path = first_wav(root)
    shutil.copy(path, root / "ff1010bird" / "wav")
    with (root / "ff1010bird" / SETS["ff1010bird"]).open("a") as csv:
        csv.write(f"{path.stem},ff1010bird,1\n")
    assert run(root) == 2
    assert f"item '{path.stem}' is in ff1010bird and warblrb10k" in capsys.readouterr().err


def test_a_label_beyond_0_and_1_is_named_with_its_line(root, capsys):
    csv = root / "ff1010bird" / SETS["ff1010bird"]
    csv.write_text(csv.read_text().replace(",1\n", ",2\n", 1))
    assert run(root) == 2
    assert f"{csv}:" in capsys.readouterr().err


def test_a_missing_data_set_says_what_where_and_how_to_get_it(root, capsys):
    shutil.rmtree(root / "BirdVox-DCASE-20k")
    assert run(root) == 2
    error = capsys.readouterr().err
    assert "BirdVox-DCASE-20k" in error and str(root) in error and "make data TASK=bad" in error


def test_one_class_only_is_said_and_is_null_in_the_record(root, capsys):
    csv = root / "ff1010bird" / SETS["ff1010bird"]
    csv.write_text(csv.read_text().replace(",0\n", ",1\n"))
    assert run(root) == 0
    assert record().scores["auc"] is None
    assert record().scores["accuracy"] is not None
    out = capsys.readouterr().out
    assert "undefined: there are no scored clips that could tell" in out
    assert "nan" not in out


@pytest.mark.slow
def test_a_short_training_of_the_default_system_beats_chance_on_mini():
    assert main(["run", "--task", "bad", "--data", "mini", "--trainer.max_steps", "25", "--data.batch_size", "8"]) == 0
    assert record().scores["auc"] > 0.7
