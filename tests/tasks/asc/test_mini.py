import numpy as np
import pytest
import soundfile
from minis import contents, recordings_kept
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from spectra import level, log_mel, mean_and_deviation

from tasks.asc.mini import SAMPLE_RATE, SECONDS, write_mini
from tasks.asc.official import CLASSES, STEREO, read_fold, read_meta


@pytest.fixture(scope="module")
def clips(root):
    """Scene index, whether tested, level in dB and features of each clip."""
    folder = root / STEREO.folder("development")
    read = read_meta(folder / "meta.csv")
    _, test = read_fold(folder, read)
    audio = [soundfile.read(clip.path)[0].mean(axis=1) for clip in read]
    return {
        "scene": np.array([CLASSES.index(clip.scene) for clip in read]),
        "test": np.array([clip.clip_id in test for clip in read]),
        "level": np.array([[level(samples)] for samples in audio]),
        "features": np.array([mean_and_deviation(log_mel(samples, SAMPLE_RATE)) for samples in audio]),
    }


def held_out_accuracy(model, clips, features):
    test = clips["test"]
    return model.fit(features[~test], clips["scene"][~test]).score(features[test], clips["scene"][test])


def test_official_layout(root):
    folder = root / STEREO.folder("development")
    clips = read_meta(folder / "meta.csv")
    train, test = read_fold(folder, clips)
    assert (len(clips), len(train), len(test)) == (120, 80, 40)
    for scene in CLASSES:
        cities = {clip.location.split("-")[0] for clip in clips if clip.scene == scene}
        assert len(cities) == 2
    listed = (folder / "evaluation_setup" / "fold1_test.txt").read_text().split()
    assert {name.removeprefix("audio/").removesuffix(".wav") for name in listed} == test


def test_awkward_files_are_there(root):
    folder = root / STEREO.folder("development")
    assert b"\r\n" in (folder / "meta.csv").read_bytes()
    assert (folder / "evaluation_setup" / "fold1_train.txt").read_bytes().startswith(b"\xef\xbb\xbf")


def test_audio_format_lengths_and_size(root):
    paths = list(root.glob("*/audio/*.wav"))
    infos = [soundfile.info(path) for path in paths]
    assert {(info.samplerate, info.channels, info.subtype) for info in infos} == {(48_000, 2, "PCM_24")}
    seconds = sorted(info.duration for info in infos)
    assert (seconds[0], seconds[1], seconds[-1]) == (pytest.approx(0.1), SECONDS, SECONDS)
    assert sum(path.stat().st_size for path in paths) < 30e6


def test_channels_differ(root):
    samples, _ = soundfile.read(next((root / STEREO.folder("development") / "audio").glob("park-*.wav")))
    assert np.corrcoef(samples.T)[0, 1] < 0.95


def test_a_seed_gives_the_same_bytes_and_another_replaces_every_clip(root, tmp_path):
    assert not recordings_kept(write_mini, contents(root), tmp_path)


def test_loudness_does_not_give_the_answer(clips):
    assert held_out_accuracy(KNeighborsClassifier(3), clips, clips["level"]) <= 0.25


def test_a_linear_model_recognises_scenes_at_new_places_but_not_all(clips):
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=2000))
    assert 0.5 < held_out_accuracy(model, clips, clips["features"]) < 0.95
