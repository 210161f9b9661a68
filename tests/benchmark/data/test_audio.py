import os
import struct

import numpy as np
import pytest
import soundfile as sf

from benchmark.data.audio import load_clip, read_audio, resample, to_int16
from benchmark.errors import InputError

RATE = 44100


def noise(seconds=1.0, channels=1, level=0.1):
    return (level * np.random.default_rng(0).standard_normal((channels, int(seconds * RATE)))).astype(np.float32)


def encoded(tmp_path, extension, **options):
    path = tmp_path / f"whole.{extension}"
    sf.write(path, noise()[0], RATE, **options)
    return path.read_bytes()


def wav(tmp_path, riff_size=None, data_size=None):
    """A 16-bit wav file with sizes of our choice in its 44-byte header."""
    content = bytearray(encoded(tmp_path, "wav"))
    for position, size in ((4, riff_size), (40, data_size)):
        if size is not None:
            content[position : position + 4] = struct.pack("<I", size)
    return bytes(content)


@pytest.mark.parametrize("extension", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.parametrize("channels", [1, 2])
def test_reads_channels_by_time(tmp_path, extension, channels):
    tones = 0.5 * np.sin(2 * np.pi * np.array([[500], [900]])[:channels] * np.arange(RATE) / RATE)
    sf.write(tmp_path / f"a.{extension}", tones.T, RATE)
    waveform, rate = read_audio(tmp_path / f"a.{extension}")
    assert (waveform.shape, waveform.dtype, rate) == ((channels, RATE), np.float32, RATE)
    error = np.sqrt(np.mean((waveform - tones) ** 2))
    assert error < (0.01 if extension in ("ogg", "mp3") else 2**-15)


def test_integer_samples_are_fractions_of_full_scale(tmp_path):
    samples = np.array([[-32768, -1, 0, 1, 32767]], np.int16)
    sf.write(tmp_path / "a.wav", samples.T, RATE)
    assert np.array_equal(read_audio(tmp_path / "a.wav")[0], samples / np.float32(32768))


def broken_files(tmp_path):
    whole, flac, ogg, mp3 = (encoded(tmp_path, extension) for extension in ("wav", "flac", "ogg", "mp3"))
    tags = b"INFO" + 20 * (b"ICMT" + struct.pack("<I", 200) + 200 * b"x")  # more than libsndfile's log holds
    tagged = bytearray(whole[:36] + b"LIST" + struct.pack("<I", len(tags)) + tags + whole[36:])
    tagged[4:8] = struct.pack("<I", len(tagged) - 8)
    endless = bytearray(flac)
    endless[21] |= 0x0F  # the upper bits of the number of samples
    return {
        "empty.wav": (b"", "empty"),
        "no_samples.wav": (whole[:4] + struct.pack("<I", 36) + whole[8:40] + bytes(4), "zero length"),
        "text.wav": (b"no audio at all\n" * 100, "no audio format"),
        "page.mp3": (b"<html><body>404</body></html>" * 50, "no audio format"),
        "head_only.wav": (whole[:44], "truncated"),
        "half.wav": (whole[: len(whole) // 2], "truncated"),
        "tail.wav": (whole[:-2], "truncated"),
        "tagged.wav": (bytes(tagged[:40_000]), "truncated"),
        "half.flac": (flac[: len(flac) // 2], "truncated"),
        "tail.flac": (flac[:-100], "truncated"),
        "half.ogg": (ogg[: len(ogg) // 2], "truncated"),
        "tail.ogg": (ogg[:-100], "truncated"),
        "half.mp3": (mp3[: len(mp3) // 2], "truncated"),
        "hole.flac": (flac[:20_000] + bytes(500) + flac[20_500:], "damaged"),
        "hole.ogg": (ogg[:7_000] + bytes(500) + ogg[7_500:], "damaged"),
        "magic.wav": (b"XXXX" + whole[4:], "no audio format"),
        "fmt.wav": (whole[:20] + b"\xff" * 16 + whole[36:], "header is damaged"),
        "rate.wav": (whole[:24] + bytes(4) + whole[28:], "header is damaged"),
        "endless.flac": (bytes(endless), "header claims"),
    }


def test_every_broken_file_is_named_with_reason_and_remedy(tmp_path):
    for name, (content, reason) in broken_files(tmp_path).items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError) as caught:
            pytest.fail(f"{name} was read: {read_audio(tmp_path / name)}")
        what, where, remedy = str(caught.value).splitlines()
        assert reason in what, (name, what)
        assert str(tmp_path / name) in where
        assert "wav, flac, ogg or mp3" in remedy


@pytest.mark.parametrize("share", np.linspace(0.05, 0.98, 8))
def test_ogg_damage_is_found_anywhere(tmp_path, share):
    content = bytearray(encoded(tmp_path, "ogg"))
    content[int(share * len(content))] ^= 1
    (tmp_path / "a.ogg").write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        read_audio(tmp_path / "a.ogg")


def test_what_follows_the_end_of_an_ogg_stream_is_ignored(tmp_path):
    (tmp_path / "a.ogg").write_bytes(encoded(tmp_path, "ogg") + b"TAG" + bytes(125))
    assert read_audio(tmp_path / "a.ogg")[0].shape == (1, RATE)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(InputError, match=r"missing\n.*nowhere\.wav"):
        read_audio(tmp_path / "nowhere.wav")
    with pytest.raises(InputError, match="directory"):
        read_audio(tmp_path)


def test_a_link_to_nowhere_is_named_with_what_it_points_to(tmp_path):
    (tmp_path / "a.wav").symlink_to(tmp_path / "elsewhere" / "b.wav")
    with pytest.raises(InputError, match=r"symbolic link to .*elsewhere/b\.wav, which is missing\n.*a\.wav"):
        read_audio(tmp_path / "a.wav")
    (tmp_path / "loop.wav").symlink_to(tmp_path / "loop.wav")
    with pytest.raises(InputError, match=r"symbolic links.*\n.*loop\.wav"):
        read_audio(tmp_path / "loop.wav")


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.wav")
    with pytest.raises(InputError, match="no regular file"):
        read_audio(tmp_path / "a.wav")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_are_refused(tmp_path, value):
    waveform = noise()[0]
    waveform[[5, 7]] = value
    sf.write(tmp_path / "a.wav", waveform, RATE, subtype="FLOAT")
    with pytest.raises(InputError, match="2 samples are NaN or infinite"):
        read_audio(tmp_path / "a.wav")


def test_samples_beyond_32_bit_integers_are_refused(tmp_path):
    waveform = noise()[0]
    waveform[5] = -(2.0**31)
    sf.write(tmp_path / "a.wav", waveform, RATE, subtype="FLOAT")
    assert read_audio(tmp_path / "a.wav")[0].min() == -(2.0**31)
    waveform[5] = 1e38
    sf.write(tmp_path / "a.wav", waveform, RATE, subtype="FLOAT")
    with pytest.raises(InputError, match=r"a sample of 1\.0e\+38 of full scale"):
        read_audio(tmp_path / "a.wav")


@pytest.mark.parametrize("rate", [1, 999, 1_000_001, 2**30])
def test_a_rate_that_no_audio_has_is_refused(tmp_path, rate):
    content = bytearray(encoded(tmp_path, "wav"))
    content[24:28] = struct.pack("<I", rate)
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(InputError, match=f"a sample rate of {rate} Hz"):
        read_audio(tmp_path / "a.wav")


@pytest.mark.parametrize(
    ("riff_size", "data_size"),
    [
        (0xFFFFFFFF, 0xFFFFFFFF),  # ffmpeg to a pipe
        (0x7FFFF024, 0x7FFFF000),  # sox to a pipe
        (0, 0),
        (36, 0),
        (0xFFFFFFFF, 0),
        (0, None),
    ],
)
def test_a_wav_of_unknown_length_is_read_to_its_end(tmp_path, riff_size, data_size):
    (tmp_path / "a.wav").write_bytes(wav(tmp_path, riff_size, data_size))
    assert np.array_equal(read_audio(tmp_path / "a.wav")[0], read_audio(tmp_path / "whole.wav")[0])


def test_a_missing_padding_byte_is_no_truncation(tmp_path):
    (tmp_path / "a.wav").write_bytes(wav(tmp_path, data_size=2 * RATE + 1))
    assert read_audio(tmp_path / "a.wav")[0].shape == (1, RATE)


@pytest.mark.parametrize("level", [3.0, 1.0, 1e-3, 1e-6, 1e-20])
def test_int16_is_off_by_half_a_step_of_the_peak(level):
    waveform = noise(channels=2, level=level)
    samples, gain = to_int16(waveform)
    assert (samples.dtype, samples.shape, gain.dtype) == (np.int16, waveform.shape, np.float32)
    assert np.abs(samples.astype(int)).max() == 32767
    peak = np.abs(waveform).max().astype(float)
    assert gain == pytest.approx(peak / 32767)
    # Half a step, and float32's rounding of 32767 steps (2^-24 for the gain, 2^-24 for the quotient).
    assert np.abs(samples * gain.astype(float) - waveform).max() <= gain.astype(float) * (0.5 + 32767 * 2**-23)


def test_quiet_24_bit_material_keeps_its_detail(tmp_path):
    quiet = np.random.default_rng(0).integers(-200, 201, RATE) / 2**23  # below one step of plain 16 bits (256)
    quiet[0] = 200 / 2**23
    sf.write(tmp_path / "a.wav", quiet, RATE, subtype="PCM_24")
    samples, gain = to_int16(read_audio(tmp_path / "a.wav")[0])
    assert np.array_equal(np.rint(samples[0] * gain.astype(float) * 2**23), np.rint(quiet * 2**23))


@pytest.mark.parametrize("level", [0.0, 1e-40])
def test_silence_has_a_usable_gain(level):
    samples, gain = to_int16(np.full((1, 100), level, np.float32))
    assert not samples.any()
    assert gain == np.float32(1 / 32767)


@pytest.mark.parametrize(("rate_in", "rate_out"), [(44100, 32000), (44100, 16000), (16000, 32000), (48000, 44100)])
def test_a_resampled_sine_is_the_sine_at_the_new_rate(rate_in, rate_out):
    waveform = np.sin(2 * np.pi * 1000 * np.arange(2 * rate_in) / rate_in).astype(np.float32)
    expected = np.sin(2 * np.pi * 1000 * np.arange(2 * rate_out) / rate_out)
    result = resample(np.stack([waveform, -waveform]), rate_in, rate_out)
    assert result.shape == (2, 2 * rate_out)
    assert result.dtype == np.float32
    interior = slice(rate_out // 4, -rate_out // 4)
    assert np.abs(result[0] - expected)[interior].max() < 1e-5
    assert np.abs(result[1] + expected)[interior].max() < 1e-5


def sweep(low, high, rate, seconds=4):
    """A sine that rises from `low` to `high` Hz, faded in and out."""
    time = np.arange(seconds * rate) / rate
    return np.sin(2 * np.pi * (low * time + (high - low) / (2 * seconds) * time**2)) * np.hanning(len(time))


def level(power, reference):
    return 10 * np.log10(np.mean(power) / np.mean(reference))


@pytest.mark.parametrize(("rate_in", "rate_out"), [(48000, 32000), (44100, 22050), (44100, 16000), (48000, 44100)])
def test_nothing_above_the_new_nyquist_frequency_folds_back(rate_in, rate_out):
    for high in (rate_in / 2, 1.02 * rate_out / 2):  # all that has to go, and the part next to the edge
        above = sweep(rate_out / 2, high, rate_in)
        result = resample(above[None].astype(np.float32), rate_in, rate_out)[0].astype(float)
        assert level(result**2, above**2) < -120


@pytest.mark.parametrize(("rate_in", "rate_out"), [(22050, 44100), (16000, 44100), (32000, 48000), (8000, 32000)])
def test_upsampling_adds_nothing_above_the_old_nyquist_frequency(rate_in, rate_out):
    for low, high in ((100, rate_in / 2), (0.98 * rate_in / 2, rate_in / 2)):
        whole = sweep(low, high, rate_in)
        result = resample(whole[None].astype(np.float32), rate_in, rate_out)[0].astype(float)
        spectrum = np.abs(np.fft.rfft(result * np.hanning(len(result)))) ** 2
        images = spectrum[np.fft.rfftfreq(len(result), 1 / rate_out) > rate_in / 2 + 10]
        before = np.abs(np.fft.rfft(whole * np.hanning(len(whole)))) ** 2
        gained = (rate_out / rate_in) ** 2  # a spectrum grows with the number of samples
        assert 10 * np.log10(images.sum() / (gained * before.sum())) < -120


@pytest.mark.parametrize(("rate_in", "rate_out"), [(48000, 32000), (44100, 16000), (16000, 44100)])
def test_what_lies_below_nine_tenths_of_nyquist_is_left_as_it_is(rate_in, rate_out):
    edge = 0.9 * min(rate_in, rate_out) / 2
    for low in (20, 0.98 * edge):
        below = sweep(low, edge, rate_in)
        result = resample(below[None].astype(np.float32), rate_in, rate_out)[0].astype(float)
        assert abs(level(result**2, below**2)) < 0.01


def test_equal_rates_change_nothing():
    waveform = noise()
    assert resample(waveform, RATE, RATE) is waveform


def test_load_clip_mixes_by_the_mean_and_resamples(tmp_path):
    stereo = noise(channels=2)
    sf.write(tmp_path / "a.wav", stereo.T, RATE, subtype="FLOAT")
    assert np.allclose(load_clip(tmp_path / "a.wav", RATE), (stereo[:1] + stereo[1:]) / 2, atol=1e-7)
    assert np.array_equal(load_clip(tmp_path / "a.wav", RATE, mono=False), stereo)
    assert load_clip(tmp_path / "a.wav", 16000, mono=False).shape == (2, 16000)


def test_a_clip_that_resampling_leaves_nothing_of_is_refused(tmp_path):
    sf.write(tmp_path / "a.wav", np.ones(1), RATE)
    with pytest.raises(InputError, match="shorter than one sample at 16000 Hz"):
        load_clip(tmp_path / "a.wav", 16000)
