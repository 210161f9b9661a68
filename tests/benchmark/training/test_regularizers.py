"""Batches with clips that have no labels, and terms that are added to the loss."""

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from helpers import mini_data
from torch.nn import functional as F

from benchmark.errors import InputError
from benchmark.recipe import load_recipe
from benchmark.registry import get_task

SED = get_task("sed")
SMALL = ["--backbone.init_args.blocks", "[{channels: 2, pool: 64}]", "--backbone.init_args.hidden", "2"]


class Moved(torch.nn.Module):
    """What all logits change by when the input is doubled, and what it was called with."""

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        self.weight, self.seen = weight, []

    def forward(self, network, x, logits):
        moved = network(2 * x)
        self.seen.append((x, logits, moved))
        return self.weight * (moved - logits).square().mean()


@pytest.fixture(scope="module")
def data():
    pl.seed_everything(0, verbose=False)
    recipe = load_recipe(SED, "gcrnn-vat-salr-harb", mini=True).build()
    data = mini_data(SED, recipe.data, "test", "test")
    data.prepare_data()
    data.setup()
    return data


@pytest.fixture
def module():
    pl.seed_everything(0, verbose=False)
    recipe = load_recipe(SED, "gcrnn-vat-salr-harb", mini=True, overrides=SMALL).build()
    recipe.regularizers = [Moved()]
    module = SED.load("module")(recipe, SED.classes)
    module.transforms[0].fitted.fill_(True)
    module.logged = {}
    module.log = lambda name, value, **_: module.logged.update({name: float(value.detach())})
    module.log_dict = lambda values, **_: [module.log(name, value) for name, value in values.items()]
    return module.train()


def batch(data):
    """One of four labelled and four other clips."""
    groups = np.array([data.examples[clip].group for clip in data.train.clip])
    return data.train.__getitems__([*np.flatnonzero(groups == "weak")[:4], *np.flatnonzero(groups != "weak")[:4]])


def test_the_loss_passes_over_clips_without_labels_and_the_regularizer_does_not(data, module):
    given = batch(data)
    assert given["target"].isnan().any(1).tolist() == [False] * 4 + [True] * 4
    loss = module.training_step(given, 0)
    ((x, logits, moved),) = module.regularizers[0].seen
    assert len(x) == len(logits) == len(moved) == 8
    expected = F.binary_cross_entropy_with_logits(logits[:4], given["target"][:4])
    torch.testing.assert_close(loss, expected + (moved - logits).square().mean())
    assert module.logged == {
        "train/loss": pytest.approx(loss.item()),
        "train/labels": pytest.approx(expected.item()),
        "train/Moved": pytest.approx((moved - logits).square().mean().item()),
    }
    loss.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in module.parameters())


def test_statistics_are_those_of_the_unchanged_input_alone(data, module):
    given = batch(data)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    module.training_step(given, 0)
    after = {name: value.clone() for name, value in module.state_dict().items()}
    module.load_state_dict(before)
    module.regularizers = torch.nn.ModuleList()
    module.training_step(given, 0)
    assert all(torch.equal(value, after[name]) for name, value in module.state_dict().items())
    assert any(not torch.equal(value, before[name]) for name, value in after.items())


def test_each_batch_has_the_clips_of_each_list_and_validation_the_labelled_ones(data):
    trainer = pl.Trainer(max_steps=1, accelerator="cpu", logger=False, enable_checkpointing=False)
    data.trainer = trainer
    batches = iter(data.train_dataloader())
    for _ in range(7):
        groups = [data.examples[clip].group for clip in next(batches)["clip"]]
        assert groups == ["weak"] * 8 + ["unlabel_in_domain"] * 8
    groups = {
        name: {data.examples[clip].group for clip in part}
        for name, part in vars(data.given).items()
        if name in ("train", "valid")
    }
    assert groups == {"train": {"weak", "unlabel_in_domain"}, "valid": {"weak"}}


def test_the_held_out_part_does_not_depend_on_unlabelled_clips(data):
    recipe = load_recipe(SED, "gcrnn-vat-salr-harb", mini=True, overrides=["--data.domains", "{}"]).build()
    plain = mini_data(SED, recipe.data, "test", "test")
    plain.prepare_data()
    plain.setup()
    assert plain.given.valid.tolist() == data.given.valid.tolist()
    weak = [clip for clip in data.given.train.tolist() if data.examples[clip].group == "weak"]
    assert plain.given.train.tolist() == weak


def test_shares_that_are_no_batch_are_named():
    with pytest.raises(InputError, match="16 windows of domains in a batch of 12"):
        load_recipe(SED, "gcrnn-vat-salr-harb", mini=True, overrides=["--data.batch_size", "12"]).build()
