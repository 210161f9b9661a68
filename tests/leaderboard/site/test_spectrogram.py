"""Spectrograms as pictures."""

import numpy as np
import pytest
import soundfile
from matplotlib.image import imread

from leaderboard.site.spectrogram import BANDS, write_flac, write_spectrogram

RATE = 32_000


@pytest.mark.parametrize("tick", ["500 Hz", "2 kHz", "8 kHz"])
def test_a_tone_is_brightest_at_its_tick(tmp_path, tick):
    number, unit = tick.split()
    hertz = int(number) * (1000 if unit == "kHz" else 1)
    tone = np.sin(2 * np.pi * hertz * np.arange(2 * RATE) / RATE).astype(np.float32)
    seconds, ticks = write_spectrogram(tmp_path / "tone.png", tone, RATE)
    image = imread(tmp_path / "tone.png")
    brightest = image[:, image.shape[1] // 2, :3].sum(axis=1).argmax()
    share = 1 - (brightest + 0.5) / BANDS
    assert seconds == 2
    assert dict(ticks)[tick] == pytest.approx(share, abs=1.5 / BANDS)


def test_time_goes_from_left_to_right(tmp_path):
    late = np.zeros(RATE, dtype=np.float32)
    late[3 * RATE // 4 :] = np.random.default_rng(0).standard_normal(RATE // 4)
    write_spectrogram(tmp_path / "late.png", late, RATE)
    columns = imread(tmp_path / "late.png")[..., :3].mean(axis=(0, 2))
    quarter = len(columns) // 4
    assert columns[: 2 * quarter].max() < 0.1 < columns[-quarter + 5 :].min()


@pytest.mark.parametrize("samples", [1, 100, 5 * RATE])
def test_any_length_even_silence(tmp_path, samples):
    write_spectrogram(tmp_path / "silence.png", np.zeros(samples, dtype=np.float32), RATE)
    assert imread(tmp_path / "silence.png").shape[0] == BANDS


def test_sound_is_kept_to_16_bits(tmp_path):
    wave = np.random.default_rng(0).uniform(-0.9, 0.9, RATE).astype(np.float32)
    write_flac(tmp_path / "a.flac", wave, RATE)
    again, rate = soundfile.read(tmp_path / "a.flac")
    assert rate == RATE
    assert np.abs(again - wave).max() < 2**-15
