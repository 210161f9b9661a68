"""A synthetic miniature of acoustic scene classification in the official layout, to run everything without a download.

A scene is coloured noise with a few typical sounds over it: babble, engines, rails, birds, steps. A recording place has
its own spectral tilt and resonance, and a clip its own sounds at its own levels; levels of whole clips are drawn alike
for all scenes, so that loudness says nothing. Scores on it check the pipeline and are comparable with nothing.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import soundfile

from tasks.asc.official import CLASSES, STEREO

VERSION = 1
"""Part of the cache key: raise it whenever the same seed gives other files."""

SAMPLE_RATE = 48_000
SECONDS = 0.7
SHORT_SECONDS = 0.1
LEVEL = (-40.0, -25.0)  # dB re full scale
CITIES = ("barcelona", "helsinki", "london", "paris", "stockholm", "vienna")
TRAINING_SEGMENTS = (2, 1, 1)  # of each training place of a scene in a city
TEST_SEGMENTS = (2,)

Signal = npt.NDArray[np.float64]
Sound = Callable[[Signal, np.random.Generator], Signal]
Range = tuple[float, float]


class Segment(NamedTuple):
    """A clip of the development set: scene, city, number of the place, number of the clip, whether it is tested."""

    scene: str
    city: str
    place: int
    number: int
    test: bool

    @property
    def stem(self) -> str:
        """File name without device."""
        return f"{self.scene}-{self.city}-{self.place}-{self.number}"

    @property
    def location(self) -> str:
        """The place as `meta.csv` names it."""
        return f"{self.city}-{self.place}"


class Row(NamedTuple):
    """A row of `meta.csv`, and whether it is tested."""

    filename: str
    scene: str
    location: str
    device: str
    test: bool


def segments() -> list[Segment]:
    """The development set: each scene in two cities, at three training places and one test place of each."""
    found: list[Segment] = []
    place = 0
    parts = [*((size, False) for size in TRAINING_SEGMENTS), *((size, True) for size in TEST_SEGMENTS)]
    for index, scene in enumerate(CLASSES):
        for city in (CITIES[index % 6], CITIES[(index + 3) % 6]):
            for size, test in parts:
                found += [Segment(scene, city, place, len(found) + number, test) for number in range(size)]
                place += 1
    return found


def write_mini(root: Path, seed: int = 0) -> None:
    """Write the three sets; the same seed gives the same bytes.

    The development set has 12 clips of each scene (8 for training), 0.7 s (one of 0.1 s), 48 kHz, stereo, 24 bit; the
    evaluation and the leaderboard set one each. `meta.csv` has Windows line ends, a fold list a byte order mark.

    Args:
        root: Folder for the three sets; made if missing, files replaced.
        seed: Seed of every random choice.
    """
    folder, rows = root / STEREO.folder("development"), []
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    clips = segments()
    levels = spread_levels([segment.scene for segment in clips], np.random.default_rng([seed, 0]))
    for segment, level in zip(clips, levels, strict=True):
        rows.append(Row(f"audio/{segment.stem}-a.wav", segment.scene, segment.location, "a", segment.test))
        seconds = SHORT_SECONDS if segment.number == 0 else SECONDS
        samples = recording(segment.scene, segment.place, segment.number, seconds, SAMPLE_RATE, seed)
        soundfile.write(folder / rows[-1].filename, at_level(samples, level).T, SAMPLE_RATE, subtype="PCM_24")
    write_lists(folder, rows)
    for offset, part in enumerate(("evaluation", "leaderboard")):
        write_tested_set(root / STEREO.folder(part), offset, seed)


def write_tested_set(folder: Path, offset: int, seed: int) -> None:
    """A set of one numbered clip of each scene from places of its own, with labels."""
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    lines = ["filename\tscene_label\tidentifier\tsource_label"]
    for number, scene in enumerate(CLASSES):
        place = 1000 + 100 * offset + number
        level = np.random.default_rng([seed, place]).uniform(*LEVEL)
        samples = at_level(recording(scene, place, place, SECONDS, SAMPLE_RATE, seed), level)
        soundfile.write(folder / "audio" / f"{number}.wav", samples.T, SAMPLE_RATE, subtype="PCM_24")
        lines.append(f"audio/{number}.wav\t{scene}\tparis-{place}\ta")
    write_lines(folder / "meta.csv", lines)


def write_lists(folder: Path, rows: Sequence[Row]) -> None:
    """Write `meta.csv` and the three lists of fold 1."""
    header = "filename\tscene_label\tidentifier\tsource_label"
    write_lines(folder / "meta.csv", [header, *("\t".join(row[:4]) for row in rows)], end="\r\n")
    setup = folder / "evaluation_setup"
    setup.mkdir(exist_ok=True)
    train, test = ([row for row in rows if row.test == tested] for tested in (False, True))
    write_lines(setup / "fold1_train.txt", [f"{row.filename}\t{row.scene}" for row in train], start="\ufeff")
    write_lines(setup / "fold1_evaluate.txt", [f"{row.filename}\t{row.scene}" for row in test])
    write_lines(setup / "fold1_test.txt", [row.filename for row in test])


def write_lines(path: Path, lines: Sequence[str], start: str = "", end: str = "\n") -> None:
    """Write a text file byte by byte as said."""
    path.write_bytes((start + "".join(line + end for line in lines)).encode())


def spread_levels(scenes: Sequence[str], rng: np.random.Generator) -> Signal:
    """Levels in dB; each scene's are spread evenly over the range, so that level separates the scenes for no seed."""
    levels = np.empty(len(scenes))
    for scene in dict.fromkeys(scenes):
        members = np.flatnonzero(np.array(scenes) == scene)
        shares = (rng.permutation(members.size) + rng.random(members.size)) / members.size
        levels[members] = LEVEL[0] + shares * (LEVEL[1] - LEVEL[0])
    return levels


