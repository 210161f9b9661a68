"""What is logged of a finished run, read back from an offline run with wandb's own reader; nothing is trained."""

import json

import numpy as np
import pytest
import wandb
from made_runs import RATE, made_run, made_store
from offline_wandb import artifacts_of, history_of, read_offline, summary_of
from sklearn.metrics import confusion_matrix

from benchmark.registry import get_task
from benchmark.report.result import read_result
from benchmark.wandb_result import AUDIO, EXAMPLES, log_result


@pytest.fixture
def logged(tmp_path, monkeypatch):
    """Log a run offline; its records and its folder of files."""
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "wandb-data"))

    def log(folder, weights=()):
        settings = wandb.Settings(silent=True, x_disable_stats=True, console="off")
        run = wandb.init(mode="offline", dir=tmp_path, project="x", id="made", settings=settings)
        log_result(run, folder, weights)
        run.finish()
        (path,) = tmp_path.glob("wandb/offline-run-*/run-made.wandb")
        return read_offline(path), path.parent / "files"

    return log


def table(history, files, name):
    (path,) = history[f"table/{name}/path"]
    content = json.loads((files / path).read_text())
    return [dict(zip(content["columns"], row, strict=True)) for row in content["data"]]


def with_audio(tmp_path, task):
    generator = np.random.default_rng(0)
    made_store(tmp_path, task, {f"clip{n:03d}": generator.uniform(-0.5, 0.5, RATE // 4) for n in range(40)})


def test_scores_costs_tables_and_pictures_of_one_class_a_clip(tmp_path, logged):
    with_audio(tmp_path, "esc")
    folder = made_run(tmp_path, "esc", parameters=123, macs=456)
    records, files = logged(folder)
    history, summary, result = history_of(records), summary_of(records), read_result([folder])
    assert summary["score/esc/accuracy"] == pytest.approx(result.record.scores["accuracy"])
    assert (summary["cost/parameters"], summary["cost/macs"], summary["cost/train"]) == (123, 456, 10.0)
    for name in ("confusion", "curves", "calibration", "classes", "learning"):
        (picture,) = history[f"picture/{name}/path"]
        assert (files / picture).read_bytes().startswith(b"\x89PNG")
    classes = table(history, files, "classes")
    assert [row["class"] for row in classes] == list(get_task("esc").classes_of("esc10-5-fold"))
    truth = result.clips.target.argmax(1)
    counts = confusion_matrix(truth, result.clips.decision, labels=range(10))
    found = {(row["class"], row["taken for"]): row["clips"] for row in table(history, files, "confusions")}
    expected = {(result.classes[a], result.classes[b]): counts[a, b] for a, b in zip(*counts.nonzero(), strict=True)}
    assert found == expected


@pytest.mark.parametrize("asked", [False, True])
def test_examples_have_pictures_and_audio_only_when_asked(tmp_path, logged, monkeypatch, asked):
    with_audio(tmp_path, "ust")
    monkeypatch.setenv(AUDIO, "1" if asked else "")
    records, files = logged(made_run(tmp_path, "ust"))
    history = history_of(records)
    clips = table(history, files, "clips")
    assert len(clips) == EXAMPLES and clips[0]["loss"] == max(clip["loss"] for clip in clips)
    assert {clip["city"] for clip in clips} <= {"Wien", "Rom"}
    (pictures,), (captions,) = history["picture/clips/filenames"], history["picture/clips/captions"]
    assert all((files / picture).read_bytes().startswith(b"\x89PNG") for picture in pictures)
    assert captions == [f"{clip['clip']}: {clip['truth']}; said: {clip['said']}" for clip in clips]
    sounds = [path for path in tmp_path.glob("wandb*/**/*") if path.suffix in (".wav", ".flac", ".ogg", ".mp3")]
    assert len(sounds) == (EXAMPLES if asked else 0)


@pytest.mark.slow
def test_events_are_drawn_even_without_audio(tmp_path, logged):
    records, _ = logged(made_run(tmp_path, "sed"))
    (pictures,) = history_of(records)["picture/clips/filenames"]
    assert len(pictures) == EXAMPLES


@pytest.mark.slow
def test_without_audio_at_hand_examples_have_no_picture(tmp_path, logged):
    records, files = logged(made_run(tmp_path, "bad"))
    assert len(table(history_of(records), files, "clips")) == EXAMPLES
    assert not [key for key in history_of(records) if key.startswith(("picture/clips", "audio/"))]


def test_an_older_run_without_predictions_logs_its_scores(tmp_path, logged):
    records, _ = logged(made_run(tmp_path, "esc", found=False, scores={"accuracy": 0.5, "accuracy/Rain": None}))
    assert summary_of(records)["score/esc/accuracy"] == 0.5
    assert "table/clips/path" not in history_of(records)


def test_the_weights_are_an_artifact_with_their_record(tmp_path, logged):
    folder = made_run(tmp_path, "esc", system="my.Net/<x>")
    weights = folder / "checkpoints" / "scored.ckpt"
    weights.parent.mkdir()
    weights.write_bytes(bytes(2_000_000))
    records, _ = logged(folder, [weights])
    (artifact,) = artifacts_of(records)
    assert artifact.name == f"esc-my.Net--x--{folder.name}"
    assert artifact.description == "weights, 2 MB"
    contents = {entry.path: entry for entry in artifact.manifest.contents}
    assert contents.keys() == {"record.json", "config.yaml", "checkpoints/scored.ckpt"}
    assert contents["checkpoints/scored.ckpt"].local_path == str(weights)  # no copy waits for the upload


def test_large_weights_stay_and_it_is_said(tmp_path, logged, monkeypatch):
    monkeypatch.setattr("benchmark.wandb_result.LARGEST_BYTES", 10)
    folder = made_run(tmp_path, "esc")
    weights = folder / "scored.ckpt"
    weights.write_bytes(bytes(11))
    (artifact,) = artifacts_of(logged(folder, [weights])[0])
    assert {entry.path for entry in artifact.manifest.contents} == {"record.json", "config.yaml"}
    assert "without the weights" in artifact.description
