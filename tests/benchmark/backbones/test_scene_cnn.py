"""The organisers' network of task 1: printed weight counts, the card's map sizes, what is normalised by what."""

import pytest
import torch
from torch import nn

from benchmark.backbones import SceneCNN
from benchmark.backbones.scene_cnn import FrequencyBatchNorm
from benchmark.errors import InputError
from benchmark.heads import Dense
from benchmark.training.counting import count_parameters


def test_printed_parameters():
    model = nn.Sequential(SceneCNN(), Dense(100, 10, dropout=0.3))
    assert count_parameters(model, "with_running_statistics") == 116_118
    assert count_parameters(model) == 116_022


def test_parameters_of_each_layer_of_the_card():
    model = SceneCNN()
    counts = [count_parameters(layer, "with_running_statistics") for layer in model.layers]
    assert [count for count in counts if count] == [1_600, 160, 100_416, 32, 12_900]
    assert count_parameters(Dense(100, 10)) == 1_010


def test_map_sizes_of_the_card():
    model, sizes = SceneCNN(), []
    for layer in model.layers:
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d | nn.Linear):
            layer.register_forward_hook(lambda layer, inputs, output: sizes.append(tuple(output.shape[1:])))
    model.eval()(torch.zeros(1, 1, 500, 40))
    assert sizes == [(32, 500, 40), (32, 100, 8), (64, 100, 8), (64, 1, 2), (100,)]


def test_shorter_clips_need_no_other_weights():
    model = SceneCNN(frames=50)
    assert model(torch.randn(2, 1, 50, 40)).shape == (2, 100)
    assert count_parameters(model) == count_parameters(SceneCNN())
    assert model.input == "features"


def test_each_frequency_bin_is_normalised_over_clips_channels_and_time():
    layer = FrequencyBatchNorm(6)
    x = torch.randn(4, 3, 10, 6) * torch.linspace(1, 5, 6) + torch.linspace(-9, 9, 6)
    mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2), unbiased=False)
    torch.testing.assert_close(layer(x), (x - mean) / (variance + 1e-3).sqrt(), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(layer.norm.running_mean, 0.01 * mean, rtol=1e-4, atol=1e-5)


def test_initial_weights():
    torch.manual_seed(0)
    first, second = (layer for layer in SceneCNN().layers if isinstance(layer, nn.Conv2d))
    for layer, fans in ((first, 49 * (1 + 32)), (second, 49 * (32 + 64))):
        bound = (6 / fans) ** 0.5
        assert 0.98 * bound < layer.weight.abs().max() <= bound
        assert not layer.bias.any()
    (dense,) = (layer for layer in SceneCNN().layers if isinstance(layer, nn.Linear))
    assert 0.049 < dense.weight.abs().max() <= 0.05
    assert not dense.bias.any()


def test_wrong_sizes_are_named():
    with pytest.raises(InputError, match="WrapFrames"):
        SceneCNN()(torch.zeros(1, 1, 501, 40))
    with pytest.raises(InputError, match="frames = 4"):
        SceneCNN(frames=4)
    with pytest.raises(InputError, match="n_mels = 19"):
        SceneCNN(n_mels=19)
