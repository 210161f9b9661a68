"""What a waveform store's files say: which clips it holds, where they lie, and what is left to do.

The index and the journal hold a row for each clip; `make_plan` compares them with what is asked for, `Writer` appends.
"""

import hashlib
import json
import os
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmark.data.inventory import OnError
from benchmark.records import write_text

FORMAT = 4
DATA, INDEX, JOURNAL, LOCK = "audio.i16", "index.json", "journal.jsonl", "lock"
Samples = npt.NDArray[np.int16]
_HEAD = len('{"crc": "00000000", ')


@dataclass(frozen=True)
class Clip:
    """One file of a data set: its name, unique there, and where its audio lies."""

    clip_id: str
    path: Path


class Row(NamedTuple):
    """One clip in the index: where its samples lie (counted in samples), or the reason why there are none."""

    clip_id: str
    offset: int
    length: int
    channels: int
    rate: int  # of the file
    gain: float
    size: int
    mtime_ns: int
    crc: int
    reason: str

    @property
    def end(self) -> int:
        """Where the next clip's samples can begin."""
        return self.offset + self.length * self.channels


class Index(NamedTuple):
    """The content of the index."""

    settings: dict[str, Any]
    rows: list[Row]  # what was asked for
    spare: list[Row]  # what an earlier call asked for
    end: int  # an open store may map the samples before it, whether or not a row still names them


class Plan(NamedTuple):
    """What a folder holds of what is asked for."""

    settings: dict[str, Any]
    known: dict[str, Row]  # every clip with all of its samples in the file, though maybe of an older source
    fresh: dict[str, Row]  # those asked for and of the present source
    pending: list[Clip]
    end: int  # that of the index
    torn: bool  # the index names samples that are not there
    afresh: bool  # nothing in the file is of use, or more of it is dead than alive
    done: bool


def store_folder(cache: Path, task: str, root: Path, sample_rate: int, mono: bool) -> Path:
    """Folder of the store that holds the data set below `root` at `sample_rate` Hz."""
    return cache / "stores" / f"{task}-{sample_rate}-{'mono' if mono else 'multi'}-{_digest(root)}"


def stores_of_data(cache: Path, task: str, root: Path) -> list[Path]:
    """Folders of all finished stores that hold the data set below `root`."""
    return sorted(index.parent for index in (cache / "stores").glob(f"{task}-*-{_digest(root)}/{INDEX}"))


def _digest(root: Path) -> str:
    return hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:8]


def checksum(clip_id: str, length: int, channels: int, gain: float, pieces: Iterable[bytes | memoryview]) -> int:
    """CRC-32 of a clip: of what its row says of its samples, and of these in any number of pieces."""
    crc = zlib.crc32(json.dumps([clip_id, length, channels, gain]).encode())
    for piece in pieces:
        crc = zlib.crc32(piece, crc)
    return crc


def source_of(path: Path) -> tuple[int, int]:
    """Size and modification time in ns of a file, or of what a link points to; -1 where there is none."""
    try:
        status = path.stat()
        return status.st_size, status.st_mtime_ns
    except OSError:
        return -1, -1


def data_samples(folder: Path) -> int:
    """How many samples the file has."""
    return max(0, source_of(folder / DATA)[0]) // 2


def end_of(rows: Iterable[Row]) -> int:
    """Where the samples of the last of some rows end."""
    return max((row.end for row in rows), default=0)


def read_index(folder: Path) -> Index | None:
    """The index; None where there is none of this format, or a damaged one."""
    try:
        written = (folder / INDEX).read_bytes()
        content = json.loads(written)
        if content["settings"]["format"] != FORMAT or not written.startswith(_index_head(written[_HEAD:])):
            return None
        rows, spare = ([Row(*row) for row in content[key]] for key in ("rows", "spare"))
        return Index(content["settings"], rows, spare, int(content["end"]))
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        return None


def _index_head(rest: bytes) -> bytes:
    """How an index begins whose other bytes are `rest`."""
    return f'{{"crc": "{zlib.crc32(rest):08x}", '.encode()


def _write_index(folder: Path, index: Index) -> None:
    rest = f"{json.dumps(index._asdict())[1:]}\n".encode()
    write_text(folder / INDEX, (_index_head(rest) + rest).decode())


