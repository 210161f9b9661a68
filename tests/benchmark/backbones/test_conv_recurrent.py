"""Convolutional recurrent networks against the tables and counts of their cards."""

import pytest
import torch
from jsonargparse import ArgumentParser

from benchmark.backbones import CRNN
from benchmark.backbones.conv_recurrent import ConvBlock, ConvRecurrent
from benchmark.errors import InputError
from benchmark.heads import MeanProbability
from benchmark.heads.attention import ClassAttention
from benchmark.heads.mean_max import MeanMaxDense
from benchmark.training.counting import count_parameters

DEEP = [
    *(ConvBlock(64, 2, kernel=2, pool=2, bias=False) for _ in range(4)),
    ConvBlock(256, kernel=1, pool=4, norm=False),
]
SHALLOW = [ConvBlock(64, pool=4, bias=False)] * 3
GATED = [ConvBlock(64, 2, pool=4, bias=False, gated=True)] * 3
BASELINE = [ConvBlock(64, pool=4)] * 3


def test_parameters_of_the_distillation_card():
    """132.6 k deep and 74.7 k shallow convolutions, a head of 2,570."""
    deep, shallow = (
        ConvRecurrent(DEEP, cell="sru", hidden=128, gated=True),
        ConvRecurrent(SHALLOW, cell="sru", hidden=128),
    )
    assert count_parameters(deep.blocks) == 132_608
    assert count_parameters(shallow.blocks) == 74_688
    assert count_parameters(deep.recurrent) == 262_656
    assert count_parameters(deep.gate) == 262_656
    assert count_parameters(shallow.recurrent) == 66_048
    assert count_parameters(MeanProbability(256, 10)) == 2_570


def test_parameters_of_the_gated_card():
    """371 k of convolutions, 50 k of the GRU and 2.6 k of the heads, 0.42 M in all."""
    network, head = ConvRecurrent(GATED), ClassAttention(128, 10)
    counts = [count_parameters(part) for part in (network.blocks, network.recurrent, head)]
    assert counts == [371_328, 49_920, 2_580]
    assert sum(counts) == 423_828


def test_parameters_of_the_multi_instance_card():
    """126,090 with a GRU, whatever is pooled, and 906,122 of the clip classifier."""
    strided = [ConvBlock(64, pool=4, time_pool=2), *BASELINE[1:]]
    for blocks in (BASELINE, strided):
        network = torch.nn.Sequential(ConvRecurrent(blocks, dropout=0.3, spatial=True), MeanProbability(128, 10))
        assert count_parameters(network) == 126_090
    clip = [ConvBlock(width, pool=4, time_pool=2 if width == 64 else 1) for width in (64, 128, 256)]
    network = torch.nn.Sequential(ConvRecurrent(clip, cell=None, dropout=0.2, spatial=True), MeanMaxDense(256, 10))
    assert count_parameters(network) == 906_122


@pytest.mark.parametrize(
    ("blocks", "options", "shape"),
    [
        (DEEP, {"cell": "sru", "hidden": 128, "gated": True}, (2, 24, 256)),
        (SHALLOW, {"cell": "sru", "hidden": 128}, (2, 24, 256)),
        (GATED, {}, (2, 24, 128)),
        ([ConvBlock(8, pool=4, time_pool=2), ConvBlock(8, pool=4)], {"hidden": 5}, (2, 12, 10)),
        ([ConvBlock(8, pool=4, time_pool=2), ConvBlock(6, pool=4)], {"cell": None}, (2, 6, 12, 4)),
    ],
)
def test_shapes(blocks, options, shape):
    network = ConvRecurrent(blocks, **options)
    output = network(torch.randn(2, 1, 24, 64))
    assert output.shape == shape
    output.square().sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_with_the_settings_of_the_baseline_it_is_the_baseline():
    torch.manual_seed(0)
    baseline = CRNN()
    torch.manual_seed(0)
    network = ConvRecurrent(BASELINE, dropout=0.3, input_dropout=0.3, momentum=0.01, eps=1e-3)
    x = torch.randn(2, 1, 20, 64)
    for _ in range(2):  # with dropout and moving statistics, then without
        torch.manual_seed(1)
        expected = baseline(x)
        torch.manual_seed(1)
        torch.testing.assert_close(network(x), expected, rtol=0, atol=0)
        baseline.eval()
        network.eval()


