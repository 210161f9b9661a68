"""Speed of the log-mel front end: both engines of ours, nnAudio as it comes, and torchaudio.

    python -m perf.frontend [--device cpu] [--repeats 25] [--batch 16] [--seconds 10]

The variants take turns within each repeat, so that a busy moment of the machine hits them alike. Prints a markdown
table.
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import torchaudio
from nnAudio.features import MelSpectrogram
from torch import Tensor

from benchmark.frontends import LogMel

OFFSET = 1e-8
PRESETS: dict[str, dict[str, Any]] = {
    "surrey": {
        "sample_rate": 32000,
        "n_fft": 2048,
        "hop_length": 1328,
        "n_mels": 64,
        "f_min": 50.0,
        "f_max": 16000.0,
        "window": "hamming",
        "center": False,
    },
    "bulbul": {
        "sample_rate": 22050,
        "n_fft": 1024,
        "hop_length": 315,
        "n_mels": 80,
        "f_min": 50.0,
        "f_max": 8000.0,
        "window": "hann",
        "center": True,
    },
}


def variants(preset: dict[str, Any], waveform: Tensor) -> dict[str, Callable[[], Tensor]]:
    """Each implementation as a call that gives log-mel magnitudes `(batch, 1, frames, n_mels)` of the waveform."""
    device = waveform.device
    lengths = torch.full((len(waveform),), waveform.shape[-1], device=device)
    on_torch = LogMel(engine="torch", power=1.0, log_offset=OFFSET, **preset).to(device)
    on_nnaudio = LogMel(engine="nnaudio", power=1.0, log_offset=OFFSET, **preset).to(device)
    nnaudio = MelSpectrogram(
        sr=preset["sample_rate"],
        n_fft=preset["n_fft"],
        hop_length=preset["hop_length"],
        n_mels=preset["n_mels"],
        fmin=preset["f_min"],
        fmax=preset["f_max"],
        window=preset["window"],
        center=preset["center"],
        power=1.0,
        verbose=False,
    ).to(device)
    windows = {"hamming": torch.hamming_window, "hann": torch.hann_window}
    audio = torchaudio.transforms.MelSpectrogram(
        preset["sample_rate"],
        preset["n_fft"],
        hop_length=preset["hop_length"],
        n_mels=preset["n_mels"],
        f_min=preset["f_min"],
        f_max=preset["f_max"],
        window_fn=windows[preset["window"]],
        center=preset["center"],
        power=1.0,
        norm="slaney",
        mel_scale="slaney",
    ).to(device)
    return {
        "LogMel, torch.stft": lambda: on_torch(waveform, lengths)[0],
        "LogMel, nnAudio": lambda: on_nnaudio(waveform, lengths)[0],
        "nnAudio MelSpectrogram": lambda: (nnaudio(waveform[:, 0]) + OFFSET).log().transpose(1, 2)[:, None],
        "torchaudio MelSpectrogram": lambda: (audio(waveform) + OFFSET).log().transpose(2, 3),
    }


def timed(call: Callable[[], Tensor], device: torch.device) -> float:
    """Milliseconds of one call."""
    start = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return 1e3 * (time.perf_counter() - start)


def measure(name: str, device: torch.device, batch: int, seconds: float, repeats: int) -> list[str]:
    """Table rows of one preset."""
    preset = PRESETS[name]
    torch.manual_seed(0)
    waveform = torch.randn(batch, 1, round(seconds * preset["sample_rate"]), device=device)
    calls = variants(preset, waveform)
    reference = next(iter(calls.values()))()
    errors = {label: (call() - reference).abs().max().item() for label, call in calls.items()}
    times: dict[str, list[float]] = {label: [] for label in calls}
    for repeat in range(repeats):
        order = list(calls)
        for label in order[repeat % len(order) :] + order[: repeat % len(order)]:
            times[label].append(timed(calls[label], device))
    return [
        f"| {name} | {label} | {statistics.median(taken):.1f} | {min(taken):.1f} "
        f"| {1e3 * batch * seconds / statistics.median(taken):.0f} | {errors[label]:.0e} |"
        for label, taken in times.items()
    ]


def machine(device: torch.device) -> str:
    """The processor, in words."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {torch.get_num_threads()} threads"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Speed of the log-mel front end")
    parser.add_argument("--device", default="cpu", type=torch.device)
    parser.add_argument("--repeats", default=25, type=int)
    parser.add_argument("--batch", default=16, type=int)
    parser.add_argument("--seconds", default=10.0, type=float)
    options = parser.parse_args()
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "torchaudio", "nnAudio"))
    print(f"Log-mel of {options.batch} clips of {options.seconds:g} s, {options.repeats} alternating repeats.")
    print(f"{machine(options.device)}; Python {platform.python_version()}, {packages}.\n")
    print("| preset | implementation | median ms | quickest ms | times real time | largest difference (ln) |")
    print("| --- | --- | --- | --- | --- | --- |")
    with torch.inference_mode():
        for name in PRESETS:
            rows = measure(name, options.device, options.batch, options.seconds, options.repeats)
            print("\n".join(rows))


if __name__ == "__main__":
    main()
