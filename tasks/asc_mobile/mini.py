"""A synthetic miniature of scene classification with mismatched devices, made of the scenes of `tasks.asc.mini`.

Device A hears everything; devices B and C hear the test part and a quarter of the training part at the same time, each
with a frequency response, a noise floor and a level of its own. Scores on it check the pipeline and are comparable with
nothing.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from tasks.asc.mini import (
    LEVEL,
    SECONDS,
    SHORT_SECONDS,
    Row,
    Signal,
    at_level,
    recording,
    segments,
    spread_levels,
    write_lines,
    write_lists,
)
from tasks.asc.official import CLASSES
from tasks.asc_mobile.official import MOBILE

VERSION = 1
"""Part of the cache key: raise it whenever the same seed gives other files."""

SAMPLE_RATE = 44_100


class Device(NamedTuple):
    """Band in Hz, resonance in Hz and its gain, noise floor re the signal in dB, level re device A in dB."""

    low: float
    high: float
    resonance: float
    gain: float
    floor: float
    level: float


DEVICES = {
    "b": Device(low=120.0, high=9_000.0, resonance=2_500.0, gain=1.5, floor=-25.0, level=6.0),
    "c": Device(low=60.0, high=14_000.0, resonance=800.0, gain=1.0, floor=-22.0, level=-6.0),
    "d": Device(low=200.0, high=7_000.0, resonance=1_500.0, gain=2.0, floor=-18.0, level=0.0),
}


def write_mini(root: Path, seed: int = 0) -> None:
    """Write the three sets; the same seed gives the same bytes.

    The development set has the segments of `tasks.asc.mini`, 44.1 kHz, mono, 24 bit: 12 of each scene by device A, of
    which devices B and C have the 4 of the test part and 2 of the training part. The evaluation and the leaderboard set
    have one numbered clip of each scene and device, also of device D, which only `meta.csv` tells.

    Args:
        root: Folder for the three sets; made if missing, files replaced.
        seed: Seed of every random choice.
    """
    folder, rows = root / MOBILE.folder("development"), []
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    clips = segments()
    levels = spread_levels([segment.scene for segment in clips], np.random.default_rng([seed, 0]))
    first_of_place = {segment.place: segment.number for segment in reversed(clips)}
    for segment, level in zip(clips, levels, strict=True):
        seconds = SHORT_SECONDS if segment.number == 0 else SECONDS
        heard = recording(segment.scene, segment.place, segment.number, seconds, SAMPLE_RATE, seed).mean(axis=0)
        both = segment.test or (segment.place % 4 == 0 and first_of_place[segment.place] == segment.number)
        for device in "abc" if both else "a":
            rows.append(
                Row(f"audio/{segment.stem}-{device}.wav", segment.scene, segment.location, device, segment.test)
            )
            rng = np.random.default_rng([seed, 3, segment.number, ord(device)])
            _write(folder / rows[-1].filename, heard, device, level, rng)
    write_lists(folder, rows)
    for offset, part in enumerate(("evaluation", "leaderboard")):
        _write_tested_set(root / MOBILE.folder(part), offset, seed)


def _write_tested_set(folder: Path, offset: int, seed: int) -> None:
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    lines = ["filename\tscene_label\tidentifier\tsource_label"]
    for index, scene in enumerate(CLASSES):
        place = 1000 + 100 * offset + index
        heard = recording(scene, place, place, SECONDS, SAMPLE_RATE, seed).mean(axis=0)
        for device in "abcd":
            name = f"audio/{len(lines) - 1}.wav"
            rng = np.random.default_rng([seed, 3, place, ord(device)])
            _write(folder / name, heard, device, rng.uniform(*LEVEL), rng)
            lines.append(f"{name}\t{scene}\tparis-{place}\t{device}")
    write_lines(folder / "meta.csv", lines)


def _write(path: Path, heard: Signal, device: str, level: float, rng: np.random.Generator) -> None:
    if device in DEVICES:
        heard, level = through(DEVICES[device], heard, rng), level + DEVICES[device].level
    soundfile.write(path, at_level(heard, level), SAMPLE_RATE, subtype="PCM_24")


def through(device: Device, signal: Signal, rng: np.random.Generator) -> Signal:
    """What a device makes of a signal `(time,)`."""
    frequency = np.maximum(np.fft.rfftfreq(signal.size, 1 / SAMPLE_RATE), 1.0)
    response = 1 / np.sqrt((1 + (device.low / frequency) ** 4) * (1 + (frequency / device.high) ** 6))
    response *= 1 + device.gain * np.exp(-((np.log2(frequency / device.resonance) / 0.7) ** 2))
    coloured: Signal = np.fft.irfft(np.fft.rfft(signal) * response, signal.size)
    floor = 10 ** (device.floor / 20) * np.sqrt(np.mean(coloured**2))
    coloured += floor * rng.standard_normal(signal.size)
    return coloured
