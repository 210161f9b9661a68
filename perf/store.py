"""Speed and memory of the waveform store against decoding every clip each time.

Makes seeded clips of 10 s in four formats, so files and store are in the page cache. librosa runs in an environment of
its own.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import soundfile as sf
import soxr
import torch

from benchmark.data.parallel import usable_cores
from benchmark.data.sources import signal_of
from benchmark.data.store import WaveformStore, build_store
from benchmark.data.store_index import Clip
from perf.isolated import ROOT, Child, start_librosa
from perf.measuring import Options, Rates, Table, measure, median, rates_table, timed

SECONDS, STORE_RATE, BATCH, BATCHES = 10, 32000, 32, 2
FLOAT, RAW = "store, as float32 on the CPU", "store, int16 and gain"


class Format(NamedTuple):
    """A kind of audio file."""

    name: str
    suffix: str
    sample_rate: int
    channels: int
    subtype: str


FORMATS = (
    Format("44.1 kHz mono 16 bit wav", "wav", 44100, 1, "PCM_16"),
    Format("48 kHz stereo 24 bit wav", "wav", 48000, 2, "PCM_24"),
    Format("44.1 kHz mono flac", "flac", 44100, 1, "PCM_16"),
    Format("44.1 kHz mono ogg", "ogg", 44100, 1, "VORBIS"),
)
LARGEST = FORMATS[1]  # to decode it takes the most memory


def sound(seed: int, sample_rate: int, channels: int) -> npt.NDArray[np.float64]:
    """Pink noise with five harmonic tones, `(time, channels)`: Vorbis needs its usual bit rate for it, 80 kbit/s."""
    generator = np.random.default_rng(seed)
    bins = np.arange(SECONDS * sample_rate // 2 + 1)
    noise = generator.standard_normal((2, channels, len(bins)))
    spectrum = (noise[0] + 1j * noise[1]) / np.sqrt(np.maximum(bins, 20 * SECONDS))
    for pitch in np.exp(generator.uniform(np.log(100), np.log(1500), 5)):
        for harmonic in range(1, 7):
            peak = round(pitch * harmonic * SECONDS)
            spectrum[:, peak - 3 : peak + 4] *= 60 / harmonic  # a line some 0.5 Hz wide: the tone swells and fades
    samples = np.fft.irfft(spectrum, SECONDS * sample_rate).T
    return np.asarray(0.5 * samples / np.abs(samples).max())


def make_clips(folder: Path, form: Format, count: int) -> list[Clip]:
    """Write `count` files of one format."""
    folder.mkdir()

    def write(seed: int) -> Clip:
        path = folder / f"{seed:05}.{form.suffix}"
        sf.write(path, sound(seed, form.sample_rate, form.channels), form.sample_rate, subtype=form.subtype)
        return Clip(path.stem, path)

    with ThreadPoolExecutor(usable_cores()) as pool:
        return list(pool.map(write, range(count)))


def decode(clip: Clip) -> tuple[npt.NDArray[np.float32], int]:
    """What is in the file, `(time, channels)`, and its rate in Hz."""
    samples, rate = sf.read(clip.path, dtype="float32", always_2d=True)
    return samples, rate


def load(clip: Clip) -> npt.NDArray[np.float32]:
    """Mixed to mono and at the store's rate, `(time,)`."""
    samples, rate = decode(clip)
    channels = samples.shape[1]
    # numpy's mean over the channels of each frame takes three times as long as the resampler: no fair rival
    mono = samples @ np.full(channels, 1 / channels, np.float32) if channels > 1 else samples[:, 0]
    return np.asarray(soxr.resample(mono, rate, STORE_RATE, quality="HQ"))


def building(clips: list[Clip], folder: Path, librosa: Child | str, repeats: int) -> Rates:
    """Clips per second of decoding and resampling, with nothing kept and into a new store."""
    asked = {"load": {"paths": [str(clip.path) for clip in clips], "sample_rate": STORE_RATE}}
    variants: dict[str, Callable[[], float]] = {
        "soundfile": timed(lambda: [decode(clip) for clip in clips]),
        "soundfile + soxr": timed(lambda: [load(clip) for clip in clips]),
    }
    if isinstance(librosa, Child):
        variants["librosa.load"] = lambda: librosa.ask(asked)
    for jobs in sorted({1, usable_cores()}):
        build = partial(build_store, folder, clips, STORE_RATE, jobs=jobs, progress=False)
        variants[f"store, threads: {jobs}"] = timed(build)
    return measure(variants, len(clips), repeats, lambda: shutil.rmtree(folder, ignore_errors=True))


