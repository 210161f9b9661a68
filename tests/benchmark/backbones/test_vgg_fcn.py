"""The fully convolutional VGG with its head against the table of card task2-cp-jku-self-verification."""

import pytest
import torch

from benchmark.backbones.vgg_fcn import SMALLEST, VGGFCN
from benchmark.errors import InputError
from benchmark.heads.class_maps import ClassMaps
from benchmark.training.counting import count_parameters

WIDTHS = [64, 64, 128, 128, 256, 256, 384, 384, 512, 512, 512, 512, 512, 512, 41]
KERNELS = [5] + [3] * 12 + [1, 1]


def test_parameters_of_the_card():
    """14,865,124 with running statistics, of which the convolutions have 14,846,016."""
    network = torch.nn.Sequential(VGGFCN(), ClassMaps(512, 41))
    assert count_parameters(network) == 14_855_570
    assert count_parameters(network, "with_running_statistics") == 14_865_124
    convolutions = [module for module in network.modules() if isinstance(module, torch.nn.Conv2d)]
    assert sum(map(count_parameters, convolutions)) == 14_846_016
    assert [c.out_channels for c in convolutions] == WIDTHS
    assert [c.kernel_size[0] for c in convolutions] == KERNELS
    assert sum(WIDTHS) == 4_777


def test_parameters_of_the_narrow_one():
    """About 8.36 million with 48 channels: all but the outermost convolutions shrink by (3 / 4) ** 2."""
    network = torch.nn.Sequential(VGGFCN(48), ClassMaps(384, 41))
    inner = 14_846_016 - 25 * 64 - 512 * 41
    norms = [3 * width // 4 for width in WIDTHS[:-1]] + [41]
    expected = inner * 9 // 16 + 25 * 48 + 384 * 41 + 2 * sum(norms)
    assert count_parameters(network) == expected == 8_362_306


def test_sizes_of_the_card():
    """Bins first in the card: 64x192, 32x96, 16x48, 8x24, 8x12, 8x6, then 6x4 without padding."""
    backbone, sizes = VGGFCN(2), []
    x = torch.zeros(1, 1, 384, 128)
    for layer in backbone.layers:
        before, x = x, layer(x)
        if x.shape[2:] != before.shape[2:]:
            sizes.append((x.shape[3], x.shape[2]))
    assert sizes == [(64, 192), (32, 96), (16, 48), (8, 24), (8, 12), (8, 6), (6, 4)]
    assert VGGFCN(2)(torch.zeros(1, 1, 3000, 128)).shape == (1, 16, 44, 6)


def test_dropout_of_the_card():
    rates = [module.p for module in VGGFCN(1).layers if isinstance(module, torch.nn.Dropout)]
    assert rates == [0.3] * 8 + [0.5] * 2


def test_a_training_step_changes_every_weight():
    torch.manual_seed(0)
    network = torch.nn.Sequential(VGGFCN(2), ClassMaps(16, 3))
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    before = [value.clone() for value in network.parameters()]
    x, target = torch.randn(6, 1, 256, 64), torch.arange(6) % 3
    torch.nn.functional.cross_entropy(network(x), target).backward()
    optimizer.step()
    assert all(not torch.equal(old, new) for old, new in zip(before, network.parameters(), strict=True))


def test_the_smallest_input_is_named():
    frames, bins = SMALLEST
    backbone = VGGFCN(1).eval()
    assert backbone(torch.zeros(1, 1, frames, bins)).shape == (1, 8, 1, 1)
    for shape in ((frames - 1, bins), (frames, bins - 1)):
        with pytest.raises(InputError, match="are too few"):
            backbone(torch.zeros(1, 1, *shape))
        with pytest.raises(RuntimeError):
            backbone.layers(torch.zeros(1, 1, *shape))
    with pytest.raises(InputError, match="width"):
        VGGFCN(0)
