"""Augmentations: random changes of a training batch, on its device, from PyTorch's global generator.

The class attribute `domain` says what an augmentation changes: `waveform` or `features`. It maps
`(x, lengths, target)` to the same triple, and leaves everything as it is in evaluation mode.
"""

from benchmark.augmentations.shift import BinShift, CyclicTimeShift

__all__ = ["BinShift", "CyclicTimeShift"]
