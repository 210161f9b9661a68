"""Recipes of systems of several networks: what each trains, and which trainings they share."""

import pytest
import torch

from benchmark.backbones.block_cnn import BlockCNN
from benchmark.backbones.two_branch import TwoBranch
from benchmark.data.classes import class_places
from benchmark.fitting import Fitting
from benchmark.heads.hidden import MLP
from benchmark.paths import runs_root
from benchmark.plan import RunOptions, make_plan
from benchmark.recipe import load_recipe
from benchmark.records import RunFolder
from benchmark.registry import get_task
from benchmark.stages import System
from benchmark.training.counting import count_parameters
from tasks.ust.official import CLASSES, GROUPS

pytestmark = pytest.mark.slow

TASK = get_task("ust")
FLAT, HIERARCHICAL = ("cnn-vggish1", "cnn-vggish2"), ("hierarchical1", "hierarchical2", "hierarchical3")
SPECIALISTS = {"engine": 1, "machinery-impact": 2, "powered-saw": 4, "alert-signal": 5, "music": 6, "human-voice": 7}


def trainings(system):
    return {training.member: training for training in load_recipe(TASK, system).trainings()}


def keys(system):
    """Of the weights of its trainings: of each training, and of what is taken of it."""
    plan = make_plan(RunOptions("ust", system, "mini"))
    folder = RunFolder.create(runs_root(), "ust", system, plan.work["validate"])
    engine = System(Fitting(plan, "validate", folder, False, {}))
    return {training.member: engine.key_of(training) for training in plan.config.trainings()}


@pytest.fixture(scope="module")
def keys_of(tmp_path_factory, shared_cache):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DCASE_BENCH_RUNS", str(tmp_path_factory.mktemp("runs")))
        patch.setenv("DCASE_BENCH_CACHE", str(shared_cache))
        return {system: keys(system) for system in (*FLAT, *HIERARCHICAL)}


def test_the_plans_are_of_one_training_and_three_times_six(keys_of):
    """Those of the card; the specialists of Hierarchical2 and 3 are said to be the same, and are trained once."""
    flat = {key for system in FLAT for key in keys_of[system].values()}
    assert len(flat) == 1 and all(len(keys_of[system]) == 1 for system in FLAT)
    own = {system: {key for member, key in keys_of[system].items() if member != "coarse"} for system in HIERARCHICAL}
    assert {keys_of[system]["coarse"] for system in HIERARCHICAL} == flat
    assert len(flat) + sum(map(len, own.values())) == 1 + 3 * 6
    assert own["hierarchical2"] == own["hierarchical3"]
    assert not own["hierarchical1"] & own["hierarchical2"]


@pytest.mark.parametrize(
    ("system", "level"), zip((*FLAT, *HIERARCHICAL), ("coarse", "fine", "coarse", "coarse", "fine"), strict=True)
)
def test_the_weights_of_all_tags_are_chosen_by_one_level(system, level):
    training = trainings(system)["" if system in FLAT else "coarse"]
    selection = training.config.as_dict()["selection"]
    assert {selection["monitor"], *selection["also"]} == {"coarse/micro_auprc", "fine/micro_auprc"}
    assert selection["monitor"] == f"{level}/micro_auprc"


@pytest.mark.parametrize("system", HIERARCHICAL)
def test_specialists_learn_the_fine_tags_of_their_group(system):
    members = trainings(system)
    assert list(members) == ["coarse", *SPECIALISTS]
    for name, number in SPECIALISTS.items():
        stated = members[name].config.as_dict()
        group = GROUPS[number - 1]
        learnt = {place for place, tag in enumerate(CLASSES) if tag.startswith(stated["data"]["classes"][0][:-1])}
        assert learnt == {*group.complete, group.incomplete}
        assert stated["data"]["with_class"] == CLASSES[group.coarse]
        assert stated["data"]["batch_size"] == 64 and stated["selection"]["patience"] == 10
        assert stated["trainer"]["max_steps"] == 100 * stated["trainer"]["val_every"]
        first = system == "hierarchical1"
        assert stated["optimizer"]["class_path"] == f"torch.optim.{'Adam' if first else 'RMSprop'}"
        assert stated["optimizer"]["init_args"]["lr"] == (0.001 if first else 0.01)
        factor, patience = (stated["scheduler"]["init_args"][key] for key in ("factor", "patience"))
        assert (factor, patience) == ((0.1, 5) if first else (0.2, 6))
        blocks = stated["backbone"]["init_args"]["first"]["init_args"]["backbone"]["init_args"]["blocks"]
        assert blocks == ("wide" if first else "strided")


@pytest.mark.parametrize("system", HIERARCHICAL)
def test_the_gate_knows_the_groups(system):
    gate = load_recipe(TASK, system).as_dict()["fusion"]["init_args"]
    fine = [sorted([*group.complete, *([group.incomplete] if group.incomplete else [])]) for group in GROUPS]
    assert gate["groups"] == [[group.coarse, *tags] for group, tags in zip(GROUPS, fine, strict=True)]
    assert gate["only"] == "own" and gate["threshold"] == 0.5


class Embeddings(torch.nn.Module):
    """Stands for VGGish, of which nothing is trained."""

    input = "features"


@pytest.mark.parametrize(
    ("system", "parameters"),
    [
        ("cnn-vggish1", 169_517_205),
        ("cnn-vggish2", 169_517_205),
        ("hierarchical1", 1_186_570_320),
        ("hierarchical2", 1_179_323_472),
        ("hierarchical3", 1_179_323_472),
    ],
)
def test_parameters_are_those_of_the_tables(system, parameters):
    """Tables 1 to 3 of the card: convolutions and normalisations, the bilinear layer, a head for each one's tags."""
    convolutions, total = {"wide": 1_602_160, "strided": 394_352}, 0
    with torch.device("meta"):
        for training in trainings(system).values():
            stated = training.config.as_dict()
            settings = stated["backbone"]["init_args"]
            blocks = settings["first"]["init_args"]["backbone"]["init_args"]["blocks"]
            first = BlockCNN(blocks)
            assert count_parameters(first) == convolutions[blocks]
            kept = {key: settings[key] for key in ("inputs", "fusion", "hidden", "dropout")}
            network = TwoBranch(first, Embeddings(), **kept)
            outputs = len(class_places(stated["data"]["classes"], CLASSES, "data.classes"))
            total += count_parameters(network) + count_parameters(MLP(256, outputs, **stated["head"]["init_args"]))
    assert total == parameters == load_recipe(TASK, system).as_dict()["parameters"]
