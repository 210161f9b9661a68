"""What librosa takes on one core, for `perf`, which starts this in an environment with librosa.

    python perf/librosa_child.py

Says its versions when it is ready. Then answers each line with the seconds that librosa took:
`{"load": {"paths": [...], "sample_rate": 32000}}` to load files, mixed to mono, at that rate;
`{"log_mel": {"clips": 2, "seconds": 10, ...}}` to make features of so many clips of noise, with the settings of
`benchmark.frontends.LogMel`. JSON throughout; it ends with its input.
"""

import json
import platform
import sys
import time
from importlib.metadata import version
from typing import Any

import librosa
import numpy as np
import numpy.typing as npt


def load(paths: list[str], sample_rate: int) -> float:
    """How long it takes to load the files, one after the other."""
    begin = time.perf_counter()
    for path in paths:
        librosa.load(path, sr=sample_rate, mono=True)
    return time.perf_counter() - begin


def log_mel(clips: int, seconds: float, **settings: Any) -> float:
    """How long it takes to make the features of so many clips, one after the other."""
    rate = settings["sample_rate"]
    noise = np.random.default_rng(0).standard_normal((clips, round(seconds * rate)), dtype=np.float32)
    begin = time.perf_counter()
    for clip in noise:
        features(clip, settings)
    return time.perf_counter() - begin


def features(samples: npt.NDArray[np.float32], settings: dict[str, Any]) -> Any:
    """Log-mel spectrogram `(bands, frames)`."""
    length = settings["win_length"]
    window = librosa.filters.get_window(settings["window"], length, fftbins=not settings["symmetric"])
    if settings["scaling"] == "density":
        window = window / np.sqrt(settings["sample_rate"] * np.sum(window**2))
    mel = librosa.feature.melspectrogram(
        y=samples,
        sr=settings["sample_rate"],
        n_fft=settings["n_fft"],
        hop_length=settings["hop_length"],
        win_length=length,
        window=window,
        center=settings["center"],
        pad_mode=settings["pad_mode"],
        power=settings["power"],
        n_mels=settings["n_mels"],
        fmin=settings["f_min"],
        fmax=settings["f_max"],
        htk=settings["mel_scale"] == "htk",
        norm=settings["mel_norm"],
    )
    if settings["log"] is None:
        return mel
    mel = np.maximum(mel, settings["log_floor"]) + settings["log_offset"]
    if settings["log"] == "ln":
        return np.log(mel)
    decibels = np.log10(mel) * (20 / settings["power"] if settings["log"] == "db" else 1)
    return decibels if settings["top_db"] is None else np.maximum(decibels, decibels.max() - settings["top_db"])


def main() -> None:
    """Answer until the input ends."""
    packages = ("librosa", "numpy", "soundfile", "soxr", "numba")
    print(json.dumps({"python": platform.python_version(), **{name: version(name) for name in packages}}), flush=True)
    work: dict[str, Any] = {"load": load, "log_mel": log_mel}
    for line in sys.stdin:
        ((what, question),) = json.loads(line).items()
        print(json.dumps(work[what](**question)), flush=True)


if __name__ == "__main__":
    main()
