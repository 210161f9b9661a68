"""Windows of a recording that comes in blocks are those of the whole recording."""

import math

import numpy as np
import pytest
import soundfile

from benchmark.data.audio import convert, open_audio, read_audio
from benchmark.data.streaming import convert_blocks, cut_between_pauses, cut_blocks
from benchmark.data.windows import Cut
from benchmark.frontends.silence import split_at_silence


def noise(frames, channels=1, seed=0):
    return 0.1 * np.random.default_rng(seed).standard_normal((channels, frames)).astype(np.float32)


def blocks_of(waveform, size):
    return [waveform[:, start : start + size] for start in range(0, waveform.shape[1], size)]


@pytest.mark.parametrize(("rate", "wanted"), [(44100, 16000), (22050, 44100), (48000, 32000), (16000, 16000)])
@pytest.mark.parametrize("mono", [True, False])
@pytest.mark.parametrize("size", [777, 30_000])
def test_blocks_are_converted_as_the_whole_is(rate, wanted, mono, size, tmp_path):
    whole = noise(100_003, 2)
    blocks = blocks_of(whole, size)
    found = list(convert_blocks(blocks, rate, wanted, mono))
    assert len(found) == len(blocks) + 1
    expected = convert(tmp_path, whole, rate, wanted, mono)
    np.testing.assert_allclose(np.concatenate(found, axis=1), expected, rtol=0, atol=1e-6)


def test_windows_of_blocks_are_those_of_the_whole():
    """Any lengths, distances and rests, also distances that leave samples out."""
    generator = np.random.default_rng(1)
    for _ in range(400):
        length, window, hop, size = (int(generator.integers(1, high)) for high in (200, 60, 90, 80))
        cut = Cut(window, hop, float(generator.choice([0, 0.1, 0.5, 1, math.inf])))
        whole = noise(length, 2, seed=length)
        found = list(cut_blocks(blocks_of(whole, size), cut))
        assert len(found) == len(blocks_of(whole, size)) + 1
        windows = [piece for pieces in found for piece in pieces]
        spans = cut.spans(np.array([[0, length]])).tolist()
        assert [piece.start for piece in windows] == [start for start, _ in spans]
        for piece, (start, stop) in zip(windows, spans, strict=True):
            np.testing.assert_array_equal(piece.waveform, whole[:, start:stop])


def test_a_window_comes_with_its_last_sample():
    found = cut_blocks(blocks_of(noise(10), 1), Cut(4, 2, 0.1))
    assert [[piece.start for piece in pieces] for pieces in found] == [[], [], [], [0], [], [2], [], [4], [], [6], []]


def test_nothing_has_no_windows():
    assert list(cut_blocks([], Cut(4, 2, 0.1))) == [[]]
    assert list(cut_between_pauses([], Cut(4, 2, 0.1), 8000, 1.0)) == [[]]


def test_pauses_are_looked_for_a_stretch_at_a_time():
    rate, cut = 8000, Cut(4000, 4000, 0.1)
    bursts = [noise(rate * 2, seed=1), np.zeros((1, rate * 2), np.float32), noise(rate * 2, seed=2)]
    whole = np.concatenate(bursts, axis=1)
    expected = cut.spans(split_at_silence(whole[0], rate))
    found = [piece for part in cut_between_pauses(blocks_of(whole, 3001), cut, rate, 600.0) for piece in part]
    assert [piece.start for piece in found] == expected[:, 0].tolist()
    assert max(piece.start for piece in found) > 3.5 * rate
    halves = [piece for part in cut_between_pauses(blocks_of(whole, 3001), cut, rate, 3.0) for piece in part]
    stretches = (whole[0, : 3 * rate], whole[0, 3 * rate :])
    first, second = (cut.spans(split_at_silence(stretch, rate)) for stretch in stretches)
    assert [piece.start for piece in halves] == [*first[:, 0].tolist(), *(second[:, 0] + 3 * rate).tolist()]


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3"])
def test_a_file_in_blocks_is_the_whole_file(tmp_path, name):
    soundfile.write(tmp_path / name, noise(100_003, 2).T, 44100)
    whole, rate = read_audio(tmp_path / name)
    with open_audio(tmp_path / name, 0.5) as sound:
        assert (sound.rate, sound.channels) == (rate, 2) == (44100, 2)
        assert sound.seconds == pytest.approx(100_003 / 44100, rel=0.02)
        blocks = list(sound.blocks)
    assert {block.shape[1] for block in blocks[:-1]} == {22050}
    np.testing.assert_array_equal(np.concatenate(blocks, axis=1), whole)
