"""Heads: what a backbone gives to logits `(batch, n_classes)`. Made as `Head(dim, n_classes, **options)`.

A head's input is a feature map `(batch, dim, time, frequency)`, a sequence `(batch, time, dim)` or an embedding
`(batch, dim)`. Beside it comes `valid` `(batch,)`: the share of the time axis, in (0, 1], that is real audio.
"""

from benchmark.heads.framewise import FrequencyMaxTimeMean, MeanProbability
from benchmark.heads.max_pool_dense import MaxPoolDense
from benchmark.heads.pooling import Dense, GlobalMaxPool, GlobalMeanPool

__all__ = [
    "Dense",
    "FrequencyMaxTimeMean",
    "GlobalMaxPool",
    "GlobalMeanPool",
    "MaxPoolDense",
    "MeanProbability",
]
