"""A synthetic miniature of bird audio detection in the official layout, so that everything runs without a download.

Three data sets of 60 clips differ in noise, birds, balance and level as the real ones do. Birds are frequency-modulated
whistles over coloured noise; hum, tones, clicks and bursts occur with and without birds, and levels are drawn alike for
both classes, so that loudness says nothing. Scores on it check the pipeline and are comparable with nothing.
"""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

VERSION = 1
"""Part of the cache key: raise it whenever the same seed gives other files."""

SAMPLE_RATE = 44_100
CLIPS = 60
SECONDS = (1.6, 2.4)
SHORT_SECONDS = 0.4
BIRD_BAND = (2_000.0, 8_000.0)

Signal = npt.NDArray[np.float64]
Range = tuple[float, float]


@dataclass(frozen=True)
class Scene:
    """The recording conditions of one data set.

    Attributes:
        birds: Number of clips with a bird.
        itemid: Makes an itemid in the style of the data set from random hexadecimal digits and a clip number.
        csv_name: Name of the label file.
        has_datasetid: Whether the label file has that column.
        tilt: Noise power falls with frequency to this power (1 is pink, 2 is brown).
        bandwidth: Cut-off of the recording device, Hz.
        insects: Centre of a band of steady insect noise, Hz, or None.
        pitch: Range of call frequencies, Hz.
        call_seconds: Range of call durations.
        calls: Range of the number of calls.
        snr: Range of call level over noise level, both within 2 to 8 kHz and while the call lasts, dB.
        level: Range of clip levels, dB re full scale.
    """

    birds: int
    itemid: Callable[[str, int], str]
    csv_name: str
    has_datasetid: bool
    tilt: float
    bandwidth: float
    insects: float | None
    pitch: Range
    call_seconds: Range
    calls: tuple[int, int]
    snr: Range
    level: Range


SCENES = {
    "ff1010bird": Scene(
        birds=24,
        itemid=lambda digits, clip: str(1000 * (clip + 1) + int(digits[:4], 16) % 1000),
        csv_name="ff1010bird_metadata_2018.csv",
        has_datasetid=True,
        tilt=1.0,
        bandwidth=20_000.0,
        insects=None,
        pitch=(2_500.0, 7_000.0),
        call_seconds=(0.08, 0.25),
        calls=(2, 6),
        snr=(-6.0, 8.0),
        level=(-34.0, -20.0),
    ),
    "warblrb10k": Scene(
        birds=36,
        itemid=lambda digits, _: f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}",
        csv_name="warblrb10k_public_metadata.csv",
        has_datasetid=False,
        tilt=1.6,
        bandwidth=9_000.0,
        insects=None,
        pitch=(2_000.0, 5_500.0),
        call_seconds=(0.1, 0.3),
        calls=(2, 5),
        snr=(-3.0, 10.0),
        level=(-30.0, -18.0),
    ),
    "BirdVox-DCASE-20k": Scene(
        birds=30,
        itemid=lambda digits, _: f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:32]}",
        csv_name="BirdVoxDCASE20k_csvpublic.csv",
        has_datasetid=True,
        tilt=0.8,
        bandwidth=12_000.0,
        insects=4_500.0,
        pitch=(3_500.0, 7_500.0),
        call_seconds=(0.08, 0.2),
        calls=(4, 8),
        snr=(-8.0, 5.0),
        level=(-44.0, -32.0),
    ),
}


