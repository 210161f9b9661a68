"""Clips read for people are those that a store cuts for training."""

import numpy as np
import pytest
import soundfile as sf

from benchmark.data.store import build_store
from benchmark.data.store_index import Clip, store_folder
from benchmark.data.stored_clips import StoredClips


@pytest.fixture
def sounds(tmp_path):
    generator, found = np.random.default_rng(0), {}
    for name, channels in (("a", 2), ("b", 2)):
        found[name] = (0.5 * generator.uniform(-1, 1, (4000, channels))).astype(np.float32)
        sf.write(tmp_path / f"{name}.wav", found[name], 8000, "FLOAT")
    return found


def build(tmp_path, names, rate, mono):
    clips = [Clip(name, tmp_path / f"{name}.wav") for name in names]
    build_store(store_folder(tmp_path / "cache", "bad", tmp_path, rate, mono), clips, rate, mono, progress=False)


@pytest.mark.parametrize("mono", [True, False])
def test_a_clip_is_the_mean_of_its_channels(tmp_path, sounds, mono):
    build(tmp_path, "ab", 8000, mono)
    clips = StoredClips(tmp_path / "cache", "bad", tmp_path)
    for name, expected in sounds.items():
        assert name in clips
        waveform, rate = clips.read(name)
        assert rate == 8000 and waveform.dtype == np.float32
        np.testing.assert_allclose(waveform, expected.mean(1), atol=2e-5)


def test_the_highest_rate_is_read(tmp_path, sounds):
    build(tmp_path, "ab", 4000, True)
    build(tmp_path, "a", 8000, True)
    clips = StoredClips(tmp_path / "cache", "bad", tmp_path)
    assert (clips.read("a").rate, clips.read("b").rate) == (8000, 4000)


def test_what_no_store_holds_is_not_there(tmp_path, sounds):
    build(tmp_path, "a", 8000, True)
    assert "b" not in StoredClips(tmp_path / "cache", "bad", tmp_path)
    assert "a" not in StoredClips(tmp_path / "cache", "esc", tmp_path)
    (folder,) = (tmp_path / "cache" / "stores").iterdir()
    (folder / "audio.i16").write_bytes(b"")
    assert "a" not in StoredClips(tmp_path / "cache", "bad", tmp_path)
