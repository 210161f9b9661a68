"""Members that learn some of the classes, from the clips that have one of them."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import tiny_systems as tiny
import torch

from benchmark.cli import main
from benchmark.data.classes import class_places, clips_with
from benchmark.errors import InputError
from benchmark.fitting import Fitting
from benchmark.metrics.clips import table_of
from benchmark.recipe import load_recipe
from benchmark.registry import get_task

pytestmark = pytest.mark.slow

UST, ASC = tiny.UST, get_task("asc")
ENGINE, FINE = UST.classes.index("1_engine"), [8, 9, 10, 11]
GROUPS = [[0, *FINE], [2, 17], [7, 36]]
SPECIALIST = {"data": {"classes": ["1-*"], "with_class": "1_engine"}, "selection": {"monitor": "loss", "mode": "min"}}
SYSTEM = {
    "data": {"valid_fraction": 0.15},
    "selection": {"monitor": "coarse/micro_auprc"},
    "members": {"whole": {}, "engine": SPECIALIST},
    "fusion": {"class_path": "benchmark.fusion.hierarchy.HierarchicalGate", "init_args": {"groups": GROUPS}},
}


@pytest.fixture
def write(monkeypatch, tmp_path):
    """Write the system."""
    return tiny.install(monkeypatch, tmp_path / "ust", UST)


@pytest.fixture(scope="module")
def done(tmp_path_factory, shared_cache):
    """A run of the system: what it left, and the networks and data of its trainings."""
    trained, original = {}, Fitting.train

    def watched(self, training, *args):
        trained[training.member] = original(self, training, *args)
        return trained[training.member]

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DCASE_BENCH_RUNS", str(tmp_path_factory.mktemp("classes-runs")))
        patch.setenv("DCASE_BENCH_CACHE", str(shared_cache))
        patch.setattr(Fitting, "train", watched)
        tiny.install(patch, tmp_path_factory.mktemp("classes") / "ust", UST)(**SYSTEM)
        assert tiny.run(task="ust") == 0
        return SimpleNamespace(trained=trained, **vars(tiny.newest()))


def test_such_a_member_has_the_outputs_of_its_classes_only(done):
    whole, engine = (done.weights[f"train.{name}"]["head.classifier.weight"] for name in ("whole", "engine"))
    assert (len(whole), len(engine)) == (37, 4) and whole.shape[1] == engine.shape[1]
    assert done.record.parameters == (37 + 4) * (whole.shape[1] + 1)
    assert done.trained["engine"].module.learnt == FINE


def test_it_trains_and_validates_on_the_clips_that_have_the_class(done):
    data, whole = done.trained["engine"].data, done.trained["whole"].data
    np.testing.assert_array_equal(data.given.train, whole.given.train)
    engines = data.given.targets[:, ENGINE] > 0.5
    for windows, clips in ((data.train, whole.given.train), (data.valid, whole.given.valid)):
        assert set(windows.clip) == {clip for clip in clips if engines[clip]} < set(clips)


def test_its_predictions_are_of_all_clips_and_unknown_in_the_other_classes(done):
    """Also of clips that it was not validated on, so that the fusion sees the same clips of every member."""
    for name in ("held_out", "test"):
        whole, engine = (table_of(done.tables[f"train.{member}"], name) for member in ("whole", "engine"))
        np.testing.assert_array_equal(whole.clip, engine.clip)
        np.testing.assert_array_equal(whole.target, engine.target)
        unknown = np.isnan(engine.probability)
        assert not unknown[:, FINE].any() and unknown.sum() == 33 * len(engine.clip)
        assert not np.isnan(whole.probability).any()


def test_the_gate_joins_them(done):
    whole, engine = (table_of(done.tables[f"train.{member}"], "test").probability for member in ("whole", "engine"))
    coarse = whole[:, [0, 2, 7]]
    opened = (coarse[:, 0] > 0.5) | (coarse.argmax(axis=1) == 0)
    expected = whole.copy()
    expected[:, FINE] = np.where(opened[:, None], engine[:, FINE], 0)
    expected[:, [17, 36]] = coarse[:, 1:]
    np.testing.assert_array_equal(done.predictions["probabilities"], expected)


def test_predict_joins_them_too(done, tmp_path, capsys):
    samples = 0.1 * np.random.default_rng(0).standard_normal(32_000)
    soundfile.write(tmp_path / "noise.wav", samples, 32_000)
    assert main(["predict", str(done.folder), str(tmp_path / "noise.wav"), "--format", "json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    values = np.array(list(found["clip"].values()))
    assert list(found["clip"]) == list(UST.classes) and ((0 <= values) & (values <= 1)).all()
    assert values[17] == values[2]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"data": {"classes": ["1_engin"]}}, "did you mean '1_engine'"),
        ({"data": {"with_class": "engine"}}, "no class is called 'engine'"),
        ({"members": {"a": {"data": {"classes": ["9-*"]}}}}, "no class is called '9-*'"),
        ({"data": {"classes": ["1-*"]}}, "has no validation score but its loss"),
        ({"data": {"classes": ["1-*"]}, "selection": {"monitor": None}}, "nothing joins it with others"),
        (
            {"fusion": SYSTEM["fusion"], "members": {"a": SPECIALIST, "b": SPECIALIST}},
            "the first member does not know the classes",
        ),
    ],
)
def test_what_such_members_cannot_be_is_one_clear_error(write, capsys, keys, message):
    write(**({"data": {"valid_fraction": 0.15}, "selection": SYSTEM["selection"]} | keys))
    assert tiny.run("--data.valid_fraction", "0.15", task="ust") == 2
    error = capsys.readouterr().err
    error = error[error.index("error: ") :]
    assert message in " ".join(error.split()) and len(error.splitlines()) <= 4


def test_a_part_without_the_class_is_one_clear_error():
    clips, targets = np.array([0, 2]), torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.5, 0.0]])
    assert clips_with("a", ["a", "b"], clips, targets, "training").tolist() == [0]
    with pytest.raises(InputError, match="no clip of the validation part has b"):
        clips_with("b", ["a", "b"], clips, targets, "validation")


def test_a_single_label_network_of_some_classes_chooses_among_them():
    recipe = load_recipe(ASC, "cnn4", mini=True, overrides=["--data.classes", '["*street*", "tram"]']).build()
    module = ASC.load("module")(recipe, ASC.classes)
    names = [ASC.classes[place] for place in module.learnt]
    assert set(names) == {"street_pedestrian", "street_traffic", "tram"}
    logits = module.head(module._network_output(module.example_input()), None)
    probability = module.probabilities(logits)
    assert probability.shape == (1, 10) and probability.nansum().item() == pytest.approx(1)


def test_patterns_keep_the_order_of_the_classes():
    assert class_places(["b*", "a1"], ["a1", "a2", "b1"], "key") == [0, 2]
    assert class_places([], ["a1", "a2"], "key") == [0, 1]
