"""A front end behind waveform steps."""

import torch
from torch import nn

from benchmark.frontends import LogMel
from benchmark.frontends.preprocessed import Preprocessed
from benchmark.frontends.silence import TrimSilence


class Shorten(nn.Module):
    """Leaves out the first samples."""

    def forward(self, waveform, lengths):
        return waveform[..., 100:], lengths - 100


def test_steps_run_in_order_before_the_front_end():
    torch.manual_seed(0)
    waveform, lengths = torch.randn(2, 1, 4000), torch.tensor([4000, 3000])
    frontend = LogMel(8000, n_fft=256, hop_length=80)
    trim = TrimSilence(8000)
    features, frames = Preprocessed([Shorten(), trim], frontend)(waveform, lengths)
    expected = frontend(*trim(waveform[..., 100:], lengths - 100))
    assert torch.equal(features, expected[0])
    assert torch.equal(frames, expected[1])


def test_it_answers_for_its_front_end():
    frontend = LogMel(8000, n_fft=256, hop_length=80, engine="torch")
    wrapped = Preprocessed([], frontend)
    assert wrapped.frames_per_second == 100
    assert wrapped.engine_on("cpu") == "torch"
    bare = Preprocessed([], Shorten())
    assert bare.frames_per_second is None
    assert bare.engine_on("cpu") == "none"
