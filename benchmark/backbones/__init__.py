"""Backbones: features `(batch, channels, frames, bins)` or a waveform to a feature map or an embedding, for all tasks.

The class attribute `input` says which of the two a backbone takes (`features` or `waveform`).
"""

from benchmark.backbones.bulbul import Bulbul
from benchmark.backbones.cnn import CNN4, CNN8
from benchmark.backbones.cnn3 import CNN3
from benchmark.backbones.crnn import CRNN
from benchmark.backbones.frames import Frames
from benchmark.backbones.imagenet import ImageNetBackbone
from benchmark.backbones.scene_cnn import SceneCNN
from benchmark.backbones.temporal_cnn import TemporalCNN
from benchmark.backbones.vggish import VGGish

__all__ = [
    "CNN3",
    "CNN4",
    "CNN8",
    "CRNN",
    "Bulbul",
    "Frames",
    "ImageNetBackbone",
    "SceneCNN",
    "TemporalCNN",
    "VGGish",
]
