"""One training that keeps its best weights by several monitors, shared by the recipes that take one of them."""

import numpy as np
import pytest
import tiny_systems as tiny
import torch

from benchmark.errors import InputError
from benchmark.paths import runs_root
from benchmark.predict import load_run
from benchmark.recipe import load_recipe
from benchmark.registry import get_task
from benchmark.settings import Selection

pytestmark = pytest.mark.slow

LOSS = "loss"
SHARED = {
    "data": {"valid_fraction": 0.2},
    "trainer": {"max_steps": 6, "val_every": 1},
    "optimizer": {"init_args": {"lr": 3.0}},
    "stages": [{"name": "one"}],
}


def selecting(monitor, *also):
    return SHARED | {"selection": {"monitor": monitor, "mode": "min", "also": list(also)}}


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def test_recipes_that_differ_in_the_monitor_alone_share_the_training(write, trained):
    write(**selecting("auc", LOSS))
    assert tiny.run() == 0
    first = tiny.newest()
    assert first.files.keys() == {"one.ckpt", "one.npz", "one.loss.ckpt", "one.loss.npz"}
    assert not same(first.weights["one"], first.weights["one.loss"])
    assert len(trained) == 6
    write(**selecting(LOSS, "auc"))
    assert tiny.run() == 0
    second = tiny.newest()
    assert len(trained) == 6 and second.record.steps == first.record.steps == 6
    assert second.record.group != first.record.group
    assert second.files.keys() == {"one.ckpt", "one.npz"}
    assert same(second.weights["one"], first.weights["one.loss"])
    np.testing.assert_array_equal(second.predictions["probabilities"], first.tables["one.loss"]["test/probability"])
    for left, name in ((first, "one"), (second, "one")):
        (module,) = load_run(left.folder).members[""]
        assert same(left.weights[name], module.state_dict())


def test_each_monitor_keeps_what_it_would_keep_alone(write):
    write(**selecting("auc", LOSS))
    assert tiny.run() == 0
    both = tiny.newest()
    for monitor, name in (("auc", "one"), (LOSS, "one.loss")):
        write(**selecting(monitor))
        assert tiny.run() == 0
        assert same(tiny.newest().weights["one"], both.weights[name])


@pytest.mark.parametrize("step", [2, 6])
def test_a_stopped_training_keeps_the_best_by_each_monitor(write, trained, step):
    write(**selecting("auc", LOSS))
    assert tiny.run("--resume", "no") == 0
    whole = tiny.newest()
    for path in whole.folder.glob("artifacts/*"):  # or they would be taken over
        path.unlink()
    trained.clear()
    assert tiny.stop("one", step) == 3 and tiny.run() == 0
    left = tiny.newest()
    assert left.folder != whole.folder and [at for _, at in trained] == [1, 2, 3, 4, 5, 6]
    for name in ("one", "one.loss"):
        for part, value in whole.weights[name].items():
            torch.testing.assert_close(left.weights[name][part], value, atol=1e-5, rtol=0)


def test_checkpoints_go_when_all_that_came_of_a_training_is_kept(write):
    write(
        **selecting("auc", LOSS)
        | {"stages": [{"name": "one"}, {"name": "two", "changes": {"data": {"batch_size": 3}}}]}
    )
    assert tiny.stop("two", 3) == 3
    (folder,) = runs_root().glob("*/*/*/checkpoints")
    assert {path.name for path in folder.iterdir()} >= {"last-two.ckpt"}
    assert not list(folder.glob("*-one*"))
    assert tiny.run() == 0
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        ({"monitor": "auc", "also": ["loss"]}, "set it to min"),
        ({"also": ["auc"]}, "name further monitors"),
        ({"monitor": "auc", "also": ["auc"]}, "each once"),
        ({"monitor": "auc", "also": ["f1"], "patience": 3}, "ends the training of all"),
    ],
)
def test_impossible_selections_are_named(selection, message):
    with pytest.raises(InputError, match=message):
        Selection(**selection)


def test_a_recipe_without_stages_keeps_one(write):
    write(**selecting("auc", LOSS) | {"stages": []})
    with pytest.raises(InputError, match="give the recipe a stage"):
        load_recipe(get_task("bad"), "tiny").trainings()


def test_an_unknown_further_monitor_is_named(write, capsys):
    write(**selecting("auc", "acu"))
    assert tiny.run() == 2
    assert "did you mean 'auc'" in capsys.readouterr().err
