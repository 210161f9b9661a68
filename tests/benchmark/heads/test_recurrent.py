"""The recurrent head: tags of the GRU as it is, frames of the weighted one."""

import pytest
import torch

from benchmark.backbones import CRNN
from benchmark.backbones.conv_recurrent import ConvBlock, ConvRecurrent
from benchmark.backbones.recurrence import scaled_recurrence
from benchmark.errors import InputError
from benchmark.heads import MeanProbability
from benchmark.heads.recurrent import RecurrentMean
from benchmark.training.counting import count_parameters
from benchmark.training.kinds import Framewise

OMEGAS = [0.2, 1.0, 0.2]


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def test_frames_of_each_class_have_its_own_recurrence_and_tags_have_none():
    head, x = RecurrentMean(5, 3, hidden=4, omega=OMEGAS).eval(), torch.randn(2, 9, 5)
    with torch.no_grad():
        plain = head.mean.frame_logits(head.gru(x)[0])
        with scaled_recurrence(head.gru, 0.2):
            weak = head.mean.frame_logits(head.gru(x)[0])
        frames, tags = head.frame_logits(x), head(x)
    assert not torch.allclose(plain, weak, atol=1e-3)
    torch.testing.assert_close(frames, torch.where(torch.tensor(OMEGAS) == 1, plain, weak))
    torch.testing.assert_close(tags.sigmoid(), plain.sigmoid().mean(1))


def test_training_knows_no_weights():
    head, x = RecurrentMean(5, 3, hidden=4, dropout=0.0, omega=0.2), torch.randn(2, 9, 5)
    torch.testing.assert_close(head.frame_logits(x), head.mean.frame_logits(head.gru(x)[0]))
    head.frame_logits(x).sum().backward()


def test_with_convolutions_it_is_as_large_as_the_baseline():
    blocks = [ConvBlock(64, pool=4, time_pool=2), ConvBlock(64, pool=4), ConvBlock(64, pool=4)]
    network = torch.nn.Sequential(ConvRecurrent(blocks, cell=None, dropout=0.3, spatial=True), RecurrentMean(64, 10))
    assert (
        count_parameters(network) == 126_090 == count_parameters(torch.nn.Sequential(CRNN(), MeanProbability(128, 10)))
    )
    assert network(torch.zeros(2, 1, 431, 64)).shape == (2, 10)
    assert network[1].frame_logits(network[0](torch.zeros(2, 1, 431, 64))).shape == (2, 215, 10)
    assert isinstance(network[1], Framewise)


def test_padding_counts_for_no_tag():
    head, x = RecurrentMean(5, 3, hidden=4).eval(), torch.randn(1, 10, 5)
    frames = head.frame_logits(x).sigmoid()
    torch.testing.assert_close(head(x, torch.tensor([0.4])).sigmoid(), frames[:, :4].mean(1))


def test_wrong_use_is_named():
    with pytest.raises(InputError, match="2 weights for 3 classes"):
        RecurrentMean(5, 3, omega=[0.2, 1.0])
    with pytest.raises(InputError, match="weights must be in"):
        RecurrentMean(5, 3, omega=2.0)
    with pytest.raises(InputError, match="dropout"):
        RecurrentMean(5, 3, dropout=1.0)
    with pytest.raises(InputError, match="one bin"):
        RecurrentMean(5, 3)(torch.zeros(1, 5, 9, 2))
