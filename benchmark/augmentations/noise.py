"""Background noise."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from benchmark.errors import InputError
from benchmark.processes import drawn


class ColoredNoise(nn.Module):
    """Add noise whose power falls with frequency, where it is neither too weak nor too strong for a clip.

    Gaussian noise, new for each clip, with a spectrum of `1 / frequency ** exponent`, scaled to a peak. Source: card
    `task-ust-cnn-vggish`, augmentation (pink noise, as often as none).

    Args:
        exponent: How fast the power falls: 0 white, 1 pink, 2 brown.
        amplitude: Peak of the noise.
        shares: Smallest and largest share of the clip's peak that this may be.
        limit: Largest sum of both peaks.
        probability: How often a clip gets noise, where it may.

    Raises:
        InputError: A setting is impossible.
    """

    domain: ClassVar[str] = "waveform"

    def __init__(
        self,
        exponent: float = 1.0,
        amplitude: float = 0.25,
        shares: tuple[float, float] = (0.2, 0.8),
        limit: float = 1.0,
        probability: float = 0.5,
    ) -> None:
        super().__init__()
        if exponent < 0 or amplitude <= 0:
            what = f"noise of exponent {exponent} and amplitude {amplitude}"
            raise InputError(what, "ColoredNoise.exponent, ColoredNoise.amplitude", "take positive numbers")
        if not 0 <= shares[0] <= shares[1]:
            raise InputError(f"shares of {shares[0]} to {shares[1]}", "ColoredNoise.shares")
        if not 0 <= probability <= 1:
            raise InputError(f"probability must be in [0, 1], not {probability}", "ColoredNoise.probability")
        self.exponent, self.amplitude, self.shares = exponent, amplitude, shares
        self.limit, self.probability = limit, probability

    def forward(self, waveform: Tensor, lengths: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Add noise.

        Args:
            waveform: `(batch, channels, time)`, 0 in the padding.
            lengths: int64 `(batch,)` samples.
            target: Passed on.

        Returns:
            Waveforms of the same shape, 0 in the padding, and the rest as it came.
        """
        if not self.training:
            return waveform, lengths, target
        peak = waveform.abs().amax((1, 2))
        share = self.amplitude / peak
        fits = (share >= self.shares[0]) & (share <= self.shares[1]) & (peak + self.amplitude <= self.limit)
        lucky = drawn(lambda n: torch.rand(n, device=waveform.device), len(waveform)) < self.probability
        beyond = torch.arange(waveform.shape[-1], device=waveform.device) >= lengths[:, None]
        noise = self._noise(waveform).masked_fill(beyond[:, None], 0.0)
        scaled = noise * (self.amplitude / noise.abs().amax((1, 2), keepdim=True).clamp(min=1e-12))
        chosen = (fits & lucky)[:, None, None]
        return torch.where(chosen, waveform + scaled.to(waveform.dtype), waveform), lengths, target

    def _noise(self, like: Tensor) -> Tensor:
        time = like.shape[-1]
        number = torch.arange(time // 2 + 1, device=like.device)
        power = number.clamp(min=1).float() ** -self.exponent
        power[0] = 0.0  # the noise has no constant part
        shape, device = (like.shape[1], len(number)), like.device
        spectrum = drawn(lambda n: torch.randn(n, *shape, dtype=torch.complex64, device=device), len(like))
        noise: Tensor = torch.fft.irfft(spectrum * power.sqrt(), time)
        return noise
