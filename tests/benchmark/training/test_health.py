"""What a training does whose loss, gradient or weights are no numbers any more."""

import json
from types import SimpleNamespace

import pytest
import tiny_systems as tiny
import torch
from helpers import read_records

from benchmark.paths import runs_root
from benchmark.training import callbacks, health
from benchmark.training.module import TaskModule

STEPS = 8
SKIP = ("--trainer.on_bad_loss", "skip")


class Normed(torch.nn.Module):
    """A backbone with weights and running statistics, which a bad batch would spoil."""

    input = "features"

    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Linear(120, 5), torch.nn.BatchNorm1d(5))

    def forward(self, x):
        return self.layers(x.mean((1, 2)))


@pytest.fixture
def recipe(write, monkeypatch):
    """A system whose optimiser moves weights also without a gradient."""
    monkeypatch.setattr(tiny, "Normed", Normed, raising=False)
    sgd = {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1}}
    trainer = {"max_steps": STEPS, "checkpoint_every": 2, "gradient_clip_val": 1.0}
    write(backbone={"class_path": "tiny_systems.Normed"}, optimizer=sgd, trainer=trainer)


@pytest.fixture
def poison(monkeypatch):
    """Make the input of these steps (the first is 0) no numbers; the ids of each step's clips."""
    seen, network_input, training_step = {}, TaskModule.network_input, TaskModule.training_step

    def watched(self, batch, index):
        seen[self.global_step] = [self.trainer.datamodule.examples[clip].clip_id for clip in batch["clip"].tolist()]
        return training_step(self, batch, index)

    def poisoned(self, *words):
        x, *rest = network_input(self, *words)
        return (x * torch.nan if self.training and self.global_step in seen["bad"] else x, *rest)

    monkeypatch.setattr(TaskModule, "training_step", watched)
    monkeypatch.setattr(TaskModule, "network_input", poisoned)

    def steps(*bad):
        seen["bad"] = bad
        return seen

    return steps


@pytest.fixture
def states(monkeypatch):
    """Weights, running statistics and the optimiser's memory after each step."""
    found, original = {}, callbacks.RunKeeper.on_train_batch_end

    def watched(self, trainer, module, *rest):
        weights = {name: value.clone() for name, value in module.state_dict().items()}
        memory = trainer.optimizers[0].state_dict()["state"]
        found[trainer.global_step] = weights | {
            f"momentum {place}": one["momentum_buffer"].clone() for place, one in memory.items()
        }
        original(self, trainer, module, *rest)

    monkeypatch.setattr(callbacks.RunKeeper, "on_train_batch_end", watched)
    return found


def the_run():
    """The only run: its folder, and what it said last."""
    (path,) = runs_root().glob("*/*/*/state.json")
    return SimpleNamespace(folder=path.parent, state=json.loads(path.read_text()))


def saved():
    return torch.load(the_run().folder / "checkpoints" / "last.ckpt", weights_only=True)


def is_finite(checkpoint):
    return all(bool(value.isfinite().all()) for value in checkpoint["state_dict"].values())


@pytest.mark.parametrize("looked_at", [1, 10])
def test_a_bad_step_stops_the_run_and_is_named_and_the_last_checkpoint_is_good(
    recipe, poison, monkeypatch, capsys, looked_at
):
    """Where steps are looked at ten at a time, as on an accelerator, nothing bad is saved meanwhile."""
    monkeypatch.setattr(health, "steps_of_a_look", lambda device: looked_at)
    seen = poison(4)
    for _ in range(2):  # the same command comes to the same step
        assert tiny.run() == 1
        said = capsys.readouterr().err.split("error: ")[1]
        assert len(said.splitlines()) == 3
        assert f"the loss is nan in step 5, of the clips {', '.join(seen[4][:3])} and 1 more" in said
        assert the_run().state["status"] == "failed" and "step 5" in the_run().state["message"]
        assert saved()["global_step"] == 4 and is_finite(saved())
    assert tiny.run(*SKIP) == 0
    (record,) = read_records(runs_root())
    assert (record.id, record.steps, record.skipped_steps) == (the_run().folder.name, STEPS, 1)
    assert f"1 of {STEPS} steps were left out" in capsys.readouterr().out


