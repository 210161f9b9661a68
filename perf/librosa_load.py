"""The seconds that `librosa.load` takes, for `perf.store`, which starts this in an environment with librosa.

    python perf/librosa_load.py

Says its versions when it is ready. Then answers each line `{"paths": [...], "sample_rate": 32000}` with the seconds in
which it loaded all of them, mixed to mono, at that rate. JSON throughout; it ends with its input.
"""

import json
import platform
import sys
import time
from importlib.metadata import version

import librosa


def seconds(paths: list[str], sample_rate: int) -> float:
    """How long it takes to load the files, one after the other."""
    begin = time.perf_counter()
    for path in paths:
        librosa.load(path, sr=sample_rate, mono=True)
    return time.perf_counter() - begin


def main() -> None:
    """Answer until the input ends."""
    packages = ("librosa", "numpy", "soundfile", "soxr", "numba")
    print(json.dumps({"python": platform.python_version(), **{name: version(name) for name in packages}}), flush=True)
    for line in sys.stdin:
        print(json.dumps(seconds(**json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
