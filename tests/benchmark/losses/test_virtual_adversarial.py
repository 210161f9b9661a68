"""Virtual adversarial training on networks whose worst direction is known."""

import math

import pytest
import torch
from torch.nn.functional import normalize

from benchmark.errors import InputError
from benchmark.losses.virtual_adversarial import VirtualAdversarial, bernoulli_divergence, frozen_statistics


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def linear(weight, bias=0.0):
    return lambda x: x.flatten(1) @ weight.T + bias


def test_the_divergence_is_its_closed_form():
    p, q = [0.2, 0.9], [0.6, 0.5]
    expected = sum(a * math.log(a / b) + (1 - a) * math.log((1 - a) / (1 - b)) for a, b in zip(p, q, strict=True))
    divergence = bernoulli_divergence(torch.logit(torch.tensor([p, p])), torch.logit(torch.tensor([q, p])))
    assert divergence.tolist() == pytest.approx([expected, 0], abs=1e-6)


def test_certain_predictions_have_finite_divergence_and_gradients():
    q = torch.tensor([[-200.0, 200.0]], requires_grad=True)
    divergence = bernoulli_divergence(torch.tensor([[200.0, 200.0]]), q)
    divergence.sum().backward()
    assert divergence.item() == pytest.approx(200)  # log(1 / sigmoid(-200)); the second class agrees
    assert q.grad.isfinite().all()


def test_of_one_linear_class_the_worst_direction_is_its_weights():
    weight, x = torch.randn(1, 30), torch.randn(5, 1, 6, 5)
    network = linear(weight)
    found = VirtualAdversarial().direction(network, x, network(x))
    along = found.flatten(1) @ normalize(weight).T
    torch.testing.assert_close(along.abs(), torch.ones(5, 1))
    assert found.shape == x.shape


def test_the_loss_of_one_linear_class_is_analytic():
    """Moving by eps along the weights w changes the logit by eps |w|, up or down as the random start has it."""
    weight, x = torch.full((1, 4), 0.5), torch.randn(1, 1, 2, 2)  # |w| = 1
    network, loss = linear(weight, 0.3), VirtualAdversarial(eps=0.7, weight=3.0)
    z = network(x).item()
    p = 1 / (1 + math.exp(-z))
    expected = []
    for moved in (z + 0.7, z - 0.7):
        q = 1 / (1 + math.exp(-moved))
        expected.append(3 * (p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))))
    values = {round(loss(network, x, network(x)).item(), 6) for _ in range(20)}
    assert sorted(values) == pytest.approx(sorted(expected), abs=1e-5)


def test_of_several_linear_classes_power_iterations_find_the_largest_eigenvector():
    """For small steps the divergence is d^T H d / 2 with H = sum_c p_c (1 - p_c) w_c w_c^T."""
    weight, x = torch.randn(3, 8), torch.randn(4, 8)
    network = linear(weight)
    logits = network(x)
    found = VirtualAdversarial(xi=0.05, iterations=60).direction(network, x, logits)
    for direction, p in zip(found, logits.sigmoid(), strict=True):
        hessian = (weight.T * (p * (1 - p))) @ weight
        largest = torch.linalg.eigh(hessian).eigenvectors[:, -1]
        assert (direction @ largest).abs().item() == pytest.approx(1, abs=0.01)


def test_more_iterations_do_not_find_less():
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(40, 16), torch.nn.Tanh(), torch.nn.Linear(16, 4))
    x = torch.randn(64, 1, 8, 5)
    one, five = (VirtualAdversarial(eps=1.0, xi=0.1, iterations=n)(network, x, network(x)).item() for n in (1, 5))
    noise = torch.nn.functional.normalize(torch.randn(64, 40)).view_as(x)
    chance = bernoulli_divergence(network(x), network(x + noise)).mean().item()
    assert chance < one < five


def test_the_perturbation_has_length_eps_and_leaves_padding_alone():
    x = torch.randn(3, 1, 6, 4)
    x[1, :, 2:] = 0
    seen = []

    def network(y):
        seen.append(y.detach())
        return y.flatten(1) @ torch.ones(24, 2)

    VirtualAdversarial(eps=1.5)(network, x, network(x))
    moved = (seen[-1] - x).flatten(1)
    torch.testing.assert_close(moved.norm(dim=1), torch.full((3,), 1.5))
    assert not seen[-1][1, :, 2:].any()


def test_the_unchanged_prediction_is_taken_as_given():
    weight = torch.randn(1, 4, requires_grad=True)
    x = torch.randn(2, 4)
    logits = linear(weight)(x)
    assert not VirtualAdversarial()(linear(weight.detach()), x, logits).requires_grad
    VirtualAdversarial()(linear(weight), x, logits).backward()
    assert weight.grad.isfinite().all() and weight.grad.any()


def test_tiny_gradients_still_have_a_direction_and_none_has_none():
    weight, x = torch.full((1, 4), 1e-12), torch.randn(2, 4)
    found = VirtualAdversarial(xi=1e-3).direction(linear(weight), x, linear(weight)(x) + 1e-3)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(2))
    nothing = VirtualAdversarial().direction(linear(0 * weight), x, torch.zeros(2, 1))
    assert not nothing.any()


def test_it_is_in_float32_under_autocast():
    network, x = torch.nn.Linear(6, 2), torch.randn(3, 6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = VirtualAdversarial()(network, x, network(x))
    assert loss.dtype == torch.float32
    loss.backward()


def test_statistics_stay_while_they_are_frozen():
    norm = torch.nn.BatchNorm1d(3)
    network = torch.nn.Sequential(norm)
    with frozen_statistics(network):
        output = network(5 + torch.randn(50, 3))
    assert output.mean().abs() < 1e-5  # of the batch, as in training
    assert not norm.running_mean.any() and norm.num_batches_tracked == 0 and norm.momentum == 0.1
    network(5 + torch.randn(50, 3))
    assert norm.running_mean.min() > 0.3 and norm.num_batches_tracked == 1


@pytest.mark.parametrize("setting", ["eps", "xi", "iterations"])
def test_wrong_settings_are_named(setting):
    with pytest.raises(InputError, match=setting):
        VirtualAdversarial(**{setting: 0})
    with pytest.raises(InputError, match="weight"):
        VirtualAdversarial(weight=-1)
