"""Frame-wise loss, on targets of frames and of clips."""

import pytest
import torch

from benchmark.losses import FrameBCE


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def test_the_mean_over_valid_frames_then_over_clips():
    logits, target, frames = torch.randn(2, 5, 3), torch.rand(2, 5, 3), torch.tensor([2, 5])
    p = logits.sigmoid()
    entropy = -(target * p.log() + (1 - target) * (1 - p).log())
    expected = (entropy[0, :2].mean() + entropy[1].mean()) / 2
    torch.testing.assert_close(FrameBCE()(logits, target, frames), expected)
    target[0, 2:] = float("nan")
    logits[0, 2:] = 1e4
    torch.testing.assert_close(FrameBCE()(logits, target, frames), expected)
    assert FrameBCE.on == "frames"


def test_targets_that_last_all_the_time_are_tags():
    logits, tags, frames = torch.randn(2, 5, 3), torch.rand(2, 3), torch.tensor([3, 5])
    strong = tags[:, None].expand(2, 5, 3)
    torch.testing.assert_close(FrameBCE()(logits, strong, frames), FrameBCE()(logits, tags, frames))


def test_it_is_least_at_the_soft_target():
    target = torch.tensor([[[0.3], [0.9]]])
    logits = torch.logit(target).requires_grad_()
    FrameBCE()(logits, target, torch.tensor([2])).backward()
    torch.testing.assert_close(logits.grad, torch.zeros(1, 2, 1), rtol=0, atol=1e-7)


def test_tags_are_the_targets_of_all_frames():
    logits, target, frames = torch.randn(2, 5, 3), torch.tensor([[1.0, 0, 0], [0, 1, 1]]), torch.tensor([2, 5])
    probability = logits.sigmoid()
    entropy = -(target[:, None] * probability.log() + (1 - target[:, None]) * (1 - probability).log())
    expected = (entropy[0, :2].mean() + entropy[1].mean()) / 2
    torch.testing.assert_close(FrameBCE()(logits, target, frames), expected)
    logits[0, 2:] = 1e4  # padding
    torch.testing.assert_close(FrameBCE()(logits, target, frames), expected)
    assert FrameBCE.on == "frames"
