from collections import Counter

import numpy as np
import soundfile
from minis import contents, recordings_kept
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from spectra import level, log_mel, mean_and_deviation

from tasks.domestic import mini
from tasks.domestic.mini import write_mini
from tasks.domestic.official import CLASSES, DEVELOPMENT, EVALUATION, read_fold, read_meta, read_microphones


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
    features = np.array([mean_and_deviation(log_mel(samples, mini.SAMPLE_RATE)) for samples in audio])
    levels = np.array([[level(samples)] for samples in audio])
    target = np.array([CLASSES.index(segment.label) for segment in segments])
    found = []
    for fold in "1234":
        test = np.array([segment.name in read_fold(folder, fold, segments)[1] for segment in segments])
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
        for inputs in (features, levels):
            model.fit(inputs[~test], target[~test])
            found.append(f1_score(target[test], model.predict(inputs[test]), average="macro"))
    assert 0.6 < np.mean(found[::2]) < 0.95
    assert np.mean(found[1::2]) < 2 / 9


def test_a_seed_gives_the_same_bytes_and_another_replaces_every_file(tmp_path, monkeypatch):
    monkeypatch.setattr(mini, "SECONDS", 0.2)
    monkeypatch.setattr(mini, "SHORT_SECONDS", 0.1)
    write_mini(tmp_path / "one")
    first = contents(tmp_path / "one")
    assert sum(path.suffix == ".wav" for path in first) == 135
    assert not recordings_kept(write_mini, first, tmp_path / "two")
