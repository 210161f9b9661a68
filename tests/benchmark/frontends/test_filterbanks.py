"""Perceptual weighting and the logarithmic filter bank against their definitions."""

import numpy as np
import pytest
import torch
from nnAudio.librosa_functions import get_mel
from scipy.signal import get_window

from benchmark.errors import InputError
from benchmark.frontends.filterbanks import LogFilterBank, PerceptualMel, a_weighting, logarithmic_filters

RATE, N_FFT = 32000, 1024


@pytest.fixture(scope="module")
def clip():
    generator = np.random.default_rng(0)
    return 0.1 * generator.normal(size=9000) * np.hanning(9000)


def powers(clip, hop):
    """Power spectrogram `(frames, bins)` with numpy, frames centred on multiples of the hop."""
    padded = np.pad(clip, N_FFT // 2, mode="reflect")
    starts = range(0, len(clip) + 1, hop)
    frames = np.stack([padded[start : start + N_FFT] for start in starts])
    return np.abs(np.fft.rfft(frames * get_window("hann", N_FFT))) ** 2


def features(frontend, *clips):
    lengths = torch.tensor([len(clip) for clip in clips])
    waveform = torch.zeros(len(clips), 1, int(lengths.max()))
    for row, clip in zip(waveform, clips, strict=True):
        row[0, : len(clip)] = torch.from_numpy(clip)
    return frontend(waveform, lengths)


# IEC 61672 for 20 Hz (band 13), 31.5, 63, 100, 125, 250 and 500 Hz, 1 (band 30), 2, 4, 8 and 16 kHz.
STANDARD = {13: -50.4, 15: -39.4, 18: -26.2, 20: -19.1, 21: -16.1, 24: -8.6, 27: -3.2, 30: 0.0, 33: 1.2, 36: 1.0}
STANDARD |= {39: -1.1, 42: -6.6}


@pytest.mark.parametrize(("band", "decibels"), STANDARD.items())
def test_a_weighting_is_the_table_of_the_standard(band, decibels):
    assert float(a_weighting(np.array(10 ** (band / 10)))) == pytest.approx(decibels, abs=0.06)


def test_a_weighting_ends_at_minus_80():
    np.testing.assert_array_equal(a_weighting(np.array([0.0, 1.0])), [-80, -80])


def test_perceptual_mel_is_its_definition(clip):
    decibels = 10 * np.log10(np.maximum(powers(clip, 192), 1e-10))
    decibels = np.maximum(decibels, decibels.max() - 99)
    weighted = decibels + a_weighting(np.arange(513) * RATE / N_FFT)
    expected = weighted @ get_mel(RATE, N_FFT, 128, 0, RATE / 2).T
    out, frames = features(PerceptualMel(), clip)
    assert out.shape == (1, 1, 47, 128)
    assert frames.tolist() == [47]
    np.testing.assert_allclose(out[0, 0], expected, rtol=0, atol=2e-3)


def test_tones_differ_by_the_a_weighting():
    """1 kHz and 125 Hz lie on Fourier bins 32 and 4; the standard sets them 16.1 to 16.2 dB apart."""
    time = np.arange(RATE) / RATE
    frontend, peaks = PerceptualMel(), []
    frontend.mel = torch.eye(frontend.bins.stop - frontend.bins.start)
    for frequency in (1000, 125):
        out, _ = features(frontend, np.sin(2 * np.pi * frequency * time))
        peaks.append(out[0, 0, 50, frequency * N_FFT // RATE - frontend.bins.start].item())
    assert peaks[0] - peaks[1] == pytest.approx(16.19, abs=0.05)
    assert peaks[0] == pytest.approx(20 * np.log10(N_FFT / 4), abs=0.05)


def test_the_range_of_decibels_ends_before_the_weighting():
    """A silent frame lies 99 dB below the loudest bin, plus the weighting."""
    signal = np.concatenate([np.sin(2 * np.pi * 1000 * np.arange(8000) / RATE), np.zeros(8000)])
    frontend = PerceptualMel()
    out, _ = features(frontend, signal)
    loudest = 20 * np.log10(N_FFT / 4)
    expected = (torch.full((1, len(frontend.weighting)), loudest - 99) + frontend.weighting) @ frontend.mel
    torch.testing.assert_close(out[0, 0, 70:71], expected, rtol=0, atol=5e-3)


def test_logarithmic_filters_of_the_card():
    """26 bands an octave from 20 Hz to 14 kHz are 128, card task2-cp-jku-self-verification."""
    filters = logarithmic_filters(RATE, N_FFT, 26, 20, 14000)
    assert filters.shape == (128, 513)
    np.testing.assert_allclose(filters.sum(axis=1), 1)
    centres = filters.argmax(axis=1) * RATE / N_FFT
    assert (np.diff(centres) > 0).all()
    assert 14000 / 2 ** (3 / 26) < centres[-1] < 14000
    np.testing.assert_array_equal(centres[:20], 31.25 * np.arange(2, 22))  # low bands are one Fourier bin apart
    high = centres[centres > 5000]
    np.testing.assert_allclose(high[1:] / high[:-1], 2 ** (1 / 26), rtol=0.01)


def test_logarithmic_filters_by_hand():
    """Octaves of 440 Hz on bins 1, 2, 4, 8 and 16."""
    filters = logarithmic_filters(3520, 32, 1, 110, 1760)
    expected = np.zeros((3, 17))
    expected[0, [2, 3]] = np.array([1, 0.5]) / 1.5
    expected[1, 3:8] = np.array([0.5, 1, 0.75, 0.5, 0.25]) / 3
    expected[2, 5:16] = np.array([0.25, 0.5, 0.75, 1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125]) / 6
    np.testing.assert_allclose(filters, expected, atol=1e-12)


def test_log_filter_bank_is_its_definition(clip):
    filters = logarithmic_filters(RATE, N_FFT, 26, 20, 14000)
    expected = np.log10(1 + powers(clip, 128)) @ filters.T
    out, frames = features(LogFilterBank(), clip)
    assert out.shape == (1, 1, 71, 128)
    assert frames.tolist() == [71]
    np.testing.assert_allclose(out[0, 0], expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("frontend", [PerceptualMel(), LogFilterBank()], ids=["perceptual", "logarithmic"])
class TestBoth:
    def test_alone_or_in_a_batch(self, frontend, clip):
        clips = [clip, clip[:4000], clip[3000:3300], 1e-3 * clip]
        together, frames = features(frontend, *clips)
        for row, count, part in zip(together, frames, clips, strict=True):
            alone, alone_frames = features(frontend, part)
            count = int(count)
            assert count == alone_frames[0]
            torch.testing.assert_close(row[:, :count], alone[0, :, :count], rtol=0, atol=2e-4)
            assert not row[:, count:].any()

    def test_engines_agree(self, frontend, clip):
        other = type(frontend)(engine="nnaudio")
        torch.testing.assert_close(features(other, clip)[0], features(frontend, clip)[0], rtol=0, atol=2e-3)

    def test_float32_whatever_the_precision_around_it(self, frontend, clip):
        expected, _ = features(frontend, clip)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            out, _ = features(frontend, clip)
        assert torch.equal(out, expected)
        assert not frontend.state_dict()
        moved = type(frontend)().to(torch.bfloat16)
        assert all(buffer.dtype == torch.float32 for buffer in moved.buffers())

    def test_wrong_use_is_named(self, frontend):
        with pytest.raises(InputError, match="the waveform has shape"):
            frontend(torch.zeros(2, 4000), torch.tensor([4000, 4000]))


def test_wrong_settings_are_named():
    with pytest.raises(InputError, match="top_db"):
        PerceptualMel(top_db=0)
    with pytest.raises(InputError, match="floor"):
        PerceptualMel(floor=0)
    with pytest.raises(InputError, match="impossible"):
        LogFilterBank(f_max=20000)
    with pytest.raises(InputError, match="no band between"):
        LogFilterBank(n_fft=64, f_min=20, f_max=300)
