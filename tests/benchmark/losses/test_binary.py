"""SqueezedBCE against its closed form."""

import math

import pytest
import torch

from benchmark.errors import InputError
from benchmark.losses import SqueezedBCE


def test_closed_form():
    logits, target = [-2.0, 0.0, 3.0], [0.0, 1.0, 0.5]
    expected = 0.0
    for z, t in zip(logits, [0.01, 0.99, 0.5], strict=True):
        p = 1 / (1 + math.exp(-z))
        expected -= (t * math.log(p) + (1 - t) * math.log(1 - p)) / 3
    loss = SqueezedBCE()(torch.tensor([logits]), torch.tensor([target]))
    assert loss.item() == pytest.approx(expected, rel=1e-6)


def test_least_at_the_squeezed_target():
    logits = torch.zeros(1, 2, requires_grad=True)
    SqueezedBCE(0.2, 0.6)(logits, torch.tensor([[0.0, 1.0]])).backward()
    assert logits.grad.tolist() == [pytest.approx([(0.5 - 0.2) / 2, (0.5 - 0.6) / 2])]


@pytest.mark.parametrize(("low", "high"), [(-0.1, 0.9), (0.5, 0.5), (0.1, 1.1)])
def test_impossible_limits_are_named(low, high):
    with pytest.raises(InputError, match="low < high"):
        SqueezedBCE(low, high)
