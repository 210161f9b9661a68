"""Gated convolutions against their definition."""

import pytest
import torch
from torch.nn import functional as F

from benchmark.backbones.gated import GatedConv2d
from benchmark.errors import InputError
from benchmark.training.counting import count_parameters


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def test_half_of_the_channels_gates_the_other_half():
    block, x = GatedConv2d(3, 4, norm=None), torch.randn(2, 3, 6, 5)
    torch.nn.init.normal_(block.convolution.bias)
    weight, bias = block.convolution.weight, block.convolution.bias
    linear = F.conv2d(x, weight[:4], bias[:4], padding=1)
    gate = F.conv2d(x, weight[4:], bias[4:], padding=1)
    torch.testing.assert_close(block(x), linear / (1 + torch.exp(-gate)))


def test_an_open_gate_lets_half_pass_and_a_closed_one_nothing():
    block, x = GatedConv2d(2, 2, kernel=1, norm=None), torch.randn(1, 2, 3, 3)
    torch.nn.init.zeros_(block.convolution.weight)
    block.convolution.weight.data[:2, :, 0, 0] = torch.eye(2)
    torch.testing.assert_close(block(x), x / 2)
    block.convolution.bias.data[2:] = -100
    assert block(x).abs().max() < 1e-30


@pytest.mark.parametrize(("norm", "parameters"), [("before", 2 * 8 * 2), ("after", 2 * 8), (None, 0)])
def test_where_the_normalisation_stands(norm, parameters):
    block, x = GatedConv2d(3, 8, norm=norm, bias=False), 5 + torch.randn(16, 3, 6, 5)
    assert count_parameters(block) == 16 * 3 * 9 + parameters
    out, raw = block(x), block.convolution(x)
    if norm == "after":  # each output channel has mean 0 and deviation 1
        torch.testing.assert_close(out.mean((0, 2, 3)), torch.zeros(8), rtol=0, atol=1e-5)
        torch.testing.assert_close(out.var((0, 2, 3), correction=0), torch.ones(8), rtol=0, atol=2e-3)
    elif norm == "before":
        mean, var = raw.mean((0, 2, 3), keepdim=True), raw.var((0, 2, 3), correction=0, keepdim=True)
        torch.testing.assert_close(out, F.glu((raw - mean) / (var + 1e-5).sqrt(), dim=1), rtol=0, atol=1e-4)
    else:
        torch.testing.assert_close(out, F.glu(raw, dim=1))


def test_frames_and_bins_keep_their_number():
    for kernel in (1, 3, 5):
        assert GatedConv2d(1, 4, kernel)(torch.zeros(2, 1, 7, 9)).shape == (2, 4, 7, 9)


def test_weights_start_glorot_uniform_and_bias_at_zero():
    block = GatedConv2d(64, 64)
    bound = (6 / (9 * (64 + 128))) ** 0.5
    assert 0.98 * bound < block.convolution.weight.abs().max() <= bound
    assert not block.convolution.bias.any()


def test_wrong_use_is_named():
    with pytest.raises(InputError, match="kernel must be odd"):
        GatedConv2d(1, 1, kernel=2)
    with pytest.raises(InputError, match="norm must be"):
        GatedConv2d(1, 1, norm="between")
