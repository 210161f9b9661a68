"""A random chunk a clip: each equally likely, whole, with its clip's target, and never padding."""

import pytest
import torch

from benchmark.augmentations.chunks import RandomChunk
from benchmark.backbones.chunks import Chunks
from benchmark.errors import InputError
from benchmark.heads.hidden import MeanSoftmax


def starts(lengths, frames=50, total=501):
    torch.manual_seed(0)
    features = torch.arange(float(total)).reshape(1, 1, total, 1).expand(len(lengths), 1, total, 1)
    target = torch.eye(len(lengths))
    kept, real, same = RandomChunk(frames)(features, torch.tensor(lengths), target)
    assert kept.shape == (len(lengths), 1, frames, 1)
    assert torch.equal(same, target)
    return kept[:, 0, 0, 0].long(), real


def test_every_chunk_is_as_likely_as_any_other():
    first, real = starts([501] * 2000)
    counts = torch.bincount(first // 50, minlength=10)
    assert not (first % 50).any()
    assert (real == 50).all()
    assert len(counts) == 10
    assert ((counts - 200).abs() < 5 * (2000 * 0.1 * 0.9) ** 0.5).all()


def test_chunks_of_padding_are_never_kept():
    first, real = starts([130] * 300 + [50] * 300 + [3])
    assert set(first[:300].tolist()) == {0, 50, 100}
    assert torch.equal(real[:300], (130 - first[:300]).clamp(max=50))
    assert not first[300:].any()
    assert real[-1] == 3


def test_a_clip_shorter_than_a_chunk_is_padded():
    first, real = starts([30], total=30)
    assert (first.item(), real.item()) == (0, 30)


def test_evaluation_keeps_the_whole_clip():
    features, lengths, target = torch.randn(2, 1, 100, 4), torch.tensor([100, 70]), torch.eye(2)
    assert RandomChunk(50).eval()(features, lengths, target) == (features, lengths, target)


def test_in_training_the_loss_is_that_of_single_chunks():
    class Mean(torch.nn.Module):
        input = "features"

        def forward(self, features):
            return features.mean((2, 3))

    torch.manual_seed(0)
    head, backbone = MeanSoftmax(2, 3, [4]), Chunks(Mean(), 50)
    kept, real, target = RandomChunk(50)(
        torch.randn(5, 2, 501, 4), torch.full((5,), 501), torch.eye(3)[[0, 1, 2, 0, 1]]
    )
    loss = torch.nn.functional.cross_entropy(head(backbone(kept), real / 50), target)
    logits = head.classifier(head.hidden(kept.mean((2, 3))))
    torch.testing.assert_close(loss, torch.nn.functional.cross_entropy(logits, target))


def test_an_impossible_chunk_is_refused():
    with pytest.raises(InputError, match="frames must be at least 1"):
        RandomChunk(0)
