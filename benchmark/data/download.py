"""Official files to a data root: planned first, fetched in parallel, confirmed, unpacked, with a receipt for each.

What is under way lies in `<cache>/downloads/<data set>/`. A stopped download goes on there when the same command is
given again; of two that run at once, the second waits and finds the work done.
"""

import heapq
import shutil
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Self

from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from benchmark.data.fetch import Fetched, Hosts, fetch
from benchmark.data.files import Dataset, OfficialFile
from benchmark.data.receipts import FOLDER, Confirmed, Member, Receipt, read_receipt, receipt_path, write_receipt
from benchmark.data.record import read_record
from benchmark.data.unpack import unpack
from benchmark.errors import BenchmarkError, Interrupted
from benchmark.locks import locked
from benchmark.records import unwritable

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
    """

    dataset: Dataset
    file: OfficialFile
    state: State
    have: int
    confirmed: Confirmed

    @property
    def missing(self) -> int:
        """Bytes still to fetch, as far as its size is known."""
        return 0 if self.state in ("there", "downloaded") else max(0, (self.file.size or 0) - self.have)


def make_steps(datasets: Sequence[Dataset], root: Path, cache: Path) -> list[Step]:
    """How far each file has come; asks no server."""
    return [_step(dataset, file, root, cache) for dataset in datasets for file in dataset.files]


def _step(dataset: Dataset, file: OfficialFile, root: Path, cache: Path) -> Step:
    confirmed: Confirmed = "registry" if file.is_known else "record" if dataset.record else "first download"
    receipt = read_receipt(receipt_path(root, dataset.name, file.name))
    if receipt and all(_size(root / member.path) == member.bytes for member in receipt.members):
        return Step(dataset, file, "there", 0, receipt.confirmed)
    whole = downloads(cache, dataset) / file.name
    if (have := _size(whole)) is not None:
        return Step(dataset, file, "downloaded", have, confirmed)
    part = _size(whole.with_name(f"{file.name}.part"))
    return Step(dataset, file, "to do" if part is None else "begun", part or 0, confirmed)


def downloads(cache: Path, dataset: Dataset) -> Path:
    """Where the files of a data set lie while they are fetched, and its archives afterwards."""
    return cache / "downloads" / dataset.name


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def space_needed(steps: Sequence[Step], jobs: int, delete_archives: bool) -> tuple[int, int]:
    """Bytes that the work needs at its peak: in the cache, and below the data root; as far as sizes are known."""
    to_do = [step for step in steps if step.state != "there"]
    to_fetch = [step.missing for step in to_do]
    in_cache = sum(heapq.nlargest(jobs, to_fetch)) if delete_archives else sum(to_fetch)
    below_root = sum(step.file.size or 0 for step in to_do if not step.file.is_archive)
    for dataset in {step.dataset.name: step.dataset for step in to_do if step.file.is_archive}.values():
        archives = [step for step in steps if step.dataset.name == dataset.name and step.file.is_archive]
        whole = sum(step.file.size or 1 for step in archives)
        left = sum(step.file.size or 1 for step in archives if step.state != "there")
        below_root += round(dataset.limit.bytes * left / whole)
    return in_cache, below_root


def check_space(steps: Sequence[Step], root: Path, cache: Path, jobs: int, delete_archives: bool) -> None:
    """Check that the work fits on the disks.

    Raises:
        BenchmarkError: It does not; says what is needed and what is free.
    """
    in_cache, below_root = space_needed(steps, jobs, delete_archives)
    here, there = _existing(cache), _existing(root)
    wanted = [(here, in_cache), (there, below_root)]
    if here.stat().st_dev == there.stat().st_dev:
        wanted = [(there, in_cache + below_root)]
    for folder, needed in wanted:
        free = shutil.disk_usage(folder).free
        if needed > free:
            what = f"not enough room: {decimal(needed)} are needed, {decimal(free)} are free"
            less = "" if delete_archives else ", or add --delete-archives"
            raise BenchmarkError(what, folder, f"free some, or set DCASE_BENCH_DATA or DCASE_BENCH_CACHE{less}")


def _existing(folder: Path) -> Path:
    folder = folder.absolute()
    return next(path for path in (folder, *folder.parents) if path.exists())


def download(
    datasets: Sequence[Dataset],
    root: Path,
    cache: Path,
    console: Console,
    jobs: int = 4,
    delete_archives: bool = False,
    hosts: Hosts | None = None,
) -> None:
    """Bring every file of some data sets to the data root.

    Args:
        datasets: What is wanted.
        root: Data root.
        cache: Folder for what is under way, and for the archives.
        console: Where to say how it goes.
        jobs: Files that are fetched and unpacked at once.
        delete_archives: Whether an archive is deleted once its content is below the data root.
        hosts: Connections to use.

    Raises:
        BenchmarkError: A file could not be had or was not what was published (the others are there), or there is no
            room.
        Interrupted: It was stopped; the same call goes on.
    """
    hosts = hosts or Hosts()
    with ExitStack() as locks:
        for dataset in sorted(datasets, key=lambda dataset: dataset.name):
            for folder in (downloads(cache, dataset), root / FOLDER / dataset.name):
                _make(folder)
                locks.enter_context(locked(folder / "lock", f"downloads {dataset.name}"))
        steps = [step for step in make_steps(datasets, root, cache) if step.state != "there"]
        steps = _confirm(steps, hosts, console)
        check_space(steps, root, cache, jobs, delete_archives)
        if steps:
            _work(steps, root, cache, console, jobs, hosts)
        if delete_archives:
            for dataset in datasets:
                for file in dataset.files:
                    (downloads(cache, dataset) / file.name).unlink(missing_ok=True)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from error


def _confirm(steps: Sequence[Step], hosts: Hosts, console: Console) -> list[Step]:
    """Complete what the registry does not know by the record's own list."""
    records = {}
    for record in dict.fromkeys(step.dataset.record for step in steps if not step.file.is_known):
        if record is None:
            continue
        try:
            records[record] = read_record(record, hosts)
        except BenchmarkError as error:
            console.print(f"no list of the published files: {error}", highlight=False, markup=False)
    confirmed = []
    for step in steps:
        published = records.get(step.dataset.record or "", {}).get(step.file.name)
        if published is None or step.file.is_known:
            known: Confirmed = "registry" if step.file.is_known else "first download"
            confirmed.append(replace(step, confirmed=known))
            continue
        file = replace(step.file, bytes=published.bytes, md5=published.md5)
        confirmed.append(replace(step, file=file, confirmed="record"))
    return confirmed


