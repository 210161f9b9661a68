"""Bulbul: printed weight counts, the card's map sizes, the normalisation of its input."""

import pytest
import torch
from torch import nn

from benchmark.backbones import Bulbul
from benchmark.errors import InputError
from benchmark.heads import Dense
from benchmark.training.counting import count_parameters


def test_printed_parameters():
    model = nn.Sequential(Bulbul(), Dense(32, 1, dropout=0.5))
    assert count_parameters(model) == 373_009
    assert count_parameters(model, "with_running_statistics") == 373_169


def test_map_sizes_of_the_card():
    model, sizes = Bulbul(), []
    for layer in model.layers:
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
            layer.register_forward_hook(lambda layer, inputs, output: sizes.append(tuple(output.shape[1:])))
    model.eval()(torch.zeros(1, 1, 1000, 80))
    assert sizes == [
        (16, 998, 78),
        (16, 332, 26),
        (16, 330, 24),
        (16, 110, 8),
        (16, 108, 8),
        (16, 36, 8),
        (16, 34, 8),
        (16, 11, 8),
    ]


@pytest.mark.parametrize(("frames", "flat"), [(1000, 1408), (2000, 2944)])
def test_receptive_fields_of_the_card(frames, flat):
    model = Bulbul(frames)
    assert next(layer for layer in model.layers if isinstance(layer, nn.Linear)).in_features == flat
    assert model(torch.randn(2, 1, frames, 80)).shape == (2, 32)
    assert model.input == "features"


def test_dropout_stands_before_each_dense_layer():
    kinds = [type(layer).__name__ for layer in Bulbul().layers]
    assert kinds[-7:] == ["Flatten", "Dropout", "Linear", "LeakyReLU", "Dropout", "Linear", "LeakyReLU"]


def test_input_is_normalised_per_mel_band():
    model = Bulbul()
    features = torch.randn(4, 1, 1000, 80) * torch.linspace(1, 5, 80) + torch.linspace(-9, 9, 80)
    model(features)
    mean = features.mean((0, 1, 2))
    torch.testing.assert_close(model.normalise.running_mean, 0.1 * mean, rtol=1e-4, atol=1e-5)
    variance = features.transpose(0, 3).flatten(1).var(1)
    torch.testing.assert_close(model.normalise.running_var, 0.9 + 0.1 * variance, rtol=1e-4, atol=0)


def test_wrong_sizes_are_named():
    with pytest.raises(InputError, match="WrapFrames"):
        Bulbul()(torch.zeros(1, 1, 999, 80))
    with pytest.raises(InputError, match="frames = 100"):
        Bulbul(frames=100)
    with pytest.raises(InputError, match="n_mels = 10"):
        Bulbul(n_mels=10)
