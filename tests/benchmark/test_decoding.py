"""Postprocessing that learns when the networks are trained: from what, where it is kept, and what the record says."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import tiny_systems as tiny
from helpers import read_records

from benchmark.data.inventory import Event
from benchmark.paths import runs_root
from benchmark.plan import write_mini
from benchmark.postprocessing import AdaptiveDecoder, FittedDecoder
from benchmark.predict import Predictor

SEEN = {}


class Prevalence(FittedDecoder):
    """One event a class as long as the share of held-out clips that have it."""

    def fit(self, tags, target, classes):
        SEEN.update(tags=tags, target=target)
        self.learnt = dict(zip(classes, target.mean(axis=0).tolist(), strict=True))

    def __call__(self, tags, frames, frame_seconds, classes):
        return [Event(0.0, self.learnt[name], name) for name in classes]


class Loudest(AdaptiveDecoder):
    """One event of the class that the clips that it adapts to have most, as long as their number of frames."""

    def __init__(self, groups: list[str] = []) -> None:  # noqa: B006
        self.groups = groups

    def adapt(self, tagger, features, tags, frames, classes):
        SEEN.update(tagger=tagger(features), features=features, tags=tags, frames=frames)
        pieces = [features[0][:, :9], features[0], features[0][:, :17], features[1][:, 5:14]]
        SEEN.update(pieces=tagger(pieces), alone=np.concatenate([tagger([piece]) for piece in pieces]))
        self.learnt = {classes[int(tags.sum(axis=0).argmax())]: len(tags)}

    def __call__(self, tags, frames, frame_seconds, classes):
        return [Event(0.0, float(many), name) for name, many in self.learnt.items()]


def part(name):
    return {"class_path": f"{__name__}.{name}", "init_args": {}}


@pytest.fixture
def write(monkeypatch, tmp_path):
    """Write the system."""
    return tiny.install(monkeypatch, tmp_path / "sed", tiny.SED)


def run(*words):
    SEEN.clear()
    assert tiny.run(*words, task="sed") == 0
    record = read_records(runs_root())[-1]
    folder = runs_root() / "sed" / "tiny" / record.id
    left = SimpleNamespace(folder=folder, record=record, predictions=dict(np.load(folder / "predictions.npz")))
    return left, json.loads((left.folder / "postprocessing.json").read_text())


def rows(left):
    lines = (left.folder / "submission.csv").read_text().splitlines()[1:]
    return [(float(offset), label) for _, _, offset, label in (line.split("\t") for line in lines)]


def predicted(left, place=4):
    (file,) = write_mini(tiny.SED).rglob(str(left.predictions["clip_id"][place]).split("/", 1)[1])
    return [(event.offset, event.label) for event in Predictor([left.folder]).predict(file).events]


STAGES = [{"name": "all", "folds": 2}]


@pytest.mark.parametrize("stages", [[], STAGES], ids=["one training", "a system"])
def test_a_fitted_decoder_learns_from_held_out_clips(write, stages):
    write(postprocessing=part("Prevalence"), stages=stages, data={"valid_fraction": 0.0 if stages else 0.25})
    left, learnt = run()
    assert len(SEEN["tags"]) == (80 if stages else 20) and SEEN["tags"].shape == SEEN["target"].shape
    assert list(learnt) == list(tiny.SED.classes)
    assert list(learnt.values()) == pytest.approx(SEEN["target"].mean(axis=0))
    expected = [(value, name) for name, value in learnt.items()]
    assert rows(left)[:10] == expected and predicted(left) == expected
    assert left.record.selection == "last"


def test_a_fitted_decoder_without_held_out_clips_is_refused_before_training(write, capsys):
    write(postprocessing=part("Prevalence"))
    assert tiny.run(task="sed") == 2
    assert "postprocessing needs a validation part" in " ".join(capsys.readouterr().err.split())


def test_an_adaptive_decoder_asks_the_trained_network_about_the_scored_clips(write):
    write(postprocessing=part("Loudest"), stages=[{"name": "all"}])
    left, learnt = run()
    assert list(learnt.values()) == [36] and left.record.selection == "test"
    np.testing.assert_allclose(SEEN["tags"], left.predictions["probabilities"], atol=1e-6)
    np.testing.assert_allclose(SEEN["tagger"][2:], SEEN["tags"][2:], atol=1e-5)
    np.testing.assert_allclose(SEEN["tagger"][:2], SEEN["tags"][:2], atol=0.05)  # shorter clips: here without padding
    assert [len(frames) for frames in SEEN["frames"]] == left.predictions["frame_counts"].tolist()
    assert [len(clip[0]) for clip in SEEN["features"]] == left.predictions["frame_counts"].tolist()
    np.testing.assert_allclose(np.concatenate(SEEN["frames"]), left.predictions["frames"], atol=1e-6)
    np.testing.assert_allclose(SEEN["pieces"], SEEN["alone"], atol=1e-6)
    ((name, many),) = learnt.items()
    assert rows(left)[:2] == [(float(many), name)] * 2 and predicted(left) == [(float(many), name)]


def test_an_adaptive_decoder_may_take_training_clips(write):
    write(postprocessing={"class_path": f"{__name__}.Loudest", "init_args": {"groups": ["weak"]}})
    left, learnt = run()
    assert list(learnt.values()) == [80] and left.record.selection == "last"


def test_an_adaptive_decoder_of_several_networks_is_refused(write, capsys):
    write(postprocessing=part("Loudest"), stages=STAGES)
    assert tiny.run(task="sed") == 2
    assert "Loudest asks one network, and several make the predictions" in " ".join(capsys.readouterr().err.split())
