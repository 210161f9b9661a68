import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
import soundfile
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tasks.domestic import mini
from tasks.domestic.mini import write_mini
from tasks.domestic.official import CLASSES, DEVELOPMENT, EVALUATION, read_fold, read_meta, read_microphones


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mini")
    write_mini(folder)
    return folder


def log_mel(samples, bands=40, window=1024):
    frames = np.lib.stride_tricks.sliding_window_view(samples, window)[:: window // 2] * np.hanning(window)
    power = np.abs(np.fft.rfft(frames)) ** 2
    mel = 2595 * np.log10(1 + np.fft.rfftfreq(window, 1 / mini.SAMPLE_RATE) / 700)
    edges = np.linspace(0, mel[-1], bands + 2)
    rising = (mel[:, None] - edges[:-2]) / np.diff(edges)[0]
    return np.log(power @ np.clip(np.minimum(rising, 2 - rising), 0, None) + 1e-10)


def test_official_layout(root):
    folder = root / DEVELOPMENT
    segments = read_meta(folder)
    assert Counter(segment.label for segment in segments) == dict.fromkeys(CLASSES, 12)
    assert {segment.node for segment in segments} == {f"DevNode{n}" for n in range(1, 5)}
    tested = [read_fold(folder, fold, segments)[1] for fold in "1234"]
    assert sorted(name for part in tested for name in part) == sorted(segment.name for segment in segments)
    for fold in "1234":
        names = (folder / "evaluation_setup" / f"fold{fold}_test.txt").read_text().split()
        assert set(names) == tested[int(fold) - 1]
    evaluation = read_meta(root / EVALUATION)
    assert Counter(segment.label for segment in evaluation) == dict.fromkeys(CLASSES, 3)
    known = read_microphones(root / EVALUATION / "evaluation_setup" / "microphones.txt")
    assert {known[segment.node] for segment in evaluation} == {"known", "unknown"}
    assert len(known) == 7


def test_a_session_is_heard_by_several_arrays(root):
    heard_by = Counter(segment.session for segment in read_meta(root / DEVELOPMENT))
    assert Counter(heard_by.values()) == {1: 36, 2: 36}


def test_line_ends_are_of_both_kinds(root):
    assert b"\r\n" in (root / EVALUATION / "meta.txt").read_bytes()
    assert not (root / DEVELOPMENT / "meta.txt").read_bytes().endswith(b"\n")


def test_audio_format_and_the_short_segments(root):
    infos = [soundfile.info(path) for path in root.glob("*/audio/*.wav")]
    assert {(info.samplerate, info.channels, info.subtype) for info in infos} == {(16_000, 4, "PCM_16")}
    assert Counter(round(info.duration, 3) for info in infos) == {0.3: 2, 1.2: 133}


def test_it_is_learnable_but_not_trivial_and_loudness_says_nothing(root):
    folder = root / DEVELOPMENT
    segments = read_meta(folder)
    audio = [soundfile.read(segment.path)[0].mean(axis=1) for segment in segments]
    frames = [log_mel(samples) for samples in audio]
    features = np.array([np.concatenate([each.mean(0), each.std(0)]) for each in frames])
    level = np.array([[20 * np.log10(np.sqrt(np.mean(samples**2)))] for samples in audio])
    target = np.array([CLASSES.index(segment.label) for segment in segments])
    found = []
    for fold in "1234":
        test = np.array([segment.name in read_fold(folder, fold, segments)[1] for segment in segments])
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
        for inputs in (features, level):
            model.fit(inputs[~test], target[~test])
            found.append(f1_score(target[test], model.predict(inputs[test]), average="macro"))
    assert 0.6 < np.mean(found[::2]) < 0.95
    assert np.mean(found[1::2]) < 2 / 9


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.wav")}


def test_a_seed_gives_the_same_bytes_and_another_replaces_every_file(tmp_path, monkeypatch):
    monkeypatch.setattr(mini, "SECONDS", 0.2)
    monkeypatch.setattr(mini, "SHORT_SECONDS", 0.1)
    write_mini(tmp_path / "one", seed=0)
    write_mini(tmp_path / "two", seed=0)
    first = contents(tmp_path / "one")
    assert len(first) == 135
    assert first == contents(tmp_path / "two")
    write_mini(tmp_path / "two", seed=1)
    second = contents(tmp_path / "two")
    assert first.keys() == second.keys()
    assert all(first[path] != second[path] for path in first)


def test_making_it_does_not_import_torch():
    check = "import tasks.domestic.mini, sys; sys.exit(any(name in sys.modules for name in ('torch', 'pandas')))"
    assert subprocess.run([sys.executable, "-c", check], env={"PYTHONPATH": ":".join(sys.path)}).returncode == 0
