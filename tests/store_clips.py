"""Small clips, stores built of them, and what these hold."""

import numpy as np
import soundfile as sf

from benchmark.data.audio import load_clip
from benchmark.data.store import build_store
from benchmark.data.store_index import Clip

RATE = 8000


def write_clip(path, seed, samples=None, channels=1, rate=RATE):
    generator = np.random.default_rng(seed)
    samples = samples or int(generator.integers(500, 2000))
    sf.write(path, generator.uniform(-0.5, 0.5, (samples, channels)), rate)
    return Clip(path.stem, path)


def make_clips(folder, count=8, **options):
    folder.mkdir(exist_ok=True)
    return [write_clip(folder / f"clip{i:02}.wav", i, **options) for i in range(count)]


def build(folder, clips, **options):
    return build_store(folder, clips, RATE, progress=False, **options)


def content(folder):
    assert sorted(path.name for path in folder.iterdir()) == ["audio.i16", "index.json", "lock"]
    return (folder / "audio.i16").read_bytes(), (folder / "index.json").read_bytes()


def signal_of(store, clip_id):
    place = store.clip_ids.index(clip_id)
    samples, gain, length = store.cut(np.array([place]), np.array([0]), int(store.lengths[place]))
    assert length == store.lengths[place]
    return (samples * gain[:, None, None])[0].numpy()


def assert_holds(store, clips, mono=True):
    assert store.clip_ids == [clip.clip_id for clip in clips]
    for clip in clips:
        expected = load_clip(clip.path, store.sample_rate, mono)
        assert np.abs(signal_of(store, clip.clip_id) - expected).max() <= np.abs(expected).max() / 32767 * 0.51
