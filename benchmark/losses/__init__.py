"""Losses that PyTorch does not have; called as `loss(logits, target)`."""

from benchmark.losses.binary import SqueezedBCE
from benchmark.losses.framewise import FrameBCE
from benchmark.losses.masked import MaskedBCE

__all__ = ["FrameBCE", "MaskedBCE", "SqueezedBCE"]
