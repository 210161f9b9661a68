"""Segments of the clips of a waveform store between their pauses, found once and kept beside the samples."""

import zipfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from benchmark.data.parallel import in_order
from benchmark.data.store import WaveformStore, progress_bar
from benchmark.data.windows import Indices
from benchmark.frontends.silence import split_at_silence
from benchmark.locks import locked
from benchmark.records import unwritable

RULE = 1
"""Part of the file's name: raise it whenever `split_at_silence` finds other segments in the same clip."""


def segments_of(store: WaveformStore, progress: bool = True) -> list[Indices]:
    """The segments of each clip of a store: first sample and the one after the last, `(segments, 2)`.

    Args:
        store: Clips of one channel.
        progress: Whether to show a bar on standard error while they are looked for.

    Raises:
        BenchmarkError: The store's folder takes no more data.
    """
    path = store.folder / f"segments-{RULE}-{store.fingerprint}.npz"
    if not zipfile.is_zipfile(path):
        with locked(path.with_suffix(".lock"), "looks for pauses"):
            if not zipfile.is_zipfile(path):
                _keep(path, _look(store, progress))
    with np.load(path) as kept:
        return np.split(kept["segments"], np.cumsum(kept["counts"])[:-1])


def _keep(path: Path, found: Sequence[Indices]) -> None:
    fresh = path.with_suffix(".part.npz")
    try:
        np.savez_compressed(fresh, segments=np.concatenate(found), counts=np.array([len(part) for part in found]))
        fresh.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error


def _look(store: WaveformStore, progress: bool) -> list[Indices]:
    def segments(clip: int) -> Indices:
        samples, gain, _ = store.cut(np.array([clip]), np.array([0]), int(store.lengths[clip]))
        return split_at_silence(samples[0, 0].numpy() * float(gain), store.sample_rate)

    clips = range(len(store.clip_ids))
    with progress_bar("segments between pauses", len(clips), progress) as advance:
        found = []
        with closing(in_order(segments, clips)) as looked:
            for part in looked:
                found.append(part)
                advance()
    return found
