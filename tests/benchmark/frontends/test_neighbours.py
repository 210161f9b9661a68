"""The nearest-neighbour filter against a loop over frames; two channels of one spectrogram; their normalisation."""

import numpy as np
import pytest
import torch
import yaml
from jsonargparse import ArgumentParser

from benchmark.errors import InputError
from benchmark.frontends.log_mel import LogMel
from benchmark.frontends.neighbours import NeighbourLogMel, StandardizeChannels, neighbour_filter
from benchmark.frontends.transforms import Standardize

SETTINGS = {"sample_rate": 8000, "n_fft": 256, "hop_length": 128, "n_mels": 16, "f_min": 0, "power": 1}


def by_loop(frames, neighbours):
    """The rule of the card, frame by frame, in float64: the most similar other frames, the median of each band."""
    frames = np.asarray(frames, np.float64)
    filtered = frames.copy()
    for i in range(len(frames)):
        distance = np.sqrt(((frames - frames[i]) ** 2).sum(axis=1))
        others = [j for j in np.argsort(distance) if j != i][:neighbours]
        if others:
            filtered[i] = np.median(frames[others], axis=0)
    return filtered


@pytest.mark.parametrize("neighbours", [1, 4, 5])
def test_every_frame_is_the_median_of_the_most_similar_other_frames_of_its_clip_and_channel(neighbours):
    features = torch.rand(3, 2, 40, 6, generator=torch.Generator().manual_seed(0)) ** 4
    filtered = neighbour_filter(features, torch.tensor([40, 40, 40]), neighbours)
    for clip, channel in np.ndindex(3, 2):
        expected = by_loop(features[clip, channel], neighbours)
        np.testing.assert_allclose(filtered[clip, channel], expected, rtol=1e-6)


def test_padding_is_no_neighbour_and_stays_zero():
    features = torch.rand(5, 1, 12, 4, generator=torch.Generator().manual_seed(1))
    lengths = torch.tensor([12, 7, 4, 2, 1])  # 4 and 2 have fewer other frames than neighbours, 1 has none
    for clip, length in enumerate(lengths):
        features[clip, :, length:] = 0.5  # like real frames: it must be left out because of the length alone
    filtered = neighbour_filter(features, lengths, 5)
    for clip, length in enumerate(lengths):
        np.testing.assert_allclose(filtered[clip, 0, :length], by_loop(features[clip, 0, :length], 5), rtol=1e-6)
        assert not filtered[clip, :, length:].any()


def test_what_happens_once_goes_and_what_is_repeated_stays():
    background, event = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([9.0, 0.0, 9.0])
    features = background.expand(1, 1, 20, 3).clone()
    features[0, 0, [2, 5, 9, 11, 14, 17]] = event
    features[0, 0, 8] = torch.tensor([0.0, 50.0, 0.0])
    filtered = neighbour_filter(features, torch.tensor([20]), 5)[0, 0]
    expected = features[0, 0].clone()
    expected[8] = background
    torch.testing.assert_close(filtered, expected)


def test_a_clip_of_one_frame_stays_as_it_is():
    features = torch.rand(2, 1, 1, 3)
    torch.testing.assert_close(neighbour_filter(features, torch.tensor([1, 1]), 5), features)


def test_the_front_end_gives_the_log_mel_spectrogram_and_the_logarithm_of_the_filtered_one():
    waveform = torch.randn(2, 1, 8000, generator=torch.Generator().manual_seed(0))
    lengths = torch.tensor([8000, 5000])
    features, frames = NeighbourLogMel(5, log_offset=1e-3, **SETTINGS)(waveform, lengths)
    plain, plain_frames = LogMel(log_offset=1e-3, **SETTINGS)(waveform, lengths)
    mel, _ = LogMel(log=None, **SETTINGS)(waveform, lengths)
    assert features.shape == (2, 2, 63, 16)
    assert torch.equal(frames, plain_frames)
    torch.testing.assert_close(features[:, :1], plain)
    for clip, count in enumerate(frames):
        expected = np.log(by_loop(mel[clip, 0, :count], 5) + 1e-3)
        np.testing.assert_allclose(features[clip, 1, :count], expected, rtol=1e-4, atol=1e-5)
        assert not features[clip, :, count:].any()


def test_a_clip_gives_the_same_alone_and_beside_a_longer_one():
    front_end = NeighbourLogMel(**SETTINGS)
    waveform = torch.randn(1, 1, 5000, generator=torch.Generator().manual_seed(0))
    alone, frames = front_end(waveform, torch.tensor([5000]))
    both, _ = front_end(torch.nn.functional.pad(waveform, (0, 3000)).expand(2, 1, -1), torch.tensor([5000, 8000]))
    torch.testing.assert_close(both[:1, :, : frames[0]], alone[:, :, : frames[0]], rtol=1e-4, atol=1e-5)


def test_a_floor_below_the_maximum_is_that_of_each_channel():
    front_end = NeighbourLogMel(log="db", top_db=20.0, **SETTINGS)
    waveform = 1e-3 * torch.randn(1, 1, 8000, generator=torch.Generator().manual_seed(0))
    waveform[..., 4000:4020] += 1.0  # a click, which the filter takes away
    features, _ = front_end(waveform, torch.tensor([8000]))
    peaks, floors = features.amax((0, 2, 3)), features.amin((0, 2, 3))
    assert peaks[1] < peaks[0] - 20
    assert (floors >= peaks - 20 - 1e-4).all()


def test_a_recipe_may_name_the_settings_of_both():
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--frontend", type=torch.nn.Module)
    settings = yaml.safe_dump({"neighbours": 3, "n_mels": 40})
    name = "benchmark.frontends.neighbours.NeighbourLogMel"
    content = {"frontend": {"class_path": name, "init_args": yaml.safe_load(settings)}}
    front_end = parser.instantiate(parser.parse_object(content)).frontend
    assert (front_end.neighbours, front_end.n_mels, front_end.frames_per_second) == (3, 40, 100)


def test_each_channel_is_standardised_as_if_it_were_alone():
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(6, 2, 9, 4, generator=generator) * torch.tensor([1.0, 5.0])[:, None, None]
    features[:, 1] += torch.arange(4)
    lengths = torch.tensor([9, 9, 3, 9, 1, 9])
    together = StandardizeChannels(2, 4)
    together.fit([(features[:3], lengths[:3]), (features[3:], lengths[3:])])
    standard, _ = together(features, lengths)
    for channel in range(2):
        alone = Standardize(4)
        alone.fit([(features[:, [channel]], lengths)])
        torch.testing.assert_close(standard[:, [channel]], alone(features[:, [channel]], lengths)[0])
    copy = StandardizeChannels(2, 4)
    copy.load_state_dict(together.state_dict())
    torch.testing.assert_close(copy(features, lengths)[0], standard)


def test_wrong_sizes_are_named():
    with pytest.raises(InputError, match="neighbours must be at least 1"):
        NeighbourLogMel(0, **SETTINGS)
    with pytest.raises(InputError, match="channels must be at least 1"):
        StandardizeChannels(0, 4)
    with pytest.raises(InputError, match="1 channels, not 2"):
        StandardizeChannels(2, 4)(torch.zeros(1, 1, 3, 4), torch.tensor([3]))
