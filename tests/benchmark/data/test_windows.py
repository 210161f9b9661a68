"""Windows that stay inside the segments between pauses, and which rest of a segment gets one of its own."""

import numpy as np
import pytest
import torch

from benchmark.data import segments
from benchmark.data.datamodule import DataSettings
from benchmark.data.segments import segments_of
from benchmark.data.store import build_store
from benchmark.data.store_index import Clip
from benchmark.data.windows import Cut, Labels, WindowDataset
from benchmark.errors import InputError

RATE = 8000


def test_windows_stay_inside_their_segment():
    """The first segment is shorter than a window; the second has a window, and another one that ends with it."""
    spans = Cut(10, 10, 0.25).spans(np.array([[2, 9], [7, 22]]))
    assert spans.tolist() == [[2, 9], [7, 17], [12, 22]]


@pytest.mark.parametrize(("share", "length", "windows"), [(0.25, 12, 1), (0.25, 13, 2), (0.1, 12, 2), (1, 19, 1)])
def test_a_rest_gets_a_window_above_its_share(share, length, windows):
    assert len(Cut(10, 10, share).spans(np.array([[0, length]]))) == windows


def test_a_dropped_rest_comes_back_at_another_distance():
    """As `predict --hop` asks for all of a file."""
    settings = DataSettings(sample_rate=10, clip_seconds=1, batch_size=1, drop_rest=True)
    whole = np.array([[0, 18]])
    assert settings.cut().spans(whole).tolist() == [[0, 10]]
    assert settings.cut(0.5).spans(whole).tolist() == [[0, 10], [5, 15], [8, 18]]


@pytest.fixture
def store(tmp_path):
    """Three clips: a tone of 1 s, a pause of 2 s, a tone of 0.5 s; a tone alone; a tone below 1 s."""
    from soundfile import write

    def tone(seconds):
        return 0.5 * np.sin(np.arange(round(seconds * RATE)))

    sounds = {"pause": [tone(1), np.zeros(2 * RATE), tone(0.5)], "alone": [tone(2.5)], "short": [tone(0.5)]}
    for name, parts in sounds.items():
        write(tmp_path / f"{name}.wav", np.concatenate(parts), RATE)
    clips = [Clip(name, tmp_path / f"{name}.wav") for name in sounds]
    return build_store(tmp_path / "store", clips, RATE, progress=False)


def test_segments_of_a_store_keep_what_is_next_to_each_tone(store):
    """0.4 s of the pause at each side, as the card says."""
    paused, alone, short = segments_of(store, progress=False)
    assert np.abs(paused / RATE - [[0, 1.4], [2.6, 3.5]]).max() < 0.01
    assert alone.tolist() == [[0, 2.5 * RATE]] and short.tolist() == [[0, 0.5 * RATE]]


def test_segments_are_looked_for_once(store, monkeypatch):
    first = segments_of(store, progress=False)
    monkeypatch.setattr(segments, "split_at_silence", None)
    again = segments_of(store, progress=False)
    assert [part.tolist() for part in again] == [part.tolist() for part in first]
    (file,) = store.folder.glob("segments-*.npz")
    file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(TypeError):  # a part of a file is none
        segments_of(store, progress=False)


def test_a_window_hears_nothing_beyond_its_segment(store):
    """Here a window of 1 s from the first tone on, whose segment ends after 0.6 s."""
    labels = Labels(np.arange(3), np.arange(0), torch.zeros(3, 2), torch.ones(3))
    spans = [np.array([[0, 4800], [100, 4800]]), np.array([[0, 8000]])]
    windows = WindowDataset(store, np.array([0, 1]), spans, labels, RATE)
    batch = windows.__getitems__([0, 1, 2])
    assert batch["length"].tolist() == [4800, 4700, 8000]
    assert batch["clip"].tolist() == [0, 0, 1] and batch["window"].tolist() == [0, 1, 0]
    assert batch["start"].tolist() == [0, 100, 0]
    for row, length in enumerate(batch["length"]):
        assert batch["waveform"][row, 0, :length].abs().max() > 0 and not batch["waveform"][row, 0, length:].any()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"min_rest": 1.5}, "min_rest"),
        ({"min_rest": -0.1}, "min_rest"),
        ({"split_at_silence": True, "mono": False, "each_channel": True}, "one channel"),
    ],
)
def test_impossible_settings_are_named(settings, message):
    with pytest.raises(InputError, match=message):
        DataSettings(sample_rate=10, clip_seconds=1, batch_size=1, **settings)
