"""A synthetic miniature of urban sound tagging in the official layout, so that everything runs without a download.

Street noise of eleven sensors with engines, impacts, saws, alerts, music, voices and dogs made of tones and noise.
Three volunteers annotate each training clip and make mistakes; a consensus is there for the other splits. Levels do not
depend on the tags. Scores on it check the pipeline and are comparable with nothing.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from benchmark.tabular import write_rows
from tasks.ust.official import ANNOTATIONS, COARSE, CONSENSUS, FINE, FOLDER, TAXONOMY, TAXONOMY_FILE

VERSION = 1
"""Part of the cache key: raise it whenever the same seed gives other files."""

SAMPLE_RATE = 44_100
SENSORS = {"train": range(6), "validate": range(6, 9), "test": range(9, 11)}
CLIPS_PER_SENSOR = {"train": 18, "validate": 14, "test": 10}
SECONDS = (1.1, 1.6)
SHORT_SECONDS = 0.3
LEVEL = (-34.0, -20.0)
SNR = (0.0, 12.0)

PREVALENCE = {1: 0.45, 2: 0.25, 3: 0.15, 4: 0.25, 5: 0.35, 6: 0.25, 7: 0.4, 8: 0.2}
MISSED, INVENTED, UNSURE, UNSEEN = 0.12, 0.03, 0.25, 0.15
"""Shares of a volunteer's mistakes and X tags, and of volunteers who leave a group out."""

Signal = npt.NDArray[np.float64]
Tags = dict[int, str]
"""Number of a coarse tag that is present to the key of its fine tag."""


def write_mini(root: Path, seed: int = 0) -> None:
    """Write 108 training, 42 validation and 20 test clips; the same seed gives the same bytes.

    Clips last 1.1 to 1.6 s (one of each split 0.3 s), 44.1 kHz, mono, 16 bit. The annotations have Windows line ends.

    Args:
        root: Folder for ``SONYC-UST/``; made if missing, files replaced.
        seed: Seed of every random choice.
    """
    folder = root / FOLDER
    rows: list[list[object]] = []
    number = 0
    for place, (split, sensors) in enumerate(SENSORS.items()):
        rng = np.random.default_rng([seed, place])
        (folder / split).mkdir(parents=True, exist_ok=True)
        for sensor in sensors:
            tilt, cutoff = rng.uniform(0.8, 1.6), rng.uniform(9_000.0, 18_000.0)
            for clip in range(CLIPS_PER_SENSOR[split]):
                number += 1
                name = f"{sensor:02}_{number:06}.wav"
                short = sensor == sensors[0] and clip == 0
                tags = _tags(rng)
                samples = _clip(tags, SHORT_SECONDS if short else rng.uniform(*SECONDS), tilt, cutoff, rng)
                soundfile.write(folder / split / name, samples, SAMPLE_RATE, subtype="PCM_16")
                rows += [[split, sensor, name, *cells] for cells in _annotations(split, tags, rng)]
    header = ["split", "sensor_id", "audio_filename", "annotator_id"]
    header += [f"{tag}_presence" for tag in FINE] + [f"{tag}_proximity" for tag in FINE]
    header += [f"{tag}_presence" for tag in COARSE]
    write_rows(folder / ANNOTATIONS, rows, header=header)
    text = (folder / ANNOTATIONS).read_text(encoding="utf-8")
    (folder / ANNOTATIONS).write_text(text, encoding="utf-8", newline="\r\n")
    (folder / TAXONOMY_FILE).write_text(_taxonomy(), encoding="utf-8")


def _taxonomy() -> str:
    lines = ["fine:"]
    for group, (_, fine) in TAXONOMY.items():
        lines += [f"    {group}:", *(f"        {key}: {name}" for key, name in fine.items())]
    lines += ["", "coarse:", *(f"    {group}: {name}" for group, (name, _) in TAXONOMY.items())]
    return "\n".join(lines) + "\n"


def _tags(rng: np.random.Generator) -> Tags:
    return {
        group: str(rng.choice([key for key in TAXONOMY[group][1] if key != "X"]))
        for group, share in PREVALENCE.items()
        if rng.random() < share
    }