def at_level(signal: Signal, level: float) -> Signal:
    """Scale to a level in dB re full scale."""
    scaled: Signal = np.clip(signal * 10 ** (level / 20) / np.sqrt(np.mean(signal**2)), -1.0, 1.0)
    return scaled


def recording(scene: str, place: int, number: int, seconds: float, sample_rate: int, seed: int) -> Signal:
    """A stereo recording of unit order `(2, time)`: the place's noise, and the scene's sounds from some direction.

    Args:
        scene: Its class.
        place: Number of the place, which has its own tilt and resonance.
        number: Number of the clip.
        seconds: Length.
        sample_rate: Hz.
        seed: Seed.
    """
    at_place, rng = np.random.default_rng([seed, 1, place]), np.random.default_rng([seed, 2, number])
    sound = SCENES[scene]
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    tilt = sound.tilt + at_place.uniform(-0.25, 0.25)
    resonance, gain = np.exp(at_place.uniform(np.log(150), np.log(6_000))), at_place.uniform(0.0, 4.0)
    noise = np.stack([coloured(time, tilt, resonance, gain, rng) for _ in range(2)])
    signal = noise + 0.7 * coloured(time, tilt, resonance, gain, rng)
    for make, levels in sound.sounds:
        direction = 10 ** (rng.uniform(-3.0, 3.0) / 20)
        source = 10 ** (rng.uniform(*levels) / 20) * make(time, rng)
        signal += source * np.array([[direction], [1 / direction]])
    return signal


def unit(signal: Signal) -> Signal:
    """Scale to a root mean square of 1."""
    scaled: Signal = signal / np.sqrt(np.mean(signal**2) + 1e-12)
    return scaled


def shaped(time: Signal, gain: Callable[[Signal], Signal], rng: np.random.Generator) -> Signal:
    """Noise of unit level whose spectrum follows `gain` of the frequency in Hz."""
    frequency = np.maximum(np.fft.rfftfreq(time.size, time[1]), 20.0)
    real, imaginary = rng.standard_normal((2, frequency.size))
    return unit(np.fft.irfft((real + 1j * imaginary) * gain(frequency), time.size))


def coloured(time: Signal, tilt: float, resonance: float, gain: float, rng: np.random.Generator) -> Signal:
    """Noise whose power falls with frequency to `tilt`, with a resonance of an octave, Hz, of so much `gain`."""
    return shaped(
        time, lambda f: f ** (-tilt / 2) * np.sqrt(1 + gain * np.exp(-((np.log2(f / resonance) / 0.5) ** 2))), rng
    )


def band(time: Signal, rng: np.random.Generator, low: float, high: float) -> Signal:
    """Noise between two frequencies, Hz."""
    return shaped(time, lambda f: 1 / np.sqrt((1 + (low / f) ** 8) * (1 + (f / high) ** 8)), rng)


def babble(time: Signal, rng: np.random.Generator, rate: Range = (3.0, 6.0)) -> Signal:
    """Voices: bands of noise where formants are, each coming and going a few times a second."""
    signal = np.zeros(time.size)
    for low, high in ((250.0, 700.0), (900.0, 1_800.0), (2_000.0, 3_200.0)):
        swell = np.sin(2 * np.pi * (rng.uniform(*rate) * time + rng.random()))
        signal += (1.1 + swell) * band(time, rng, low * rng.uniform(0.9, 1.1), high * rng.uniform(0.9, 1.1))
    return unit(signal)


