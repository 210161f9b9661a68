"""Bands of a spectrogram that is in decibels already: perceptual weighting, and a logarithmic filter bank."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.errors import InputError
from benchmark.frontends.log_mel import Engine, LogMel, exact_float32
from benchmark.frontends.transforms import frame_mask

CPU_CHUNK = 2**20  # samples whose whole spectra are in memory at once on a CPU
QUIETEST = -80.0  # dB of the A-weighting, which falls without end towards 0 Hz; source: librosa.A_weighting
TUNING = 440.0  # Hz: one centre of a logarithmic filter bank lies here


class LevelBands(LogMel, ABC):
    """A filter bank on the logarithm of the power of each Fourier bin, where `LogMel` takes that of each band.

    A subclass gives the logarithm. Windows, padding and precision are those of `LogMel`.
    """

    @abstractmethod
    def levels(self, power: Tensor, padding: Tensor) -> Tensor:
        """Logarithm of powers `(batch, frames, bins)`; what lies in padded frames does not matter.

        Args:
            power: Of the Fourier bins that some band uses.
            padding: True in padded frames, `(batch, frames, 1)`.
        """

    def forward(self, waveform: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Features of a batch of waveforms.

        Args:
            waveform: `(batch, channels, time)`, any floating type.
            lengths: Samples that are not padding, int64 `(batch,)`.

        Returns:
            Features, float32 `(batch, channels, frames, bands)`, 0 in padded frames; and the frames that are not
            padding, int64 `(batch,)`.

        Raises:
            InputError: The waveform is not of rank 3.
        """
        if waveform.ndim != 3:
            what = f"the waveform has shape {tuple(waveform.shape)}"
            raise InputError(what, type(self).__name__, "give it as (batch, channels, time)")
        lengths = lengths.to(waveform.device).clamp(max=waveform.shape[-1])
        frames = self.frame_lengths(lengths)
        channels = waveform.shape[1]
        with exact_float32(waveform.device.type):
            rows = self._pad(waveform.float(), lengths).flatten(0, 1)
            at_once = max(1, CPU_CHUNK // rows.shape[-1]) if rows.device.type == "cpu" else len(rows)
            bands = []
            row_frames = torch.split(frames.repeat_interleave(channels), at_once)
            for part, valid in zip(torch.split(rows, at_once), row_frames, strict=True):
                power = self._power(part)
                padding = ~frame_mask(valid, power.shape[1])[:, 0]
                bands.append((self.levels(power, padding) @ self.mel).masked_fill(padding, 0.0))
        return torch.unflatten(torch.cat(bands), 0, (len(waveform), channels)), frames


class PerceptualMel(LevelBands):
    """Mel bands of the A-weighted decibels of each Fourier bin.

    The logarithm comes before the weighting, and this before the bands, each of which gives a weighted sum of decibels.
    Source: card `task2-cp-jku-self-verification`, front end, version 1.

    Args:
        sample_rate: Hz.
        n_fft: Length of the Fourier transform and of the Hann window in samples.
        hop_length: Distance of two frames in samples.
        n_mels: Mel bands, of equal area, from 0 Hz to half the sample rate.
        floor: Smallest power that enters the logarithm.
        top_db: Before weighting, nothing lies further than this below the channel's maximum.
        engine: As of `LogMel`.

    Raises:
        InputError: A setting is impossible; the message names it.
    """

    weighting: Tensor

    def __init__(
        self,
        sample_rate: int = 32000,
        n_fft: int = 1024,
        hop_length: int = 192,
        n_mels: int = 128,
        floor: float = 1e-10,
        top_db: float = 99.0,
        engine: Engine = "auto",
    ) -> None:
        super().__init__(sample_rate, n_fft, hop_length, n_mels, f_min=0.0, log=None, engine=engine)
        for name, value in (("floor", floor), ("top_db", top_db)):
            if value <= 0:
                raise InputError(f"{name} must be positive, not {value}", f"PerceptualMel.{name}")
        self.floor, self.range_db = floor, top_db
        bins = np.arange(self.bins.start, self.bins.stop) * (sample_rate / n_fft)
        self.register_buffer("weighting", torch.from_numpy(a_weighting(bins)).float(), persistent=False)

    def levels(self, power: Tensor, padding: Tensor) -> Tensor:
        """A-weighted decibels."""
        decibels = 10 * power.clamp(min=self.floor).log10()
        peak = decibels.masked_fill(padding, -torch.inf).amax((1, 2), keepdim=True)
        return torch.maximum(decibels, peak - self.range_db) + self.weighting


class LogFilterBank(LevelBands):
    """Bands of constant width in octaves, of `log10(1 + power)` of each Fourier bin.

    See `logarithmic_filters` for the bands. Source: card `task2-cp-jku-self-verification`, front end, version 2 (26
    bands an octave from 20 Hz to 14 kHz, which are 128).

    Args:
        sample_rate: Hz.
        n_fft: Length of the Fourier transform and of the Hann window in samples.
        hop_length: Distance of two frames in samples.
        bands_per_octave: Bands in an octave, where the Fourier bins are close enough.
        f_min: Lower edge of the lowest band in Hz.
        f_max: Upper edge of the highest band in Hz.
        engine: As of `LogMel`.

    Raises:
        InputError: A setting is impossible; the message names it.
    """

    def __init__(
        self,
        sample_rate: int = 32000,
        n_fft: int = 1024,
        hop_length: int = 128,
        bands_per_octave: int = 26,
        f_min: float = 20.0,
        f_max: float = 14000.0,
        engine: Engine = "auto",
    ) -> None:
        filters = logarithmic_filters(sample_rate, n_fft, bands_per_octave, f_min, f_max)
        self.bands_per_octave = bands_per_octave  # the parent asks for the bands while it is built
        super().__init__(
            sample_rate, n_fft, hop_length, len(filters), f_min=f_min, f_max=f_max, log=None, engine=engine
        )

    def _mel_matrix(self) -> Tensor:
        filters = logarithmic_filters(self.sample_rate, self.n_fft, self.bands_per_octave, self.f_min, self.f_max)
        return torch.from_numpy(filters).float().T

    def levels(self, power: Tensor, padding: Tensor) -> Tensor:
        """`log10(1 + power)`."""
        return (1 + power).log10()


def a_weighting(frequency: NDArray[Any]) -> NDArray[np.float64]:
    """The A-weighting of IEC 61672 in dB, at least -80.

    Args:
        frequency: Hz, of any shape.
    """
    square = np.asarray(frequency, dtype=np.float64) ** 2
    gain = 12194.217**2 * square**2 / (square + 20.598997**2) / (square + 12194.217**2)
    gain /= np.sqrt((square + 107.65265**2) * (square + 737.86223**2))
    with np.errstate(divide="ignore"):
        weight: NDArray[np.float64] = np.maximum(20 * np.log10(gain) + 2.0, QUIETEST)
    return weight


def logarithmic_filters(
    sample_rate: int, n_fft: int, bands_per_octave: int, f_min: float, f_max: float
) -> NDArray[np.float64]:
    """Triangular filters whose centres are evenly spaced in octaves, one of them at 440 Hz.

    Centres are moved to the nearest Fourier bin, and each bin is one only once, so that low bands are a bin apart. A
    filter rises from the centre before its own and falls to the one after it; its weights have a sum of 1. The
    outermost centres are edges alone. Source: card `task2-cp-jku-self-verification`, front end, version 2 (madmom's
    filter bank).

    Args:
        sample_rate: Hz.
        n_fft: Length of the Fourier transform.
        bands_per_octave: Centres in an octave.
        f_min: Hz, no centre lies below.
        f_max: Hz, no centre lies above.

    Returns:
        `(bands, n_fft // 2 + 1)`.

    Raises:
        InputError: Not `0 < f_min < f_max <= sample_rate / 2`, or there is no band.
    """
    if not 0 < f_min < f_max <= sample_rate / 2 or bands_per_octave < 1:
        what = f"{bands_per_octave} bands an octave from {f_min:g} to {f_max:g} Hz are impossible"
        raise InputError(what, "LogFilterBank", f"take at least 1, and edges between 0 and {sample_rate / 2:g} Hz")
    lowest = np.ceil(np.log2(f_min / TUNING) * bands_per_octave)
    highest = np.floor(np.log2(f_max / TUNING) * bands_per_octave)
    centres = TUNING * 2 ** (np.arange(lowest, highest + 1) / bands_per_octave)
    bins = np.unique(np.clip(np.round(centres * n_fft / sample_rate), 1, n_fft // 2))
    if len(bins) < 3:
        raise InputError(f"no band between {f_min:g} and {f_max:g} Hz", "LogFilterBank", "raise n_fft or f_max")
    before, centre, after = bins[:-2, None], bins[1:-1, None], bins[2:, None]
    place = np.arange(n_fft // 2 + 1)
    rising, falling = (place - before) / (centre - before), (after - place) / (after - centre)
    filters: NDArray[np.float64] = np.clip(np.minimum(rising, falling), 0, None)
    filters /= filters.sum(axis=1, keepdims=True)
    return filters
