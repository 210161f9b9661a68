"""Adaptation as a stage: which clips a step sees, what it starts from, what is kept, counted and predicted with."""

from types import SimpleNamespace

import numpy as np
import pytest
import tiny_systems as tiny
import torch

from benchmark.plan import write_mini
from benchmark.predict import Predictor
from benchmark.recipe import load_recipe
from benchmark.registry import get_task
from benchmark.training.adversarial import AdversarialAdaptation

pytestmark = pytest.mark.slow

SOURCE, TARGET, TESTED = "warblrb10k", "BirdVox-DCASE-20k", "ff1010bird"
LAYER = {"class_path": "tiny_systems.Layer"}
ADAPTATION = {
    "class_path": "benchmark.training.adversarial.AdversarialAdaptation",
    "init_args": {
        "source": SOURCE,
        "discriminator": {"class_path": "torch.nn.Linear", "init_args": {"out_features": 2}},
        "every": 2,
    },
}
ADAPT = {
    "start": "previous",
    "changes": {"data": {"domains": {SOURCE: 3, TARGET: 1}}, "adaptation": ADAPTATION, "trainer": {"max_steps": 4}},
}
SYSTEM = {
    "backbone": LAYER,
    "stages": [
        {"name": "pretrain", "changes": {"data": {"domains": {SOURCE: 4}}}},
        {"name": "adapt", **ADAPT},
        {"name": "again", **ADAPT},
    ],
}
PARAMETERS = 120 * 5 + 5 + 5 + 1  # backbone and classifier; the discriminator has 12 more


@pytest.fixture(scope="module")
def adapted(tmp_path_factory, shared_cache):
    """A whole run: what it left, and the domains of each step's batch."""
    domains, original = [], AdversarialAdaptation.forward

    def watched(self, network, x, valid, target, source, step):
        domains.append((step, source.tolist()))
        return original(self, network, x, valid, target, source, step)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DCASE_BENCH_RUNS", str(tmp_path_factory.mktemp("adaptation-runs")))
        patch.setenv("DCASE_BENCH_CACHE", str(shared_cache))
        patch.setattr(AdversarialAdaptation, "forward", watched)
        tiny.install(patch, tmp_path_factory.mktemp("adaptation") / "bad")(**SYSTEM)
        assert tiny.run() == 0
        return SimpleNamespace(domains=domains, **vars(tiny.newest()))


def of(state, part):
    return {name.removeprefix(part): value for name, value in state.items() if name.startswith(part)}


def equal(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_a_step_knows_which_clips_of_its_batch_are_of_the_source(adapted):
    assert adapted.domains == [(step, [True, True, True, False]) for step in (0, 1, 2, 3)] * 2


def test_the_backbone_is_adapted_and_the_head_is_held(adapted):
    for before, after in (("pretrain", "adapt"), ("adapt", "again")):
        assert equal(of(adapted.weights[before], "head."), of(adapted.weights[after], "head."))
        assert not equal(of(adapted.weights[before], "backbone."), of(adapted.weights[after], "backbone."))


def test_each_adaptation_begins_with_the_network_it_starts_from(adapted):
    assert not of(adapted.weights["pretrain"], "adaptation.")
    for before, after in (("pretrain", "adapt"), ("adapt", "again")):
        copy = of(adapted.weights[after], "adaptation.reference.")
        assert equal(copy, of(adapted.weights[before], "backbone."))


def test_what_an_adaptation_holds_beside_the_network_is_not_counted(adapted):
    assert adapted.record.parameters == PARAMETERS
    assert {int(table["parameters"]) for table in adapted.tables.values()} == {PARAMETERS}


def test_the_parts_of_the_loss_are_logged(adapted):
    (path,) = (adapted.folder / "metrics" / "adapt").glob("metrics.csv")
    columns = path.read_text().splitlines()[0].split(",")
    parts = ("loss", "label_loss", "adversarial_loss", "discriminator_loss", "domain_accuracy")
    assert {f"train/{name}" for name in parts} <= set(columns)


def test_predict_takes_an_adapted_network(adapted):
    predictor, root = Predictor([adapted.folder]), write_mini(tiny.BAD)
    dataset, item = adapted.predictions["clip_id"][7].split("/")
    prediction = predictor.predict(root / dataset / "wav" / f"{item}.wav")
    assert prediction.clip == pytest.approx(adapted.predictions["probabilities"][7], abs=1e-3)


def test_a_stopped_adaptation_goes_on_with_its_own_copy(adapted, monkeypatch, tmp_path):
    tiny.install(monkeypatch, tmp_path / "bad")(**SYSTEM)
    assert tiny.stop("adapt", 2) == 3
    assert tiny.run() == 0
    again = tiny.newest()
    for name, state in again.weights.items():
        assert state.keys() == adapted.weights[name].keys()
        assert all(torch.allclose(value, adapted.weights[name][key], atol=1e-6) for key, value in state.items())
    np.testing.assert_allclose(again.predictions["probabilities"], adapted.predictions["probabilities"], atol=1e-6)


def test_a_stage_after_it_may_train_the_network_plainly(monkeypatch, tmp_path):
    plain = {"name": "plain", "start": "previous", "changes": {"data": {"domains": {SOURCE: 2, TARGET: 2}}}}
    tiny.install(monkeypatch, tmp_path / "bad")(**SYSTEM | {"stages": [*SYSTEM["stages"][:2], plain]})
    assert tiny.run("--trainer.max_steps", "1") == 0
    weights = tiny.newest().weights
    assert not of(weights["plain"], "adaptation.")
    assert not equal(of(weights["plain"], "head."), of(weights["adapt"], "head."))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"loss": {"class_path": "tiny_systems.WeightedBCE"}}, "WeightedBCE wants more than logits and targets"),
        ({"data": {"domains": {SOURCE: 4}}}, "a batch of 4 source and 0 target clips"),
        ({"data": {"domains": {SOURCE: 3, TESTED: 1}}}, f"no training clip is of {TESTED!r}"),
        ({"data": {"domains": {SOURCE: 3, TARGET: 2}}}, "5 windows of domains in a batch of 4"),
        ({"data": {"domains": {SOURCE: 3, TARGET: 1}, "undersample": True}}, "drawn by domain or by class"),
    ],
)
def test_what_cannot_be_adapted_is_one_clear_error(monkeypatch, tmp_path, capsys, keys, message):
    tiny.install(monkeypatch, tmp_path / "bad")(**{"backbone": LAYER, "adaptation": ADAPTATION, **keys})
    assert tiny.run() == 2
    error = capsys.readouterr().err
    error = error[error.index("error: ") :]
    assert message in " ".join(error.split()) and len(error.splitlines()) <= 4


def test_a_stage_may_change_the_class_of_a_part_that_is_called(monkeypatch, tmp_path):
    """A head is called with sizes and an optimiser with parameters, which no recipe says."""
    changes = {
        "head": {"class_path": "benchmark.heads.Dense"},
        "optimizer": {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1}},
    }
    tiny.install(monkeypatch, tmp_path / "bad")(members={"one": changes}, stages=[{"name": "a", "changes": changes}])
    (training,) = load_recipe(get_task("bad"), "tiny").trainings()
    recipe = training.config.build()
    assert type(recipe.head(4, 2)).__name__ == "Dense"
    assert isinstance(recipe.optimizer(torch.nn.Linear(1, 1).parameters()), torch.optim.SGD)
