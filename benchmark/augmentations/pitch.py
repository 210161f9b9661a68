"""Pitch shifts of waveforms."""

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import ClassVar

import torch
from torch import Tensor, nn
from torchaudio.functional import phase_vocoder, resample

from benchmark.errors import InputError
from benchmark.frontends.log_mel import exact_float32
from benchmark.processes import drawn

LARGEST = 64  # terms of the ratios: torchaudio's resampling kernels grow with them, and 1/64**2 is 0.4 cents


class PitchShift(nn.Module):
    """Shift each clip's pitch by one of some intervals, each equally likely; its duration stays.

    A phase vocoder makes the clip longer or shorter, and resampling brings it back to its length. Source: card
    `task-ust-cnn-vggish`, augmentation (three semitones down, up, and none).

    Args:
        semitones: The intervals; 0 leaves a clip as it is.
        n_fft: Length of the vocoder's Fourier transform in samples; a frame every quarter of it.

    Raises:
        InputError: There is no interval, one is more than an octave, or `n_fft` is below 4.
    """

    domain: ClassVar[str] = "waveform"
    window: Tensor

    def __init__(self, semitones: Sequence[float] = (-3.0, 0.0, 3.0), n_fft: int = 2048) -> None:
        super().__init__()
        if not semitones or max(map(abs, semitones)) > 12:
            raise InputError(f"intervals of {list(semitones)} semitones", "PitchShift.semitones", "take -12 to 12")
        if n_fft < 4:
            raise InputError(f"n_fft must be at least 4, not {n_fft}", "PitchShift.n_fft")
        self.semitones, self.n_fft = tuple(semitones), n_fft
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)

    def forward(self, waveform: Tensor, lengths: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Shift.

        Args:
            waveform: `(batch, channels, time)`, 0 in the padding.
            lengths: int64 `(batch,)` samples.
            target: Passed on.

        Returns:
            Waveforms of the same shape, 0 in the padding, and the rest as it came.
        """
        if not self.training:
            return waveform, lengths, target
        # Drawn on the CPU, which must know the clips of an interval and would have to wait for an accelerator.
        chosen = drawn(lambda n: torch.randint(len(self.semitones), (n,)), len(waveform))
        shifted = waveform.clone()
        for place, interval in enumerate(self.semitones):
            clips = (chosen == place).nonzero()[:, 0].to(waveform.device)
            if interval and len(clips):
                shifted[clips] = self._shift(waveform[clips], interval)
        beyond = torch.arange(waveform.shape[-1], device=waveform.device) >= lengths[:, None]
        return shifted.masked_fill(beyond[:, None], 0.0), lengths, target

    def _shift(self, waveform: Tensor, semitones: float) -> Tensor:
        ratio = Fraction(2 ** (semitones / 12)).limit_denominator(LARGEST)
        time, hop = waveform.shape[-1], self.n_fft // 4
        with exact_float32(waveform.device.type):
            frames = torch.stft(
                waveform.flatten(0, 1).float(),
                self.n_fft,
                hop,
                window=self.window,
                pad_mode="constant",
                return_complex=True,
            )
            # Whole turns are left out of a step's advance: their sum over a clip would cost float32 its last digits.
            advance = 2 * math.pi * (torch.arange(frames.shape[1], device=frames.device) * hop / self.n_fft).frac()
            slow = phase_vocoder(frames, float(1 / ratio), advance[:, None])
            longer = torch.istft(slow, self.n_fft, hop, window=self.window, length=math.ceil(time * ratio))
            back = resample(longer, ratio.numerator, ratio.denominator)[:, :time]
        shifted: Tensor = back.unflatten(0, waveform.shape[:2]).to(waveform.dtype)
        return shifted
