"""Speed and memory of the waveform store against decoding every clip each time.

    python perf/store.py [--clips 96] [--repeats 7] [--out FILE.json]

Makes seeded clips of 10 s (44.1 kHz, 16 bit, mono wav), so files and store are in the page cache. The variants of one
table take turns within each repeat, so that a busy moment of the machine hits them alike. Prints markdown tables.
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
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr
import torch

from benchmark.data.store import Clip, WaveformStore, build_store

SECONDS, SOURCE_RATE, STORE_RATE, BATCH = 10, 44100, 32000, 32
Rates = dict[str, list[float]]


def make_clips(folder: Path, count: int) -> list[Clip]:
    """Write `count` clips of pink-ish noise."""
    clips = []
    for index in range(count):
        noise = np.random.default_rng(index).standard_normal(SECONDS * SOURCE_RATE)
        path = folder / f"{index:05}.wav"
        sf.write(path, 0.1 * np.convolve(noise, np.full(8, 1 / 8), "same"), SOURCE_RATE, subtype="PCM_16")
        clips.append(Clip(path.stem, path))
    return clips


def decode(clip: Clip, sample_rate: int | None = None) -> np.ndarray:
    """The usual way: soundfile, then soxr where a rate is asked for; float32 `(time,)`."""
    samples, rate = sf.read(clip.path, dtype="float32")
    if sample_rate is not None:
        samples = soxr.resample(samples, rate, sample_rate, quality="HQ")
    return np.asarray(samples)


def measure(
    variants: dict[str, Callable[[], None]], items: int, repeats: int, prepare: Callable[[], None] = lambda: None
) -> Rates:
    """Items per second of each variant in each repeat, after one call of each that is not counted."""
    rates: Rates = {name: [] for name in variants}
    for repeat in range(repeats + 1):
        for name, call in variants.items():
            prepare()
            begin = time.perf_counter()
            call()
            if repeat:
                rates[name].append(items / (time.perf_counter() - begin))
    return rates


def building(clips: list[Clip], work: Path, cores: int, repeats: int) -> Rates:
    """Clips per second of decoding and resampling, alone and into a new store."""

    def build(jobs: int) -> None:
        build_store(work / "built", clips, STORE_RATE, jobs=jobs, progress=False)

    def loop() -> None:
        for clip in clips:
            decode(clip, STORE_RATE)

    variants = {
        "soundfile + soxr in a loop, nothing kept": loop,
        "store, 1 thread": lambda: build(1),
        f"store, {cores} threads": lambda: build(cores),
    }
    return measure(variants, len(clips), repeats, lambda: shutil.rmtree(work / "built", ignore_errors=True))


def cutting(clips: list[Clip], store: WaveformStore, repeats: int, batches: int = 4) -> Rates:
    """Clips per second of making batches of 32 whole clips as one tensor."""
    generator = np.random.default_rng(0)
    chosen = [generator.integers(0, len(clips), BATCH) for _ in range(batches)]
    starts, length = np.zeros(BATCH, np.int64), SECONDS * STORE_RATE

    def cut(to_float: bool) -> None:
        for batch in chosen:
            samples, gains, _ = store.cut(batch, starts, length)
            if to_float:
                samples * gains[:, None, None]

    def decoded(sample_rate: int | None) -> None:
        for batch in chosen:
            torch.from_numpy(np.stack([decode(clips[place], sample_rate) for place in batch]))

    variants = {
        "soundfile + soxr": lambda: decoded(STORE_RATE),
        "soundfile at 44.1 kHz": lambda: decoded(None),
        "store, as float32 on the CPU": lambda: cut(True),
        "store, int16 and gain": lambda: cut(False),
    }
    return measure(variants, batches * BATCH, repeats)


def own_memory(folder: Path, batches: int = 100) -> dict[str, float]:
    """Run in a process of its own: MB that belong to it, before the store is opened and at most while cutting."""

    def anonymous() -> float:
        (line,) = [row for row in Path("/proc/self/status").read_text().splitlines() if row.startswith("RssAnon")]
        return int(line.split()[1]) / 1024

    before = anonymous()
    store = WaveformStore(folder)
    generator, peak = np.random.default_rng(0), 0.0
    for _ in range(batches):
        batch = generator.integers(0, len(store.clip_ids), BATCH)
        cut = store.cut(batch, np.zeros(BATCH, np.int64), SECONDS * STORE_RATE)
        peak = max(peak, anonymous())
        del cut
    return {"clips": len(store.clip_ids), "store": store.data.nbytes / 2**20, "before": before, "peak": peak}


def memory(clips: list[Clip], work: Path) -> list[dict[str, float]]:
    """`own_memory` for a store of N and of 4N clips."""
    found = []
    for times in (1, 4):
        many = [Clip(f"{clip.clip_id}-{copy}", clip.path) for copy in range(times) for clip in clips]
        build_store(work / f"times{times}", many, STORE_RATE, progress=False)
        command = [sys.executable, __file__, "--memory-of", str(work / f"times{times}")]
        found.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    return found


def machine() -> dict[str, str]:
    """What the numbers were measured on."""
    info = Path("/proc/cpuinfo").read_text().splitlines()
    packages = ("numpy", "torch", "soundfile", "soxr")
    return {
        "cpu": next((row.split(":")[1].strip() for row in info if row.startswith("model name")), platform.machine()),
        "cores": str(len(os.sched_getaffinity(0))),
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
    }


def show(title: str, rates: Rates) -> None:
    """Print medians, ranges, and the ratio to the first row."""
    print(f"\n| {title} | clips/s, median | least to most | times |\n| --- | ---: | ---: | ---: |")
    first = statistics.median(next(iter(rates.values())))
    for name, values in rates.items():
        median = statistics.median(values)
        print(f"| {name} | {median:,.0f} | {min(values):,.0f} to {max(values):,.0f} | {median / first:.2f} |")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=96)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--out", type=Path, help="write every measurement to this JSON file")
    parser.add_argument("--memory-of", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory_of:
        print(json.dumps(own_memory(options.memory_of)))
        return
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        clips = make_clips(work, options.clips)
        host = machine()
        built = building(clips, work, int(host["cores"]), options.repeats)
        cut = cutting(clips, WaveformStore(work / "built"), options.repeats)
        used = memory(clips, work)
    print(", ".join(f"{key} {value}" for key, value in host.items()))
    print(f"{options.clips} clips of {SECONDS} s, {SOURCE_RATE} Hz to {STORE_RATE} Hz; {options.repeats} repeats")
    show("building", built)
    show(f"batches of {BATCH} whole clips, 1 process", cut)
    print("\n| clips | store | own memory before opening | most while cutting |\n| ---: | ---: | ---: | ---: |")
    for row in used:
        print(f"| {row['clips']} | {row['store']:.0f} MB | {row['before']:.0f} MB | {row['peak']:.0f} MB |")
    if options.out:
        report = {"machine": host, "building": built, "cutting": cut, "memory": used}
        options.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
