"""Speed and memory of the waveform store against decoding every clip each time.

    python -m perf.store [--clips 64] [--repeats 7] [--out FILE.json] [--without-librosa]

Makes seeded clips of 10 s in three formats, so files and store are in the page cache. The variants of one table take
turns within each repeat, so that a busy moment of the machine hits them alike; a ratio is taken within each repeat.
librosa runs in an environment of its own, `.venv-perf`, which is made at first use. Prints markdown tables.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import soundfile as sf
import soxr
import torch

from benchmark.data.store import WaveformStore, build_store
from benchmark.data.store_index import Clip
from benchmark.errors import BenchmarkError
from benchmark.records import commit
from perf.isolated import Child, python_with

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT, LIBROSA = ROOT / ".venv-perf", "librosa==0.11.0"
SECONDS, STORE_RATE, BATCH, BATCHES = 10, 32000, 32, 4
Rates = dict[str, list[float]]  # variant: clips per second in each repeat
Variants = dict[str, Callable[[], float]]  # variant: does it once, gives the seconds it took


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

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
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


def timed(call: Callable[[], object]) -> Callable[[], float]:
    """The call as a variant."""

    def seconds() -> float:
        begin = time.perf_counter()
        call()
        return time.perf_counter() - begin

    return seconds


def measure(variants: Variants, clips: int, repeats: int, prepare: Callable[[], None] = lambda: None) -> Rates:
    """Clips per second of each variant in each repeat, after one call of each that is not counted.

    Args:
        variants: What takes turns; another one begins in each repeat.
        clips: How many each call handles.
        repeats: How many are counted.
        prepare: Called before each, not timed.
    """
    rates: Rates = {name: [] for name in variants}
    names = list(variants)
    for repeat in range(repeats + 1):
        turn = repeat % len(names)
        for name in names[turn:] + names[:turn]:
            prepare()
            seconds = variants[name]()
            if repeat:
                rates[name].append(clips / seconds)
    return rates


def building(clips: list[Clip], folder: Path, librosa: Child | None, cores: int, repeats: int) -> Rates:
    """Clips per second of decoding and resampling, with nothing kept and into a new store."""
    asked = {"paths": [str(clip.path) for clip in clips], "sample_rate": STORE_RATE}
    variants: Variants = {
        "soundfile": timed(lambda: [decode(clip) for clip in clips]),
        "soundfile + soxr": timed(lambda: [load(clip) for clip in clips]),
    }
    if librosa:
        variants["librosa.load"] = lambda: librosa.ask(asked)
    for jobs in sorted({1, cores}):
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
            samples * gains[:, None, None]

    def stack(read: Callable[[Clip], npt.NDArray[np.float32]]) -> None:
        for batch in chosen:
            torch.from_numpy(np.stack([read(clips[place]) for place in batch]))

    variants = {
        "soundfile": timed(lambda: stack(lambda clip: decode(clip)[0])),
        "soundfile + soxr": timed(lambda: stack(load)),
        "store, as float32 on the CPU": timed(cut_to_float),
        "store, int16 and gain": timed(cut),
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


def machine() -> dict[str, str]:
    """What the numbers were measured on."""
    info = Path("/proc/cpuinfo").read_text().splitlines()
    packages = ("numpy", "torch", "soundfile", "soxr")
    return {
        "cpu": next((row.split(":")[1].strip() for row in info if row.startswith("model name")), platform.machine()),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GB",
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
        "libsndfile": sf.__libsndfile_version__,
        "torch threads": str(torch.get_num_threads()),
        "commit": commit() or "unknown",
    }


def start_librosa() -> Child:
    """A process that can load files with librosa.

    Raises:
        BenchmarkError: It cannot be installed, or does not run.
    """
    same = [f"{name}=={version(name)}" for name in ("soundfile", "soxr")]  # so that only librosa differs
    python = python_with(ENVIRONMENT, [LIBROSA, *same])
    return Child([str(python), str(ROOT / "perf" / "librosa_load.py")])


def ratio(rates: Sequence[float], rivals: Sequence[float]) -> str:
    """Median and range of the ratios within each repeat."""
    each = [mine / its for mine, its in zip(rates, rivals, strict=True)]
    return f"{statistics.median(each):,.2f} ({min(each):,.2f} to {max(each):,.2f})"


def show(title: str, rates: Rates, batch: int = 0, missing: str = "") -> None:
    """Print a table of rates and of each one's ratios to the variants that are no store.

    Args:
        title: Of the table.
        rates: The rows.
        batch: Clips a batch, to show batches per second too.
        missing: A variant that could not be measured.
    """
    rivals = [name for name in rates if not name.startswith("store")]
    header = [title, *(["batches/s"] if batch else []), "clips/s", "least to most", *(f"to {name}" for name in rivals)]
    print(f"\n| {' | '.join(header)} |\n| --- |{' ---: |' * (len(header) - 1)}")
    for name, values in rates.items():
        median = statistics.median(values)
        cells = [f"{median / batch:,.1f}"] if batch else []
        cells += [f"{median:,.0f}", f"{min(values):,.0f} to {max(values):,.0f}"]
        cells += ["1" if rival == name else ratio(values, rates[rival]) for rival in rivals]
        print(f"| {name} | {' | '.join(cells)} |")
    if missing:
        print(f"| {missing}: not there |{' |' * (len(header) - 1)}")


def show_memory(rows: list[dict[str, Any]]) -> None:
    """Print what a process owns before and at most while building and while cutting."""
    print("\n| clips | store | before building | most while building | before cutting | most while cutting |")
    print("|" + " ---: |" * 6)
    for row in rows:
        values = [row["store"], *(row[doing][when] for doing in ("building", "cutting") for when in ("before", "most"))]
        print(f"| {row['clips']} | {' | '.join(f'{value:.0f} MB' for value in values)} |")


def measure_format(form: Format, work: Path, librosa: Child | None, clips: int, repeats: int) -> dict[str, Any]:
    """Measure one format and print its tables."""
    files = make_clips(work / "clips", form, clips)
    size = sum(clip.path.stat().st_size for clip in files) / len(files)
    print(f"\n### {form.name}, {size / 1e6:.2f} MB a clip")
    built = building(files, work / "built", librosa, len(os.sched_getaffinity(0)), repeats)
    show("building", built, missing="" if librosa else "librosa.load")
    cut = cutting(files, build_store(work / "cut", files, STORE_RATE, progress=False), repeats)
    show(f"batches of {BATCH} clips, one process", cut, BATCH)
    found: dict[str, Any] = {"bytes": size, "building": built, "cutting": cut}
    if form == LARGEST:
        found["memory"] = memory(files, work)
        show_memory(found["memory"])
    for folder in ("clips", "built", "cut"):
        shutil.rmtree(work / folder, ignore_errors=True)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--out", type=Path, help="write every measurement to this JSON file")
    parser.add_argument("--without-librosa", action="store_true", help="neither install nor measure it")
    options = parser.parse_args()
    host, librosa, reason = machine(), None, "not asked for"
    if not options.without_librosa:
        try:
            librosa = start_librosa()
        except (BenchmarkError, OSError) as error:
            reason = str(error)
    versions = librosa.ready if librosa else {"missing": reason}
    print(", ".join(f"{key} {value}" for key, value in host.items()))
    print("librosa's environment: " + ", ".join(f"{key} {value}" for key, value in versions.items()))
    print(f"{options.clips} clips of {SECONDS} s to {STORE_RATE} Hz; {options.repeats} repeats: medians, least to most")
    try:
        with tempfile.TemporaryDirectory() as name:
            formats = {
                form.name: measure_format(form, Path(name), librosa, options.clips, options.repeats) for form in FORMATS
            }
    finally:
        if librosa:
            librosa.close()
    if options.out:
        settings = {"clips": options.clips, "repeats": options.repeats, "seconds": SECONDS, "rate": STORE_RATE}
        report = {"machine": host, "librosa": versions, "settings": settings, "formats": formats}
        options.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
