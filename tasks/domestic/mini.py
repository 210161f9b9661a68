"""A synthetic miniature of domestic activities in the official layout, so that everything runs without a download.

Each activity has its kind of sound, which a line array of four microphones hears from some direction, over noise, and
through the colouring of its place. Sessions are heard by several arrays, as in the real sets. Levels are drawn alike
for all activities. Arrays, sessions and which arrays count as known are invented. Scores on it check the pipeline and
are comparable with nothing.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from tasks.domestic.official import CLASSES, DEVELOPMENT, EVALUATION

VERSION = 1
"""Part of the cache key: raise it whenever the same seed gives other files."""

SAMPLE_RATE = 16_000
CHANNELS = 4
SECONDS = 1.2
SHORT_SECONDS = 0.3
FOLDS = 4
LEVEL = (-40.0, -20.0)  # dB re full scale
SNR = (-10.0, 8.0)  # dB
MAX_DELAY = 7  # samples between the outer microphones: 15 cm

Signal = npt.NDArray[np.float64]


def write_mini(root: Path, seed: int = 0) -> None:
    """Write the two sets; the same seed gives the same bytes.

    The development set has in each fold two sessions of each activity, one heard by two of the four arrays; the
    evaluation set three sessions of each, by seven arrays. Segments are wav, 16 bit, 16 kHz, four channels, 1.2 s (one
    0.3 s). The evaluation set's `meta.txt` has CRLF, the development set's no last line end.

    Args:
        root: Folder for the two sets; made if missing, files replaced.
        seed: Seed of every random choice.
    """
    rng = np.random.default_rng([seed, 0])
    session = 0
    rows: list[tuple[int, str]] = []
    folder = _folders(root / DEVELOPMENT)
    for fold in range(1, FOLDS + 1):
        for label in CLASSES:
            for heard_by in ((fold, fold % FOLDS + 1), (fold,)):
                session += 1
                sound = _activity(label, SHORT_SECONDS if session == 1 else SECONDS, rng)
                for node in heard_by:
                    name = f"audio/DevNode{node}_ex{session}_1.wav"
                    _write(folder / name, sound, node, rng)
                    rows.append((fold, f"{name}\t{label}\ts{session}"))
    (folder / "meta.txt").write_text("\n".join(row for _, row in rows), encoding="utf-8")
    for fold in range(1, FOLDS + 1):
        parts = {"train": [r for f, r in rows if f != fold], "evaluate": [r for f, r in rows if f == fold]}
        parts["test"] = [row.split("\t")[0] for row in parts["evaluate"]]
        for part, lines in parts.items():
            _write_lines(folder / "evaluation_setup" / f"fold{fold}_{part}.txt", lines)
    _write_evaluation(_folders(root / EVALUATION), np.random.default_rng([seed, 1]))


def _write_evaluation(folder: Path, rng: np.random.Generator) -> None:
    lines, names = [], []
    segments = [(label, take) for take in range(3) for label in CLASSES]
    for number, (label, take) in enumerate(segments, start=1):
        node = (number - 1) % 7 + 1
        _write(folder / f"audio/{number}.wav", _activity(label, SECONDS, rng), node, rng)
        lines.append(f"audio/{number}.wav\t{label}\ts{number}")
        names.append(f"audio/{number}.wav\taudio/EvalNode{node}_ex{number}_{take + 1}.wav")
    setup = folder / "evaluation_setup"
    (folder / "meta.txt").write_bytes("".join(f"{line}\r\n" for line in lines).encode())
    _write_lines(setup / "evaluate.txt", lines)
    _write_lines(setup / "test.txt", [line.split("\t")[0] for line in lines])
    _write_lines(setup / "map.txt", names)
    _write_lines(setup / "microphones.txt", [f"EvalNode{n}\t{'known' if n <= 4 else 'unknown'}" for n in range(1, 8)])


def _folders(folder: Path) -> Path:
    for name in ("audio", "evaluation_setup"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    return folder


def _write_lines(path: Path, lines: list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _write(path: Path, sound: Signal, node: int, rng: np.random.Generator) -> None:
    """What array `node` hears: the sound from some direction, coloured by the place, and noise of its own."""
    frequency = np.fft.rfftfreq(sound.size, 1 / SAMPLE_RATE)
    place = np.random.default_rng(node)  # without the seed: an array stays where it is
    colour = 1 + 0.5 * np.cos(2 * np.pi * (frequency / place.uniform(1500, 4000) + place.random()))
    steps = rng.uniform(-MAX_DELAY, MAX_DELAY) * np.arange(CHANNELS) / (CHANNELS - 1)
    delays = np.exp(-2j * np.pi * np.outer(frequency / SAMPLE_RATE, steps))
    heard = np.fft.irfft((np.fft.rfft(sound) * colour)[:, None] * delays, sound.size, axis=0)
    heard /= np.sqrt(np.mean(heard**2)) + 1e-12
    noise = np.stack([_noise(sound.size, 60.0, 7_500.0, rng) for _ in range(CHANNELS)], axis=1)
    mixed = 10 ** (rng.uniform(*SNR) / 20) * heard + noise
    mixed *= 10 ** (rng.uniform(*LEVEL) / 20) / np.sqrt(np.mean(mixed**2))
    whole = np.round(np.clip(mixed, -1.0, 1.0) * 32767).astype(np.int16)
    soundfile.write(path, whole, SAMPLE_RATE, subtype="PCM_16")


def _activity(label: str, seconds: float, rng: np.random.Generator) -> Signal:
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    sounds: dict[str, Callable[[], Signal]] = {
        "absence": lambda: _noise(time.size, 60.0, 200.0, rng),
        "cooking": lambda: _noise(time.size, 2_500.0, 7_500.0, rng) * _swell(time, 1.0, 3.0, rng),
        "dishwashing": lambda: _hits(time, 8, (2_000.0, 4_000.0), 25.0, rng),
        "eating": lambda: _hits(time, 4, (900.0, 1_400.0), 60.0, rng),
        "other": lambda: _hits(time, 3, (90.0, 180.0), 15.0, rng),
        "social_activity": lambda: _tones(time, (110.0, 240.0), rng) * _swell(time, 3.0, 6.0, rng),
        "vacuum_cleaner": lambda: _noise(time.size, 300.0, 2_500.0, rng),
        "watching_tv": lambda: _tones(time, (400.0, 900.0), rng),
        "working": lambda: _hits(time, 12, (4_000.0, 6_500.0), 120.0, rng),
    }
    return sounds[label]()


def _noise(size: int, low: float, high: float, rng: np.random.Generator) -> Signal:
    """Noise of unit level between two frequencies, Hz, as strong in every octave."""
    frequency = np.fft.rfftfreq(size, 1 / SAMPLE_RATE)
    inside = (frequency >= low * rng.uniform(0.8, 1.25)) & (frequency <= high)
    spectrum = np.zeros(frequency.size, dtype=np.complex128)
    real, imaginary = rng.standard_normal((2, int(inside.sum())))
    spectrum[inside] = (real + 1j * imaginary) / np.sqrt(frequency[inside])
    noise: Signal = np.fft.irfft(spectrum, size)
    noise /= np.sqrt(np.mean(noise**2))
    return noise


def _swell(time: Signal, slowest: float, fastest: float, rng: np.random.Generator) -> Signal:
    swell: Signal = 0.5 + 0.5 * np.sin(2 * np.pi * (rng.uniform(slowest, fastest) * time + rng.random()))
    return swell


def _hits(time: Signal, number: int, pitch: tuple[float, float], decay: float, rng: np.random.Generator) -> Signal:
    """Short rings at random times; `decay` per second is how fast they fade."""
    signal = np.zeros(time.size)
    for start in rng.uniform(0, 0.9 * time[-1], rng.integers(max(number // 2, 1), number + 1)):
        after = np.maximum(time - start, 0.0)
        ring = np.exp(-decay * after) * np.sin(2 * np.pi * rng.uniform(*pitch) * after)
        signal += rng.uniform(0.4, 1.0) * ring
    return signal


def _tones(time: Signal, pitch: tuple[float, float], rng: np.random.Generator) -> Signal:
    """Harmonics of a pitch that moves from note to note."""
    steps = rng.uniform(-0.3, 0.3, 6)[np.minimum((time * rng.uniform(3.0, 5.0)).astype(int), 5)]
    phase = 2 * np.pi * np.cumsum(rng.uniform(*pitch) * 2**steps) / SAMPLE_RATE
    signal = np.zeros(time.size)
    for harmonic in range(1, 7):
        signal += rng.uniform(0.3, 1.0) / harmonic * np.sin(harmonic * phase)
    return signal
