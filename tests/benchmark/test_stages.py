"""Systems of two trainings: what each learns from, what is kept, and how such a run resumes."""

import os
import signal
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from helpers import read_records
from pytorch_lightning.trainer.states import TrainerFn
from tiny_systems import validate_four_times

from benchmark.cli import main
from benchmark.errors import InputError
from benchmark.paths import runs_root
from benchmark.predict import load_run
from benchmark.recipe import RecipeConfig, load_recipe
from benchmark.registry import get_task
from benchmark.settings import Selection
from benchmark.training import callbacks, labels

BAD = get_task("bad")
PSEUDO = {
    "class_path": "benchmark.training.labels.PseudoTags",
    "init_args": {"group": "warblrb10k", "valid_group": "BirdVox-DCASE-20k"},
}
STAGES = [
    {"name": "pass1", "changes": {}},
    {
        "name": "pass2",
        "labels": PSEUDO,
        "changes": {
            "data": {"valid_fraction": 0.0, "batch_size": 6},
            "trainer": {"max_steps": 5000},
            "mini": {"trainer": {"max_steps": 6}},
        },
    },
]


def install(patch, folder):
    """A system `two` of the task bad, a logistic regression; gives a function that writes it with other stages."""
    (folder / "systems").mkdir(parents=True)
    (folder / "published.csv").write_bytes((BAD.folder / "published.csv").read_bytes())
    task = replace(BAD, folder=folder)
    patch.setattr("benchmark.registry.all_tasks", lambda: {"bad": task})

    def write(stages=STAGES):
        content = yaml.safe_load(BAD.systems["logistic-regression"].read_text())
        content["data"] |= {"valid_fraction": 0.2, "batch_size": 4}
        content["mini"] = {"data": {"clip_seconds": 1}, "trainer": {"max_steps": 4, "val_every": 2}}
        (folder / "systems" / "two.yaml").write_text(yaml.safe_dump(content | {"stages": stages}))

    write()
    return write


@pytest.fixture
def recipe(monkeypatch, tmp_path):
    """Write the system."""
    return install(monkeypatch, tmp_path)


def run(*words):
    return main(["run", "--task", "bad", "--system", "two", "--data", "mini", *words])


def stopped(*words, where=lambda keeper, step: False):
    """Run and stop where a training step or a scored batch is as `where` says; the exit code."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("on_train_batch_end", "on_test_batch_end"):
            original = getattr(callbacks.RunKeeper, name)

            def stop_then(self, trainer, *args, original=original, name=name):
                if where(f"{self.checkpoint.stem} {name.split('_')[1]}", trainer.global_step):
                    os.kill(os.getpid(), signal.SIGINT)
                original(self, trainer, *args)

            patch.setattr(callbacks.RunKeeper, name, stop_then)
        return run(*words)


def watch(patch):
    """The steps that are taken, as (checkpoint, step)."""
    steps = []
    original = callbacks.RunKeeper.on_train_batch_end

    def watched(self, trainer, *args):
        steps.append((self.checkpoint.stem, trainer.global_step))
        original(self, trainer, *args)

    patch.setattr(callbacks.RunKeeper, "on_train_batch_end", watched)
    return steps


@pytest.fixture
def trained(monkeypatch):
    return watch(monkeypatch)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A whole run: its folder, its record, its steps, and what its second stage learnt from."""
    seen = {}
    original = labels.PseudoTags.relabel

    def watched(self, before):
        groups = np.array([example.group for example in before.data.examples])
        said = before.predict(np.flatnonzero(groups == "warblrb10k")).probability
        seen.update(made=original(self, before), groups=groups, said=said, valid=groups[before.data.valid.clip])
        return seen["made"]

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DCASE_BENCH_RUNS", str(tmp_path_factory.mktemp("stages-runs")))
        patch.setattr(labels.PseudoTags, "relabel", watched)
        install(patch, tmp_path_factory.mktemp("stages") / "bad")
        steps = watch(patch)
        assert run() == 0
        return SimpleNamespace(folder=folder(), record=record(), probabilities=probabilities(), steps=steps, **seen)


def record():
    return read_records(runs_root())[-1]


def folder():
    return runs_root() / "bad" / "two" / record().id


def probabilities():
    return np.load(folder() / "predictions.npz")["probabilities"]


