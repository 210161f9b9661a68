"""How far each official file has come, and the room that the rest needs; asks no server."""

import heapq
import json
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.filesize import decimal

from benchmark.data.files import Dataset, Limit, OfficialFile
from benchmark.data.receipts import Confirmed, Receipt, read_receipt, receipt_path
from benchmark.errors import BenchmarkError

UNEVEN, SLACK = 1.5, 100_000_000  # archives are not all compressed alike; 1 MB of tables can become 20 MB
State = Literal["there", "downloaded", "begun", "to do"]


@dataclass(frozen=True)
class Step:
    """One official file and how far it has come.

    Attributes:
        dataset: The data set it belongs to.
        file: The file.
        state: `there`: below the data root, with a receipt; `downloaded`: in the cache, not yet below the data root;
            `begun`: a part of it is in the cache.
        have: Its bytes in the cache.
        confirmed: What its content is compared with.
        receipt: That of an earlier download.
        placed: Bytes of its content that are below the data root.
    """

    dataset: Dataset
    file: OfficialFile
    state: State
    have: int
    confirmed: Confirmed
    receipt: Receipt | None = None
    placed: int = 0

    @property
    def missing(self) -> int:
        """Bytes still to fetch, as far as its size is known."""
        return 0 if self.state in ("there", "downloaded") else max(0, (self.file.size or 0) - self.have)


def make_steps(datasets: Sequence[Dataset], root: Path, cache: Path) -> list[Step]:
    """How far each file has come.

    Raises:
        InputError: A receipt is broken.
    """
    return [_step(dataset, file, root, cache) for dataset in datasets for file in dataset.files]


def downloads(cache: Path, dataset: Dataset) -> Path:
    """Where the files of a data set lie while they are fetched, and its archives afterwards."""
    return cache / "downloads" / dataset.name


def journal_of(place: Path) -> Path:
    """Where it is noted what of an archive at `place` has been unpacked, until it has a receipt."""
    return place.with_name(f"{place.name}.journal")


def _step(dataset: Dataset, file: OfficialFile, root: Path, cache: Path) -> Step:
    place = downloads(cache, dataset) / file.name
    receipt = read_receipt(receipt_path(root, dataset.name, file.name))
    placed = _unpacked(journal_of(place))
    if receipt:
        sizes = [_size(root / member.path) for member in receipt.members]
        placed = sum(size or 0 for size in sizes)
        if _is_of(receipt, file) and sizes == [member.bytes for member in receipt.members]:
            return Step(dataset, file, "there", 0, receipt.confirmed, receipt, placed)
    confirmed: Confirmed = "registry" if file.is_known else "record" if dataset.record else "first download"
    whole, part = _size(place), _size(place.with_name(f"{file.name}.part"))
    state: State = "downloaded" if whole is not None else "to do" if part is None else "begun"
    return Step(dataset, file, state, whole or part or 0, confirmed, receipt, placed)


def _is_of(receipt: Receipt, file: OfficialFile) -> bool:
    """Whether nothing says that another version of the file is published now."""
    published = ((file.bytes, receipt.bytes), (file.md5, receipt.md5), (file.sha256, receipt.sha256))
    return all(known in (None, found) for known, found in published)


def _unpacked(journal: Path) -> int:
    """Bytes that a stopped unpacking has left below the data root."""
    size = 0
    try:
        for line in journal.read_text(encoding="utf-8").splitlines()[1:]:
            size += int(json.loads(line)[1])
    except (OSError, ValueError, TypeError, LookupError):  # none, or the line at which it was killed
        pass
    return size


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def space_needed(steps: Sequence[Step], root: Path, cache: Path, jobs: int, delete_archives: bool) -> dict[Path, int]:
    """Bytes that the work needs at its peak in the cache and in each folder it fills, as far as sizes are known."""
    rest = [step for step in steps if step.state != "there"]
    passing = [step.missing for step in rest if delete_archives or not step.file.is_archive]
    staying = [step.missing for step in rest if not (delete_archives or not step.file.is_archive)]
    needed = Counter({cache: sum(staying) + sum(heapq.nlargest(jobs, passing))})
    for step in rest:
        needed[root / step.file.folder] += max(0, _content(step) - step.placed)
    return needed


def _content(step: Step) -> int:
    """Bytes that a file becomes: an archive has its share of what its data set unpacks to."""
    if not step.file.is_archive:
        return step.file.size or 0
    sizes = {file.name: file.size or 1 for file in step.dataset.files if file.is_archive}
    return round(step.dataset.limit.bytes * sizes[step.file.name] / sum(sizes.values()))


def limit_of(dataset: Dataset, file: OfficialFile) -> Limit:
    """What one archive may unpack to: its share, with room to spare, of what its data set's archives may together."""
    sizes = [one.size for one in dataset.files if one.is_archive]
    known = [size for size in sizes if size]
    if len(sizes) == 1 or len(known) < len(sizes) or not file.size:
        return dataset.limit
    share = round(dataset.limit.bytes * file.size / sum(known) * UNEVEN) + SLACK
    return Limit(dataset.limit.files, min(dataset.limit.bytes, share))


def check_space(steps: Sequence[Step], root: Path, cache: Path, jobs: int, delete_archives: bool) -> None:
    """Check that the work fits on the disks; a folder may be a link to another one.

    Raises:
        BenchmarkError: It does not; says what is needed and what is free.
    """
    needed, disks = Counter[int](), dict[int, tuple[Path, int]]()
    for folder, size in space_needed(steps, root, cache, jobs, delete_archives).items():
        disk, free = _disk(folder)
        needed[disk] += size
        disks.setdefault(disk, (folder, free))
    for disk, (folder, free) in disks.items():
        if needed[disk] > free:
            what = f"not enough room: {decimal(needed[disk])} are needed, {decimal(free)} are free"
            less = "" if delete_archives else ", or add --delete-archives"
            raise BenchmarkError(what, folder, f"free some, or set DCASE_BENCH_DATA or DCASE_BENCH_CACHE{less}")


def _disk(folder: Path) -> tuple[int, int]:
    """Which disk a folder is on, or will be, and what is free there."""
    folder = folder.absolute()
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return there.stat().st_dev, shutil.disk_usage(there).free