def harmonics(time: Signal, rng: np.random.Generator, pitch: Range, partials: int, glide: float = 0.0) -> Signal:
    """A tone with falling partials that glides by up to a share of its pitch, Hz, in a second: an engine, a motor."""
    fundamental = rng.uniform(*pitch) * (1 + rng.uniform(-glide, glide) * time)
    phase = 2 * np.pi * np.cumsum(fundamental) * time[1]
    return unit(sum((np.sin(k * phase + 6 * rng.random()) / k for k in range(1, partials + 1)), np.zeros(time.size)))


def swelling(time: Signal, rng: np.random.Generator, low: float, high: float) -> Signal:
    """Band noise, Hz, that rises and falls once: something passes by."""
    peak, width = rng.uniform(0.2, 0.8) * time[-1], rng.uniform(0.2, 0.5) * time[-1]
    return unit((0.2 + np.exp(-(((time - peak) / width) ** 2))) * band(time, rng, low, high))


def bursts(time: Signal, rng: np.random.Generator, rate: Range, decay: float, low: float, high: float) -> Signal:
    """Regular bursts of band noise, Hz, so many a second, each decaying in so many seconds: steps, rail joints."""
    period = 1 / rng.uniform(*rate)
    since = (time + period * rng.random()) % period
    return unit(np.exp(-since / decay) * band(time, rng, low, high))


def chirps(time: Signal, rng: np.random.Generator, pitch: Range, rate: Range) -> Signal:
    """Short sweeps between frequencies, Hz, so many a second: birds, beeps."""
    period = 1 / rng.uniform(*rate)
    since = (time + period * rng.random()) % period / period
    frequency = rng.uniform(*pitch) * (1 + rng.uniform(-0.25, 0.25) * since)
    return unit(np.exp(-(((since - 0.5) / 0.15) ** 2)) * np.sin(2 * np.pi * np.cumsum(frequency) * time[1]))


class Scene(NamedTuple):
    """What a scene sounds like: the tilt of its noise, and its sounds with their levels re the noise, dB."""

    tilt: float
    sounds: tuple[tuple[Sound, Range], ...]


SCENES: dict[str, Scene] = {
    "airport": Scene(
        1.0,
        (
            (babble, (-8.0, 0.0)),
            (partial(harmonics, pitch=(500.0, 700.0), partials=3), (-14.0, -4.0)),
        ),
    ),
    "bus": Scene(1.8, ((partial(harmonics, pitch=(40.0, 65.0), partials=12, glide=0.2), (-4.0, 6.0)),)),
    "metro": Scene(
        1.4,
        (
            (partial(band, low=250.0, high=900.0), (-3.0, 5.0)),
            (partial(chirps, pitch=(2_000.0, 2_600.0), rate=(1.0, 2.0)), (-16.0, -6.0)),
        ),
    ),
    "metro_station": Scene(
        1.4,
        (
            (partial(swelling, low=150.0, high=700.0), (-2.0, 6.0)),
            (partial(chirps, pitch=(900.0, 1_100.0), rate=(4.0, 6.0)), (-14.0, -4.0)),
        ),
    ),
    "park": Scene(0.8, ((partial(chirps, pitch=(3_500.0, 6_000.0), rate=(4.0, 9.0)), (-14.0, -2.0)),)),
    "public_square": Scene(
        1.2,
        (
            (babble, (-10.0, -4.0)),
            (partial(swelling, low=60.0, high=250.0), (-4.0, 4.0)),
        ),
    ),
    "shopping_mall": Scene(
        0.9,
        (
            (babble, (-4.0, 4.0)),
            (partial(harmonics, pitch=(200.0, 300.0), partials=6), (-12.0, -4.0)),
        ),
    ),
    "street_pedestrian": Scene(
        1.0,
        (
            (partial(bursts, rate=(3.0, 6.0), decay=0.02, low=1_500.0, high=5_000.0), (-8.0, 2.0)),
            (babble, (-12.0, -5.0)),
        ),
    ),
    "street_traffic": Scene(1.3, ((partial(swelling, low=700.0, high=2_500.0), (-4.0, 6.0)),)),
    "tram": Scene(
        1.5,
        (
            (partial(harmonics, pitch=(350.0, 600.0), partials=4, glide=0.6), (-10.0, 0.0)),
            (partial(bursts, rate=(5.0, 8.0), decay=0.03, low=100.0, high=600.0), (-6.0, 4.0)),
        ),
    ),
}
