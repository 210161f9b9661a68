"""Adversarial adaptation: losses in closed form, what learns when, what never changes."""

from copy import deepcopy

import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.nn import functional as F

from benchmark.backbones.discriminator import ConvDiscriminator
from benchmark.backbones.strided_cnn import StridedCNN
from benchmark.errors import InputError
from benchmark.heads.hidden import MLP
from benchmark.training.adversarial import AdversarialAdaptation, discriminator_loss, domain_loss, held

SOURCE = torch.tensor([True] * 10 + [False] * 6)
CLASSES = 3


class Network(nn.Module):
    """A backbone with batch normalisation, a head with dropout."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU())
        self.head = MLP(6, CLASSES, [5], dropout=0.5)
        self.loss = nn.CrossEntropyLoss()


def make_discriminator(dim):
    return nn.Sequential(nn.Linear(dim, 7), nn.ReLU(), nn.BatchNorm1d(7), nn.Linear(7, 2))


def build(seed=0, **options):
    torch.manual_seed(seed)
    network = Network()
    adaptation = AdversarialAdaptation("a", make_discriminator, **options)
    adaptation.configure(network.backbone, 6)
    return network.train(), adaptation.train()


def clips(step=0):
    generator = torch.Generator().manual_seed(step)
    x = torch.randn(16, 4, generator=generator)
    x[~SOURCE] += 1
    target = torch.eye(CLASSES)[torch.randint(CLASSES, (16,), generator=generator)]
    target[~SOURCE] = torch.nan
    return {"x": x, "valid": torch.ones(16), "target": target, "source": SOURCE}


def snapshot(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def changed(before, module):
    return {name for name, value in module.state_dict().items() if not torch.equal(before[name], value)}


def run(network, adaptation, steps, first=0):
    optimizer = torch.optim.Adam([*network.parameters(), *adaptation.parameters()], lr=1e-3)
    for step in range(first, first + steps):
        optimizer.zero_grad()
        adaptation(network, **clips(step), step=step)["loss"].backward()
        optimizer.step()


def test_losses_in_closed_form():
    # D = sigmoid(z) of the source, where z is the second logit less the first.
    z_source, z_target = torch.tensor([0.3, -1.2]), torch.tensor([2.0, 0.5, -0.7])
    logits = [torch.stack([torch.full_like(z, 5.0), 5.0 + z], 1) for z in (z_source, z_target)]
    expected = -z_source.sigmoid().log().mean() - (1 - z_target.sigmoid()).log().mean()
    torch.testing.assert_close(discriminator_loss(*logits), expected)
    torch.testing.assert_close(domain_loss(logits[1], 1), -z_target.sigmoid().log().mean())
    equal = torch.zeros(4, 2)
    torch.testing.assert_close(discriminator_loss(equal, equal), torch.tensor(4.0).log())


def test_the_loss_of_a_step_is_the_sum_of_its_parts():
    network, adaptation = build(label_weight=10.0)
    batch = clips()
    embedding = deepcopy(network.backbone).train()(batch["x"])  # of one batch of both domains
    known = deepcopy(network.backbone).eval()(batch["x"][SOURCE])
    label = F.cross_entropy(deepcopy(network.head).eval()(embedding[SOURCE]), batch["target"][SOURCE])
    logits = deepcopy(adaptation.discriminator)(torch.cat([known, embedding[~SOURCE]]))
    adversarial = -logits[10:].log_softmax(1)[:, 1].mean()
    told = -logits[:10].log_softmax(1)[:, 1].mean() - logits[10:].log_softmax(1)[:, 0].mean()
    accuracy = (logits[:10].argmax(1).float().mean() + (1 - logits[10:].argmax(1).float()).mean()) / 2
    ninth, tenth = (adaptation(network, **batch, step=step) for step in (8, 9))
    torch.testing.assert_close(ninth["loss"], adversarial + 10 * label)
    torch.testing.assert_close(tenth["loss"], adversarial + 10 * label + told)
    torch.testing.assert_close(tenth["discriminator_loss"], told.detach())
    torch.testing.assert_close(ninth["domain_accuracy"], accuracy)
    assert "discriminator_loss" not in ninth
    assert [name for name, value in tenth.items() if value.requires_grad] == ["loss"]


def test_labels_of_target_clips_are_not_looked_at():
    network, adaptation = build()
    batch = clips()
    loss = adaptation(network, **batch, step=0)["loss"]
    assert loss.isfinite()
    batch["target"][~SOURCE] = 1.0
    torch.testing.assert_close(adaptation(network, **batch, step=0)["loss"], loss)


def test_the_discriminator_learns_in_every_tenth_step_only():
    network, adaptation = build()
    moved = []
    optimizer = torch.optim.Adam([*network.parameters(), *adaptation.parameters()], lr=1e-3)
    for step in range(30):
        before = [value.clone() for value in adaptation.discriminator.parameters()]
        optimizer.zero_grad()
        adaptation(network, **clips(step), step=step)["loss"].backward()
        optimizer.step()
        moved.append(
            any(not torch.equal(*pair) for pair in zip(before, adaptation.discriminator.parameters(), strict=True))
        )
    assert [step for step, has_moved in enumerate(moved) if has_moved] == [9, 19, 29]


def test_the_head_and_the_copy_never_change():
    network, adaptation = build()
    start, head = snapshot(network.backbone), snapshot(network.head)
    run(network, adaptation, 20)
    assert not changed(head, network.head)
    assert not changed(start, adaptation.reference)
    assert changed(start, network.backbone) == set(start)
    assert not adaptation.reference.training
    assert network.head.training


def test_one_optimiser_is_the_same_as_one_for_each_of_both_losses():
    network, adaptation = build()
    other, _ = build()
    reference, discriminator = deepcopy(other.backbone).eval(), deepcopy(adaptation.discriminator)
    of_backbone = torch.optim.Adam(other.backbone.parameters(), lr=1e-3)
    of_discriminator = torch.optim.Adam(discriminator.parameters(), lr=1e-3)
    for step in range(25):
        batch = clips(step)
        x, target = batch["x"], batch["target"]
        embedding, known = other.backbone(x), reference(x[SOURCE]).detach()
        label = F.cross_entropy(other.head.eval()(embedding[SOURCE]), target[SOURCE])
        given = discriminator(torch.cat([known, embedding[~SOURCE]]))[10:]
        gradients = torch.autograd.grad(domain_loss(given, 1) + 10 * label, list(other.backbone.parameters()))
        if step % 10 == 9:
            of_discriminator.zero_grad()
            discriminator_loss(
                *discriminator(torch.cat([known, embedding[~SOURCE].detach()])).split([10, 6])
            ).backward()
            of_discriminator.step()
        for parameter, gradient in zip(other.backbone.parameters(), gradients, strict=True):
            parameter.grad = gradient
        of_backbone.step()
    run(network, adaptation, 25)
    for ours, theirs in ((network.backbone, other.backbone), (adaptation.discriminator, discriminator)):
        for name, value in ours.state_dict().items():
            torch.testing.assert_close(value, theirs.state_dict()[name], rtol=1e-4, atol=1e-6)


def test_the_copy_is_of_the_weights_that_the_adaptation_starts_from_also_after_an_interruption():
    network, adaptation = build()
    trained, _ = build(seed=1)
    network.load_state_dict(trained.state_dict())  # the stage before
    start = snapshot(network.backbone)
    run(network, adaptation, 3)
    assert not changed(start, adaptation.reference)
    resumed_network, resumed = build(seed=2)
    resumed_network.load_state_dict(network.state_dict())
    resumed.load_state_dict(adaptation.state_dict())
    resumed(resumed_network, **clips(), step=3)
    assert not changed(start, resumed.reference)
    assert changed(start, resumed_network.backbone)


def test_a_step_moves_target_clips_to_where_the_discriminator_expects_source_clips():
    # With D = sigmoid(w * x) and embeddings x + b, the gradient of - log D for b is - mean(1 - D) * w.
    network, _ = build()
    network.backbone = nn.Linear(4, 4)
    nn.init.eye_(network.backbone.weight)
    nn.init.zeros_(network.backbone.bias)
    adaptation = AdversarialAdaptation("a", lambda dim: nn.Linear(dim, 2, bias=False), label_weight=0.0)
    network.head = MLP(4, CLASSES)
    adaptation.configure(network.backbone, 4)
    batch = clips()
    adaptation(network, **batch, step=0)["loss"].backward()
    direction = (adaptation.discriminator.weight[1] - adaptation.discriminator.weight[0]).detach()
    doubt = 1 - (batch["x"][~SOURCE] @ direction).sigmoid()
    torch.testing.assert_close(network.backbone.bias.grad, -doubt.mean() * direction)


def test_a_held_module_passes_gradients_on_and_keeps_none():
    layer, x = nn.Linear(3, 2), torch.randn(4, 3, requires_grad=True)
    held(layer, x).sum().backward()
    torch.testing.assert_close(x.grad, layer.weight.sum(0).expand(4, 3))
    assert layer.weight.grad is None


def test_the_parts_of_the_card_take_a_step_together():
    torch.manual_seed(0)
    network = Network()
    network.backbone, network.head = StridedCNN(), MLP(384, CLASSES, [8], dropout=0.25, init="torch")
    adaptation = AdversarialAdaptation("a", ConvDiscriminator, every=1)
    adaptation.configure(network.backbone, 384)
    before = [snapshot(network.backbone), snapshot(adaptation.discriminator)]
    optimizer = torch.optim.Adam([*network.parameters(), *adaptation.parameters()], lr=1e-4)
    source = torch.tensor([True, True, False, False])
    x = torch.randn(4, 1, 187, 64)
    adaptation(network, x, torch.ones(4), torch.eye(CLASSES)[[0, 1, 2, 0]], source, 0)["loss"].backward()
    optimizer.step()
    for state, module in zip(before, (network.backbone, adaptation.discriminator), strict=True):
        assert changed(state, module) == set(state)


class Adapted(pl.LightningModule):
    """What a task's module does with an adaptation."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        network = Network()
        self.backbone, self.head, self.loss = network.backbone, network.head, network.loss
        self.adaptation = AdversarialAdaptation("a", make_discriminator)
        self.adaptation.configure(self.backbone, 6)
        self.seen = []

    def training_step(self, batch, batch_idx):
        parts = self.adaptation(self, **clips(self.global_step), step=self.global_step)
        self.seen.append((self.global_step, "discriminator_loss" in parts))
        return parts["loss"]

    def configure_optimizers(self):
        return torch.optim.Adam([p for p in self.parameters() if p.requires_grad], lr=1e-3)