def _annotations(split: str, tags: Tags, rng: np.random.Generator) -> list[list[object]]:
    """Annotator and 29 presences, 29 proximities, 8 presences of each row of a clip."""
    if split == "train":
        annotators = rng.choice(np.arange(1, 21), size=3, replace=False).tolist()
        return [_row(annotator, _report(tags, rng), _unseen(rng), rng) for annotator in annotators]
    truth = {group: "X" if "X" in TAXONOMY[group][1] and rng.random() < UNSURE else key for group, key in tags.items()}
    checked = int(rng.integers(1, 9))  # a single organiser looks at one group
    others = set(TAXONOMY) - {checked}
    return [
        _row(-1, {group: key for group, key in truth.items() if group == checked}, others, rng),
        _row(CONSENSUS, truth, set(), rng),
    ]


def _report(tags: Tags, rng: np.random.Generator) -> Tags:
    report = {}
    for group, (_, fine) in TAXONOMY.items():
        if rng.random() < (1 - MISSED if group in tags else INVENTED):
            key = tags.get(group) or str(rng.choice(list(fine)))
            report[group] = "X" if "X" in fine and rng.random() < UNSURE else key
    return report


def _unseen(rng: np.random.Generator) -> set[int]:
    return {int(rng.integers(1, 9))} if rng.random() < UNSEEN else set()


def _row(annotator: int, tags: Tags, unseen: set[int], rng: np.random.Generator) -> list[object]:
    presence: list[object] = []
    proximity: list[object] = []
    for group, (_, fine) in TAXONOMY.items():
        for key in fine:
            present = -1 if group in unseen else int(tags.get(group) == key)
            presence.append(present)
            proximity.append(rng.choice(["near", "far", "notsure"]) if present == 1 else -1)
    coarse = [-1 if group in unseen else int(group in tags) for group in TAXONOMY]
    return [annotator, *presence, *proximity, *coarse]


