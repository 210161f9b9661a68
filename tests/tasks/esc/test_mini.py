from collections import Counter

import numpy as np
import pytest
import soundfile
from minis import contents, recordings_kept
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from spectra import level, log_mel, mean_and_deviation

from tasks.esc.mini import SAMPLE_RATE, write_mini
from tasks.esc.official import ESC10_CLASSES, ESC50_CLASSES, read_esc10, read_esc50


def accuracy(features, target, fold):
    """Of logistic regression, mean over the five folds."""
    right = []
    for tested in sorted(set(fold)):
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
        model.fit(features[fold != tested], target[fold != tested])
        right.append(np.mean(model.predict(features[fold == tested]) == target[fold == tested]))
    return np.mean(right)


@pytest.mark.parametrize(
    ("read", "classes", "clips"),
    [
        (lambda root: read_esc10(root / "ESC-10")[0], ESC10_CLASSES, 3),
        (lambda root: read_esc50(root / "ESC-50"), ESC50_CLASSES, 1),
    ],
    ids=["ESC-10", "ESC-50"],
)
def test_it_is_learnable_but_not_trivial_and_loudness_says_nothing(root, read, classes, clips):
    found = read(root)
    assert Counter((c.label, c.fold) for c in found) == {(name, fold): clips for name in classes for fold in "12345"}
    audio = [soundfile.read(clip.path)[0] for clip in found]
    features = np.array([mean_and_deviation(log_mel(samples, SAMPLE_RATE)) for samples in audio])
    levels = np.array([[level(samples)] for samples in audio])
    target = np.array([classes.index(clip.label) for clip in found])
    fold = np.array([clip.fold for clip in found])
    chance = 1 / len(classes)
    assert 4 * chance < accuracy(features, target, fold) < 0.9
    assert accuracy(levels, target, fold) < 2 * chance + 0.03


def test_audio_formats_and_the_short_clip(root):
    infos = {kind: [soundfile.info(path) for path in sorted(root.rglob(f"*.{kind}"))] for kind in ("ogg", "wav")}
    assert {(i.samplerate, i.channels, i.subtype) for i in infos["ogg"]} == {(44_100, 1, "VORBIS")}
    assert {(i.samplerate, i.channels, i.subtype) for i in infos["wav"]} == {(44_100, 1, "PCM_16")}
    assert sorted(info.duration for info in infos["ogg"])[:2] == pytest.approx([0.2, 1.0], abs=0.01)


def test_the_table_has_windows_line_ends(root):
    assert (root / "ESC-50" / "meta" / "esc50.csv").read_bytes().count(b"\r\n") == 251


def test_a_seed_gives_the_same_samples_and_another_replaces_every_file(tmp_path, monkeypatch):
    monkeypatch.setattr("tasks.esc.mini.FOLDS", ("1",))
    monkeypatch.setattr("tasks.esc.mini.ESC10_CLIPS", 1)
    monkeypatch.setattr("tasks.esc.mini.SECONDS", 0.1)

    def read(path):
        """The number of an Ogg stream is drawn by the encoder."""
        return path.read_bytes() if path.suffix == ".csv" else soundfile.read(path)[0].tobytes()

    write_mini(tmp_path / "one")
    first = contents(tmp_path / "one", read)
    assert sum(path.suffix in {".ogg", ".wav"} for path in first) == 60
    assert not recordings_kept(write_mini, first, tmp_path / "two", read)
