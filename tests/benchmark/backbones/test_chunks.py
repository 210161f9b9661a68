"""Chunks of a clip: what is cut, and that each is embedded as if it were alone."""

import pytest
import torch
from torch import nn

from benchmark.backbones.branch_cnn import BranchCNN
from benchmark.backbones.chunks import Chunks, cut_chunks
from benchmark.errors import InputError


class Mean(nn.Module):
    input = "features"

    def forward(self, features):
        return features.mean((2, 3))


def test_a_clip_of_ten_seconds_has_ten_chunks_in_order_and_drops_its_last_frame():
    features = torch.arange(501.0).reshape(1, 1, 501, 1).expand(2, 1, 501, 3)
    chunks = cut_chunks(features, 50)
    assert chunks.shape == (2, 10, 1, 50, 3)
    assert torch.equal(chunks[1, 7, 0, :, 2], torch.arange(350.0, 400.0))


def test_a_short_clip_is_padded_to_one_chunk():
    chunks = cut_chunks(torch.ones(1, 2, 30, 4), 50)
    assert chunks.shape == (1, 1, 2, 50, 4)
    assert chunks.sum() == 2 * 30 * 4


def test_every_chunk_has_the_vector_it_would_have_alone():
    torch.manual_seed(0)
    backbone = BranchCNN(2, (4, 8), n_mels=16).eval()
    x = torch.randn(3, 2, 65, 16)
    together = Chunks(backbone, 20)(x)
    assert together.shape == (3, 3, 16)
    for place in range(3):
        alone = backbone(x[:, :, 20 * place : 20 * place + 20])
        torch.testing.assert_close(together[:, place], alone)
    assert Chunks.input == "features"


def test_a_network_that_gives_no_vector_is_named():
    class Map(Mean):
        def forward(self, features):
            return features

    with pytest.raises(InputError, match="Map gave shape"):
        Chunks(Map(), 5)(torch.zeros(1, 1, 10, 3))
    with pytest.raises(InputError, match="frames must be at least 1"):
        Chunks(Mean(), 0)
    with pytest.raises(InputError, match="Linear does not take features"):
        Chunks(nn.Linear(2, 2), 5)