def _read_journal(folder: Path, settings: dict[str, Any]) -> tuple[list[Row], int]:
    """Its rows, and the end of the index that was there when it was begun."""
    try:
        first, *lines = (folder / JOURNAL).read_text(encoding="utf-8").splitlines()
        written, end = json.loads(first)
        if written != settings or not isinstance(end, int):
            return [], 0
    except (FileNotFoundError, NotADirectoryError, ValueError, TypeError):
        return [], 0
    rows = []
    for line in lines:
        try:
            rows.append(Row(*json.loads(line)))
        except (ValueError, TypeError):  # the line at which the build was killed
            break
    return rows, end


def make_plan(folder: Path, clips: Sequence[Clip], sample_rate: int, mono: bool, on_error: OnError) -> Plan:
    """What the folder holds of what is asked for; changes nothing."""
    settings = {"format": FORMAT, "sample_rate": sample_rate, "mono": mono}
    available, index = data_samples(folder), read_index(folder)
    if index and index.settings != settings:
        index = None
    indexed = index.rows + index.spare if index else []
    noted, end = _read_journal(folder, settings)
    end = max(end, index.end if index else 0)
    listed = [row.clip_id for row in index.rows] if index and indexed else []
    known = {row.clip_id: row for row in indexed + noted if row.end <= available}
    fresh: dict[str, Row] = {}
    for clip in clips:
        row = known.get(clip.clip_id)
        if row and (row.size, row.mtime_ns) == source_of(clip.path) and (on_error == "skip" or not row.reason):
            fresh[clip.clip_id] = row
    pending = [clip for clip in clips if clip.clip_id not in fresh]
    alive = known.keys() - {clip.clip_id for clip in pending}
    live = sum(known[clip_id].end - known[clip_id].offset for clip_id in alive)
    done = not pending and listed == [clip.clip_id for clip in clips] and not (folder / JOURNAL).exists()
    afresh = not done and (not known or 2 * live < max(end_of(known.values()), min(end, available)))
    torn = any(row.end > available for row in indexed)
    return Plan(settings, known, fresh, pending, end, torn, afresh, done)


def clear(folder: Path, everything: bool) -> None:
    """Remove what a killed build left half-written; or else `everything`."""
    for name in (INDEX, JOURNAL):
        for leftover in folder.glob(f".{name}.*"):
            leftover.unlink()
    if everything:
        for name in (INDEX, JOURNAL, DATA):  # in this order: an index never outlives its samples
            (folder / name).unlink(missing_ok=True)


class Writer:
    """Appends samples, then their row to the journal, which starts with all that is known."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self._folder, self._plan = folder, plan
        lines = [json.dumps(line) for line in ((plan.settings, plan.end), *plan.known.values())]
        write_text(folder / JOURNAL, "\n".join(lines) + "\n")
        if plan.torn:  # once the file has grown again, such an index would point at other clips' samples
            (folder / INDEX).unlink()
        self._end = max(plan.end, end_of(plan.known.values()))
        self._data = os.open(folder / DATA, os.O_WRONLY | os.O_CREAT, 0o644)
        self._journal = os.open(folder / JOURNAL, os.O_WRONLY | os.O_APPEND)
        os.ftruncate(self._data, 2 * self._end)  # what a killed build left; never what an open store maps
        os.lseek(self._data, 0, os.SEEK_END)

    def append(self, row: Row, samples: Samples) -> Row:
        """Write a clip; its row then says where it lies."""
        if samples.size:
            row = row._replace(offset=self._end)
            self._end = row.end
            _write(self._data, samples.tobytes())
        _write(self._journal, f"{json.dumps(row)}\n".encode())
        return row

    def finish(self, rows: Sequence[Row]) -> None:
        """Replace the index: `rows` is what was asked for, all else that is known stays as spare."""
        os.fsync(self._data)  # the index must not outlive its samples in a power cut
        asked = {row.clip_id for row in rows}
        spare = sorted(row for clip_id, row in self._plan.known.items() if clip_id not in asked)
        _write_index(self._folder, Index(self._plan.settings, list(rows), spare, self._end))
        (self._folder / JOURNAL).unlink()

    def close(self) -> None:
        """Close the files."""
        os.close(self._data)
        os.close(self._journal)


def _write(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
