"""The two scene networks of the adaptation card and its discriminators: weight counts and map sizes."""

import pytest
import torch
from torch import nn

from benchmark.backbones.discriminator import ConvDiscriminator
from benchmark.backbones.strided_cnn import LargePoolCNN, StridedCNN
from benchmark.errors import InputError
from benchmark.heads.hidden import MLP
from benchmark.training.counting import count_parameters


def test_printed_parameters():
    assert count_parameters(StridedCNN()) == 934_848
    assert count_parameters(LargePoolCNN()) == 102_208
    assert count_parameters(ConvDiscriminator(1536)) == 97_490
    assert count_parameters(nn.ModuleList([StridedCNN(), MLP(1536, 10, [256, 256])])) == 934_848 + 461_834


@pytest.mark.parametrize(
    ("model", "sizes"),
    [  # frames and bins of the card's table
        (StridedCNN(), [(144, 32), (71, 30), (24, 15), (11, 7), (11, 7), (11, 7), (9, 5), (4, 3)]),
        (LargePoolCNN(), [(431, 64), (107, 8), (101, 8), (1, 2)]),
    ],
)
def test_map_sizes_of_the_card(model, sizes):
    seen = []
    for layer in model.layers:
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
            layer.register_forward_hook(lambda layer, inputs, output: seen.append(tuple(output.shape[2:])))
    vector = model.eval()(torch.zeros(2, 1, 431, 64))
    assert seen == sizes
    assert vector.shape == (2, {StridedCNN: 1536, LargePoolCNN: 128}[type(model)])
    assert model.input == "features"


def test_normalisation_comes_after_pooling():
    names = [type(layer).__name__ for layer in StridedCNN().layers]
    assert names[:8] == ["Conv2d", "ReLU", "MaxPool2d", "BatchNorm2d"] * 2
    assert names[-4:] == ["Conv2d", "ReLU", "MaxPool2d", "BatchNorm2d"]


def test_the_discriminator_sees_the_map_that_was_flattened():
    model = ConvDiscriminator(1536)
    seen = []
    model.layers[1].register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0]))
    x = torch.randn(4, 128, 4, 3)
    assert model(x.flatten(1)).shape == (4, 2)
    assert torch.equal(seen[0], x)


def test_what_does_not_fit_is_named():
    with pytest.raises(InputError, match="30 frames and 64 bins are too small"):
        StridedCNN()(torch.zeros(1, 1, 30, 64))
    with pytest.raises(InputError, match="1 poolings, not 2"):
        LargePoolCNN([(4, 8)])
    with pytest.raises(InputError, match="no map of 128 channels and 3 bins"):
        ConvDiscriminator(1000)