def cutting(clips: list[Clip], store: WaveformStore, repeats: int) -> Rates:
    """Clips per second of making batches of 32 whole clips, each one tensor."""
    generator = np.random.default_rng(0)
    chosen = [generator.integers(0, len(clips), BATCH) for _ in range(BATCHES)]
    starts, length = np.zeros(BATCH, np.int64), SECONDS * STORE_RATE

    def cut() -> None:
        for batch in chosen:
            store.cut(batch, starts, length)

    def cut_to_float() -> None:
        for batch in chosen:
            samples, gains, _ = store.cut(batch, starts, length)
            signal_of({"waveform": samples, "gain": gains})

    def stack(read: Callable[[Clip], npt.NDArray[np.float32]]) -> None:
        for batch in chosen:
            torch.from_numpy(np.stack([read(clips[place]) for place in batch]))

    variants = {
        "soundfile": timed(lambda: stack(lambda clip: decode(clip)[0])),
        "soundfile + soxr": timed(lambda: stack(load)),
        FLOAT: timed(cut_to_float),
        RAW: timed(cut),
    }
    return measure(variants, BATCHES * BATCH, repeats)


def memory(clips: list[Clip], work: Path) -> list[dict[str, Any]]:
    """MB of a process of its own, for N and 4N clips: before and at most while building, and while cutting."""

    def of(arguments: Sequence[str], sources: str = "") -> dict[str, float]:
        command = [sys.executable, "-m", "perf.store_memory", *arguments]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, input=sources, cwd=ROOT)
        return dict(json.loads(done.stdout))

    found, folder = [], work / "memory"
    for times in (1, 4):
        paths = [str(clip.path) for _ in range(times) for clip in clips]
        built = of(["build", str(folder), str(STORE_RATE)], "\n".join(paths))
        size = WaveformStore(folder).data.nbytes / 2**20
        found.append({"clips": len(paths), "store": size, "building": built, "cutting": of(["cut", str(folder)])})
        shutil.rmtree(folder)
    return found


def measure_format(form: Format, work: Path, librosa: Child | str, clips: int, repeats: int) -> dict[str, Any]:
    """Measure one format."""
    files = make_clips(work / "clips", form, clips)
    found: dict[str, Any] = {
        "bytes": sum(clip.path.stat().st_size for clip in files) / len(files),
        "building": building(files, work / "built", librosa, repeats),
        "cutting": cutting(files, build_store(work / "cut", files, STORE_RATE, progress=False), repeats),
    }
    if form == LARGEST:
        found["memory"] = memory(files, work)
    for folder in ("clips", "built", "cut"):
        shutil.rmtree(work / folder, ignore_errors=True)
    return found


def run(options: Options) -> dict[str, Any]:
    """Measure all formats."""
    librosa, clips = start_librosa(), 2 if options.quick else 32
    found: dict[str, Any] = {"clips": clips, "librosa": librosa if isinstance(librosa, str) else librosa.ready}
    try:
        with tempfile.TemporaryDirectory() as name:
            found["formats"] = {}
            for form in FORMATS:
                print(f"  {form.name}", flush=True)
                found["formats"][form.name] = measure_format(form, Path(name), librosa, clips, options.repeats)
    finally:
        if isinstance(librosa, Child):
            librosa.close()
    return found


def tables(found: dict[str, Any]) -> list[Table]:
    """Building and batches of each format, and the memory."""
    made = []
    missing = f"librosa.load is not there: {found['librosa']}" if isinstance(found["librosa"], str) else ""
    for name, form in found["formats"].items():
        about, built = f"{name}, {form['bytes'] / 1e6:.2f} MB a clip", form["building"]
        rivals = [rival for rival in built if not rival.startswith("store")]
        made.append(rates_table(f"building a store of {found['clips']} clips: {about}", built, rivals, note=missing))
        cut = form["cutting"]
        per_batch = {f"{kind} ({median(cut[kind]) / BATCH:,.1f} batches/s)": rates for kind, rates in cut.items()}
        made.append(
            rates_table(f"batches of {BATCH} whole clips, one process: {about}", per_batch, list(per_batch)[:2])
        )
    for name, form in found["formats"].items():
        if "memory" in form:
            made.append(_memory_table(name, form["memory"]))
    return made


def _memory_table(name: str, rows: Sequence[dict[str, Any]]) -> Table:
    """What a process owns before and at most while building and while cutting."""
    header = ["clips", "store", "before building", "most while building", "before cutting", "most while cutting"]
    cells = []
    for row in rows:
        values = [row["store"], *(row[doing][when] for doing in ("building", "cutting") for when in ("before", "most"))]
        cells.append([str(row["clips"]), *(f"{value:.0f} MB" for value in values)])
    return Table(f"memory of its own that a process takes: {name}", header, cells)