def test_under_lightning_a_step_is_one_step_and_the_result_is_that_of_a_plain_loop():
    module = Adapted()
    quiet = {name: False for name in ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")}
    trainer = pl.Trainer(max_steps=20, accelerator="cpu", gradient_clip_val=1e9, **quiet)
    trainer.fit(module, torch.utils.data.DataLoader(torch.zeros(100), batch_size=1))
    assert trainer.global_step == 20
    assert module.seen == [(step, step in (9, 19)) for step in range(20)]
    torch.manual_seed(0)
    network = Network()
    adaptation = AdversarialAdaptation("a", make_discriminator)
    adaptation.configure(network.backbone, 6)
    run(network.train(), adaptation.train(), 20)
    for name, value in network.backbone.state_dict().items():
        torch.testing.assert_close(module.backbone.state_dict()[name], value)


def test_what_is_impossible_is_named():
    with pytest.raises(InputError, match="every must be at least 1"):
        AdversarialAdaptation("a", make_discriminator, every=0)
    with pytest.raises(InputError, match="label_weight must not be negative"):
        AdversarialAdaptation("a", make_discriminator, label_weight=-1)
    network, adaptation = build()
    for clips_of, message in ((torch.ones, "16 source and 0 target"), (torch.zeros, "0 source and 16 target")):
        with pytest.raises(InputError, match=f"{message} clips"):
            adaptation(network, **(clips() | {"source": clips_of(16, dtype=torch.bool)}), step=0)
