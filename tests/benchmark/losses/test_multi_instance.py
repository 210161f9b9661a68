"""Multi-instance loss against a case worked out by hand."""

import math

import pytest
import torch

from benchmark.losses.multi_instance import MaxMeanMinBCE


def entropy(target, probability):
    return -target * math.log(probability) - (1 - target) * math.log(1 - probability)


def logit(probability):
    return math.log(probability / (1 - probability))


def test_by_hand():
    """A present class with 0.2, 0.7 and 0.9, an absent one with 0.1, 0.3 and 0.2, and a frame of padding."""
    curves = [[0.2, 0.1], [0.7, 0.3], [0.9, 0.2], [0.999, 0.999]]
    logits = torch.tensor([[[logit(p) for p in frame] for frame in curves]])
    expected = entropy(1, 0.9) + entropy(0.5, 0.6) + entropy(0, 0.2)
    expected += entropy(0, 0.3) + entropy(0, 0.2) + entropy(0, 0.1)
    loss = MaxMeanMinBCE()(logits, torch.tensor([[1.0, 0.0]]), torch.tensor([3]))
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    assert MaxMeanMinBCE.on == "frames"


def test_it_is_the_mean_over_clips():
    torch.manual_seed(0)
    logits, target, frames = torch.randn(3, 8, 4), torch.randint(2, (3, 4)).float(), torch.tensor([2, 8, 5])
    loss = MaxMeanMinBCE()
    alone = [loss(logits[i : i + 1, :n], target[i : i + 1], frames[i : i + 1]) for i, n in enumerate([2, 8, 5])]
    torch.testing.assert_close(loss(logits, target, frames), torch.stack(alone).mean())


def test_saturated_frames_and_padding_give_finite_gradients():
    logits = torch.tensor([[[300.0], [-300.0], [300.0]]], requires_grad=True)
    loss = MaxMeanMinBCE()(logits, torch.tensor([[1.0]]), torch.tensor([2]))
    loss.backward()
    assert loss.item() == pytest.approx(math.log(2), abs=1e-5)  # only the mean of one half is unsure
    assert logits.grad.isfinite().all()
    assert logits.grad[0, 2] == 0


def test_a_perfect_half_has_the_smallest_loss():
    """Half of the frames at 1, the others at 0: nothing but the entropy of one half is left."""
    worse = torch.tensor([[[9.0], [9.0], [9.0], [-9.0]]])
    half = torch.tensor([[[9.0], [9.0], [-9.0], [-9.0]]])
    loss, target, frames = MaxMeanMinBCE(), torch.ones(1, 1), torch.tensor([4])
    assert math.log(2) <= loss(half, target, frames) < loss(worse, target, frames)
