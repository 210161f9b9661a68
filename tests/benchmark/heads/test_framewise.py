"""Detection heads against loops over single clips."""

import pytest
import torch

from benchmark.errors import InputError
from benchmark.heads import FrequencyMaxTimeMean, MeanProbability


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def test_frequency_maximum_and_time_mean_of_valid_frames():
    head = FrequencyMaxTimeMean(6, 3)
    x, valid = torch.randn(3, 6, 10, 4), torch.tensor([0.2, 0.55, 1.0])
    for clip, frames, logits in zip(x, [2, 6, 10], head(x, valid), strict=True):
        expected = head.classifier(clip.amax(2)[:, :frames].mean(1))
        torch.testing.assert_close(logits, expected, rtol=0, atol=1e-6)


def test_frequency_maximum_of_each_frame():
    head = FrequencyMaxTimeMean(6, 3)
    x = torch.randn(2, 6, 10, 4)
    torch.testing.assert_close(head.frame_logits(x), head.classifier(x.amax(3).transpose(1, 2)), rtol=0, atol=1e-6)


def test_the_mean_is_taken_of_probabilities():
    head = MeanProbability(6, 3)
    x, valid = torch.randn(3, 10, 6), torch.tensor([0.2, 0.55, 1.0])
    for clip, frames, logits in zip(x, [2, 6, 10], head(x, valid), strict=True):
        expected = head.classifier(clip[:frames]).sigmoid().mean(0)
        torch.testing.assert_close(logits.sigmoid(), expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(head.frame_logits(x), head.classifier(x))


def test_saturated_frames_give_finite_logits_and_gradients():
    head = MeanProbability(1, 1)
    head.classifier.weight.data.fill_(1.0)
    x = torch.tensor([[[200.0], [200.0]], [[-200.0], [-200.0]], [[200.0], [-200.0]]], requires_grad=True)
    logits = head(x)
    torch.testing.assert_close(logits[:, 0], torch.tensor([200.0, -200.0, 0.0]))
    logits.sum().backward()
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("head", [FrequencyMaxTimeMean(6, 3), MeanProbability(6, 3)])
def test_alone_or_in_a_batch(head):
    x, valid = torch.randn(3, 15, 6), torch.tensor([3, 120, 240]) / 240
    for index, frames in enumerate([1, 8, 15]):
        alone = head(x[index : index + 1, :frames], torch.ones(1))
        torch.testing.assert_close(head(x, valid)[index], alone[0], rtol=0, atol=1e-6)


def test_weights_start_glorot_uniform():
    linear = MeanProbability(512, 10).classifier
    bound = (6 / 522) ** 0.5
    assert 0.98 * bound < linear.weight.abs().max() <= bound
    assert not linear.bias.any()


def test_wrong_use_is_named():
    with pytest.raises(InputError, match=r"must give \(batch, time, dim\)"):
        MeanProbability(4, 2)(torch.zeros(1, 4))
    with pytest.raises(InputError, match="n_classes"):
        MeanProbability(4, 0)
