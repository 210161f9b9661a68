"""Losses that PyTorch does not have; called as `loss(logits, target)`."""

from benchmark.losses.binary import SqueezedBCE

__all__ = ["SqueezedBCE"]
