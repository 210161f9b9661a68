"""Mean and maximum pooling with a hidden layer."""

import pytest
import torch

from benchmark.errors import InputError
from benchmark.heads.mean_max import MeanMaxDense
from benchmark.training.counting import count_parameters


def test_mean_and_maximum_are_taken_of_what_is_not_padding():
    torch.manual_seed(0)
    head = MeanMaxDense(6, 3, hidden=7).eval()
    x, valid = torch.randn(3, 6, 10, 4), torch.tensor([0.2, 0.55, 1.0])
    for clip, frames, logits in zip(x, [2, 6, 10], head(x, valid), strict=True):
        real = clip[:, :frames].flatten(1)
        hidden = head.hidden[0](torch.cat([real.mean(1), real.amax(1)])).relu()
        torch.testing.assert_close(logits, head.classifier(hidden), rtol=0, atol=1e-6)


def test_frames_are_clips_of_one_frame():
    torch.manual_seed(0)
    head, x = MeanMaxDense(6, 3, hidden=7).eval(), torch.randn(2, 6, 5, 4)
    for place, logits in enumerate(head.frame_logits(x).unbind(1)):
        torch.testing.assert_close(logits, head(x[:, :, place : place + 1]), rtol=0, atol=1e-6)


def test_parameters_of_the_card():
    """Dense layers of the clip classifier: 512 to 1024 to 10."""
    assert count_parameters(MeanMaxDense(256, 10)) == 512 * 1024 + 1024 + 1024 * 10 + 10


def test_dropout_is_before_the_last_layer():
    torch.manual_seed(0)
    seen = []
    head = MeanMaxDense(4, 2, hidden=50)
    head.classifier.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    x = torch.randn(1, 4, 6, 2)
    head(x)
    kept = head.hidden[1](head.hidden[0](torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1)))
    dropped = seen[0] == 0
    torch.testing.assert_close(seen[0], 2 * kept.masked_fill(dropped, 0.0))
    assert (dropped & (kept > 0)).any()


def test_wrong_use_is_named():
    with pytest.raises(InputError, match="hidden"):
        MeanMaxDense(4, 2, hidden=0)
    with pytest.raises(InputError, match="dropout"):
        MeanMaxDense(4, 2, dropout=1.0)
