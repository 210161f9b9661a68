"""Weighted recurrence against a GRU written out step by step."""

import pytest
import torch

from benchmark.backbones.recurrence import scaled_recurrence
from benchmark.errors import InputError


def weighted_gru(gru, x, omega, suffix=""):
    """`h_t = z h_(t-1) + (1 - z) n`, where every gate sees `omega` times the state before `(time, dim)`."""
    w, u, b, c = (getattr(gru, f"{name}_l0{suffix}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    (w_r, w_z, w_n), (u_r, u_z, u_n), (b_r, b_z, b_n), (c_r, c_z, c_n) = (part.chunk(3) for part in (w, u, b, c))
    state, found = torch.zeros(gru.hidden_size), []
    for frame in x if not suffix else x.flip(0):
        seen = omega * state
        reset = torch.sigmoid(w_r @ frame + b_r + u_r @ seen + c_r)
        keep = torch.sigmoid(w_z @ frame + b_z + u_z @ seen + c_z)
        new = torch.tanh(w_n @ frame + b_n + reset * (u_n @ seen + c_n))
        state = keep * state + (1 - keep) * new
        found.append(state)
    output = torch.stack(found)
    return output.flip(0) if suffix else output


@pytest.mark.parametrize("omega", [0.0, 0.2, 1.0])
def test_every_gate_sees_the_weighted_state(omega):
    torch.manual_seed(0)
    gru, x = torch.nn.GRU(4, 6, batch_first=True, bidirectional=True), torch.randn(11, 4)
    with scaled_recurrence(gru, omega), torch.inference_mode():
        output = gru(x[None])[0][0]
    expected = torch.cat([weighted_gru(gru, x, omega), weighted_gru(gru, x, omega, "_reverse")], dim=1)
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-6)


def test_afterwards_nothing_has_changed_even_after_an_error():
    torch.manual_seed(0)
    gru = torch.nn.GRU(4, 6, bidirectional=True)
    before = {name: parameter.clone() for name, parameter in gru.named_parameters()}
    with pytest.raises(KeyError), scaled_recurrence(gru, 0.3):
        assert not torch.equal(gru.weight_hh_l0, before["weight_hh_l0"])
        raise KeyError
    assert all(torch.equal(parameter, before[name]) for name, parameter in gru.named_parameters())


def test_wrong_weights_are_named():
    with pytest.raises(InputError, match="omega must be in"), scaled_recurrence(torch.nn.GRU(2, 2), 1.5):
        pass
