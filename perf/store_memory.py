"""The memory of its own that a process takes for a waveform store; `perf.store` starts one for each number.

    python -m perf.store_memory cut STORE
    python -m perf.store_memory build STORE SAMPLE_RATE < one path a line

Counted are the anonymous pages (Linux, `RssAnon`): not the mapped store, whose pages the system takes back when others
need them, and not the page cache. Prints JSON, in MB: `before` anything is done, and the `most` meanwhile.
"""

import json
import sys
from pathlib import Path
from threading import Event, Thread

import numpy as np

from benchmark.data.store import WaveformStore, build_store
from benchmark.data.store_index import Clip

BATCH, BATCHES, INTERVAL = 32, 100, 0.002


def own() -> float:
    """MB that belong to this process alone."""
    (line,) = [row for row in Path("/proc/self/status").read_text().splitlines() if row.startswith("RssAnon")]
    return int(line.split()[1]) / 1024


def most_while_building(folder: Path, sample_rate: int, paths: list[str]) -> float:
    """Looks every 2 ms, while the threads of a build run."""
    clips = [Clip(f"{place:06}", Path(path)) for place, path in enumerate(paths)]
    looked, done = [own()], Event()

    def look() -> None:
        while not done.wait(INTERVAL):
            looked.append(own())

    watch = Thread(target=look)
    watch.start()
    try:
        build_store(folder, clips, sample_rate, progress=False)
    finally:
        done.set()
        watch.join()
    return max(looked)


def most_while_cutting(folder: Path) -> float:
    """Looks at each of 100 batches of 32 whole clips while the batch is there."""
    store = WaveformStore(folder)
    generator, most = np.random.default_rng(0), 0.0
    for _ in range(BATCHES):
        clips = generator.integers(0, len(store.clip_ids), BATCH)
        batch = store.cut(clips, np.zeros(BATCH, np.int64), int(store.lengths.max()))
        most = max(most, own())
        del batch
    return most


def main() -> None:
    """Measure and print."""
    doing, folder = sys.argv[1], Path(sys.argv[2])
    before = own()
    if doing == "build":
        most = most_while_building(folder, int(sys.argv[3]), sys.stdin.read().splitlines())
    else:
        most = most_while_cutting(folder)
    print(json.dumps({"before": before, "most": most}))


if __name__ == "__main__":
    main()