def test_both_stages_train_and_leave_their_weights(recipe, undisturbed):
    steps = [("last-pass1", step) for step in (1, 2, 3, 4)] + [("last-pass2", step) for step in range(1, 7)]
    assert undisturbed.steps == steps and undisturbed.record.steps == 4 + 6
    assert not list((undisturbed.folder / "checkpoints").iterdir())  # all that was needed to go on
    artifacts = {
        path.stem.rpartition("-")[0] + path.suffix: path for path in (undisturbed.folder / "artifacts").iterdir()
    }
    assert artifacts.keys() == {"pass1.ckpt", "pass1.npz", "labels.pass2.npz", "pass2.ckpt", "pass2.npz"}
    one, two = (torch.load(artifacts[f"{name}.ckpt"]) for name in ("pass1", "pass2"))
    assert one.keys() == two.keys() and any(not torch.equal(one[name], two[name]) for name in one)
    # `predict` takes the second network, with its own settings.
    (module,) = load_run(undisturbed.folder).members[""]
    assert all(torch.equal(two[name], value) for name, value in module.state_dict().items())
    assert module.recipe.data.batch_size == 6


def test_the_second_stage_learns_the_tags_of_the_first(undisturbed):
    """On the group's clips, all of them, with zeros and ones by its predictions."""
    made, groups = undisturbed.made, undisturbed.groups
    assert set(groups[made.train]) == {"warblrb10k"} and len(made.train) == (groups == "warblrb10k").sum()
    assert set(groups[made.valid]) == {"BirdVox-DCASE-20k"}
    # The first stage's own part, held out of both of its data sets.
    assert set(undisturbed.valid) == {"warblrb10k", "BirdVox-DCASE-20k"}
    tags, said = made.targets[made.train, 0].numpy(), undisturbed.said[:, 0]
    # A threshold: the least probable clip with a tag is above the most probable one without.
    assert set(tags) <= {0.0, 1.0}
    assert said[tags == 1].min(initial=2) > said[tags == 0].max(initial=-1)
    assert set(np.load(undisturbed.folder / "predictions.npz")["group"]) == {"ff1010bird"}


def test_the_command_line_reaches_every_stage_and_prediction(recipe, trained):
    """Also a stage that changes the same keys, and that alone selects by a score."""
    recipe([STAGES[0], STAGES[1] | {"changes": STAGES[1]["changes"] | {"selection": {"monitor": "auc"}}}])
    assert run("--trainer.max_steps", "3", "--data.batch_size", "2") == 0
    assert trained == [(f"last-{name}", step) for name in ("pass1", "pass2") for step in (1, 2, 3)]
    assert (record().steps, record().selection) == (6, "validation")
    assert load_run(folder()).first.recipe.data.batch_size == 2


def test_mini_shrinks_stages_by_their_own_block(recipe):
    def steps(mini):
        trainings = load_recipe(get_task("bad"), "two", mini=mini).trainings()
        return [training.config.build().trainer.max_steps for training in trainings]

    assert steps(mini=True) == [4, 6]
    assert steps(mini=False) == [400, 5000]


@pytest.mark.parametrize(("place", "step", "left"), [("last-pass2 train", 1, range(2, 7)), ("last-pass2 train", 6, ())])
def test_a_stopped_run_repeats_nothing_and_ends_as_if_undisturbed(recipe, trained, undisturbed, place, step, left):
    assert stopped(where=lambda at, now: (at, now) == (place, step)) == 3
    assert not read_records(runs_root())
    trained.clear()
    assert run() == 0
    assert trained == [("last-pass2", step) for step in left]
    assert len(read_records(runs_root())) == 1
    np.testing.assert_allclose(probabilities(), undisturbed.probabilities, atol=1e-5)
    assert record().scores == pytest.approx(undisturbed.record.scores, abs=1e-5)
    assert (record().steps, record().group) == (10, undisturbed.record.group)


def test_a_run_that_patience_ended_is_not_trained_on_when_scoring_was_stopped(recipe, trained):
    recipe([])
    # Nothing gains 1: the first validation sets the mark, the second one stops at step 4 of 20.
    words = ["--selection.monitor", "auc", "--selection.patience", "1", "--selection.min_delta", "1"]
    words += ["--trainer.max_steps", "20"]
    assert stopped(*words, where=lambda at, now: at == "last test") == 3
    assert [step for _, step in trained] == [1, 2, 3, 4]
    assert run(*words) == 0
    assert len(trained) == 4 and record().steps == 4