def write_mini(root: Path, seed: int = 0) -> None:
    """Write the three data sets; the same seed gives the same bytes.

    Each has 60 clips of 1.6 to 2.4 s (one of 0.4 s), 44.1 kHz, mono, 16 bit, and a label file; that of warblrb10k
    is in the dialect without ``datasetid``.

    Args:
        root: Folder for ``<data set>/<csv>`` and ``<data set>/wav/<itemid>.wav``; made if missing, files replaced.
        seed: Seed of every random choice.
    """
    for index, (dataset, scene) in enumerate(SCENES.items()):
        rng = np.random.default_rng([seed, index])
        names = np.random.default_rng(index)  # without the seed, so that writing again replaces every file
        folder = root / dataset
        (folder / "wav").mkdir(parents=True, exist_ok=True)
        hasbird = rng.permutation(np.arange(CLIPS) < scene.birds)
        levels = _levels(hasbird, scene.level, rng)
        short = int(rng.integers(CLIPS))
        rows: list[tuple[str, ...]] = []
        for clip in range(CLIPS):
            itemid = scene.itemid(names.bytes(16).hex(), clip)
            seconds = SHORT_SECONDS if clip == short else rng.uniform(*SECONDS)
            samples = _at_level(_clip(scene, seconds, bool(hasbird[clip]), rng), levels[clip])
            soundfile.write(folder / "wav" / f"{itemid}.wav", samples, SAMPLE_RATE, subtype="PCM_16")
            middle = (dataset,) if scene.has_datasetid else ()
            rows.append((itemid, *middle, str(int(hasbird[clip]))))
        header = ("itemid", "datasetid", "hasbird") if scene.has_datasetid else ("itemid", "hasbird")
        with (folder / scene.csv_name).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([header, *rows])


def _levels(hasbird: npt.NDArray[np.bool_], level: Range, rng: np.random.Generator) -> Signal:
    """Spread each class evenly over the range, so that level separates the classes for no seed."""
    levels = np.empty(hasbird.size)
    for label in (False, True):
        members = np.flatnonzero(hasbird == label)
        places = (rng.permutation(members.size) + rng.random(members.size)) / members.size
        levels[members] = level[0] + places * (level[1] - level[0])
    return levels


def _at_level(signal: Signal, level: float) -> npt.NDArray[np.int16]:
    scaled = signal * 10 ** (level / 20) / np.sqrt(np.mean(signal**2))
    whole: Signal = np.round(np.clip(scaled, -1.0, 1.0) * 32767)
    return whole.astype(np.int16)


