"""Counting against closed forms."""

import pytest
import torch
from torch import nn

from benchmark.errors import InputError
from benchmark.training.counting import count_flops, count_macs, count_parameters


def test_parameters_of_each_convention():
    model = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Linear(5, 2, bias=False))
    assert count_parameters(model) == 3 * 5 + 5 + 2 * 5 + 5 * 2
    assert count_parameters(model, "with_running_statistics") == count_parameters(model) + 2 * 5
    model[2].requires_grad_(False)
    assert count_parameters(model) == 3 * 5 + 5 + 2 * 5
    with pytest.raises(InputError, match="with_running_statistics"):
        count_parameters(model, "keras")


def test_cost_of_a_convolution_and_a_product():
    convolution, x = nn.Conv2d(3, 8, 5, padding=2), torch.zeros(2, 3, 10, 12)
    assert count_macs(convolution, x) == 2 * 10 * 12 * 25 * 3 * 8
    assert count_flops(convolution, x) == 2 * count_macs(convolution, x)
    assert count_macs(nn.Linear(7, 11), torch.zeros(4, 7)) == 4 * 7 * 11


def test_counting_leaves_the_model_as_it_was():
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))
    model[2].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    count_flops(model, torch.randn(3, 4))
    assert [layer.training for layer in model] == [True, True, False]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
