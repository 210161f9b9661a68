"""Clips of a data set for people to see and hear, from its waveform stores: no torch, and no file is decoded again."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.data.store_index import DATA, Row, data_samples, read_index, stores_of_data


class Sound(NamedTuple):
    """A waveform, float32 `(time,)`, and its rate in Hz."""

    waveform: NDArray[np.float32]
    rate: int


class StoredClips:
    """The clips in the finished stores of a data set; where several hold a clip, that of the highest rate is read.

    Args:
        cache: Folder of the stores.
        task: Name of the task.
        root: Data root of the data set; it need not exist any more.
    """

    def __init__(self, cache: Path, task: str, root: Path) -> None:
        self._rows: dict[str, tuple[Path, int, Row]] = {}
        for folder in stores_of_data(cache, task, root):
            index, available = read_index(folder), data_samples(folder)
            rate = index.settings["sample_rate"] if index else 0
            for row in index.rows if index else []:
                known = self._rows.get(row.clip_id)
                if not row.reason and row.end <= available and (known is None or known[1] < rate):
                    self._rows[row.clip_id] = folder, rate, row

    def __contains__(self, clip_id: str) -> bool:
        return clip_id in self._rows

    def read(self, clip_id: str) -> Sound:
        """A clip, the mean of its channels.

        Raises:
            KeyError: No store holds it.
        """
        folder, rate, row = self._rows[clip_id]
        shape = (row.channels, row.length)
        samples = np.memmap(folder / DATA, np.int16, "r", offset=2 * row.offset, shape=shape)
        return Sound(samples.mean(axis=0, dtype=np.float32) * np.float32(row.gain), rate)
