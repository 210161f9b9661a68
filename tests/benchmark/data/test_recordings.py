"""Files, folders, and samples on standard input."""

import io
import struct

import numpy as np
import pytest
import soundfile

from benchmark.data.recordings import ENCODINGS, STREAM, Pcm, recordings_of
from benchmark.errors import InputError


def read(data, pcm=None, block_seconds=0.1):
    """What is heard of bytes on standard input: the sound and its samples `(channels, time)`."""
    (recording,) = recordings_of([STREAM], io.BytesIO(data), pcm)
    with recording.open(block_seconds) as sound:
        return sound, np.concatenate(list(sound.blocks), axis=1)


def wav(samples, subtype="PCM_16", form="WAV"):
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, 16000, subtype, format=form)
    return buffer.getvalue()


SIGNAL = np.clip(0.3 * np.random.default_rng(0).standard_normal((4001, 2)), -1, 1 - 2**-7)


def test_raw_samples_mean_what_their_encoding_says():
    """Numbers by hand: half of full scale, and the lowest value, in every encoding."""
    written = {
        "u8": bytes([192, 0]),
        "s16le": struct.pack("<2h", 2**14, -(2**15)),
        "s16be": struct.pack(">2h", 2**14, -(2**15)),
        "s24le": bytes([0, 0, 0x40, 0, 0, 0x80]),
        "s32le": struct.pack("<2i", 2**30, -(2**31)),
        "f32le": struct.pack("<2f", 0.5, -1.0),
        "f64le": struct.pack("<2d", 0.5, -1.0),
    }
    assert set(written) == set(ENCODINGS)
    for encoding, data in written.items():
        _, samples = read(data * 3000, Pcm(8000, 2, encoding))
        np.testing.assert_array_equal(samples, np.tile([[0.5], [-1.0]], 3000))


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
@pytest.mark.parametrize("form", ["WAV", "WAVEX"])
def test_a_wav_stream_says_how_it_is_written(subtype, form):
    data = wav(SIGNAL, subtype, form)
    sound, samples = read(data)
    expected, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    assert (sound.rate, sound.channels) == (rate, 2)
    assert sound.seconds == pytest.approx(4001 / 16000)
    np.testing.assert_array_equal(samples, expected.T)


@pytest.mark.parametrize("declared", [0, 0x7FFFF000, 0xFFFFFFFF])
def test_a_wav_stream_of_unknown_length_is_read_to_its_end(declared):
    data = bytearray(wav(SIGNAL))
    place = data.index(b"data")
    data[place + 4 : place + 8] = struct.pack("<I", declared)
    sound, samples = read(bytes(data))
    assert sound.seconds is None
    assert samples.shape == (2, 4001)


def test_what_follows_the_samples_of_a_wav_stream_is_not_heard():
    _, samples = read(wav(SIGNAL) + b"LIST" + bytes(1000))
    assert samples.shape == (2, 4001)


@pytest.mark.parametrize(
    ("data", "pcm", "message"),
    [
        (b"", Pcm(8000), "no samples came"),
        (b"", None, "no samples came"),
        (bytes(1001), Pcm(8000), "ends within a sample: 1 of 2 bytes"),
        (bytes(1001), Pcm(8000, 2, "s24le"), "ends within a sample: 5 of 6 bytes"),
        (bytes(1000), None, "does not begin like a wav file"),
        (b"OggS" + bytes(1000), None, "--rate HZ"),
        (wav(SIGNAL)[:-100], None, "ends after 15904 of the 16004 bytes"),
        (wav(SIGNAL)[:30], None, "damaged or cut off"),
        (wav(SIGNAL[:0]), None, "no samples came"),
        (wav(SIGNAL, "ULAW"), None, "is not read from a stream"),
        (struct.pack("<2f", 0, float("nan")), Pcm(8000, 1, "f32le"), "NaN or infinite"),
    ],
)
def test_what_is_wrong_with_a_stream(data, pcm, message):
    with pytest.raises(InputError, match=message.replace("(", r"\(")):
        read(data, pcm)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((0,), "rate of 0: expected 1,000 to"),
        ((-44100,), "rate of -44100"),
        ((8000, 0), "channels of 0"),
        ((8000, 1, "s16"), "did you mean 's16"),
    ],
)
def test_impossible_samples(words, message):
    with pytest.raises(InputError, match=message):
        Pcm(*words)


def test_folders_stand_for_their_audio_files(tmp_path):
    for name in ("b/2.WAV", "b/1.flac", "a.mp3", "b/c/3.ogg", "b/notes.txt", ".hidden/4.wav", "b/._1.flac"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = recordings_of([tmp_path / "b", tmp_path / "absent.wav", STREAM, tmp_path / "a.mp3"], io.BytesIO())
    expected = [tmp_path / "b" / name for name in ("1.flac", "2.WAV", "c/3.ogg")]
    assert [one.path for one in found] == [*expected, tmp_path / "absent.wav", STREAM, tmp_path / "a.mp3"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no audio among the 0 files"):
        recordings_of([tmp_path / "empty"], io.BytesIO())
    with pytest.raises(InputError, match="once only"):
        recordings_of([STREAM, STREAM], io.BytesIO())
