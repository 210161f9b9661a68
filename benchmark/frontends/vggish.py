"""The front end that VGGish was trained with."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmark.frontends.log_mel import Engine, LogMel
from benchmark.frontends.transforms import frame_mask

OFFSET = 0.01


class VGGishLogMel(LogMel):
    """Log-mel spectrogram at 16 kHz: 64 bands of 125 to 7500 Hz, 100 frames a second.

    Frames of 25 ms start at the first sample, one every 10 ms, and lie wholly within the clip; periodic Hann window;
    Fourier transform of 512 samples; magnitudes; triangles that are linear in mel (HTK's), not in Hz as those of
    `LogMel`, with height 1; `ln(x + 0.01)`. Frames of padding hold silence, `ln(0.01)`, so that VGGish sees what it
    would see of a clip followed by zeros.

    Source: Hershey et al.: CNN architectures for large-scale audio classification, ICASSP 2017, and the published model
    (card `task-ust-cnn-vggish`, what a reproduction needs).

    Args:
        engine: As of `LogMel`.
    """

    def __init__(self, engine: Engine = "auto") -> None:
        super().__init__(
            sample_rate=16_000,
            n_fft=512,
            win_length=400,
            hop_length=160,
            n_mels=64,
            f_min=125.0,
            f_max=7500.0,
            window="hann",
            power=1.0,
            center=False,
            log="ln",
            log_offset=OFFSET,
            engine=engine,
        )

    def _mel_matrix(self) -> Tensor:
        """Weights float32 `(n_fft // 2 + 1, n_mels)`."""
        place = _mel(np.linspace(0.0, self.sample_rate / 2, self.n_fft // 2 + 1))
        edges = np.linspace(_mel(self.f_min), _mel(self.f_max), self.n_mels + 2)
        rising = (place[:, None] - edges[:-2]) / np.diff(edges)[0]
        weights = np.clip(np.minimum(rising, 2 - rising), 0.0, None)
        weights[0] = 0.0  # the constant component belongs to no band
        return torch.from_numpy(weights).float()

    def forward(self, waveform: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """As `LogMel.forward`, but padded frames hold `ln(0.01)`."""
        lengths = lengths.to(waveform.device).clamp(max=waveform.shape[-1])
        beyond = torch.arange(waveform.shape[-1], device=waveform.device) >= lengths[:, None]
        # The window lies in the middle of the transform: margins on both sides let frames start and end with the clip.
        margin = (self.n_fft - self.win_length) // 2
        padded = F.pad(waveform.masked_fill(beyond[:, None], 0.0), (margin, margin))
        features, frames = super().forward(padded, lengths + 2 * margin)
        silent = ~frame_mask(frames, features.shape[2])
        return features.masked_fill(silent, math.log(OFFSET)), frames


def _mel(frequency: Any) -> Any:
    """HTK's mel scale, frequency in Hz."""
    return 1127.0 * np.log1p(np.asarray(frequency) / 700.0)