def _samples(seconds: float) -> int:
    """Round to 10 ms: lengths with small prime factors keep the transforms fast."""
    return round(100 * seconds) * (SAMPLE_RATE // 100)


def _clip(scene: Scene, seconds: float, bird: bool, rng: np.random.Generator) -> Signal:
    time = np.arange(_samples(seconds)) / SAMPLE_RATE
    noise = _noise(scene, time.size, rng)
    signal = noise.copy()
    distractors = (_hum, _tone, _clicks, _burst)
    for chosen in rng.choice(len(distractors), size=rng.integers(1, 4), replace=False):
        signal += distractors[chosen](time, rng)
    if bird:
        signal += _band_level(noise, *BIRD_BAND) * _birds(scene, time, rng)
    return _band(signal, 20.0, scene.bandwidth)


def _noise(scene: Scene, length: int, rng: np.random.Generator) -> Signal:
    """Noise of unit level, coloured as the scene, slowly swelling as wind does."""
    frequency = np.maximum(np.fft.rfftfreq(length, 1 / SAMPLE_RATE), 30.0)
    power = (frequency / 1000) ** -(scene.tilt + rng.uniform(-0.2, 0.2))
    if scene.insects is not None:
        power += rng.uniform(0.0, 0.4) * np.exp(-(((frequency - scene.insects) / 400.0) ** 2))
    real, imaginary = rng.standard_normal((2, frequency.size))
    noise: Signal = np.fft.irfft((real + 1j * imaginary) * np.sqrt(power), length)
    swell = 1 + rng.uniform(0.0, 0.5) * np.sin(
        2 * np.pi * (rng.uniform(0.3, 1.5) * np.arange(length) / SAMPLE_RATE + rng.random())
    )
    noise *= swell
    noise /= np.sqrt(np.mean(noise**2))
    return noise


def _band(signal: Signal, low: float, high: float) -> Signal:
    """Pass frequencies from low to high, Hz, with smooth edges."""
    frequency = np.maximum(np.fft.rfftfreq(signal.size, 1 / SAMPLE_RATE), 1.0)
    gain = 1 / np.sqrt((1 + (low / frequency) ** 12) * (1 + (frequency / high) ** 12))
    return np.fft.irfft(np.fft.rfft(signal) * gain, signal.size)


def _band_level(signal: Signal, low: float, high: float) -> float:
    """Root mean square of the part between low and high, Hz, by Parseval's theorem."""
    frequency = np.fft.rfftfreq(signal.size, 1 / SAMPLE_RATE)
    spectrum = np.fft.rfft(signal)[(frequency >= low) & (frequency < high)]
    return float(np.sqrt(2 * np.sum(np.abs(spectrum) ** 2)) / signal.size)


def _birds(scene: Scene, time: Signal, rng: np.random.Generator) -> Signal:
    """A phrase of calls, in units of the noise level within the band of birds."""
    signal = np.zeros(time.size)
    pitch = rng.uniform(*scene.pitch)
    amplitude = np.sqrt(2) * 10 ** (rng.uniform(*scene.snr) / 20)
    for _ in range(rng.integers(scene.calls[0], scene.calls[1] + 1)):
        length = _samples(rng.uniform(*scene.call_seconds))
        start = rng.integers(time.size - length + 1)
        signal[start : start + length] += amplitude * _call(pitch, scene.pitch, length, rng)
    return signal


def _call(pitch: float, limits: Range, length: int, rng: np.random.Generator) -> Signal:
    """One whistle: a sweep with vibrato and a weak second harmonic, faded in and out."""
    place = np.linspace(0.0, 1.0, length)
    sweep = rng.uniform(-0.25, 0.25) * (place - 0.5)
    vibrato = rng.uniform(0.0, 0.04) * np.sin(2 * np.pi * rng.uniform(2.0, 8.0) * place)
    frequency = np.clip(pitch * (1 + sweep + vibrato), *limits)
    phase = 2 * np.pi * np.cumsum(frequency) / SAMPLE_RATE
    whistle: Signal = np.sin(phase) + rng.uniform(0.0, 0.3) * np.sin(2 * phase)
    whistle *= np.sqrt(np.hanning(length))
    return whistle


def _hum(time: Signal, rng: np.random.Generator) -> Signal:
    fundamental = rng.uniform(45.0, 120.0)
    signal = np.zeros(time.size)
    for partial in range(1, 6):
        signal += np.sin(2 * np.pi * (fundamental * partial * time + rng.random())) / partial
    return rng.uniform(0.2, 1.0) * signal


def _tone(time: Signal, rng: np.random.Generator) -> Signal:
    return rng.uniform(0.1, 0.8) * np.sin(2 * np.pi * rng.uniform(200.0, 1_000.0) * time)


def _clicks(time: Signal, rng: np.random.Generator) -> Signal:
    signal = np.zeros(time.size)
    for _ in range(rng.integers(2, 9)):
        length = rng.integers(40, 200)
        start = rng.integers(time.size - length)
        decay = np.exp(-np.linspace(0.0, 6.0, length))
        signal[start : start + length] += rng.uniform(0.5, 2.0) * decay * rng.standard_normal(length)
    return signal


def _burst(time: Signal, rng: np.random.Generator) -> Signal:
    signal = np.zeros(time.size)
    for _ in range(rng.integers(1, 4)):
        length = _samples(rng.uniform(0.05, 0.3))
        start = rng.integers(time.size - length)
        noise = _band(rng.standard_normal(length), rng.uniform(100.0, 1_500.0), rng.uniform(2_500.0, 16_000.0))
        signal[start : start + length] += rng.uniform(0.1, 0.5) * np.hanning(length) * noise
    return signal
