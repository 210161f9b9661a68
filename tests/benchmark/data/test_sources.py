"""Every source gives the same windows: the store on disk is the one that the others are compared with."""

import numpy as np
import pytest
import torch
from soundfile import write

from benchmark.data.sources import FeatureSource, ResidentSource
from benchmark.data.store import build_store
from benchmark.data.store_index import Clip
from benchmark.data.windows import Labels, WindowDataset

RATE, LENGTH = 8000, 3000


@pytest.fixture(params=[1, 2], ids=["mono", "stereo"])
def store(tmp_path, request):
    """Noise of 1 s, of less than a window, and of a bit more than one."""
    generator, clips = np.random.default_rng(0), []
    for name, seconds in (("long", 1), ("short", 0.3), ("middle", 0.4)):
        path = tmp_path / f"{name}.wav"
        write(path, generator.uniform(-0.5, 0.5, (round(seconds * RATE), request.param)), RATE)
        clips.append(Clip(name, path))
    return build_store(tmp_path / "store", clips, RATE, mono=False, progress=False)


def windows_of(store, each_channel):
    """Windows that end inside a clip, at its end, and before it because their segment does."""
    frames = torch.rand(3, 5, 2)
    labels = Labels(np.arange(3), np.arange(0), torch.rand(3, 2), torch.rand(3), frames)
    spans = [np.array([[0, 8000], [5000, 8000], [4000, 5000]]), np.array([[0, 2400]]), np.array([[200, 3200]])]
    return WindowDataset(store, np.arange(3), spans, labels, LENGTH, each_channel)


@pytest.mark.parametrize("each_channel", [False, True])
def test_a_store_in_memory_gives_the_same_batches_as_one_on_disk(store, each_channel):
    windows = windows_of(store, each_channel)
    resident = windows.given_by(ResidentSource(store, LENGTH, each_channel, torch.device("cpu")))
    assert len(windows) == 5 * (store.channels if each_channel else 1)
    if len(windows) == 5:
        assert windows.rows["length"].tolist() == [3000, 3000, 1000, 2400, 3000]
    for chosen in (range(len(windows)), [len(windows) - 1, 0, 2]):
        expected, found = windows.__getitems__(chosen), resident.__getitems__(chosen)
        assert list(found) == list(expected)
        for name, values in expected.items():
            assert found[name].dtype == values.dtype and torch.equal(found[name], values), name


def test_features_go_with_their_windows(store):
    windows = windows_of(store, each_channel=False)
    features, lengths = torch.rand(len(windows), 1, 4, 3), torch.arange(len(windows))
    expected = windows.__getitems__([3, 1])
    found = windows.given_by(FeatureSource(features, lengths)).__getitems__([3, 1])
    assert torch.equal(found.pop("features"), features[[3, 1]]) and found.pop("frames_heard").tolist() == [3, 1]
    assert found.keys() == expected.keys() - {"waveform", "gain"}
    assert all(torch.equal(values, expected[name]) for name, values in found.items())
