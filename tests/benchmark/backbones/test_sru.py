"""The simple recurrent unit against its equations, frame by frame."""

import pytest
import torch

from benchmark.backbones.sru import SRU, decaying_sum
from benchmark.errors import InputError
from benchmark.training.counting import count_parameters


def by_hand(layer, x, direction):
    """The equations of the card for one clip `(time, dim)`, with all biases and matrices taken apart."""
    blocks = layer.linear.weight.split(layer.hidden)
    weights = blocks[direction * layer.maps : (direction + 1) * layer.maps]
    forget_bias, reset_bias = layer.bias[direction]
    state, found = torch.zeros(layer.hidden), []
    for frame in x if direction == 0 else x.flip(0):
        forget = torch.sigmoid(weights[1] @ frame + forget_bias)
        reset = torch.sigmoid(weights[2] @ frame + reset_bias)
        state = forget * state + (1 - forget) * (weights[0] @ frame)
        skipped = weights[3] @ frame if layer.maps == 4 else frame
        found.append(reset * torch.tanh(state) + (1 - reset) * skipped)
    output = torch.stack(found)
    return output if direction == 0 else output.flip(0)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("size", [5, 8])
def test_it_follows_its_equations(size, bidirectional):
    torch.manual_seed(0)
    layer = SRU(size, 8, bidirectional)
    torch.nn.init.normal_(layer.bias)
    x = torch.randn(3, 17, size)
    expected = [torch.cat([by_hand(layer, clip, d) for d in range(1 + bidirectional)], dim=1) for clip in x]
    torch.testing.assert_close(layer(x), torch.stack(expected), rtol=0, atol=1e-5)


def test_a_decaying_sum_of_constants_is_a_geometric_series():
    states = decaying_sum(torch.full((1, 6, 1), 0.5), torch.ones(1, 6, 1))
    torch.testing.assert_close(states.flatten(), 2 - 0.5 ** torch.arange(6.0))


def test_parameters():
    """Three matrices and two biases a direction; a fourth matrix where the input is not as wide as the state."""
    assert count_parameters(SRU(256, 128)) == 2 * (4 * 128 * 256 + 2 * 128)
    assert count_parameters(SRU(128, 128)) == 2 * (3 * 128 * 128 + 2 * 128)
    assert count_parameters(SRU(128, 128, bidirectional=False)) == 3 * 128 * 128 + 2 * 128


def test_the_state_is_in_float32_under_autocast():
    torch.manual_seed(0)
    layer, x = SRU(8, 8), torch.randn(2, 30, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = layer(x)
    assert output.dtype == torch.float32
    torch.testing.assert_close(output, layer(x), rtol=0, atol=0.05)


def test_gradients_reach_every_weight_from_the_last_frame():
    torch.manual_seed(0)
    layer, x = SRU(6, 4), torch.randn(2, 9, 6, requires_grad=True)
    layer(x)[:, -1].square().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in layer.parameters())
    assert (x.grad.abs().amax((0, 2)) > 0).all()


def test_wrong_sizes_are_named():
    with pytest.raises(InputError, match="hidden"):
        SRU(4, 0)
