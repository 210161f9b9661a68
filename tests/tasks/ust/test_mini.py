import numpy as np
import pytest
import soundfile
from minis import contents, recordings_kept
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from spectra import level, log_mel, mean_and_deviation

from benchmark.metrics import roc_auc, taxonomy_scores
from benchmark.registry import get_task
from tasks.ust import mini
from tasks.ust.mini import SAMPLE_RATE, write_mini
from tasks.ust.official import (
    CLASSES,
    FOLDER,
    GROUPS,
    TAXONOMY_FILE,
    apply_rule,
    count_clips,
    gather_clips,
    read_annotations,
    read_taxonomy,
)


@pytest.fixture(scope="module")
def clips(root):
    path = root / FOLDER / "annotations.csv"
    return gather_clips(read_annotations(path), path)


@pytest.fixture(scope="module")
def audio(root, clips):
    return [soundfile.read(root / FOLDER / clip.split / clip.filename)[0] for clip in clips]


def labels(clips, split):
    return np.array([apply_rule(clip.share, "majority") for clip in clips if clip.split == split])


def test_official_layout(root, clips):
    read_taxonomy(root / FOLDER / TAXONOMY_FILE)
    assert count_clips(clips) == {"train": 108, "validate": 42, "test": 20}
    files = {path.relative_to(root / FOLDER).as_posix() for path in (root / FOLDER).rglob("*.wav")}
    assert files == {f"{clip.split}/{clip.filename}" for clip in clips}
    assert (root / FOLDER / "annotations.csv").read_bytes().count(b"\r\n") == 108 * 3 + 62 * 2 + 1


def test_sensors_of_two_splits_differ(clips):
    sensors = {split: {clip.sensor for clip in clips if clip.split == split} for split in ("train", "validate", "test")}
    assert sum(map(len, sensors.values())) == len(set.union(*sensors.values())) == 11


def test_volunteers_disagree_leave_tags_out_and_use_incomplete_ones(root, clips):
    annotations = read_annotations(root / FOLDER / "annotations.csv")
    crowd = np.array(annotations.annotator) > 0
    assert np.isnan(annotations.votes[crowd]).any()
    train = np.array([clip.share for clip in clips if clip.split == "train"])
    assert ((train > 0) & (train < 1)).any(axis=0)[:8].all()
    incomplete = [group.incomplete for group in GROUPS if group.incomplete is not None]
    for split in ("train", "validate"):
        assert np.array([clip.share for clip in clips if clip.split == split])[:, incomplete].any()
    assert all(clip.consensus == (clip.split != "train") for clip in clips)


def test_audio_format_and_lengths(root):
    infos = [soundfile.info(path) for path in (root / FOLDER).rglob("*.wav")]
    assert {(info.samplerate, info.channels, info.subtype) for info in infos} == {(44_100, 1, "PCM_16")}
    seconds = sorted(info.duration for info in infos)
    assert seconds[:3] == pytest.approx([0.3] * 3)
    assert seconds[3] >= 1.09
    assert seconds[-1] <= 1.61
    assert sum(path.stat().st_size for path in root.rglob("*") if path.is_file()) < 30e6


def test_a_seed_gives_the_same_bytes_and_another_replaces_every_file(tmp_path, monkeypatch):
    monkeypatch.setattr(mini, "CLIPS_PER_SENSOR", {"train": 1, "validate": 1, "test": 1})
    write_mini(tmp_path / "one")
    first = contents(tmp_path / "one")
    assert len(first) == 11 + 2
    assert not recordings_kept(write_mini, first, tmp_path / "two")


def test_chance_is_what_the_training_shares_of_tags_alone_give(clips):
    """Constants c1 > c2 > …: from one threshold to the next a tag more is predicted for every clip."""
    truth = labels(clips, "validate")[:, :8]
    order = np.argsort(-labels(clips, "train")[:, :8].mean(axis=0), kind="stable")
    hits = np.cumsum(truth[:, order].sum(axis=0))
    recall, precision = hits / truth.sum(), hits / (len(truth) * np.arange(1, 9))
    area = np.trapezoid([0, *precision], [0, *recall])
    assert get_task("ust").chance == pytest.approx(area, abs=0.005)


def test_loudness_does_not_give_the_answer(clips, audio):
    levels = [level(samples) for samples in audio]
    truth = np.array([apply_rule(clip.share, "majority") for clip in clips])[:, :8]
    areas = [roc_auc(truth[:, tag], levels) for tag in range(8)]
    assert 0.35 < min(areas) and max(areas) < 0.65


def test_a_linear_model_learns_much_but_not_all(clips, audio):
    features = np.array([mean_and_deviation(log_mel(samples, SAMPLE_RATE)) for samples in audio])
    of = {split: [clip.split == split for clip in clips] for split in ("train", "validate")}
    train, truth = labels(clips, "train"), labels(clips, "validate")
    guess = np.zeros(truth.shape)
    for tag in range(8):
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.03, max_iter=2000))
        model.fit(features[of["train"]], train[:, tag])
        guess[:, tag] = model.predict_proba(features[of["validate"]])[:, 1]
    assert guess.shape[1] == len(CLASSES)
    task = get_task("ust")
    assert task.chance + 0.15 < taxonomy_scores(truth, guess, GROUPS)[task.main_score] < 0.95
