"""A synthetic miniature of general-purpose audio tagging in the official layout, so that everything runs at once.

Eight of the 41 classes, each a crude sketch of its sound in background noise; half of the training clips are
unverified, and one in five of those carries another class's label. Lengths, levels and backgrounds are drawn alike for
all classes, so that they say nothing. Scores on it check the pipeline and are comparable with nothing.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import soundfile

from tasks.tagging.official import AUDIO_TEST, AUDIO_TRAIN, TRAIN_LIST, WHOLE_TEST_LIST

VERSION = 2
"""Part of the cache key: raise it whenever the same seed gives other files."""

SAMPLE_RATE = 44_100
SECONDS = (0.5, 2.0)
SHORT_SECONDS = 0.3
WRONG_EVERY = 4  # unverified clip of a class, which makes 11 of all 54
LEVEL = (-36.0, -14.0)
SNR = (-3.0, 20.0)

Signal = npt.NDArray[np.float64]
Generator = np.random.Generator


class Members(NamedTuple):
    """How many clips a class has in each part."""

    verified: int
    unverified: int
    public: int
    private: int


def write_mini(root: Path, seed: int = 0) -> None:
    """Write training and test clips with their lists; the same seed gives the same bytes.

    Clips have 0.5 to 2 s (one in each part 0.3 s), 44.1 kHz, mono, 16 bit. The test list has Windows line ends and, as
    the official one, ignored clips, one of them an empty file.

    Args:
        root: Folder for ``FSDKaggle2018/``; made if missing, files replaced.
        seed: Seed of every random choice.
    """
    rng = np.random.default_rng(seed)
    for name in (AUDIO_TRAIN, AUDIO_TEST, str(Path(TRAIN_LIST).parent)):
        (root / name).mkdir(parents=True, exist_ok=True)
    names = _names()
    train, test = [], []
    for label, members in MEMBERS.items():
        for number in range(members.verified + members.unverified):
            verified = number < members.verified
            written = label
            if not verified and (number - members.verified) % WRONG_EVERY == WRONG_EVERY - 1:
                written = str(rng.choice([name for name in MEMBERS if name != label]))
            train.append((label, written, str(int(verified))))
        test += [(label, "Public")] * members.public + [(label, "Private")] * members.private

    rows = ["fname,label,manually_verified,freesound_id,license"]
    sounds = _sounds([label for label, _, _ in train], rng)
    for place in rng.permutation(len(train)):
        _, written, verified_flag = train[place]
        rows.append(f"{names[place]},{written},{verified_flag},{100_000 + place},Creative Commons 0")
        _write(root / AUDIO_TRAIN / names[place], sounds[place])
    (root / TRAIN_LIST).write_bytes(("\n".join(rows) + "\n").encode())

    rows = ["fname,label,usage,freesound_id,license"]
    sounds = _sounds([label for label, _ in test], rng)
    for place in rng.permutation(len(test)):
        name, number = names[len(train) + place], 200_000 + place
        rows.append(f"{name},{test[place][0]},{test[place][1]},{number},Attribution")
        _write(root / AUDIO_TEST / name, sounds[place])
    padding = [("0b0427e2.wav", np.zeros(0)), (names[-1], _clip("Flute", 1.0, -20.0, rng))]
    for number, (name, sound) in enumerate(padding):
        rows.append(f"{name},None,Ignored,{300_000 + number},Attribution")
        _write(root / AUDIO_TEST / name, sound)
    (root / WHOLE_TEST_LIST).write_bytes(("\r\n".join(rows) + "\r\n").encode())


def _names() -> list[str]:
    """Names like the official ones; without the seed, so that writing again replaces every file."""
    digits = np.random.default_rng(2018).bytes(4 * 512).hex()
    return list(dict.fromkeys(f"{digits[start : start + 8]}.wav" for start in range(0, len(digits), 8)))


def _write(path: Path, sound: Signal) -> None:
    soundfile.write(path, np.round(sound * 32767).astype(np.int16), SAMPLE_RATE, subtype="PCM_16")


def _sounds(labels: list[str], rng: Generator) -> list[Signal]:
    """A clip of each label; within each class, levels are spread evenly over the range."""
    count = len(labels)
    level = np.empty(count)
    for label in dict.fromkeys(labels):  # not a set, whose order differs from process to process
        members = np.flatnonzero(np.array(labels) == label)
        places = (rng.permutation(members.size) + rng.random(members.size)) / members.size
        level[members] = LEVEL[0] + places * (LEVEL[1] - LEVEL[0])
    seconds = rng.uniform(*SECONDS, count)
    seconds[rng.integers(count)] = SHORT_SECONDS
    return [_clip(label, seconds[place], level[place], rng) for place, label in enumerate(labels)]


def _clip(label: str, seconds: float, level: float, rng: Generator) -> Signal:
    # Whole hundredths of a second: lengths with small prime factors keep the transforms fast.
    time = np.arange(round(100 * seconds) * (SAMPLE_RATE // 100)) / SAMPLE_RATE
    sound = SKETCHES[label](time, rng)
    noise = _noise(time.size, rng)
    signal = sound / _rms(sound) + noise / _rms(noise) * 10 ** (-rng.uniform(*SNR) / 20)
    signal *= 10 ** (level / 20) / _rms(signal)
    return np.clip(signal, -1.0, 1.0)


def _rms(signal: Signal) -> float:
    return float(np.sqrt(np.mean(signal**2)))


def _noise(length: int, rng: Generator) -> Signal:
    """Background between white and brown."""
    frequency = np.maximum(np.fft.rfftfreq(length, 1 / SAMPLE_RATE), 40.0)
    return np.fft.irfft(_white(length, rng) * frequency ** -rng.uniform(0.0, 1.0), length)


def _white(length: int, rng: Generator) -> npt.NDArray[np.complex128]:
    real, imaginary = rng.standard_normal((2, length // 2 + 1))
    spectrum: npt.NDArray[np.complex128] = real + 1j * imaginary
    return spectrum


def _band_noise(length: int, low: float, high: float, rng: Generator) -> Signal:
    """Noise from low to high, Hz, with smooth edges."""
    frequency = np.maximum(np.fft.rfftfreq(length, 1 / SAMPLE_RATE), 1.0)
    gain = 1 / np.sqrt((1 + (low / frequency) ** 8) * (1 + (frequency / high) ** 8))
    return np.fft.irfft(_white(length, rng) * gain, length)


def _onsets(time: Signal, count: int, rng: Generator) -> list[Signal]:
    """Time since each of some onsets; the first one comes early, so that no clip is without."""
    last = time[-1]
    starts = [rng.uniform(0.0, 0.2 * last), *rng.uniform(0.0, 0.9 * last, count - 1)]
    return [time - start for start in starts]


def _decay(since: Signal, seconds: float) -> Signal:
    return np.where(since >= 0, np.exp(-np.maximum(since, 0.0) / seconds), 0.0)


def _swell(time: Signal, attack: float) -> Signal:
    gain: Signal = np.minimum(time / attack, 1.0) * np.minimum((time[-1] - time) / 0.1, 1.0)
    return gain


def _tone(time: Signal, pitch: Signal | float, partials: npt.ArrayLike, rng: Generator) -> Signal:
    """Harmonic tone with the amplitudes `partials`; the pitch in Hz may change over time."""
    phase = 2 * np.pi * np.cumsum(np.broadcast_to(pitch, time.shape)) / SAMPLE_RATE
    signal = np.zeros(time.size)
    for number, amplitude in enumerate(np.asarray(partials, dtype=np.float64), start=1):
        signal += amplitude * np.sin(number * phase + rng.uniform(0.0, 2 * np.pi))
    return signal


def _applause(time: Signal, rng: Generator) -> Signal:
    claps = np.zeros(time.size)
    count = round(rng.uniform(40.0, 90.0) * time[-1])
    claps[rng.integers(0, time.size, count)] = rng.uniform(0.3, 1.0, count)
    shape = np.exp(-np.arange(2_000) / rng.uniform(150.0, 500.0))
    length = time.size + shape.size
    envelope = np.fft.irfft(np.fft.rfft(claps, length) * np.fft.rfft(shape, length), length)[: time.size]
    return np.maximum(envelope, 0.0) * _band_noise(time.size, 600.0, rng.uniform(4_000.0, 9_000.0), rng)


def _bark(time: Signal, rng: Generator) -> Signal:
    signal = np.zeros(time.size)
    pitch = rng.uniform(300.0, 600.0)
    for since in _onsets(time, int(rng.integers(1, 4)), rng):
        inside = np.clip(since / rng.uniform(0.1, 0.2), 0.0, 1.0)
        glide = pitch * (1 + 0.6 * np.sin(np.pi * inside))
        rough = 1 + 0.4 * _band_noise(time.size, 50.0, 150.0, rng) / 0.1
        signal += np.sin(np.pi * inside) * rough * _tone(time, glide, 1 / np.arange(1, 9), rng)
    return signal


def _bass_drum(time: Signal, rng: Generator) -> Signal:
    signal = np.zeros(time.size)
    low, fall = rng.uniform(40.0, 70.0), rng.uniform(0.02, 0.06)
    for since in _onsets(time, int(rng.integers(1, 4)), rng):
        pitch = low * (1 + 2 * _decay(since, fall))
        signal += _decay(since, rng.uniform(0.08, 0.25)) * _tone(time, pitch, [1.0, 0.2], rng)
    return signal


def _clarinet(time: Signal, rng: Generator) -> Signal:
    partials = np.array([1.0, 0.05, 0.6, 0.08, 0.4, 0.08, 0.2, 0.05, 0.1]) * rng.uniform(0.6, 1.4, 9)
    return _swell(time, 0.05) * _tone(time, rng.uniform(180.0, 700.0), partials, rng)


def _flute(time: Signal, rng: Generator) -> Signal:
    partials = np.array([1.0, 0.5, 0.2, 0.1, 0.05]) * rng.uniform(0.6, 1.4, 5)
    vibrato = 1 + rng.uniform(0.004, 0.015) * np.sin(2 * np.pi * rng.uniform(4.0, 6.0) * time)
    breath = _band_noise(time.size, 1_000.0, 6_000.0, rng)
    tone = _tone(time, rng.uniform(300.0, 1_200.0) * vibrato, partials, rng)
    return _swell(time, 0.08) * (tone / _rms(tone) + rng.uniform(0.05, 0.3) * breath / _rms(breath))


def _hi_hat(time: Signal, rng: Generator) -> Signal:
    envelope = np.zeros(time.size)
    ring = rng.uniform(0.02, 0.3)
    for since in _onsets(time, int(rng.integers(1, 6)), rng):
        envelope += _decay(since, ring)
    return envelope * _band_noise(time.size, rng.uniform(5_000.0, 8_000.0), 16_000.0, rng)


def _knock(time: Signal, rng: Generator) -> Signal:
    signal = np.zeros(time.size)
    resonances, ring = rng.uniform(150.0, 900.0, 4), rng.uniform(0.01, 0.04)
    for since in _onsets(time, int(rng.integers(2, 7)), rng):
        for resonance in resonances:
            signal += _decay(since, ring) * np.sin(2 * np.pi * resonance * since)
    return signal


def _telephone(time: Signal, rng: Generator) -> Signal:
    low, rate = rng.uniform(600.0, 1_400.0), rng.uniform(8.0, 20.0)
    warble = np.where(np.sin(2 * np.pi * rate * time) > 0, low, low * rng.uniform(1.15, 1.4))
    rings = np.sin(2 * np.pi * rng.uniform(0.4, 1.0) * (time + rng.uniform(0.0, 0.3))) > -0.5
    return rings * _tone(time, warble, [1.0, 0.1, 0.3], rng)


SKETCHES: dict[str, Callable[[Signal, Generator], Signal]] = {
    "Applause": _applause,
    "Bark": _bark,
    "Bass_drum": _bass_drum,
    "Clarinet": _clarinet,
    "Flute": _flute,
    "Hi-hat": _hi_hat,
    "Knock": _knock,
    "Telephone": _telephone,
}

MEMBERS = {
    "Applause": Members(6, 8, 1, 4),
    "Bark": Members(6, 6, 1, 4),
    "Bass_drum": Members(7, 8, 1, 4),
    "Clarinet": Members(9, 7, 2, 4),
    "Flute": Members(9, 7, 1, 5),
    "Hi-hat": Members(7, 8, 1, 4),
    "Knock": Members(7, 6, 1, 3),
    "Telephone": Members(8, 4, 1, 3),
}
