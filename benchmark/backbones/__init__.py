"""Backbones: features `(batch, channels, frames, bins)` or a waveform to a feature map or an embedding, for all tasks.

The class attribute `input` says which of the two a backbone takes (`features` or `waveform`).
"""

from benchmark.backbones.bulbul import Bulbul
from benchmark.backbones.cnn import CNN4, CNN8
from benchmark.backbones.frames import Frames

__all__ = ["CNN4", "CNN8", "Bulbul", "Frames"]
