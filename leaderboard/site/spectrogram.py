"""A clip's spectrogram as a picture, and its sound as a file that every browser plays."""

from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile
from matplotlib.image import imsave
from numpy.typing import NDArray

FRAME = 2048
COLUMNS = 600
BANDS = 96
RANGE = 70.0  # dB below the loudest
TICKS = (250, 500, 1000, 2000, 4000, 8000, 16000)  # Hz


class Picture(NamedTuple):
    """A picture's axes.

    Attributes:
        seconds: Its width.
        ticks: Frequencies, and where they lie from the bottom (0) to the top (1).
    """

    seconds: float
    ticks: list[tuple[str, float]]


def write_spectrogram(path: Path, waveform: NDArray[np.float32], rate: int) -> Picture:
    """Write a log-mel spectrogram as PNG.

    Args:
        path: File to write.
        waveform: `(time,)`.
        rate: Its sample rate in Hz.
    """
    hop = max(64, -(-len(waveform) // COLUMNS))
    padded = np.pad(waveform, (FRAME // 2, FRAME // 2))
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::hop]
    power = np.abs(np.fft.rfft(frames * np.hanning(FRAME))) ** 2
    level = 10 * np.log10(np.maximum(power @ _bands(rate), 1e-12))
    path.parent.mkdir(parents=True, exist_ok=True)
    imsave(path, level.T, vmin=level.max() - RANGE, vmax=level.max(), cmap="magma", origin="lower", format="png")
    ticks = [(_hertz(tick), float(_mel(tick) / _mel(rate / 2))) for tick in TICKS if tick < 0.45 * rate]
    return Picture(len(waveform) / rate, ticks)


def write_flac(path: Path, waveform: NDArray[np.float32], rate: int) -> None:
    """Write a clip, `(time,)`, as 16-bit FLAC; what is beyond full scale is clipped."""
    soundfile.write(path, np.clip(waveform, -1, 1), rate, format="FLAC", subtype="PCM_16")


@cache
def _bands(rate: int) -> NDArray[Any]:
    """Triangles of equal width in mel, `(frequencies, bands)`."""
    places = _mel(np.fft.rfftfreq(FRAME, 1 / rate)) / _mel(rate / 2) * (BANDS + 1)
    bands: NDArray[Any] = np.maximum(0.0, 1 - np.abs(places[:, np.newaxis] - np.arange(1, BANDS + 1)))
    return bands


def _mel(frequency: Any) -> Any:
    return 2595 * np.log10(1 + frequency / 700)


def _hertz(frequency: int) -> str:
    return f"{frequency} Hz" if frequency < 1000 else f"{frequency // 1000} kHz"
