"""Random excerpts of clips whose frames carry their number."""

import pytest
import torch

from benchmark.augmentations.crop import RandomExcerpt
from benchmark.errors import InputError


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def numbered(lengths, frames):
    """Frames 1, 2, 3 …, 0 in the padding, `(batch, 2, frames, 3)`."""
    number = torch.arange(1.0, frames + 1) * (torch.arange(frames) < lengths[:, None])
    return number[:, None, :, None].expand(-1, 2, -1, 3)


def test_every_place_of_the_valid_frames_is_equally_likely():
    lengths, target = torch.tensor([4, 6, 10]), torch.eye(3)
    features, starts = numbered(lengths, 10), []
    for _ in range(2000):
        out, kept, same = RandomExcerpt(4)(features, lengths, target)
        assert out.shape == (3, 2, 4, 3)
        assert kept.tolist() == [4, 4, 4]
        assert same is target
        first = out[:, 0, :1, 0]
        assert torch.equal(out, (first + torch.arange(4))[:, None, :, None].expand_as(out))
        starts.append(first.flatten() - 1)
    for clip, places in enumerate((1, 3, 7)):
        counts = torch.stack(starts)[:, clip].long().bincount()
        assert len(counts) == places
        assert (counts > 0.8 * 2000 / places).all()


def test_shorter_clips_are_padded():
    lengths = torch.tensor([2, 3])
    out, kept, _ = RandomExcerpt(5)(numbered(lengths, 3), lengths, torch.eye(2))
    assert out[:, 0, :, 0].tolist() == [[1, 2, 0, 0, 0], [1, 2, 3, 0, 0]]
    assert kept.tolist() == [2, 3]


def test_repeatable_and_only_in_training():
    features, lengths, target = torch.randn(16, 1, 50, 4), torch.full((16,), 50), torch.zeros(16, 1)
    augmentation = RandomExcerpt(8)
    assert augmentation.domain == "features"
    torch.manual_seed(1)
    first, _, _ = augmentation(features, lengths, target)
    torch.manual_seed(1)
    assert torch.equal(augmentation(features, lengths, target)[0], first)
    assert augmentation.eval()(features, lengths, target)[0] is features


def test_wrong_use_is_named():
    with pytest.raises(InputError, match="frames"):
        RandomExcerpt(0)
