"""The GRU against its equations, frame by frame."""

import pytest
import torch

from benchmark.backbones.gru import BidirectionalGRU
from benchmark.errors import InputError
from benchmark.training.counting import count_parameters


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def one_direction(x, w, u, b, hidden, activate):
    """The equations for one clip `(time, dim)`, gates apart."""
    h, states = torch.zeros(hidden), []
    gates = [slice(i * hidden, (i + 1) * hidden) for i in range(3)]
    for frame in x:
        z, r = (torch.sigmoid(frame @ w[:, g] + h @ u[:, g] + b[g]) for g in gates[:2])
        n = activate(frame @ w[:, gates[2]] + (r * h) @ u[:, gates[2]] + b[gates[2]])
        h = z * h + (1 - z) * n
        states.append(h)
    return torch.stack(states)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_states_are_those_of_the_equations(activation):
    layer, x = BidirectionalGRU(5, 3, activation), torch.randn(2, 6, 5)
    torch.nn.init.normal_(layer.bias)
    out = layer(x)
    assert out.shape == (2, 6, 6)
    activate = getattr(torch, activation)
    for clip, states in zip(x, out, strict=True):
        for direction, (seen, found) in enumerate([(clip, states[:, :3]), (clip.flip(0), states[:, 3:].flip(0))]):
            w, u, b = layer.weight_input[direction], layer.weight_hidden[direction], layer.bias[direction, 0]
            torch.testing.assert_close(found, one_direction(seen, w, u, b, 3, activate), rtol=0, atol=1e-6)


def test_without_recurrence_it_is_pytorchs():
    """Without state-to-state weights, where the reset stands makes no difference."""
    layer, other = BidirectionalGRU(5, 3), torch.nn.GRU(5, 3, batch_first=True, bidirectional=True)
    layer.weight_hidden.data.zero_()
    for direction, suffix in enumerate(("l0", "l0_reverse")):
        update, reset, new = layer.weight_input[direction].T.chunk(3)
        getattr(other, f"weight_ih_{suffix}").data = torch.cat([reset, update, new])
        for name in ("weight_hh", "bias_ih", "bias_hh"):
            getattr(other, f"{name}_{suffix}").data.zero_()
    x = torch.randn(2, 7, 5)
    torch.testing.assert_close(layer(x), other(x)[0], rtol=0, atol=1e-6)


def test_one_bias_a_gate():
    """Half of the 3,148,800 parameters that card task2-noisy-labels-iqbal's CRNN adds, in each direction."""
    assert count_parameters(BidirectionalGRU(512, 512)) == 2 * 3 * (512 * 512 + 512 * 512 + 512) == 3_148_800


def test_recurrent_weights_start_orthogonal_and_biases_at_zero():
    layer = BidirectionalGRU(16, 8)
    for direction in range(2):
        rows = layer.weight_hidden[direction]
        torch.testing.assert_close(rows @ rows.T, torch.eye(8), rtol=0, atol=1e-5)
        assert layer.weight_input[direction].abs().max() <= (6 / (16 + 24)) ** 0.5
    assert not layer.bias.any()


def test_wrong_use_is_named():
    with pytest.raises(InputError, match="activation must be"):
        BidirectionalGRU(2, 2, "sigmoid")
    with pytest.raises(InputError, match="at least 1"):
        BidirectionalGRU(2, 0)
