"""Pitch, level and noise of waveforms, of card `task-ust-cnn-vggish`."""

import math

import pytest
import torch
from torchaudio.functional import pitch_shift

from benchmark.augmentations.gain import GainSteps
from benchmark.augmentations.noise import ColoredNoise
from benchmark.augmentations.pitch import PitchShift
from benchmark.errors import InputError

RATE = 16_000


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def call(augmentation, waveform, lengths=None):
    if lengths is None:
        lengths = torch.full((len(waveform),), waveform.shape[-1])
    target = torch.rand(len(waveform), 2)
    changed, same_lengths, same_target = augmentation(waveform, lengths, target)
    assert same_lengths is lengths
    assert same_target is target
    assert changed.shape == waveform.shape
    assert changed.dtype == waveform.dtype
    return changed


def tone(frequency, seconds=2.0):
    return 0.5 * torch.sin(2 * math.pi * frequency * torch.arange(round(seconds * RATE)) / RATE)


def loudest(waveform):
    spectrum = torch.fft.rfft(waveform * torch.hann_window(len(waveform))).abs()
    return int(spectrum.argmax()) * RATE / len(waveform)


@pytest.mark.parametrize("semitones", [-3.0, 3.0, 12.0, -7.5])
def test_pitch_is_shifted_and_level_and_length_stay(semitones):
    shifted = call(PitchShift([semitones]), tone(1000.0)[None, None])[0, 0]
    assert loudest(shifted) == pytest.approx(1000 * 2 ** (semitones / 12), rel=1e-3)
    inside = slice(RATE // 4, -RATE // 4)
    assert shifted[inside].square().mean().sqrt() == pytest.approx(0.5 / math.sqrt(2), rel=0.15)


@pytest.mark.parametrize("octaves", [-1, 1])
def test_an_octave_is_that_of_torchaudio(octaves):
    """Whose kernels are small for octaves alone; it reflects at the ends, which are silent here."""
    waveform = torch.randn(1, 1, RATE) * 0.1
    waveform[..., :2048] = waveform[..., -2048:] = 0
    reference = pitch_shift(waveform, RATE, 12 * octaves, n_fft=2048)
    shifted = call(PitchShift([12.0 * octaves]), waveform)
    inside = slice(4096, -4096)
    error = (shifted - reference)[..., inside].square().mean() / reference[..., inside].square().mean()
    assert error < 1e-4


def test_every_interval_is_drawn_and_0_changes_nothing():
    waveform = tone(1000.0, 0.5).expand(48, 1, -1)
    shifted = call(PitchShift(), waveform)
    found = [round(12 * math.log2(loudest(clip[0]) / 1000)) for clip in shifted]
    assert {interval: found.count(interval) > 6 for interval in (-3, 0, 3)} == {-3: True, 0: True, 3: True}
    assert torch.equal(shifted[found.index(0)], waveform[0])


def test_a_shifted_clip_does_not_depend_on_its_batch():
    waveform = torch.randn(3, 2, RATE)
    together = call(PitchShift([3.0]), waveform)
    assert torch.allclose(together[1:2], call(PitchShift([3.0]), waveform[1:2]), atol=1e-5)


def test_long_clips_keep_their_pitch_to_the_end():
    """The vocoder adds up phases over all frames, which must not cost precision."""
    shifted = call(PitchShift([3.0]), tone(3000.0, 30.0)[None, None])[0, 0]
    end = shifted[-2 * RATE : -RATE // 2]
    assert loudest(end) == pytest.approx(3000 * 2 ** (3 / 12), rel=1e-3)
    spectrum = torch.fft.rfft(end * torch.hann_window(len(end))).abs().square()
    peak = int(spectrum.argmax())
    assert spectrum[peak - 5 : peak + 6].sum() / spectrum.sum() > 0.99


def test_padding_stays_silent():
    waveform = torch.randn(8, 1, RATE) * 0.1
    lengths = torch.tensor([RATE // 2] * 8)
    waveform[:, :, RATE // 2 :] = 0
    for augmentation in (PitchShift([-3.0, 3.0]), GainSteps(lowest=0.0), ColoredNoise(probability=1.0, shares=(0, 9))):
        assert not call(augmentation, waveform, lengths)[:, :, RATE // 2 :].any()


@pytest.mark.parametrize(
    ("peak", "steps"),
    [
        (0.5, range(5)),
        (0.7, range(-2, 4)),
        (1.0, range(-4, 1)),
        (0.95, range(-4, 1)),
        (0.2, range(5)),
        (1.2, range(-4, 1)),
    ],
)
def test_every_step_that_the_peak_allows_is_drawn(peak, steps):
    """Steps that keep the peak at most at 1 upwards, and at least at 0.5 downwards: 20 lg(1 / 0.7) = 3.1 dB."""
    waveform = torch.zeros(400, 1, 8)
    waveform[:, :, 3] = -peak
    changed = call(GainSteps(), waveform)
    found = 20 * torch.log10(-changed[:, 0, 3] / peak)
    assert set(found.round().int().tolist()) == set(steps)
    assert torch.allclose(found, found.round(), atol=1e-4)
    counts = torch.bincount(found.round().int() + 4, minlength=9)
    assert counts[counts > 0].min() > 400 / len(steps) / 2


def test_noise_is_as_loud_as_said_and_as_often():
    waveform = torch.zeros(600, 1, 512)
    waveform[:, :, 0] = 0.5
    noise = call(ColoredNoise(), waveform) - waveform
    peaks = noise.abs().amax((1, 2))
    assert 250 < int((peaks > 0).sum()) < 350
    assert torch.allclose(peaks[peaks > 0], torch.tensor(0.25))


@pytest.mark.parametrize(
    ("peak", "noisy"), [(0.31, False), (0.32, True), (0.74, True), (0.76, False), (0.0, False), (1.3, False)]
)
def test_noise_must_fit_the_clip(peak, noisy):
    """0.25 is 0.8 of 0.3125, and a peak of 0.75 leaves room for it below 1."""
    waveform = torch.zeros(4, 1, 64)
    waveform[:, :, 5] = peak
    changed = call(ColoredNoise(probability=1.0), waveform)
    assert bool((changed != waveform).any()) == noisy


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0])
def test_power_falls_with_frequency(exponent):
    waveform = torch.full((64, 1, 4096), 0.5)
    noise = call(ColoredNoise(exponent, probability=1.0), waveform) - waveform
    power = torch.fft.rfft(noise[:, 0]).abs().square().mean(0)
    octaves = torch.stack([power[2**k : 2 ** (k + 1)].mean() for k in range(3, 11)])
    slope = torch.diff(octaves.log2()).mean().item()
    assert slope == pytest.approx(-exponent, abs=0.1)
    assert power[0] < power[1:].max() * 1e-6


@pytest.mark.parametrize("make", [PitchShift, GainSteps, ColoredNoise])
def test_repeatable_and_only_in_training(make):
    augmentation, waveform = make(), torch.randn(16, 1, 4096) * 0.1
    waveform = waveform / waveform.abs().amax((1, 2), keepdim=True) * 0.6
    assert augmentation.domain == "waveform"
    torch.manual_seed(1)
    first = call(augmentation, waveform)
    torch.manual_seed(1)
    assert torch.equal(call(augmentation, waveform), first)
    assert not torch.equal(first, waveform)
    assert call(augmentation.eval(), waveform) is waveform
    assert not augmentation.state_dict()


@pytest.mark.parametrize(
    ("make", "where"),
    [
        (lambda: PitchShift([]), "PitchShift.semitones"),
        (lambda: PitchShift([13.0]), "PitchShift.semitones"),
        (lambda: PitchShift(n_fft=2), "PitchShift.n_fft"),
        (lambda: GainSteps(most=0), "GainSteps.most"),
        (lambda: GainSteps(lowest=2.0), "GainSteps.lowest"),
        (lambda: ColoredNoise(-1.0), "ColoredNoise.exponent"),
        (lambda: ColoredNoise(shares=(0.8, 0.2)), "ColoredNoise.shares"),
        (lambda: ColoredNoise(probability=1.5), "ColoredNoise.probability"),
    ],
)
def test_impossible_settings_are_named(make, where):
    with pytest.raises(InputError, match=where):
        make()
