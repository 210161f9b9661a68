"""The miniature: official layout and dialects, learnable, not by level or length."""

from collections import Counter

import numpy as np
import pytest
import soundfile
from minis import contents, recordings_kept
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from spectra import level, log_mel

from benchmark.metrics import average_precision_at_k, top_k
from benchmark.registry import get_task
from tasks.tagging.mini import MEMBERS, SAMPLE_RATE, write_mini
from tasks.tagging.official import (
    AUDIO_TEST,
    AUDIO_TRAIN,
    CLASSES,
    TRAIN_LIST,
    WHOLE_TEST_LIST,
    read_test,
    read_train,
)


def describe(samples):
    frames = log_mel(samples, SAMPLE_RATE)
    return np.concatenate([frames.mean(0) - frames.mean(), frames.std(0)])


@pytest.fixture(scope="module")
def parts(root):
    """Of training and test set: class, spectrum, and level with length of each clip."""
    lists = ((AUDIO_TRAIN, read_train(root / TRAIN_LIST)), (AUDIO_TEST, read_test(root / WHOLE_TEST_LIST).scored))
    parts = []
    for folder, clips in lists:
        audio = [soundfile.read(root / folder / clip.fname)[0] for clip in clips]
        coarse = [(level(samples), len(samples)) for samples in audio]
        labels = np.array([CLASSES.index(clip.label) for clip in clips])
        parts.append((labels, np.array([describe(samples) for samples in audio]), np.array(coarse)))
    return parts


def map_at_3(parts, features):
    """Of a logistic regression on one of the two kinds of features."""
    (labels, *train), (target, *test) = parts
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000)).fit(train[features], labels)
    guesses = top_k(model.predict_proba(test[features]), 3)
    return average_precision_at_k(target, model.classes_[guesses]).mean()


def test_official_layout_and_numbers(root):
    train, test = read_train(root / TRAIN_LIST), read_test(root / WHOLE_TEST_LIST)
    groups = Counter(clip.group for clip in [*train, *test.scored])
    assert [groups[name] for name in ("verified", "unverified", "public", "private")] == [59, 54, 9, 31]
    assert {clip.label for clip in train} == {clip.label for clip in test.scored} == set(MEMBERS)
    assert {path.name for path in (root / AUDIO_TRAIN).iterdir()} == {clip.fname for clip in train}
    names = {clip.fname for clip in test.scored} | test.ignored
    assert {path.name for path in (root / AUDIO_TEST).iterdir()} == names
    assert len(names | {clip.fname for clip in train}) == 113 + 40 + 2


def test_awkward_bits_of_the_real_set(root):
    assert b"\r\n" in (root / WHOLE_TEST_LIST).read_bytes()
    assert soundfile.info(root / AUDIO_TEST / "0b0427e2.wav").frames == 0
    assert "0b0427e2.wav" in read_test(root / WHOLE_TEST_LIST).ignored


def test_audio_format_and_lengths(root):
    for folder in (AUDIO_TRAIN, AUDIO_TEST):
        infos = [soundfile.info(path) for path in (root / folder).iterdir() if path.name != "0b0427e2.wav"]
        assert {(info.samplerate, info.channels, info.subtype) for info in infos} == {(44_100, 1, "PCM_16")}
        seconds = sorted(info.duration for info in infos)
        assert seconds[0] == pytest.approx(0.3)
        assert seconds[1] >= 0.49
        assert seconds[-1] <= 2.01


def test_a_seed_gives_the_same_bytes_and_another_replaces_every_file(root, tmp_path):
    first = contents(root)
    assert recordings_kept(write_mini, first, tmp_path) == {"0b0427e2.wav"}  # which has no samples
    assert sum(map(len, first.values())) < 30e6


def test_a_linear_model_learns_it_but_not_perfectly(parts):
    assert 0.75 < map_at_3(parts, 0) < 0.98


def test_level_and_length_do_not_give_the_answer(parts):
    assert map_at_3(parts, 1) < get_task("tagging").chance + 0.15


def test_chance_is_the_best_constant_guess(root):
    classes = [clip.label for clip in read_test(root / WHOLE_TEST_LIST).scored]
    (_, first), (_, second), (_, third) = Counter(classes).most_common(3)
    assert get_task("tagging").chance == pytest.approx((first + second / 2 + third / 3) / len(classes))
