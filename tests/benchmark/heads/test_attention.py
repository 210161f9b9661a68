"""Attention over frames against the formula of its card."""

import pytest
import torch

from benchmark.errors import InputError
from benchmark.heads.attention import ClassAttention
from benchmark.training.counting import count_parameters
from benchmark.training.kinds import Framewise


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def test_the_clip_is_the_weighted_mean_of_valid_frames():
    head = ClassAttention(6, 3)
    x, valid = torch.randn(3, 10, 6), torch.tensor([0.2, 0.55, 1.0])
    for clip, frames, logits in zip(x, [2, 6, 10], head(x, valid), strict=True):
        present, weight = head.classifier(clip[:frames]).sigmoid(), head.attention(clip[:frames]).softmax(1)
        torch.testing.assert_close(logits.sigmoid(), (present * weight).sum(0) / weight.sum(0), rtol=0, atol=1e-6)


def test_by_hand():
    """Two frames: the first class has attention 3/4 and 1/4, and probabilities 1/2 and 4/5; the second always 1/2."""
    head = ClassAttention(2, 2)
    with torch.no_grad():
        head.classifier.weight.copy_(torch.tensor([[1.0, 4.0], [1.0, 1.0]]).log())  # odds
        head.attention.weight.copy_(torch.tensor([[3.0, 1.0], [1.0, 3.0]]).log())
    probability = head(torch.eye(2)[None]).sigmoid()
    torch.testing.assert_close(probability, torch.tensor([[0.75 * 0.5 + 0.25 * 0.8, 0.5]]))


def test_frames_are_those_of_the_classification():
    head, x = ClassAttention(6, 3), torch.randn(2, 10, 6)
    assert isinstance(head, Framewise)
    torch.testing.assert_close(head.frame_logits(x), head.classifier(x))


def test_parameters_of_the_card():
    assert count_parameters(ClassAttention(128, 10)) == 2 * 1_290


def test_alone_or_in_a_batch():
    head, x, valid = ClassAttention(6, 3), torch.randn(3, 15, 6), torch.tensor([3, 120, 240]) / 240
    for index, frames in enumerate([1, 8, 15]):
        alone = head(x[index : index + 1, :frames], torch.ones(1))
        torch.testing.assert_close(head(x, valid)[index], alone[0], rtol=0, atol=1e-6)


def test_saturated_frames_give_finite_logits_and_gradients():
    head = ClassAttention(1, 2)
    head.classifier.weight.data.fill_(1.0)
    x = torch.tensor([[[200.0], [200.0]], [[-200.0], [-200.0]]], requires_grad=True)
    logits = head(x, torch.tensor([0.5, 1.0]))
    torch.testing.assert_close(logits, torch.tensor([[200.0, 200.0], [-200.0, -200.0]]))
    logits.sum().backward()
    assert x.grad.isfinite().all()
    assert x.grad[0, 1] == 0  # padding


def test_wrong_use_is_named():
    with pytest.raises(InputError, match=r"must give \(batch, time, dim\)"):
        ClassAttention(4, 2)(torch.zeros(1, 4))
