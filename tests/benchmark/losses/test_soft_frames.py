"""Frame-wise loss on targets of frames."""

import pytest
import torch

from benchmark.errors import InputError
from benchmark.losses import FrameBCE
from benchmark.losses.soft_frames import SoftFrameBCE


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def test_the_mean_over_valid_frames_then_over_clips():
    logits, target, frames = torch.randn(2, 5, 3), torch.rand(2, 5, 3), torch.tensor([2, 5])
    p = logits.sigmoid()
    entropy = -(target * p.log() + (1 - target) * (1 - p).log())
    expected = (entropy[0, :2].mean() + entropy[1].mean()) / 2
    torch.testing.assert_close(SoftFrameBCE()(logits, target, frames), expected)
    target[0, 2:] = float("nan")
    logits[0, 2:] = 1e4
    torch.testing.assert_close(SoftFrameBCE()(logits, target, frames), expected)
    assert SoftFrameBCE.on == "frames"


def test_targets_that_last_all_the_time_are_tags():
    logits, tags, frames = torch.randn(2, 5, 3), torch.rand(2, 3), torch.tensor([3, 5])
    strong = tags[:, None].expand(2, 5, 3)
    torch.testing.assert_close(SoftFrameBCE()(logits, strong, frames), FrameBCE()(logits, tags, frames))


def test_it_is_least_at_the_soft_target():
    target = torch.tensor([[[0.3], [0.9]]])
    logits = torch.logit(target).requires_grad_()
    SoftFrameBCE()(logits, target, torch.tensor([2])).backward()
    torch.testing.assert_close(logits.grad, torch.zeros(1, 2, 1), rtol=0, atol=1e-7)


def test_targets_of_clips_are_refused():
    with pytest.raises(InputError, match="learns from labels of frames"):
        SoftFrameBCE()(torch.zeros(2, 5, 3), torch.zeros(2, 3), torch.tensor([5, 5]))
