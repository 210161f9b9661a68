"""Class maps against loops over single clips."""

import pytest
import torch

from benchmark.errors import InputError
from benchmark.heads.class_maps import ClassMaps
from benchmark.training.counting import count_parameters


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def test_logits_are_means_of_normalised_maps_over_valid_frames():
    head, x, valid = ClassMaps(6, 3).eval(), torch.randn(4, 6, 10, 5), torch.tensor([0.01, 0.35, 0.5, 1.0])
    head.norm.running_mean.normal_()
    head.norm.running_var.uniform_(0.5, 2)
    maps = torch.einsum("bdtf,cd->bctf", x, head.convolution.weight[:, :, 0, 0])
    scale = (head.norm.running_var + head.norm.eps).rsqrt()
    maps = (maps - head.norm.running_mean[:, None, None]) * scale[:, None, None]
    for clip, frames, logits in zip(maps, [1, 4, 5, 10], head(x, valid), strict=True):
        torch.testing.assert_close(logits, clip[:, :frames].mean((1, 2)), rtol=0, atol=1e-5)
    torch.testing.assert_close(head(x), head(x, torch.ones(4)))
    torch.testing.assert_close(head.frame_logits(x), maps.mean(3).transpose(1, 2), rtol=0, atol=1e-5)


def test_normalised_maps_leave_the_softmax_of_the_batch_even():
    """In training each class's map has mean 0 over the batch, so that no class is ahead of the others."""
    logits = ClassMaps(6, 3)(5 + torch.randn(8, 6, 10, 5))
    torch.testing.assert_close(logits.mean(0), torch.zeros(3), rtol=0, atol=1e-5)


def test_parameters_of_the_card():
    """Rows 15 and 16 of card task2-cp-jku-self-verification: a convolution without bias, and normalisation."""
    assert count_parameters(ClassMaps(512, 41)) == 512 * 41 + 2 * 41


def test_wrong_use_is_named():
    with pytest.raises(InputError, match="must give a map"):
        ClassMaps(4, 2)(torch.zeros(1, 3, 4))
    with pytest.raises(InputError, match="n_classes"):
        ClassMaps(4, 0)
