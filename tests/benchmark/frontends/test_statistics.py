import numpy as np
import pytest
import torch

from benchmark.errors import InputError
from benchmark.frontends.statistics import FrameStatistics


def test_statistics_are_numpys_over_the_valid_frames():
    features = torch.randn(3, 1, 20, 4, generator=torch.Generator().manual_seed(0))
    lengths = torch.tensor([20, 7, 1])
    found, ones = FrameStatistics(["mean", "std", "q95"])(features, lengths)
    assert found.shape == (3, 1, 1, 12) and ones.tolist() == [1, 1, 1]
    for clip, length in enumerate(lengths.tolist()):
        x = features[clip, 0, :length].numpy()
        expected = np.concatenate([x.mean(0), x.std(0), np.quantile(x, 0.95, axis=0)])
        np.testing.assert_allclose(found[clip, 0, 0].numpy(), expected, atol=1e-6)


def test_an_unknown_statistic_is_named():
    with pytest.raises(InputError, match="median"):
        FrameStatistics(["median"])
