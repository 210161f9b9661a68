"""Each switch of the fast path alone against the plain path: the same losses, step for step."""

import numpy as np
import pytest
import torch
from helpers import read_records

from benchmark.cli import main
from benchmark.predictions import read_predictions
from benchmark.recipe import load_recipe
from benchmark.registry import get_task
from benchmark.training import callbacks, fast
from benchmark.training.fast import are_fixed, is_fused, keep_features, make_optimizer

PLAIN = {
    "data.cache_features": "false",
    "data.resident": "false",
    "trainer.channels_last": "false",
    "trainer.fused": "false",
}
SHIFT = ("--augmentations", '[{"class_path": "benchmark.augmentations.CyclicTimeShift"}]')
LEARN = ("--optimizer.init_args.lr", "0.003", "--scheduler", "null")
GAIN = ("--augmentations", '[{"class_path": "benchmark.augmentations.gain.GainSteps"}]')


def trained(folder, *words, **switches):
    """Training losses and record of a run of 200 steps with some switches on, all others off."""
    options = [word for name, value in (PLAIN | switches).items() for word in (f"--{name}", value)]
    short = ["--trainer.max_steps", "200", "--data.batch_size", "4", "--data.clip_seconds", "0.5", *LEARN]
    words = ["--data", "mini", "--model", "small_network.ConvNet", "--seed", "3", *short, *options, *words]
    losses, step_end = [], callbacks.RunKeeper.on_train_batch_end

    def watched(self, trainer, module, outputs, *args):
        losses.append(float(outputs["loss"]))
        step_end(self, trainer, module, outputs, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DCASE_BENCH_RUNS", str(folder))
        patch.setattr(callbacks.RunKeeper, "on_train_batch_end", watched)
        assert main(["run", "--task", "bad", "--system", "cnn4", *words]) == 0
    (record,) = read_records(folder)
    return np.array(losses), record


def folder_of(runs, record):
    return runs / record.task / record.system / record.id


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The run that does nothing to be fast."""
    folder = tmp_path_factory.mktemp("plain")
    losses, record = trained(folder, *SHIFT)
    return losses, record, folder_of(folder, record)


@pytest.mark.parametrize(
    ("switch", "name"),
    [
        ("data.cache_features", "cached_features"),
        ("trainer.channels_last", "channels_last"),
        ("trainer.fused", "fused"),
        pytest.param("trainer.compile", "compiled", marks=pytest.mark.slow),
    ],
)
def test_each_switch_alone_changes_no_loss(plain, switch, name, tmp_path):
    expected, slow, at = plain
    found, record = trained(tmp_path, *SHIFT, **{switch: "true"})
    assert len(expected) == 200 and expected.std() > 0.05, "there is nothing to differ in"
    assert slow.fast_path == [] and record.fast_path == [name]
    np.testing.assert_allclose(found, expected, atol=1e-4, rtol=0)
    theirs, ours = (read_predictions(path).probabilities for path in (folder_of(tmp_path, record), at))
    np.testing.assert_allclose(theirs, ours, atol=1e-2, rtol=0)


def test_features_behind_a_random_waveform_are_not_kept(tmp_path):
    words = ("--trainer.max_steps", "20")
    _, record = trained(tmp_path, *GAIN, *words, **{"data.cache_features": "true"})
    assert record.fast_path == []


def test_only_features_that_nothing_learns_or_draws_are_fixed():
    waveform, lengths = torch.rand(2, 1, 8), torch.tensor([8, 8])
    plain, learning, drawing = torch.nn.Flatten(2), torch.nn.Linear(8, 8), torch.nn.Dropout(0.5)
    for part, fixed in ((plain, True), (learning, False), (drawing, False)):
        assert are_fixed([part], lambda part=part: (part(waveform), lengths)) is fixed


def test_features_without_room_stay_where_they_are(monkeypatch):
    windows = range(2)
    monkeypatch.setattr(fast, "has_room", lambda device, size: size < 2 * 4 * 12)
    batches = [(torch.zeros(2, 1, 4, 3), torch.tensor([4, 4]))]
    assert keep_features(windows, batches, torch.device("cpu")) is windows


def optimizer_of(name, *words):
    """What becomes of the recipe's optimiser."""
    overrides = ("--optimizer", f"torch.optim.{name}", "--optimizer.init_args.lr", "0.1", *words)
    recipe = load_recipe(get_task("bad"), "cnn4", overrides=overrides).build()
    return make_optimizer(recipe.optimizer, [torch.zeros(3, requires_grad=True)])


def test_an_optimiser_is_fused_where_it_can_be_and_the_recipe_does_not_say_otherwise():
    assert {name: is_fused(optimizer_of(name)) for name in ("Adam", "SGD", "RMSprop")} == {
        "Adam": True,
        "SGD": True,
        "RMSprop": False,
    }
    assert not is_fused(optimizer_of("Adam", "--optimizer.init_args.fused", "false"))


def test_a_compiler_that_fails_leaves_the_network_as_it_is(monkeypatch, caplog):
    def fails(function):
        raise RuntimeError("no C++ compiler\nat all")

    monkeypatch.setattr("torch.compile", fails)
    network = torch.nn.Linear(2, 2)
    assert fast.compile_in_place(network, torch.device("cpu")) is False
    assert "not compiled, because the compiler fails: no C++ compiler" in caplog.text
    assert network._compiled_call_impl is None
