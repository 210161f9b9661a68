import numpy as np
import pytest
import soundfile
from minis import contents, recordings_kept
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from spectra import level, log_mel, mean_and_deviation

from benchmark.metrics import roc_auc
from tasks.bad import mini
from tasks.bad.mini import CLIPS, SAMPLE_RATE, write_mini
from tasks.bad.official import DATASETS, read_items, read_labels


@pytest.fixture(scope="module")
def clips(root):
    """Data set, label, level and features of each clip."""
    items = read_items(root)
    audio = [soundfile.read(item.path)[0] for item in items]
    return {
        "dataset": np.array([item.dataset for item in items]),
        "hasbird": np.array([item.hasbird for item in items]),
        "level": np.array([level(samples) for samples in audio]),
        "features": np.array([mean_and_deviation(log_mel(samples, SAMPLE_RATE)) for samples in audio]),
    }


def test_official_layout_and_both_dialects(root):
    items = read_items(root)
    assert [sum(item.dataset == name for item in items) for name in DATASETS] == [CLIPS] * 3
    dialects = {path.parent.name: read_labels(path)[0].datasetid for path in root.glob("*/*.csv")}
    assert dialects == {"ff1010bird": "ff1010bird", "warblrb10k": None, "BirdVox-DCASE-20k": "BirdVox-DCASE-20k"}


def test_audio_format_and_lengths(root):
    for name in DATASETS:
        infos = [soundfile.info(path) for path in (root / name / "wav").iterdir()]
        assert {(info.samplerate, info.channels, info.subtype) for info in infos} == {(44_100, 1, "PCM_16")}
        seconds = sorted(info.duration for info in infos)
        assert seconds[0] == pytest.approx(0.4)
        assert seconds[1] >= 1.59
        assert seconds[-1] <= 2.41


def test_a_seed_gives_the_same_bytes_and_another_replaces_every_file(tmp_path, monkeypatch):
    monkeypatch.setattr(mini, "CLIPS", 4)
    write_mini(tmp_path / "one")
    first = contents(tmp_path / "one")
    assert len(first) == 3 * (4 + 1)
    assert not recordings_kept(write_mini, first, tmp_path / "two")


def test_birds_are_balanced_as_in_the_real_sets(clips):
    share = {name: clips["hasbird"][clips["dataset"] == name].mean() for name in DATASETS}
    assert share["ff1010bird"] < share["BirdVox-DCASE-20k"] == 0.5 < share["warblrb10k"]


@pytest.mark.parametrize("dataset", DATASETS)
def test_loudness_does_not_give_the_answer(clips, dataset):
    rows = clips["dataset"] == dataset
    assert 0.4 <= roc_auc(clips["hasbird"][rows], clips["level"][rows]) <= 0.65


@pytest.mark.parametrize("dataset", DATASETS)
def test_a_linear_model_generalises_to_the_unseen_data_set_but_not_perfectly(clips, dataset):
    test = clips["dataset"] == dataset
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
    model.fit(clips["features"][~test], clips["hasbird"][~test])
    auc = roc_auc(clips["hasbird"][test], model.predict_proba(clips["features"][test])[:, 1])
    assert 0.7 < auc < 0.97
