import numpy as np
import pytest
import torch

from benchmark.frontends import VGGishLogMel

RATE = 16_000


def expected_features(signal):
    """Card and published model in plain numpy: magnitudes of windowed frames, triangles linear in mel, ln(x + 0.01)."""
    frames = 1 + (len(signal) - 400) // 160
    taper = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    magnitude = np.array([np.abs(np.fft.rfft(signal[160 * t : 160 * t + 400] * taper, 512)) for t in range(frames)])

    def mel(frequency):
        return 1127 * np.log(1 + frequency / 700)

    edges = np.linspace(mel(125), mel(7500), 66)
    bands = np.zeros((257, 64))
    for band in range(64):
        low, middle, high = edges[band : band + 3]
        for bin_ in range(1, 257):
            place = mel(bin_ * 8000 / 256)
            bands[bin_, band] = max(0, min((place - low) / (middle - low), (high - place) / (high - middle)))
    return np.log(magnitude @ bands + 0.01)


@pytest.mark.parametrize("engine", ["torch", "nnaudio"])
@pytest.mark.parametrize("samples", [15_600, 400, 16_123])
def test_equals_the_formulas(engine, samples):
    signal = np.random.default_rng(samples).normal(0, 0.1, samples)
    features, frames = VGGishLogMel(engine)(torch.from_numpy(signal)[None, None], torch.tensor([samples]))
    expected = expected_features(signal)
    assert frames.tolist() == [len(expected)]
    assert features.shape == (1, 1, len(expected), 64)
    assert features[0, 0].numpy() == pytest.approx(expected, abs=2e-4)


def test_ten_seconds_hold_ten_examples():
    _, frames = VGGishLogMel()(torch.zeros(1, 1, 10 * RATE), torch.tensor([10 * RATE]))
    assert frames.item() == 998  # 1 + (160000 - 400) // 160
    assert VGGishLogMel().frames_per_second == 100


def test_a_clip_is_as_if_alone_and_followed_by_silence():
    signal = np.random.default_rng(0).normal(0, 0.1, RATE)
    batch = torch.full((2, 1, 2 * RATE), 0.5)  # what lies beyond a clip's end must not matter
    batch[0, 0, :RATE] = torch.from_numpy(signal)
    features, frames = VGGishLogMel()(batch, torch.tensor([RATE, 2 * RATE]))
    alone = expected_features(signal)
    assert frames.tolist() == [len(alone), 198]
    assert features[0, 0, : len(alone)].numpy() == pytest.approx(alone, abs=2e-4)
    assert features[0, 0, len(alone) :].numpy() == pytest.approx(np.log(0.01), abs=1e-6)


def test_less_than_a_frame():
    features, frames = VGGishLogMel()(torch.ones(1, 1, 10), torch.tensor([10]))
    assert features.shape == (1, 1, 1, 64)
    assert frames.tolist() == [1]
