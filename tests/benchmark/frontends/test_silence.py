"""Trimming and splitting of clips whose sounds and pauses are known to the sample."""

import numpy as np
import pytest
import torch

from benchmark.errors import InputError
from benchmark.frontends.silence import TrimSilence, split_at_silence

RATE = 8000
MS = RATE // 1000
PEAK = 10 ** (-0.1 / 20)


def tone(seconds, amplitude=0.5):
    return amplitude * np.sin(2 * np.pi * 1000 * np.arange(round(seconds * RATE)) / RATE)


def joined(*parts):
    """Numbers are pauses in seconds."""
    return np.concatenate([np.zeros(round(p * RATE)) if isinstance(p, (int, float)) else p for p in parts])


def batch(*signals):
    lengths = torch.tensor([len(signal) for signal in signals])
    padded = np.zeros((len(signals), 1, int(lengths.max())), np.float32)
    for row, signal in zip(padded, signals, strict=True):
        row[0, : len(signal)] = signal
    return torch.from_numpy(padded), lengths


def trimmed(*signals, **settings):
    out, lengths = TrimSilence(RATE, **settings)(*batch(*signals))
    for clip, length in zip(out, lengths, strict=True):
        assert not clip[:, length:].any()
    return [clip[0, :length] for clip, length in zip(out, lengths, strict=True)]


def test_silence_is_cut_from_both_ends_and_not_from_the_middle():
    sound = joined(tone(0.3), 0.7, tone(0.2))
    (out,) = trimmed(joined(0.5, sound, 0.4))
    np.testing.assert_allclose(out, sound / np.abs(sound).max() * PEAK, atol=1e-6)


def test_the_largest_sample_has_the_level():
    """-0.1 dB, card task2-cp-jku-self-verification."""
    for amplitude in (0.001, 0.5, 1.0):
        (out,) = trimmed(tone(0.2, amplitude))
        assert out.abs().max().item() == pytest.approx(0.98855, abs=1e-5)
    waveform, lengths = batch(tone(0.2))
    assert not TrimSilence(RATE)(torch.zeros_like(waveform), lengths)[0].any()


@pytest.mark.parametrize(("decibels", "kept"), [(-56.0, True), (-57.0, False)])
def test_silence_is_below_fifteen_hundredths_of_a_percent(decibels, kept):
    """0.15 % are -56.5 dB of full scale; a sine's RMS lies 3 dB below its peak, and fills its 20 ms only by then."""
    quiet = tone(0.5, 10 ** ((decibels + 3.01) / 20))
    loud = tone(0.5, PEAK)
    (out,) = trimmed(joined(quiet, loud, quiet))
    assert len(out) / RATE == pytest.approx(1.48 if kept else 0.5, abs=0.02 if kept else 0.001)


def test_a_click_is_sound_if_the_level_stays_up_for_25_ms():
    """The level is the RMS of 20 ms, so it stays up for 19 ms longer than the click."""
    for click_ms, is_sound in ((5, False), (6, True)):
        (out,) = trimmed(joined(0.1, tone(click_ms / 1000), 0.1, tone(0.3), 0.1))
        assert len(out) == ((click_ms + 400) if is_sound else 300) * MS


def test_a_clip_without_sound_is_kept_whole():
    click = joined(0.1, tone(0.004), 0.2)
    (out,) = trimmed(click)
    np.testing.assert_allclose(out, click / np.abs(click).max() * PEAK, atol=1e-6)
    (out,) = trimmed(np.zeros(100))
    assert len(out) == 100


def test_alone_or_in_a_batch():
    signals = [joined(0.3, tone(0.2), 0.1), joined(tone(0.0333), 0.5), tone(0.7513), np.zeros(77)]
    for out, signal in zip(trimmed(*signals), signals, strict=True):
        assert torch.equal(out, trimmed(signal)[0])


def test_what_is_longer_after_trimming_is_cut():
    signal = joined(0.3, tone(0.2), 0.1, tone(0.2))
    waveform, lengths = batch(signal, tone(0.1))
    out, kept = TrimSilence(RATE, max_seconds=0.4)(waveform, lengths)
    assert out.shape == (2, 1, round(0.4 * RATE))
    assert kept.tolist() == [round(0.4 * RATE), round(0.1 * RATE)]
    whole = TrimSilence(RATE)(waveform, lengths)[0]
    assert torch.equal(out, whole[..., : round(0.4 * RATE)])


def test_channels_are_cut_alike():
    left, right = joined(0.2, tone(0.3), 0.5), joined(0.5, tone(0.3), 0.2)
    stereo = torch.from_numpy(np.stack([left, right])).float()[None]
    out, lengths = TrimSilence(RATE)(stereo, torch.tensor([len(left)]))
    assert lengths.tolist() == [round(0.6 * RATE)]
    torch.testing.assert_close(out[..., : lengths[0]], stereo[..., round(0.2 * RATE) : round(0.8 * RATE)] * PEAK / 0.5)


def test_wrong_trimming_is_named():
    for name, value in (("threshold", 0), ("sound_seconds", 0), ("level_seconds", 0), ("max_seconds", 0)):
        with pytest.raises(InputError, match=name):
            TrimSilence(RATE, **{name: value})


def seconds(segments):
    return [(round(begin / RATE, 2), round(end / RATE, 2)) for begin, end in segments.tolist()]


def test_segments_lie_between_pauses_with_a_margin():
    signal = joined(tone(1), 1, tone(0.6), 2, tone(0.5), 0.2)
    assert seconds(split_at_silence(signal, RATE)) == [(0, 1.4), (1.6, 3.0), (4.2, 5.3)]


def test_half_a_second_of_silence_splits_and_a_little_less_does_not():
    for pause, segments in ((0.49, 1), (0.51, 2)):
        assert len(split_at_silence(joined(tone(0.7), pause, tone(0.7)), RATE)) == segments


def test_segments_may_share_the_pause():
    signal = joined(tone(0.7), 0.6, tone(0.7))
    assert seconds(split_at_silence(signal, RATE)) == [(0, 1.1), (0.9, 2.0)]


def test_short_segments_are_left_out_beside_long_ones():
    blip = tone(0.05)
    with_long = split_at_silence(joined(tone(4), 1, blip, 1), RATE)
    assert seconds(with_long) == [(0, 4.4)]
    with_short = split_at_silence(joined(tone(0.6), 1, blip, 1), RATE)
    assert seconds(with_short) == [(0, 1.0), (1.2, 2.05)]


def test_a_clip_of_transients_has_a_lower_threshold():
    """A tail of -52 dB is silence after a steady tone (-48 dB), and sound between clicks (-56 dB)."""
    tail = tone(1, 2**0.5 * 10 ** (-52 / 20))
    click = tone(0.02)
    steady = split_at_silence(joined(tone(0.8), tail, tone(0.8)), RATE)
    assert seconds(steady) == [(0, 1.2), (1.4, 2.6)]
    transient = split_at_silence(joined(click, tail, click, 0.6, click), RATE)
    assert seconds(transient) == [(0, 1.44), (1.24, 1.66)]


def test_a_clip_stays_whole():
    short = joined(tone(0.2), 0.6, tone(0.1))
    silent = np.zeros(3 * RATE)
    plain = tone(2)
    for signal in (short, silent, plain):
        assert split_at_silence(signal, RATE).tolist() == [[0, len(signal)]]


def test_splitting_several_channels_is_an_error():
    with pytest.raises(InputError, match="one channel"):
        split_at_silence(np.zeros((2, RATE)), RATE)