def _clip(tags: Tags, seconds: float, tilt: float, cutoff: float, rng: np.random.Generator) -> npt.NDArray[np.int16]:
    time = np.arange(round(100 * seconds) * (SAMPLE_RATE // 100)) / SAMPLE_RATE
    signal = _noise(time.size, tilt, rng)
    for group, key in tags.items():
        source = SOURCES[group](time, key, rng)
        signal += source / max(np.sqrt(np.mean(source**2)), 1e-9) * 10 ** (rng.uniform(*SNR) / 20)
    frequency = np.maximum(np.fft.rfftfreq(signal.size, 1 / SAMPLE_RATE), 1.0)
    gain = 1 / np.sqrt((1 + (30.0 / frequency) ** 8) * (1 + (frequency / cutoff) ** 8))
    signal = np.fft.irfft(np.fft.rfft(signal) * gain, signal.size)
    scaled = signal * 10 ** (rng.uniform(*LEVEL) / 20) / np.sqrt(np.mean(signal**2))
    whole: Signal = np.round(np.clip(scaled, -1.0, 1.0) * 32767)
    return whole.astype(np.int16)


def _noise(length: int, tilt: float, rng: np.random.Generator) -> Signal:
    """Noise of unit level whose power falls with frequency to the power `tilt`."""
    frequency = np.maximum(np.fft.rfftfreq(length, 1 / SAMPLE_RATE), 50.0)
    real, imaginary = rng.standard_normal((2, frequency.size))
    noise: Signal = np.fft.irfft((real + 1j * imaginary) * frequency ** (-tilt / 2), length)
    noise /= np.sqrt(np.mean(noise**2))
    return noise


def _harmonics(time: Signal, pitch: float | Signal, partials: int, fall: float) -> Signal:
    """Partials of a pitch in Hz, constant or over time, each weaker by the power `fall` of its number."""
    phase = 2 * np.pi * np.cumsum(np.broadcast_to(pitch, time.shape)) / SAMPLE_RATE
    turn = np.exp(1j * phase)
    power = turn.copy()
    total: Signal = turn.imag.copy()
    for partial in range(2, partials + 1):
        power *= turn
        total += power.imag / partial**fall
    return total


def _pulses(time: Signal, rate: float, decay: float, rng: np.random.Generator) -> Signal:
    """An envelope that jumps to 1 `rate` times a second and falls with the time constant `decay`, s."""
    envelope: Signal = np.exp(-np.mod(time + rng.random() / rate, 1 / rate) / decay)
    return envelope


def _once(time: Signal, decay: float, rng: np.random.Generator) -> Signal:
    since = time - rng.uniform(0.1, 0.6) * time[-1]
    return np.where(since < 0, 0.0, np.exp(-np.maximum(since, 0) / decay))


def _engine(time: Signal, key: str, rng: np.random.Generator) -> Signal:
    pitch = {"1": 130.0, "2": 80.0, "3": 45.0}[key] * rng.uniform(0.9, 1.1)
    return _harmonics(time, pitch, 8, 0.7) * (1 + 0.4 * np.sin(2 * np.pi * pitch / 8 * time))


def _machine_impact(time: Signal, key: str, rng: np.random.Generator) -> Signal:
    rate = {"1": 28.0, "2": 14.0, "3": 7.0, "4": 3.0}[key] * rng.uniform(0.9, 1.1)
    return _pulses(time, rate, 0.25 / rate, rng) * _noise(time.size, 0.3, rng)


def _other_impact(time: Signal, key: str, rng: np.random.Generator) -> Signal:
    ring: Signal = np.sin(2 * np.pi * rng.uniform(3_000, 5_000) * time)
    return _once(time, 0.08, rng) * (_noise(time.size, 0.0, rng) + 2 * ring)


def _saw(time: Signal, key: str, rng: np.random.Generator) -> Signal:
    pitch = {"1": 300.0, "2": 700.0, "3": 450.0}[key] * rng.uniform(0.9, 1.1)
    rough = 1 + (0.8 if key == "1" else 0.2) * np.sin(2 * np.pi * 35 * time)
    return rough * (_harmonics(time, pitch, 12, 0.3) + 0.5 * _noise(time.size, 0.0, rng))


def _alert(time: Signal, key: str, rng: np.random.Generator) -> Signal:
    if key == "1":
        return _harmonics(time, 420 * rng.uniform(0.9, 1.1), 4, 0.5) + _harmonics(time, 510.0, 4, 0.5)
    if key == "2":
        return _harmonics(time, np.where(np.mod(time, 0.4) < 0.2, 900.0, 1_200.0), 3, 0.5)
    if key == "3":
        return _harmonics(time, 1_000 + 450 * np.sin(2 * np.pi * rng.uniform(0.8, 2.0) * time), 3, 1.0)
    return np.sin(2 * np.pi * 1_250 * time) * (np.mod(time, 0.5) < 0.25)


def _music(time: Signal, key: str, rng: np.random.Generator) -> Signal:
    base = {"1": 220.0, "2": 330.0, "3": 880.0}[key]
    steps = rng.choice([0, 2, 4, 7, 9, 12], size=8)
    pitch = base * 2 ** (steps[(time * 5).astype(int) % 8] / 12)
    notes = (_harmonics(time, pitch, 4, 1.0) + _harmonics(time, pitch * 1.5, 3, 1.0)) * _pulses(time, 5.0, 0.15, rng)
    return notes


def _voice(time: Signal, key: str, rng: np.random.Generator) -> Signal:
    speakers, lift = {"1": (1, 1.0), "2": (1, 1.6), "3": (6, 1.2), "4": (2, 1.3)}[key]
    signal = np.zeros(time.size)
    for _ in range(speakers):
        glide = 1 + 0.25 * np.sin(2 * np.pi * rng.uniform(1.0, 2.5) * time + rng.uniform(0, 6))
        syllables = np.clip(np.sin(2 * np.pi * rng.uniform(2.5, 4.5) * time + rng.uniform(0, 6)), 0, None)
        signal += syllables * _harmonics(time, lift * rng.uniform(110, 220) * glide, 14, 0.6)
    return signal


def _dog(time: Signal, key: str, rng: np.random.Generator) -> Signal:
    since = np.mod(time + rng.random(), rng.uniform(0.35, 0.5))
    pitch = rng.uniform(450, 700) * (1 + 0.8 * np.exp(-since / 0.04))
    bark = _harmonics(time, pitch, 6, 0.4) + 0.7 * _noise(time.size, 0.5, rng)
    return bark * np.exp(-since / 0.06)


SOURCES: Mapping[int, Callable[[Signal, str, np.random.Generator], Signal]] = {
    1: _engine,
    2: _machine_impact,
    3: _other_impact,
    4: _saw,
    5: _alert,
    6: _music,
    7: _voice,
    8: _dog,
}
