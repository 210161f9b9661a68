"""A synthetic miniature of the task in the official layout, so that everything runs without a download.

Ten classes of two-second clips: five that mostly last as long as the clip (machines, frying, water), five of short
events (alarm, cat, dishes, dog, speech), as in the real data. Levels are drawn alike for all classes, so that loudness
says nothing. Scores on it check the pipeline and are comparable with nothing.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import soundfile

from benchmark.data.inventory import Event
from tasks.sed.official import CLASSES, EVAL, IN_DOMAIN, OUT_OF_DOMAIN, SUBSETS, TEST, WEAK

VERSION = 1
"""Part of the cache key: raise it whenever the same seed gives other files."""

SAMPLE_RATE = 44_100
SECONDS = 2.0
CLIPS = {WEAK: 80, IN_DOMAIN: 24, OUT_OF_DOMAIN: 6, TEST: 36, EVAL: 16}
SHORT_SECONDS = {0: 1.0, 1: 0.4}  # of the first two clips of every list
SECOND_CLASS = 0.35  # probability
SNR = (3.0, 15.0)  # of an event while it lasts, dB
LEVEL = (-36.0, -18.0)  # of a clip, dB re full scale
WHOLE = 0.85  # probability that a lasting class fills the clip
EVENT_SECONDS = (0.3, 0.6)
GAP_SECONDS = 0.25
BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

Signal = npt.NDArray[np.float64]
Sound = Callable[[Signal, np.random.Generator], Signal]


class Clip(NamedTuple):
    """A clip of a list before it is written."""

    filename: str
    seconds: float
    events: list[Event]


def write_mini(root: Path, seed: int = 0) -> None:
    """Write the five lists and their audio; the same seed gives the same bytes.

    Clips have 44.1 kHz, mono, 16 bit and 2 s; two of each list are shorter. The list of the evaluation set calls its
    last column `event_labels` and ends with a file without events; one list has Windows line ends.

    Args:
        root: Folder for `dataset/`; made if missing, files replaced.
        seed: Seed of every random choice.
    """
    for index, (name, number) in enumerate(CLIPS.items()):
        rng = np.random.default_rng([seed, index])
        names = np.random.default_rng(index)  # without the seed, so that writing again replaces every file
        folder = root / SUBSETS[name].audio
        folder.mkdir(parents=True, exist_ok=True)
        classes = rng.permutation(np.arange(number) % len(CLASSES))
        levels = LEVEL[0] + (LEVEL[1] - LEVEL[0]) * (rng.permutation(number) + rng.random(number)) / number
        clips = []
        for place in range(number):
            seconds = SHORT_SECONDS.get(place, SECONDS)
            start = int(names.integers(0, 300))
            identity = "".join(BASE64[digit] for digit in names.integers(0, len(BASE64), 11))
            silent = name == EVAL and place == number - 1
            events = [] if silent else _events(classes[place], seconds, rng)
            clips.append(Clip(f"Y{identity}_{start:.3f}_{start + seconds:.3f}.wav", seconds, events))
            samples = _at_level(_mixture(clips[-1], name == OUT_OF_DOMAIN, rng), levels[place])
            soundfile.write(folder / clips[-1].filename, samples, SAMPLE_RATE, subtype="PCM_16")
        _write_list(root / SUBSETS[name].csv, name, clips)


def _write_list(path: Path, name: str, clips: list[Clip]) -> None:
    if name == WEAK:
        header = "filename\tevent_labels"
        rows = [f"{clip.filename}\t{','.join(sorted({event.label for event in clip.events}))}" for clip in clips]
    elif name in (TEST, EVAL):
        header = "filename\tonset\toffset\t" + ("event_label" if name == TEST else "event_labels")
        rows = [
            f"{clip.filename}\t{onset:.3f}\t{offset:.3f}\t{label}"
            for clip in clips
            for onset, offset, label in clip.events
        ] + [f"{clip.filename}\t\t\t" for clip in clips if not clip.events]
    else:
        header, rows = "filename", [clip.filename for clip in clips]
    ends = "\r\n" if name == OUT_OF_DOMAIN else "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(ends.join([header, *rows, ""]), encoding="utf-8", newline="")


def _events(first: int, seconds: float, rng: np.random.Generator) -> list[Event]:
    """Events of one class, or of two."""
    chosen = [first]
    if rng.random() < SECOND_CLASS:
        chosen.append((first + int(rng.integers(1, len(CLASSES)))) % len(CLASSES))
    return [event for k in chosen for event in _events_of(CLASSES[k], seconds, rng)]


def _events_of(label: str, seconds: float, rng: np.random.Generator) -> list[Event]:
    if label in LASTING:
        if rng.random() < WHOLE:
            return [Event(0.0, seconds, label)]
        onset, offset = rng.uniform(0.0, 0.3, 2) * seconds
        return [Event(round(onset, 2), round(seconds - offset, 2), label)]
    events: list[Event] = []
    onset = rng.uniform(0.0, 0.3) * seconds
    while not events or (onset + EVENT_SECONDS[1] < seconds and rng.random() < 0.7):
        offset = min(onset + rng.uniform(*EVENT_SECONDS), seconds)
        # Whole hundredths: lengths with small prime factors keep the transforms fast.
        events.append(Event(round(onset, 2), round(offset, 2), label))
        onset = offset + rng.uniform(GAP_SECONDS, 2 * GAP_SECONDS)
    return events


def _at_level(signal: Signal, level: float) -> npt.NDArray[np.int16]:
    scaled = signal * 10 ** (level / 20) / np.sqrt(np.mean(signal**2))
    whole: Signal = np.round(np.clip(scaled, -1.0, 1.0) * 32767)
    return whole.astype(np.int16)


def _mixture(clip: Clip, unknown: bool, rng: np.random.Generator) -> Signal:
    """Room noise and the events; in a clip out of the domain a chirp that no class makes instead."""
    size = round(clip.seconds * SAMPLE_RATE)
    signal = _noise(size, 40.0, 12_000.0, rng, tilt=1.0)
    for onset, offset, label in clip.events:
        first, stop = round(onset * SAMPLE_RATE), round(offset * SAMPLE_RATE)
        time = np.arange(stop - first) / SAMPLE_RATE
        sound = _chirp(time, rng) if unknown else SOUNDS[label](time, rng)
        fade = np.clip(np.minimum(time, time[::-1]) / 0.01, 0.0, 1.0)
        sound *= fade * 10 ** (rng.uniform(*SNR) / 20) / (np.sqrt(np.mean(sound**2)) + 1e-12)
        signal[first:stop] += sound
    return signal


def _noise(size: int, low: float, high: float, rng: np.random.Generator, tilt: float = 0.0) -> Signal:
    """Noise of unit level between two frequencies, Hz; its power falls with frequency to the power `tilt`."""
    frequency = np.fft.rfftfreq(size, 1 / SAMPLE_RATE)
    inside = (frequency >= low) & (frequency <= high)
    spectrum = np.zeros(frequency.size, dtype=np.complex128)
    real, imaginary = rng.standard_normal((2, int(inside.sum())))
    spectrum[inside] = (real + 1j * imaginary) * frequency[inside] ** (-tilt / 2)
    noise: Signal = np.fft.irfft(spectrum, size)
    noise /= np.sqrt(np.mean(noise**2)) + 1e-12
    return noise


def _harmonics(frequency: Signal | float, time: Signal, partials: int, rng: np.random.Generator) -> Signal:
    """A tone with partials that fall by 1 / number; `frequency` in Hz, constant or over time."""
    turn = np.exp(2j * np.pi * np.cumsum(np.broadcast_to(frequency, time.shape)) / SAMPLE_RATE)
    signal, partial = np.zeros(time.size), np.ones(time.size, dtype=np.complex128)
    for number in range(1, partials + 1):
        partial *= turn
        angle = rng.uniform(0, 2 * np.pi)
        signal += (np.cos(angle) * partial.imag + np.sin(angle) * partial.real) / number
    return signal


def _alarm(time: Signal, rng: np.random.Generator) -> Signal:
    beats = (np.sin(2 * np.pi * rng.uniform(8.0, 14.0) * time) > -0.3).astype(np.float64)
    return beats * _harmonics(rng.uniform(2_200.0, 3_200.0), time, 2, rng)


def _blender(time: Signal, rng: np.random.Generator) -> Signal:
    return _harmonics(rng.uniform(220.0, 300.0), time, 6, rng) + 0.7 * _noise(time.size, 800.0, 3_000.0, rng)


def _cat(time: Signal, rng: np.random.Generator) -> Signal:
    arch: Signal = np.sin(np.pi * time / time[-1])
    return arch * _harmonics(rng.uniform(600.0, 750.0) * (1 + 0.5 * arch), time, 4, rng)


def _dishes(time: Signal, rng: np.random.Generator) -> Signal:
    clinks: Signal = np.exp(-25.0 * ((time + rng.uniform(0, 0.1)) % rng.uniform(0.1, 0.16)))
    return clinks * (
        _harmonics(rng.uniform(4_500.0, 7_000.0), time, 1, rng) + _noise(time.size, 5_000.0, 11_000.0, rng)
    )


def _dog(time: Signal, rng: np.random.Generator) -> Signal:
    barks: Signal = np.exp(-12.0 * (time % rng.uniform(0.2, 0.3)))
    return barks * (_harmonics(rng.uniform(350.0, 500.0), time, 3, rng) + _noise(time.size, 500.0, 1_600.0, rng))


def _shaver(time: Signal, rng: np.random.Generator) -> Signal:
    buzz = _harmonics(rng.uniform(95.0, 125.0), time, 12, rng)
    return buzz + 0.8 * _noise(time.size, 6_000.0, 9_000.0, rng)


def _frying(time: Signal, rng: np.random.Generator) -> Signal:
    hiss = _noise(time.size, 3_500.0, 14_000.0, rng)
    crackle = rng.random(time.size) < 30.0 / SAMPLE_RATE
    return hiss + np.convolve(crackle * rng.uniform(5.0, 15.0, time.size), np.exp(-np.arange(60) / 15.0), "same")


def _water(time: Signal, rng: np.random.Generator) -> Signal:
    swell = 1 + 0.5 * np.sin(2 * np.pi * (rng.uniform(0.5, 2.0) * time + rng.random()))
    return swell * _noise(time.size, 900.0, 5_000.0, rng)


def _speech(time: Signal, rng: np.random.Generator) -> Signal:
    pitch = rng.uniform(110.0, 220.0) * (1 + 0.1 * np.sin(2 * np.pi * rng.uniform(1.0, 3.0) * time))
    syllables = np.maximum(np.sin(2 * np.pi * (rng.uniform(3.5, 5.5) * time + rng.random())), 0.1)
    return syllables * _harmonics(pitch, time, 8, rng)


def _vacuum(time: Signal, rng: np.random.Generator) -> Signal:
    return _noise(time.size, 100.0, 9_000.0, rng, tilt=0.5) + _harmonics(rng.uniform(380.0, 450.0), time, 5, rng)


def _chirp(time: Signal, rng: np.random.Generator) -> Signal:
    return _harmonics(np.linspace(rng.uniform(300.0, 500.0), rng.uniform(5_000.0, 8_000.0), time.size), time, 1, rng)


SOUNDS: dict[str, Sound] = dict(
    zip(
        CLASSES,
        (_alarm, _blender, _cat, _dishes, _dog, _shaver, _frying, _water, _speech, _vacuum),
        strict=True,
    )
)
LASTING = ("Blender", "Electric_shaver_toothbrush", "Frying", "Running_water", "Vacuum_cleaner")