def test_a_selection_that_no_validation_reaches_is_refused_before_training(recipe, trained, capsys):
    assert run("--selection.monitor", "auc", "--selection.start", "7", "--trainer.val_every", "3") == 2
    assert "before step 7" in capsys.readouterr().err
    assert not trained


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ([STAGES[0], STAGES[0] | {"labels": PSEUDO}], "two of the stages pass1, pass1 have one name"),
        ([STAGES[1]], "no stage before pass2"),
        ([{"name": "Pass 1"}], "a stage cannot be called 'Pass 1'"),
        ([{"name": "a", "changes": {"trainer": {"max_step": 3}}}], "did you mean 'max_steps'"),
        ([{"name": "a", "changes": {"heda": {"class_path": "x"}}}], "did you mean 'head'"),
        ([{"name": "a", "change": {"title": "x"}}], "change"),
    ],
)
def test_wrong_stages_are_explained(recipe, stages, message):
    recipe(stages)
    with pytest.raises(InputError) as caught:
        load_recipe(get_task("bad"), "two", mini=True).trainings()
    text = " ".join(str(caught.value).split())
    assert message in text and len(str(caught.value).splitlines()) <= 3


def test_a_stage_may_change_nothing(recipe):
    recipe([{"name": "a"}])
    (training,) = load_recipe(get_task("bad"), "two", mini=True).trainings()
    assert (training.name, training.is_last, training.labels) == ("a", True, None)


def test_without_stages_the_recipe_is_the_one_training():
    config = load_recipe(BAD, "logistic-regression", mini=True)
    (training,) = config.trainings()
    assert (training.name, training.config, training.labels, training.is_last) == ("", config, None, True)
    again = RecipeConfig.parse(yaml.safe_load(config.as_yaml()), "again")
    assert again.trainings()[0].config.as_dict() == config.as_dict()


# Selection


def watching(kind, **selection):
    """A callback, and a trainer whose validations are made up: `validate(step, **scores)`."""
    callback = kind(Selection(**selection))
    state = SimpleNamespace(fn=TrainerFn.FITTING)
    trainer = SimpleNamespace(
        state=state, sanity_checking=False, fast_dev_run=False, should_stop=False, current_epoch=0
    )
    trainer.strategy = SimpleNamespace(reduce_boolean_decision=lambda decision, all: decision)

    def validate(step, **scores):
        trainer.global_step = step
        trainer.callback_metrics = {f"val/{name}": torch.tensor(value) for name, value in scores.items()}
        callback.on_validation_end(trainer, None)
        return trainer.should_stop

    callback._check_on_train_epoch_end = False
    return validate


def test_patience_waits_for_the_start():
    validate = watching(callbacks.Patience, monitor="auc", patience=2, start=30)
    assert not any(validate(step, auc=value) for step, value in ((10, 0.9), (20, 0.1), (30, 0.5), (40, 0.4)))
    assert validate(50, auc=0.5)  # no gain over step 30 twice; the 0.9 before the start is forgotten


def test_patience_counts_gains_of_min_delta_only():
    validate = watching(callbacks.Patience, monitor="auc", patience=1, min_delta=0.01)
    assert not validate(10, auc=0.5) and not validate(20, auc=0.52)
    assert validate(30, auc=0.525)


def test_patience_with_a_loss_wants_it_smaller():
    validate = watching(callbacks.Patience, monitor="loss", mode="min", patience=1)
    assert not validate(10, loss=0.9) and not validate(20, loss=0.5)
    assert validate(30, loss=0.6)


@pytest.mark.parametrize(
    ("selection", "values", "best"),
    [
        ({"monitor": "auc"}, [0.9, 0.6, 0.8, 0.7], 1),
        ({"monitor": "auc", "start": 20}, [0.9, 0.6, 0.8, 0.7], 3),
        ({"monitor": "auc", "start": 40}, [0.9, 0.6, 0.8, 0.7], 4),
        ({"monitor": "loss", "mode": "min"}, [0.9, 0.6, 0.8, 0.7], 2),
        ({"monitor": "loss", "mode": "min", "start": 30}, [0.1, 0.2, 0.8, 0.7], 4),
        ({"monitor": "auc"}, [0.5, 0.5, 0.4, 0.5], 1),  # the first of equals
        ({"monitor": "auc", "start": 99}, [0.9, 0.6, 0.8, 0.7], None),
    ],
)
def test_the_best_validation_from_the_start_on_is_kept(tmp_path, selection, values, best):
    callback = callbacks.BestCheckpoint(Selection(**selection), tmp_path / "best.ckpt")
    validate_four_times(callback, values)
    if best is None:
        assert not callback.best_model_path and not list(tmp_path.iterdir())
        return
    (kept,) = tmp_path.iterdir()
    assert kept.name == "best.ckpt" and str(kept) == callback.best_model_path
    assert torch.load(kept, weights_only=True)["state_dict"]["weight"] == 10 * best


def test_the_largest_loss_is_not_the_best():
    with pytest.raises(InputError, match="set it to min"):
        Selection(monitor="loss")
    assert Selection(monitor="loss", mode="min").monitor == "loss"
