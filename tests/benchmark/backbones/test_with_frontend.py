"""A network behind a front end of its own."""

import math

import pytest
import torch
from torch import nn

from benchmark.backbones.with_frontend import WithFrontend
from benchmark.errors import InputError
from benchmark.frontends import LogMel, Standardize, SubtractTemporalMean, VGGishLogMel
from benchmark.frontends.levels import RelativeToMaximum


class Seen(nn.Module):
    """Gives what it got."""

    input = "features"

    def forward(self, features):
        return features


def test_the_network_sees_what_the_recipe_would_show_it():
    frontend, waveform = LogMel(8_000, 256, 128, 16), torch.randn(2, 1, 8_000)
    features, lengths = RelativeToMaximum()(*frontend(waveform, torch.tensor([8_000, 8_000])))
    assert torch.equal(WithFrontend(frontend, Seen(), [RelativeToMaximum()])(waveform), features)
    assert lengths.tolist() == [63, 63]


def test_a_clip_is_treated_alike_alone_and_in_a_batch():
    network = WithFrontend(LogMel(8_000, 256, 128, 16), Seen(), [SubtractTemporalMean()])
    waveform = torch.randn(3, 1, 4_000)
    waveform[1, :, 1_000:] = 0
    alone = torch.cat([network(clip[None]) for clip in waveform])
    assert torch.allclose(network(waveform), alone, atol=1e-5)


def test_the_waveform_is_brought_to_the_rate_of_the_front_end():
    """A tone of 1 kHz at 44.1 kHz has the bands that it has at 16 kHz."""
    seconds = 2
    tones = [0.5 * torch.sin(2 * math.pi * 1000 * torch.arange(seconds * rate) / rate) for rate in (44_100, 16_000)]
    network = WithFrontend(VGGishLogMel(), Seen(), sample_rate=44_100)
    found = network(tones[0][None, None])
    expected, _ = VGGishLogMel()(tones[1][None, None], torch.tensor([seconds * 16_000]))
    assert found.shape == expected.shape == (1, 1, 198, 64)
    assert (found.exp() - expected.exp())[:, :, 5:-5].abs().amax() < 1e-3 * expected.exp().amax()
    assert not network.state_dict()


def test_the_same_rate_is_not_resampled():
    assert WithFrontend(LogMel(44_100), Seen(), sample_rate=44_100).resample is None


class NoRate(nn.Module):
    def forward(self, waveform, lengths):
        return waveform[:, :, :, None], lengths


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: WithFrontend(LogMel(), nn.Linear(1, 1)), "Linear takes no features"),
        (lambda: WithFrontend(LogMel(), Seen(), [Standardize(64)]), "Standardize is fitted on training data"),
        (lambda: WithFrontend(NoRate(), Seen(), sample_rate=8_000), "NoRate does not say which rate it wants"),
    ],
)
def test_impossible_settings_are_named(make, match):
    with pytest.raises(InputError, match=match):
        make()