def _work(steps: Sequence[Step], root: Path, cache: Path, console: Console, jobs: int, hosts: Hosts) -> None:
    failed = 0
    with _Bars(console) as bars, ThreadPoolExecutor(jobs) as pool:
        futures = {pool.submit(_one, step, root, cache, hosts, bars): step for step in steps}
        try:
            for future in as_completed(futures):
                try:
                    told = _told(future.result())
                except BenchmarkError as error:
                    failed += 1
                    told = f"{futures[future].file.name}: {error}"
                console.print(told, highlight=False, markup=False, soft_wrap=True)
        except BaseException:
            bars.stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    if failed:
        what = f"{failed} of {len(steps)} files could not be had: what was wrong stands above"
        raise BenchmarkError(what, remedy="the same command goes on from here")


def _one(step: Step, root: Path, cache: Path, hosts: Hosts, bars: "_Bars") -> Receipt:
    """Fetch a file, put it or its content below the data root, and write its receipt."""
    folder, file = downloads(cache, step.dataset), step.file
    path = receipt_path(root, step.dataset.name, file.name)
    before = read_receipt(path)
    with bars.of(f"fetching {file.name}", file.size, step.have) as bar:
        fetched = fetch(file, folder, hosts, bar.advance, bar.total)
    if before and before.sha256 != fetched.sha256:
        what = f"{file.name} is not what was downloaded before (SHA-256 {before.sha256}, now {fetched.sha256})"
        raise BenchmarkError(what, fetched.path, f"if its publisher has changed it, delete {path} and run again")
    journal = folder / f"{file.name}.journal"
    if file.is_archive:
        with bars.of(f"unpacking {file.name}", None, 0) as bar:
            members = unpack(fetched.path, root, file.folder, step.dataset.limit, journal, bar.advance)
    else:
        members = [_put(fetched, root, file)]
    receipt = Receipt(
        file.name, fetched.url, fetched.bytes, fetched.md5, fetched.sha256, step.confirmed, tuple(members)
    )
    write_receipt(path, receipt)
    journal.unlink(missing_ok=True)
    if not file.is_archive:
        fetched.path.unlink()
    return receipt


def _put(fetched: Fetched, root: Path, file: OfficialFile) -> Member:
    """Copy a file to its place at once: cache and data root may be on different disks."""
    place = root / file.folder / file.name
    _make(place.parent)
    fresh = place.with_name(f".{file.name}.fresh")
    try:
        shutil.copyfile(fetched.path, fresh)
        fresh.replace(place)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise unwritable(place, error) from error
    return Member(place.relative_to(root).as_posix(), fetched.bytes, fetched.sha256)


def _told(receipt: Receipt) -> str:
    by = {
        "registry": "its published hash agrees",
        "record": "the hash in the record's list agrees",
        "first download": f"no published hash is known; recorded for the next time: SHA-256 {receipt.sha256}",
    }[receipt.confirmed]
    return f"{receipt.file}: {decimal(receipt.bytes)}, {by}; {len(receipt.members):,} files are there"


class _Bar:
    """What a worker tells of one file."""

    def __init__(self, bars: "_Bars", task: TaskID) -> None:
        self._bars, self._task = bars, task

    def advance(self, size: int) -> None:
        if self._bars.stopped.is_set():
            raise Interrupted("stopped", remedy="the same command goes on from here")
        self._bars.progress.advance(self._task, size)

    def total(self, size: int) -> None:
        self._bars.progress.update(self._task, total=size)


class _Bars:
    """A bar for each file that is under way."""

    def __init__(self, console: Console) -> None:
        self.stopped = threading.Event()
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        self.progress = Progress(*columns, TimeRemainingColumn(), console=console, transient=True)

    def __enter__(self) -> Self:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    @contextmanager
    def of(self, title: str, total: int | None, have: int) -> Iterator[_Bar]:
        task = self.progress.add_task(escape(title), total=total, completed=have)
        try:
            yield _Bar(self, task)
        finally:
            self.progress.remove_task(task)