def test_a_skipped_step_changes_neither_weights_nor_statistics_nor_what_the_optimiser_remembers(
    recipe, poison, states, capsys
):
    seen = poison(3, 6)
    assert tiny.run(*SKIP) == 0
    for step in range(2, STEPS + 1):
        same = {name for name, value in states[step].items() if torch.equal(value, states[step - 1][name])}
        learnt = {name for name in states[step] if name.startswith(("backbone.", "head.", "momentum"))}
        assert same == set(states[step]) if step - 1 in seen["bad"] else not same & learnt
    (record,) = read_records(runs_root())
    assert record.skipped_steps == 2
    assert f"left out: the loss is nan in step 4, of the clips {seen[3][0]}" in capsys.readouterr().err


def test_skipped_steps_are_counted_over_a_stop(recipe, poison):
    poison(1, 6)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(callbacks, "any_of", lambda flag: flag or saved_steps(patch))
        assert tiny.run(*SKIP) == 3
    assert tiny.run(*SKIP) == 0
    (record,) = read_records(runs_root())
    assert (record.steps, record.skipped_steps) == (STEPS, 2)


def saved_steps(patch):
    """Whether two steps were saved."""
    return any(runs_root().glob("*/*/*/checkpoints/last.ckpt")) and saved()["global_step"] >= 4


def test_nothing_but_bad_steps_ends_a_run_that_skips_them(recipe, poison, monkeypatch, capsys):
    monkeypatch.setattr(health, "SKIPS_IN_A_ROW", 3)
    poison(1, 3, 4, 5)
    assert tiny.run(*SKIP) == 1
    assert "in step 6" in (said := capsys.readouterr().err) and "the 3th such step in a row" in said


@pytest.mark.parametrize(("words", "code"), [((), 1), (SKIP, 0)])
def test_a_gradient_that_is_no_number_is_a_bad_step_though_the_loss_is_one(recipe, monkeypatch, capsys, words, code):
    original = TaskModule.compute_loss

    def steep(self, outputs, *rest):
        loss = original(self, outputs, *rest)
        return loss + (outputs.clips * 0).sqrt().sum() if self.global_step == 2 and self.training else loss

    monkeypatch.setattr(TaskModule, "compute_loss", steep)
    assert tiny.run(*words) == code
    assert "the gradient is no number in step 3, of the clips" in capsys.readouterr().err
    assert is_finite(saved())


def test_weights_that_overflow_are_not_saved_and_the_message_says_so(recipe, monkeypatch, capsys):
    def overflow(self, trainer, module, *rest):
        if trainer.global_step == 4:
            next(module.parameters()).data[0] = torch.inf

    monkeypatch.setattr(health.Health, "on_train_batch_end", overflow)
    assert tiny.run() == 1
    assert "the weights are no usable numbers after step 4" in capsys.readouterr().err
    assert saved()["global_step"] == 2


def test_a_checkpoint_of_no_numbers_is_not_gone_on_from(recipe, poison, capsys):
    poison(5)
    assert tiny.run() == 1
    spoilt = saved()
    spoilt["state_dict"]["backbone.layers.0.weight"].fill_(torch.nan)
    torch.save(spoilt, the_run().folder / "checkpoints" / "last.ckpt")
    assert tiny.run() == 1
    assert "the weights after step 4, to go on from, are no usable numbers" in (said := capsys.readouterr().err)
    assert "RESUME=no" in said


def test_what_a_bad_step_does_is_no_part_of_what_a_run_computes(write):
    write()
    from benchmark.plan import RunOptions, make_plan

    groups = {make_plan(RunOptions("bad", "tiny", data="mini", overrides=words)).group for words in ([], [*SKIP])}
    assert len(groups) == 1
