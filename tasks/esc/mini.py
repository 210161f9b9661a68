"""A synthetic miniature of ESC-10 and ESC-50 in their layouts, so that everything runs without a download.

A class is a place of the spectrum and a pattern in time. Clips vary in pitch, tempo and noise, and levels are drawn
alike for all classes. Scores on it check the pipeline and are comparable with nothing.
"""

import csv
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from tasks.esc.official import ESC10_CLASSES, ESC10_FOLDERS, ESC50_CLASSES, FOLDS

VERSION = 1
"""Part of the cache key: raise it whenever the same seed gives other files."""

SAMPLE_RATE = 44_100
SECONDS = 1.0
SHORT_SECONDS = 0.2
ESC10_CLIPS = 3  # of a class in a fold
LEVEL = (-35.0, -15.0)  # dB re full scale
SNR = (-3.0, 12.0)  # dB
LOWEST_HZ, HIGHEST_HZ = 250.0, 8_000.0
PATTERNS = ("steady", "slow", "fast", "clicks", "rising", "falling", "tone", "vibrato", "once", "late")

Signal = npt.NDArray[np.float64]


def write_mini(root: Path, seed: int = 0) -> None:
    """Write the two data sets; the same seed gives the same samples.

    ESC-10 has three clips of each class in each fold (Ogg Vorbis, 44.1 kHz, mono, 1 s, one of them 0.2 s), ESC-50 one
    (wav, 16 bit); its table has Windows line ends.

    Args:
        root: Folder for `ESC-10/` and `ESC-50/`; made if missing, files replaced.
        seed: Seed of every random choice.
    """
    rng = np.random.default_rng([seed, 10])
    for number, folder in enumerate(ESC10_FOLDERS):
        (root / "ESC-10" / folder).mkdir(parents=True, exist_ok=True)
        for fold in FOLDS:
            for take in range(ESC10_CLIPS):
                first = number == 0 and fold == FOLDS[0] and take == 0
                samples = _clip(number, len(ESC10_CLASSES), SHORT_SECONDS if first else SECONDS, rng)
                name = f"{fold}-{_source(number, fold)}-{'ABC'[take]}.ogg"
                soundfile.write(root / "ESC-10" / folder / name, samples, SAMPLE_RATE, format="OGG", subtype="VORBIS")
    rng = np.random.default_rng([seed, 50])
    for folder in ("audio", "meta"):
        (root / "ESC-50" / folder).mkdir(parents=True, exist_ok=True)
    rows = []
    for fold in FOLDS:
        for target, category in enumerate(ESC50_CLASSES):
            name = f"{fold}-{_source(target, fold)}-A-{target}.wav"
            samples = _clip(target, len(ESC50_CLASSES), SECONDS, rng)
            soundfile.write(root / "ESC-50" / "audio" / name, samples, SAMPLE_RATE, subtype="PCM_16")
            rows.append([name, fold, target, category, "False", _source(target, fold), "A"])
    with (root / "ESC-50" / "meta" / "esc50.csv").open("w", encoding="utf-8", newline="") as file:
        header = ["filename", "fold", "target", "category", "esc10", "src_file", "take"]
        csv.writer(file, lineterminator="\r\n").writerows([header, *rows])


def _source(number: int, fold: str) -> int:
    return 1000 * (number + 1) + int(fold)


def _clip(number: int, classes: int, seconds: float, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """A clip of class `number`: consecutive classes share the band and differ in time, or the other way round."""
    size = round(seconds * SAMPLE_RATE)
    time = np.arange(size) / SAMPLE_RATE
    bands = max(2, classes // len(PATTERNS))
    pattern, band = PATTERNS[number // bands * (len(PATTERNS) * bands // classes)], number % bands
    place = (band + 0.5 + rng.uniform(-0.3, 0.3)) / bands
    centre = LOWEST_HZ * (HIGHEST_HZ / LOWEST_HZ) ** place
    sound = _carrier(pattern, centre, time, rng) * _envelope(pattern, time, rng)
    sound /= np.sqrt(np.mean(sound**2)) + 1e-12
    noise = _noise(size, LOWEST_HZ / 2, HIGHEST_HZ * 2, rng)
    mixed = 10 ** (rng.uniform(*SNR) / 20) * sound + noise
    mixed *= 10 ** (rng.uniform(*LEVEL) / 20) / np.sqrt(np.mean(mixed**2))
    return np.clip(mixed, -0.99, 0.99).astype(np.float32)


def _carrier(pattern: str, centre: float, time: Signal, rng: np.random.Generator) -> Signal:
    if pattern in ("rising", "falling", "tone", "vibrato"):
        octaves = {
            "rising": time / time[-1] - 0.5,
            "falling": 0.5 - time / time[-1],
            "tone": np.zeros(time.size),
            "vibrato": 0.15 * np.sin(2 * np.pi * rng.uniform(6.0, 10.0) * time),
        }[pattern]
        phase = 2 * np.pi * np.cumsum(centre * 2**octaves) / SAMPLE_RATE
        whistle: Signal = np.sin(phase + rng.uniform(0, 2 * np.pi))
        return whistle
    return _noise(time.size, centre / 1.3, centre * 1.3, rng)


def _envelope(pattern: str, time: Signal, rng: np.random.Generator) -> Signal:
    """Strength over time."""
    phase = rng.random()
    strength: Signal = np.ones(time.size)
    if pattern in ("slow", "fast"):
        rate = rng.uniform(2.0, 4.0) if pattern == "slow" else rng.uniform(12.0, 20.0)
        strength = 0.5 + 0.5 * np.sin(2 * np.pi * (rate * time + phase))
    elif pattern == "clicks":
        strength = np.exp(-60.0 * ((time + phase) % rng.uniform(0.15, 0.25)))
    elif pattern == "once":
        strength = np.exp(-12.0 * np.abs(time - rng.uniform(0.1, 0.9) * time[-1]))
    elif pattern == "late":
        strength = np.clip(time / time[-1] + rng.uniform(-0.2, 0.2), 0.0, 1.0) ** 2
    return strength


def _noise(size: int, low: float, high: float, rng: np.random.Generator) -> Signal:
    """Noise of unit level between two frequencies, Hz, as strong in every octave."""
    frequency = np.fft.rfftfreq(size, 1 / SAMPLE_RATE)
    inside = (frequency >= low) & (frequency <= high)
    spectrum = np.zeros(frequency.size, dtype=np.complex128)
    real, imaginary = rng.standard_normal((2, int(inside.sum())))
    spectrum[inside] = (real + 1j * imaginary) / np.sqrt(frequency[inside])
    noise: Signal = np.fft.irfft(spectrum, size)
    noise /= np.sqrt(np.mean(noise**2))
    return noise
