"""Silence: trimming it from both ends of a clip, and finding the segments between long pauses."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.errors import InputError

TICK = 1e-3  # seconds between two looks at the level


class TrimSilence(nn.Module):
    """Bring each clip to one peak level, and cut off the silence before its first and after its last sound.

    Sound begins where the level, the RMS of the 20 ms up to that point, rises above the threshold and stays there for
    25 ms, and ends where the same is true from the end backwards; the level is taken every millisecond. A clip
    without any sound is kept whole. Several channels are cut alike, where any of them has sound.

    Source: card `task2-cp-jku-self-verification`, level and trimming (SoX: `norm -0.1 silence 1 0.025 0.15% norm -0.1
    reverse silence 1 0.025 0.15% reverse`).

    Args:
        sample_rate: Hz.
        peak_db: Level of the largest sample in decibels of full scale.
        threshold: Level of silence as a share of full scale.
        sound_seconds: How long the level must stay above it.
        level_seconds: Over how long the level is taken.
        max_seconds: What is longer after trimming is cut there; null: nothing is.

    Raises:
        InputError: A setting is impossible.
    """

    def __init__(
        self,
        sample_rate: int,
        peak_db: float = -0.1,
        threshold: float = 0.0015,
        sound_seconds: float = 0.025,
        level_seconds: float = 0.02,
        max_seconds: float | None = None,
    ) -> None:
        super().__init__()
        if not 0 < threshold < 1:
            raise InputError(f"threshold must be above 0 and below 1, not {threshold}", "TrimSilence.threshold")
        for name, value in (("sound_seconds", sound_seconds), ("level_seconds", level_seconds)):
            if value < TICK:
                raise InputError(f"{name} must be at least {TICK}, not {value}", f"TrimSilence.{name}")
        if max_seconds is not None and max_seconds * sample_rate < 1:
            raise InputError(f"max_seconds of {max_seconds} is less than a sample", "TrimSilence.max_seconds")
        self.tick = max(1, round(TICK * sample_rate))
        self.peak, self.threshold = 10 ** (peak_db / 20), threshold
        self.sound_ticks, self.level_ticks = round(sound_seconds / TICK), round(level_seconds / TICK)
        self.longest = None if max_seconds is None else round(max_seconds * sample_rate)

    def forward(self, waveform: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Bring to level and trim.

        Args:
            waveform: Float `(batch, channels, time)`, zero-padded at the end.
            lengths: Samples that are not padding, int64 `(batch,)`.

        Returns:
            Waveform `(batch, channels, time)`, cut to `max_seconds`, zero-padded at the end, and its lengths.
        """
        loudest = waveform.abs().amax((1, 2), keepdim=True)
        waveform = torch.where(loudest > 0, waveform * (self.peak / loudest), waveform)
        padded = F.pad(waveform.square(), (0, -waveform.shape[2] % self.tick))
        energy = torch.unflatten(padded, 2, (-1, self.tick)).sum(3)
        begin, end = self._sound(energy), energy.shape[2] - self._sound(energy.flip(2))
        # Without a sound both searches give the end of the energies: nothing is cut.
        silent = begin >= end
        begin = torch.where(silent, 0, begin * self.tick)
        end = torch.where(silent, lengths, torch.minimum(end * self.tick, lengths))
        longest = min(waveform.shape[2], self.longest or waveform.shape[2])
        kept = (end - begin).clamp(max=longest)
        place = torch.arange(longest, device=waveform.device)
        index = (begin[:, None] + place).clamp(max=waveform.shape[2] - 1)
        trimmed = waveform.take_along_dim(index[:, None], dim=2)
        return trimmed.masked_fill((place >= kept[:, None])[:, None], 0.0), kept

    def _sound(self, energy: Tensor) -> Tensor:
        """The first tick of the first sound, of energies `(batch, channels, ticks)`; all ticks where there is none."""
        ticks = energy.shape[2]
        mean = F.avg_pool1d(F.pad(energy, (self.level_ticks - 1, 0)), self.level_ticks, 1) / self.tick
        above = (mean > self.threshold**2).any(1).float()
        lasting = F.avg_pool1d(F.pad(above, (0, self.sound_ticks - 1))[:, None], self.sound_ticks, 1)[:, 0]
        begins = lasting > 1 - 0.5 / self.sound_ticks
        return torch.where(begins.any(1), begins.int().argmax(1), ticks)


def split_at_silence(signal: NDArray[Any], sample_rate: int) -> NDArray[np.int64]:
    """Segments of a clip between its pauses, as a network may take them for inputs of their own.

    - A clip below 1 s stays whole.
    - Silence is every half second, counted from every millisecond, whose RMS is at most -48 dB of full scale; -56 dB
      if there are only transients: the envelope (absolute value, averaged over 1024 samples at 44.1 kHz) never stays
      above -30 dB of its maximum for half a second.
    - What lies between two silences is a segment, with 0.4 s more at each end, as far as the clip reaches; so two
      segments may share a part of the pause between them.
    - If the segments last more than 1.5 s on average, those of at most 0.9 s are left out.
    - Without any segment the clip stays whole.

    Source: card `task2-noisy-labels-iqbal`, silence removal, values marked [R].

    Args:
        signal: In [-1, 1], `(time,)`.
        sample_rate: Hz.

    Returns:
        First sample of each segment and the one after its last, `(segments, 2)`.

    Raises:
        InputError: The signal has several channels.
    """
    if signal.ndim != 1:
        raise InputError(f"the signal has shape {signal.shape}", "split_at_silence", "give one channel")
    whole = np.array([[0, len(signal)]], dtype=np.int64)
    if len(signal) < sample_rate:
        return whole
    signal = np.asarray(signal, dtype=np.float64)
    threshold = -56.0 if _has_transients_alone(signal, sample_rate) else -48.0
    tick, pause, margin = sample_rate / 1000, round(0.5 * sample_rate), round(0.4 * sample_rate)
    starts = np.round(np.arange(0, len(signal) - pause + tick, tick)).astype(np.int64)
    starts = starts[starts <= len(signal) - pause]
    energy = np.concatenate([[0.0], np.cumsum(signal**2)])
    level = (energy[starts + pause] - energy[starts]) / pause
    silent = np.zeros(len(signal) + 1, dtype=np.int64)
    quiet = starts[level <= 10 ** (threshold / 10)]
    np.add.at(silent, quiet, 1)
    np.add.at(silent, quiet + pause, -1)
    segments = _runs(np.cumsum(silent[:-1]) == 0)
    if not len(segments):
        return whole
    segments = np.clip(segments + np.array([-margin, margin]), 0, len(signal))
    seconds = (segments[:, 1] - segments[:, 0]) / sample_rate
    kept = seconds > 0.9 if seconds.mean() > 1.5 else np.ones(len(seconds), dtype=bool)
    return np.ascontiguousarray(segments[kept], dtype=np.int64)


def _has_transients_alone(signal: NDArray[np.float64], sample_rate: int) -> bool:
    width = max(1, round(1024 / 44_100 * sample_rate))
    total = np.concatenate([[0.0], np.cumsum(np.abs(signal))])
    envelope = (total[width:] - total[:-width]) / width
    loud = _runs(envelope > envelope.max() * 10 ** (-30 / 20))
    return not len(loud) or bool((loud[:, 1] - loud[:, 0]).max() < 0.5 * sample_rate)


def _runs(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Begin and end of each run of true values, `(runs, 2)`."""
    edges = np.flatnonzero(np.diff(mask.astype(np.int8), prepend=0, append=0))
    return edges.reshape(-1, 2).astype(np.int64)
