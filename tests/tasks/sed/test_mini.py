"""The synthetic miniature: its files, and that it can be learnt but is not given away."""

import itertools
from collections import Counter

import numpy as np
import pytest
import soundfile
from minis import contents, recordings_kept
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from spectra import level, power_spectra

from benchmark.data.inventory import Event
from benchmark.metrics import roc_auc
from tasks.sed import TASK, mini
from tasks.sed.mini import CLIPS, LASTING, write_mini
from tasks.sed.official import CLASSES, CUT, SUBSETS, event_rows, event_scores, read_events, read_names, read_tags


def audio(root, name):
    return sorted((root / SUBSETS[name].audio).iterdir())


def length(filename):
    cut = CUT.search(filename)
    return round(float(cut[2]) - float(cut[1]), 3)


@pytest.fixture(scope="module")
def weak(root):
    """Tags, level and features of each weakly labelled clip."""
    tags = read_tags(root / SUBSETS["weak"].csv)
    sounds = [soundfile.read(root / SUBSETS["weak"].audio / name)[0] for name in tags]
    return {
        "tags": np.array([[label in labels for label in CLASSES] for labels in tags.values()]),
        "level": np.array([level(samples) for samples in sounds]),
        "features": np.array([statistics(samples) for samples in sounds]),
    }


def statistics(samples, bands=40, window=2048):
    """Mean and 95 % quantile of each band of a log spectrum of octave-like bands."""
    power = power_spectra(samples, window)
    edges = np.geomspace(3, power.shape[1], bands + 1).astype(int)
    bands_of = np.stack([power[:, a : max(b, a + 1)].mean(1) for a, b in itertools.pairwise(edges)], 1)
    spectrum = np.log(bands_of + 1e-10)
    spectrum -= spectrum.mean()
    return np.concatenate([spectrum.mean(0), np.quantile(spectrum, 0.95, axis=0)])


def test_official_layout_and_names(root):
    for name, number in CLIPS.items():
        assert len(audio(root, name)) == number
    listed = {
        name: set(read_names(root / SUBSETS[name].csv)) for name in ("unlabel_in_domain", "unlabel_out_of_domain")
    }
    listed |= {"weak": set(read_tags(root / SUBSETS["weak"].csv))}
    listed |= {name: set(read_events(root / SUBSETS[name].csv)) for name in ("test", "eval")}
    for name, names in listed.items():
        assert names == {path.name for path in audio(root, name)}
        assert all(len(one.split("_0")[0]) >= 1 and one[0] == "Y" and CUT.search(one) for one in names)


def test_dialects(root):
    evaluation = root / SUBSETS["eval"].csv
    assert evaluation.read_text().splitlines()[0].endswith("event_labels")
    assert sum(row.event is None for row in event_rows(evaluation)) == 1
    assert b"\r\n" in (root / SUBSETS["unlabel_out_of_domain"].csv).read_bytes()


def test_audio_format_and_lengths(root):
    for name in CLIPS:
        infos = {path.name: soundfile.info(path) for path in audio(root, name)}
        assert {(i.samplerate, i.channels, i.subtype) for i in infos.values()} == {(44_100, 1, "PCM_16")}
        assert all(info.duration == pytest.approx(length(filename)) for filename, info in infos.items())
        assert sorted(round(info.duration, 3) for info in infos.values())[:3] == [0.4, 1.0, 2.0]
    assert sum(path.stat().st_size for path in root.rglob("*") if path.is_file()) < 30e6


def test_events_lie_in_their_clips_and_are_no_shorter_than_the_rules_allow(root):
    for name in ("test", "eval"):
        for filename, events in read_events(root / SUBSETS[name].csv).items():
            for event in events:
                assert event.offset <= length(filename)
                assert event.offset - event.onset >= 0.24 or length(filename) < 1


def test_every_class_is_in_every_list_and_lasting_classes_last(root):
    events = [e for found in read_events(root / SUBSETS["test"].csv).values() for e in found]
    assert Counter(event.label for event in events).keys() == set(CLASSES)
    durations = {name: np.median([e.offset - e.onset for e in events if e.label == name]) for name in CLASSES}
    assert all((durations[name] > 1) == (name in LASTING) for name in CLASSES)
    assert {t for tags in read_tags(root / SUBSETS["weak"].csv).values() for t in tags} == set(CLASSES)


def test_a_seed_gives_the_same_bytes_and_another_replaces_every_file(tmp_path, monkeypatch):
    monkeypatch.setattr(mini, "CLIPS", dict.fromkeys(CLIPS, 4))
    write_mini(tmp_path / "one")
    assert not recordings_kept(write_mini, contents(tmp_path / "one"), tmp_path / "two")


def test_chance_is_every_class_in_every_clip(root):
    """The best of the systems that do not listen: it finds lasting events, at the price of many false ones."""
    truth = read_events(root / SUBSETS["test"].csv)
    everything = {name: [Event(0.0, length(name), label) for label in CLASSES] for name in truth}
    score = event_scores(truth, everything)["event_f1"]
    assert score == pytest.approx(TASK.chance, abs=0.02)


def test_the_right_tags_alone_give_lasting_events_only(root):
    """What the default system's whole-clip events can reach at most."""
    truth = read_events(root / SUBSETS["test"].csv)
    tagged = {name: [Event(0.0, length(name), label) for label in {e.label for e in es}] for name, es in truth.items()}
    assert TASK.chance + TASK.mini_margin < event_scores(truth, tagged)["event_f1"] < 0.5


def test_loudness_does_not_give_the_answer(weak):
    areas = [roc_auc(weak["tags"][:, k], weak["level"]) for k in range(len(CLASSES))]
    assert 0.4 <= np.mean(areas) <= 0.6
    assert all(0.2 <= area <= 0.8 for area in areas)


def test_a_linear_model_learns_the_tags_but_not_perfectly(weak):
    half = np.arange(len(weak["tags"])) % 2 == 0
    areas = []
    for k in range(len(CLASSES)):
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
        model.fit(weak["features"][half], weak["tags"][half, k])
        areas.append(roc_auc(weak["tags"][~half, k], model.predict_proba(weak["features"][~half])[:, 1]))
    assert 0.8 < np.mean(areas) < 0.995
