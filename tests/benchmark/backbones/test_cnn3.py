"""CNN3: the card's parameters, costs and map sizes, TensorFlow's padding, initial weights."""

import numpy as np
import pytest
import torch
from torch import nn

from benchmark.backbones import CNN3
from benchmark.errors import InputError
from benchmark.heads import GlobalMaxPool
from benchmark.training.counting import count_macs, count_parameters


def test_parameters_of_the_card():
    model = nn.Sequential(CNN3(), GlobalMaxPool(200, 41, "narrow"))
    assert count_parameters(model) == 658_591
    weights = sum(p.numel() for name, p in model.named_parameters() if name.endswith("weight"))
    assert round(weights / 1000, 1) == 658.1


def test_multiplications_of_the_source():
    model = nn.Sequential(CNN3(), GlobalMaxPool(200, 41, "narrow"))
    assert round(count_macs(model, torch.zeros(1, 1, 25, 64)) / 1e6, 1) == 194.1


def test_map_sizes_of_the_card():
    model, sizes = CNN3(), []
    for layer in model.layers:
        if not isinstance(layer, nn.ReLU):
            layer.register_forward_hook(lambda layer, inputs, output: sizes.append(tuple(output.shape[1:])))
    model(torch.zeros(1, 1, 25, 64))
    assert sizes == [(100, 25, 64), (100, 13, 32), (150, 13, 32), (150, 7, 16), (200, 7, 16)]


def same_pool(x):
    """Pooling 3x3 of stride 2 with "SAME" padding, from TensorFlow's description of it."""
    height, width = x.shape
    padding = [max((-(-side // 2) - 1) * 2 + 3 - side, 0) for side in x.shape]
    top, left = (total // 2 for total in padding)
    return np.array(
        [
            [
                x[max(row * 2 - top, 0) : row * 2 - top + 3, max(col * 2 - left, 0) : col * 2 - left + 3].max()
                for col in range(-(-width // 2))
            ]
            for row in range(-(-height // 2))
        ]
    )


@pytest.mark.parametrize("shape", [(25, 64), (13, 32), (7, 7), (2, 1), (4, 3)])
def test_pooling_pads_as_tensorflow_does(shape):
    pool = CNN3().layers[2]
    x = -np.random.default_rng(0).random(shape)  # negative, so that padding with zeros would show
    np.testing.assert_array_equal(pool(torch.from_numpy(x)[None, None])[0, 0].numpy(), same_pool(x))


def test_weights_start_narrow_and_biases_at_zero():
    torch.manual_seed(0)
    for layer in (*CNN3().layers, GlobalMaxPool(200, 41, "narrow").classifier):
        if isinstance(layer, nn.Conv2d | nn.Linear):
            assert layer.weight.abs().max() <= 2e-3
            # A normal distribution that is cut at two deviations keeps 0.8796 of its deviation.
            assert layer.weight.std().item() == pytest.approx(0.8796e-3, rel=0.03)
            assert not layer.bias.any()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"widths": (8, 8), "kernels": (3,)}, "widths"),
        ({"widths": (), "kernels": ()}, "widths"),
        ({"kernels": (7, 4, 3)}, "kernels must be odd"),
        ({"weight_std": 0.0}, "weight_std"),
    ],
)
def test_wrong_settings_are_named(settings, message):
    with pytest.raises(InputError, match=message):
        CNN3(**settings)


def test_other_sizes():
    assert CNN3(widths=(4, 6), kernels=(5, 3), in_channels=2)(torch.zeros(3, 2, 9, 8)).shape == (3, 6, 5, 4)
