"""VGG13 and its three kin against the table of card task2-noisy-labels-iqbal."""

import pytest
import torch

from benchmark.backbones.vgg import VGG13
from benchmark.errors import InputError
from benchmark.heads import GlobalMeanPool
from benchmark.losses.weighted import WeightedCrossEntropy
from benchmark.training.counting import count_parameters

CONVOLUTIONS = [(1, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 512)] + [(512, 512)] * 3
SMALL = (4, 4, 8, 8, 8)


@pytest.mark.parametrize(
    ("settings", "millions", "exact"),
    [
        ({}, 9.43, 9_430_761),
        ({"recurrent": 512}, 12.60, 12_600_553),
        ({"gated": True}, 18.83, 18_834_601),
        ({"gated": True, "recurrent": 512}, 22.00, 22_004_393),
    ],
    ids=["VGG13", "CRNN", "GCNN", "GCRNN"],
)
def test_parameters_of_the_card(settings, millions, exact):
    """Weights and biases of the convolutions (twice as many with gates), normalisation, GRU, and 41 classes."""
    backbone = VGG13(**settings)
    dim = 1024 if backbone.recurrent else 512
    gates = 2 if settings.get("gated") else 1
    convolutions = gates * sum(9 * before * after + after for before, after in CONVOLUTIONS)
    normalisation = 2 * sum(after for _, after in CONVOLUTIONS)
    recurrence = 2 * 3 * 512 * (512 + 512 + 1) if backbone.recurrent else 0
    assert convolutions + normalisation + recurrence + 41 * (dim + 1) == exact
    assert count_parameters(torch.nn.Sequential(backbone, GlobalMeanPool(dim, 41))) == exact
    assert round(exact / 1e6, 2) == millions


@pytest.mark.parametrize("gated", [False, True])
def test_sizes_of_the_table(gated):
    x = torch.zeros(2, 1, 128, 64)
    backbone = VGG13(gated, widths=SMALL)
    assert backbone(x).shape == (2, 8, 4, 2)
    sizes, y = [], x
    for layer in backbone.layers:
        y = layer(y)
        if isinstance(layer, torch.nn.MaxPool2d):
            sizes.append(tuple(y.shape[1:]))
    assert sizes == [(4, 64, 32), (4, 32, 16), (8, 16, 8), (8, 8, 4), (8, 4, 2)]
    assert VGG13(gated, recurrent=6, widths=SMALL)(x).shape == (2, 4, 12)


def test_normalisation_follows_the_activation():
    torch.manual_seed(0)
    backbone, x = VGG13(widths=(8,)), torch.randn(16, 1, 32, 32)
    convolution, norm = backbone.layers[0][0], backbone.layers[0][2]
    active = convolution(x).relu()
    mean, var = active.mean((0, 2, 3), keepdim=True), active.var((0, 2, 3), correction=0, keepdim=True)
    torch.testing.assert_close(backbone.layers[0](x), (active - mean) / (var + 1e-3).sqrt(), rtol=0, atol=1e-4)
    torch.testing.assert_close(norm.running_mean, 0.01 * mean.flatten(), rtol=0, atol=1e-6)
    assert VGG13(gated=True, widths=(8,), momentum=0.1).layers[0].after.momentum == 0.1


def test_the_recurrent_units_read_the_mean_over_frequency():
    torch.manual_seed(0)
    backbone, x = VGG13(recurrent=6, widths=SMALL).eval(), torch.randn(2, 1, 128, 64)
    expected = backbone.recurrent(backbone.layers(x).mean(3).transpose(1, 2))
    torch.testing.assert_close(backbone(x), expected)


@pytest.mark.parametrize("settings", [{}, {"recurrent": 4}, {"gated": True}, {"gated": True, "recurrent": 4}])
def test_every_part_learns(settings):
    torch.manual_seed(0)
    backbone = VGG13(widths=SMALL, **settings)
    network = torch.nn.Sequential(backbone, GlobalMeanPool(8, 3))
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-4)
    before = [value.clone() for value in network.parameters()]
    target = torch.eye(3)[torch.arange(6) % 3]
    WeightedCrossEntropy()(network(torch.randn(6, 1, 64, 32)), target, torch.full((6,), 0.7)).backward()
    optimizer.step()
    assert all(value.isfinite().all() for value in network.parameters())
    changed = [not torch.equal(old, new) for old, new in zip(before, network.parameters(), strict=True)]
    assert all(changed)


def test_wrong_use_is_named():
    with pytest.raises(InputError, match="16 frames of 64 bins are too few"):
        VGG13(widths=SMALL)(torch.zeros(1, 1, 16, 64))
    with pytest.raises(InputError, match="recurrent"):
        VGG13(recurrent=-1, widths=SMALL)
    with pytest.raises(InputError, match="at least one block"):
        VGG13(widths=())