def test_a_gated_convolution_is_a_linear_one_times_the_sigmoid_of_another():
    torch.manual_seed(0)
    block = ConvBlock(3, gated=True, norm=False)
    network = ConvRecurrent([block], n_mels=8, cell=None)
    convolution, x = network.blocks[0][0].convolution, torch.randn(1, 1, 5, 8)
    linear, gate = (torch.nn.functional.conv2d(x, weight, padding=1) for weight in convolution.weight.split(3))
    torch.testing.assert_close(network(x), linear * gate.sigmoid())


def test_an_even_kernel_reaches_right_and_down():
    network = ConvRecurrent([ConvBlock(1, kernel=2, norm=False)], n_mels=4, cell=None)
    torch.nn.init.ones_(network.blocks[0][1].weight)
    x = torch.zeros(1, 1, 4, 4)
    x[0, 0, 2, 2] = 1
    expected = torch.zeros(4, 4)
    expected[1:3, 1:3] = 1
    assert torch.equal(network(x)[0, 0], expected)


def test_the_second_recurrent_layer_gates_the_first():
    torch.manual_seed(0)
    network = ConvRecurrent([ConvBlock(4, pool=8)], n_mels=8, cell="sru", hidden=3, gated=True).eval()
    x = torch.randn(2, 1, 7, 8)
    frames = network.blocks(x).squeeze(3).transpose(1, 2)
    torch.testing.assert_close(network(x), network.recurrent(frames) * network.gate(frames).sigmoid())


def test_spatial_dropout_drops_whole_channels():
    torch.manual_seed(0)
    network = ConvRecurrent([ConvBlock(32, norm=False)], n_mels=8, cell=None, dropout=0.5, spatial=True)
    with torch.no_grad():
        network.blocks[0][0].bias.fill_(1.0)
    output = network(torch.zeros(1, 1, 6, 8))[0].flatten(1)
    assert torch.equal(output, output[:, :1].expand_as(output))
    assert set(output[:, 0].tolist()) == {0.0, 2.0}


def test_a_recipe_can_say_it():
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(torch.nn.Module, "backbone")
    blocks = [{"channels": 4, "pool": 8}, {"channels": 3, "kernel": 1, "norm": False}]
    said = {
        "class_path": "benchmark.backbones.conv_recurrent.ConvRecurrent",
        "init_args": {"blocks": blocks, "n_mels": 16, "cell": None},
    }
    network = parser.instantiate(parser.parse_object({"backbone": said})).backbone
    assert network(torch.zeros(1, 1, 5, 16)).shape == (1, 3, 5, 2)


def test_a_training_step_lowers_the_loss():
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        ConvRecurrent([ConvBlock(4, 2, kernel=2, pool=8)], n_mels=8, cell="sru", hidden=4, gated=True),
        ClassAttention(8, 2),
    )
    x, target = torch.randn(6, 1, 12, 8), torch.randint(2, (6, 2)).float()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    losses = []
    for _ in range(15):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(network(x), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_wrong_use_is_named():
    with pytest.raises(InputError, match="there is no block"):
        ConvRecurrent([])
    with pytest.raises(InputError, match="pool must be at least 1"):
        ConvBlock(4, pool=0)
    with pytest.raises(InputError, match="8 bins are too few"):
        ConvRecurrent(BASELINE, n_mels=8)
    with pytest.raises(InputError, match="cell must be gru or sru"):
        ConvRecurrent(BASELINE, cell="lstm")
    with pytest.raises(InputError, match="nothing is there to be gated"):
        ConvRecurrent(BASELINE, cell=None, gated=True)
    with pytest.raises(InputError, match="dropout must be in"):
        ConvRecurrent(BASELINE, dropout=1.0)
    with pytest.raises(InputError, match="kernel must be odd"):
        ConvRecurrent([ConvBlock(4, kernel=2, gated=True)])
    with pytest.raises(InputError, match="hidden must be at least 1"):
        ConvRecurrent(BASELINE, hidden=0)
    with pytest.raises(InputError, match="40 bins, not 64"):
        ConvRecurrent(BASELINE)(torch.zeros(1, 1, 5, 40))
