"""Fusion of two branches; counts of card `task-ust-cnn-vggish`, Table 3."""

import pytest
import torch
from torch import nn

from benchmark.backbones import VGGish
from benchmark.backbones.block_cnn import BlockCNN
from benchmark.backbones.two_branch import Bilinear, TwoBranch
from benchmark.backbones.with_frontend import WithFrontend
from benchmark.errors import InputError
from benchmark.frontends import LogMel, VGGishLogMel
from benchmark.frontends.levels import RelativeToMaximum
from benchmark.heads.hidden import MLP
from benchmark.training.counting import count_parameters
from benchmark.weights import random_weights_allowed

RATE = 44_100


class Branch(nn.Module):
    """Gives the first numbers of its input."""

    def __init__(self, size, wants="features"):
        super().__init__()
        self.size, self.input = size, wants

    def forward(self, x):
        return x.flatten(1)[:, : self.size]


@pytest.mark.parametrize(
    ("fusion", "layer", "whole"),
    [("bilinear", 167_772_672, 169_517_205), ("concat", 786_944, 2_531_477)],
)
def test_parameters_are_those_of_the_card(fusion, layer, whole):
    """Both first layers as the card counts them; the sum with Table 1, both normalisations, and 37 outputs."""
    with torch.device("meta"):
        network = TwoBranch(BlockCNN("wide"), Branch(1280), fusion=fusion)
        head = MLP(256, 37, hidden=(), init="torch")
        assert count_parameters(network.fuse) == layer
        assert count_parameters(network) + count_parameters(head) == whole
        sums = 1_602_160 + layer + 2 * 512 + (512 * 256 + 256) + 2 * 256 + (256 * 37 + 37)
        assert sums == whole


def test_bilinear_is_that_of_torch():
    torch.manual_seed(0)
    layer, first, second = Bilinear(5, 7, 4), torch.randn(3, 5, requires_grad=True), torch.randn(3, 7)
    reference = nn.functional.bilinear(first, second, layer.weight, layer.bias)
    assert torch.allclose(layer(first, second), reference, atol=1e-6)
    for_input, for_weight = (
        torch.autograd.grad(output.square().sum(), (first, layer.weight))
        for output in (layer(first, second), reference)
    )
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(for_input, for_weight, strict=True))


def test_bilinear_by_hand():
    layer = Bilinear(2, 2, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]))
        layer.bias.fill_(0.5)
    # 1*10*1 + 1*20*2 + 2*10*3 + 2*20*4 + 0.5
    assert layer(torch.tensor([[1.0, 2.0]]), torch.tensor([[10.0, 20.0]])).item() == pytest.approx(270.5)


def test_concat_puts_the_branches_side_by_side():
    network = TwoBranch(Branch(2), Branch(3), inputs=(2, 3), fusion="concat", hidden=(4,)).eval()
    x = torch.randn(5, 1, 1, 3)
    side_by_side = torch.cat([x.flatten(1)[:, :2], x.flatten(1)], 1)
    expected = network.layers(nn.functional.linear(side_by_side, network.fuse.weight, network.fuse.bias))
    assert torch.allclose(network(x), expected)


def test_layers_are_normalised_activated_and_dropped():
    network = TwoBranch(Branch(2), Branch(2), inputs=(2, 2), hidden=(4, 3))
    names = [type(layer).__name__ for layer in network.layers]
    assert names == ["BatchNorm1d", "ReLU", "Dropout", "Linear", "BatchNorm1d", "ReLU", "Dropout"]
    assert {layer.p for layer in network.layers if isinstance(layer, nn.Dropout)} == {0.2}


def spectrogram_branch():
    frontend = LogMel(RATE, 2048, 512, 128, f_min=0, log="db", log_offset=0.0, log_floor=1e-10, top_db=80)
    return WithFrontend(frontend, BlockCNN("strided"), [RelativeToMaximum()])


@pytest.fixture(scope="module")
def embedding_branch():
    with random_weights_allowed():
        return WithFrontend(VGGishLogMel(), VGGish("absent.pth", None), sample_rate=RATE)


def test_a_step_changes_the_spectrogram_branch_and_not_vggish(embedding_branch):
    torch.manual_seed(0)
    network = TwoBranch(spectrogram_branch(), embedding_branch, inputs=(256, 128), fusion="concat", hidden=(8,))
    assert network.input == "waveform"
    before = {name: value.clone() for name, value in network.state_dict().items()}
    waveform = torch.randn(2, 1, RATE) * 0.1
    assert not network.second(waveform).requires_grad
    optimizer = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=1.0)
    network(waveform).square().sum().backward()
    optimizer.step()
    changed = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert {"first.backbone.layers.0.0.weight", "fuse.weight"} <= changed
    assert not any(name.startswith("second.") for name in changed)


def test_random_weights_of_a_branch_are_found(embedding_branch):
    assert any(bool(getattr(module, "random_weights", False)) for module in embedding_branch.modules())


def test_frontends_are_in_no_checkpoint(embedding_branch):
    names = set(TwoBranch(spectrogram_branch(), embedding_branch, (256, 128), hidden=(4,)).state_dict())
    assert not any("frontend" in name or "resample" in name for name in names)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: TwoBranch(Branch(2), Branch(2, "waveform"), (2, 2)), "the branches want features and waveform"),
        (lambda: TwoBranch(Branch(2), Branch(2), (2, 2), fusion="sum"), "TwoBranch.fusion"),
        (lambda: TwoBranch(Branch(2), Branch(2), (2, 2), hidden=()), "give each at least 1"),
        (lambda: TwoBranch(Branch(2), Branch(2), (2, 2), dropout=-0.1), "TwoBranch.dropout"),
        (lambda: TwoBranch(Branch(2), Branch(2), (2, 3))(torch.zeros(1, 1, 2, 2)), "give 2 and 2 numbers"),
    ],
)
def test_impossible_settings_are_named(make, match):
    with pytest.raises(InputError, match=match):
        make()
