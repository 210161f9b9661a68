"""Official files to a data root: planned first, fetched in parallel, confirmed, unpacked, with a receipt for each.

What is under way lies in `<cache>/downloads/<data set>/`. A stopped download goes on there when the same command is
given again; of two that run at once, the second waits and finds the work done.
"""

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Self

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

from benchmark.data.fetch import Fetched, fetch
from benchmark.data.files import Dataset, OfficialFile
from benchmark.data.hosts import Hosts
from benchmark.data.part import writing
from benchmark.data.receipts import FOLDER, Member, Receipt, receipt_path, write_receipt
from benchmark.data.record import Published, read_record
from benchmark.data.steps import Step, check_space, downloads, journal_of, limit_of, make_steps
from benchmark.data.unpack import unpack
from benchmark.errors import BenchmarkError, Interrupted
from benchmark.locks import locked
from benchmark.records import unwritable
from benchmark.tabular import few

AGAIN = "the same command goes on from here"
SECONDS_TOLD = 60  # between two lines where no bar is seen
GRACE = 2  # seconds in which threads that are not waiting for a silent server come to their end

_held = list[ExitStack]()  # locks that only the end of this process releases


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
    try:
        with ExitStack() as locks:
            for dataset in sorted(datasets, key=lambda dataset: dataset.name):
                _lock(locks, downloads(cache, dataset), dataset)
            if any(_is_to_do(step, root) for step in make_steps(datasets, root, cache)):
                for dataset in sorted(datasets, key=lambda dataset: dataset.name):
                    _lock(locks, root / FOLDER / dataset.name, dataset)
            steps = make_steps(datasets, root, cache)
            for step in steps:
                if step.state == "there":
                    _tidy(step, cache, delete_archives)
            steps = _confirm([step for step in steps if _is_to_do(step, root)], hosts, console)
            check_space(steps, root, cache, jobs, delete_archives)
            with _Bars(console) as bars:
                _work(steps, lambda step: _one(step, root, cache, hosts, bars, delete_archives), jobs, bars, locks)
    except KeyboardInterrupt:
        raise Interrupted("stopped", remedy=AGAIN) from None


def _lock(locks: ExitStack, folder: Path, dataset: Dataset) -> None:
    """Keep other processes from a folder, and clear what a killed one was writing there when it died."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        locks.enter_context(locked(folder / "lock", f"downloads {dataset.name}"))
        for path in folder.glob(".*.json.????????"):  # before `write_text` gives them their names
            path.unlink()


def _is_to_do(step: Step, root: Path) -> bool:
    """Whether a file is not there, or was trusted when it came though its record might have confirmed it."""
    if step.state != "there":
        return True
    folder = receipt_path(root, step.dataset.name, step.file.name).parent
    is_open = step.confirmed == "first download" and not step.file.is_known and step.dataset.record is not None
    return is_open and os.access(folder, os.W_OK)  # data that others only read stay as they are


def _tidy(step: Step, cache: Path, delete_archives: bool) -> None:
    """Delete what is needed no more of a file that has its receipt."""
    place = downloads(cache, step.dataset) / step.file.name
    gone = [journal_of(place), *(place.with_name(place.name + suffix) for suffix in (".part", ".part.json"))]
    if delete_archives or not step.file.is_archive:
        gone.append(place)
    with writing(place):
        for path in gone:
            path.unlink(missing_ok=True)


def _confirm(steps: Sequence[Step], hosts: Hosts, console: Console) -> list[Step]:
    """Complete what the registry does not know by the record's own list.

    It is not asked because of an archive that was kept and has been confirmed: its receipt knows the hash. What is
    there and stays unconfirmed is left out.
    """
    unknown = [step for step in steps if not (step.file.is_known or _is_confirmed(step))]
    records = dict[str, dict[str, Published]]()
    for record in dict.fromkeys(step.dataset.record for step in unknown if step.dataset.record):
        try:
            records[record] = read_record(record, hosts)
        except BenchmarkError as error:
            _say(console, f"{error}\n  until then, what has no published hash is trusted when it first comes")
    confirmed = [step if step.file.is_known else _confirmed(step, records) for step in steps]
    return [step for step in confirmed if (step.state, step.confirmed) != ("there", "first download")]


def _is_confirmed(step: Step) -> bool:
    return step.state == "downloaded" and step.receipt is not None and step.receipt.confirmed != "first download"


def _confirmed(step: Step, records: Mapping[str, Mapping[str, Published]]) -> Step:
    published = records.get(step.dataset.record or "", {}).get(step.file.name)
    if published is None:
        return replace(step, confirmed="first download")
    size = published.bytes if step.file.bytes is None else step.file.bytes
    return replace(step, file=replace(step.file, bytes=size, md5=published.md5), confirmed="record")


def _work(steps: Sequence[Step], one: Callable[[Step], str], jobs: int, bars: "_Bars", locks: ExitStack) -> None:
    """Do all steps, in threads that cannot keep an interrupted process alive while a server is silent."""
    waiting, done = SimpleQueue[Step](), SimpleQueue[tuple[Step, str | BaseException]]()
    for step in steps:
        waiting.put(step)

    def work() -> None:
        with suppress(Empty):
            while not bars.stopped.is_set():
                step = waiting.get_nowait()
                try:
                    done.put((step, one(step)))
                except BaseException as error:
                    done.put((step, error))

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(jobs, len(steps)))]
    try:
        for thread in threads:
            thread.start()
        failed = [step.file.name for step, told in (done.get() for _ in steps) if not _tell(bars, step, told)]
    except BaseException:
        _held.append(held := locks.pop_all())  # threads may write yet, and a second Ctrl-C must not release the locks
        bars.stopped.set()
        end = time.monotonic() + GRACE
        for thread in threads:
            thread.join(max(0, end - time.monotonic()))
        if not any(thread.is_alive() for thread in threads):
            _held.remove(held)
            held.close()
        raise
    if failed:
        what = f"{len(failed)} of {len(steps)} files could not be had: {few(failed)}; what was wrong stands above"
        raise BenchmarkError(what, remedy=AGAIN)


def _tell(bars: "_Bars", step: Step, told: str | BaseException) -> bool:
    """Say what came of a step; returns whether it is done."""
    if isinstance(told, BaseException) and not isinstance(told, BenchmarkError):
        raise told
    bars.say(f"{step.file.name}: {told}")
    return isinstance(told, str)


def _one(step: Step, root: Path, cache: Path, hosts: Hosts, bars: "_Bars", delete_archives: bool) -> str:
    """Fetch a file, put it or its content below the data root, and write its receipt; returns what to say of it."""
    folder, file, before = downloads(cache, step.dataset), step.file, step.receipt
    path = receipt_path(root, step.dataset.name, file.name)
    if before and step.state == "there":
        return _upgrade(path, before, file)
    with bars.of(f"fetching {file.name}", file.size, step.have) as bar:
        fetched = fetch(file, folder, hosts, bar.advance, bar.total)
    for remark in fetched.remarks:
        bars.say(f"{file.name}: {remark}")
    confirmed, url = step.confirmed, fetched.url
    if before and before.sha256 == fetched.sha256:
        confirmed = before.confirmed if confirmed == "first download" else confirmed
        url = before.url if step.state == "downloaded" else url
    elif before and confirmed != "registry":
        what = f"not what was downloaded before: its SHA-256 is {fetched.sha256} instead of {before.sha256}"
        remedy = f"delete it and run again; if its publisher has changed it, delete {path} instead"
        raise BenchmarkError(what, fetched.path, remedy)
    if file.is_archive:
        with bars.of(f"unpacking {file.name}", None, 0) as bar:
            journal = journal_of(fetched.path)
            members = unpack(fetched.path, root, file.folder, limit_of(step.dataset, file), journal, bar.advance)
    else:
        members = [_put(fetched, root, file)]
    receipt = Receipt(file.name, url, fetched.bytes, fetched.md5, fetched.sha256, confirmed, tuple(members))
    write_receipt(path, receipt)
    _tidy(step, cache, delete_archives)
    return _told(receipt, before)


def _upgrade(path: Path, receipt: Receipt, file: OfficialFile) -> str:
    """Compare a file that is there with the record's hash of it, and note that it agrees; returns what to say."""
    if receipt.md5 != file.md5:
        what = f"what is there is not what its record lists now: its MD5 is {receipt.md5} instead of {file.md5}"
        raise BenchmarkError(what, path, "delete it and run again, which brings the file that is listed")
    write_receipt(path, replace(receipt, confirmed="record"))
    return f"{decimal(receipt.bytes)}, there since before; the hash in the record's list agrees now"


def _put(fetched: Fetched, root: Path, file: OfficialFile) -> Member:
    """Copy a file to its place at once: cache and data root may be on different disks."""
    place = root / file.folder / file.name
    fresh = place.with_name(f".{file.name}.fresh")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(fetched.path, fresh)
        fresh.replace(place)
    except OSError as error:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise unwritable(place, error) from error
    return Member(place.relative_to(root).as_posix(), fetched.bytes, fetched.sha256)


def _told(receipt: Receipt, before: Receipt | None) -> str:
    new = f"no published hash is known; recorded for the next time: SHA-256 {receipt.sha256}"
    by = {
        "registry": "its published hash agrees",
        "record": "the hash in the record's list agrees",
        "first download": "the same as at its first download" if before else new,
    }[receipt.confirmed]
    files = "1 file is" if len(receipt.members) == 1 else f"{len(receipt.members):,} files are"
    return f"{decimal(receipt.bytes)}, {by}; {files} there"


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)


class _Bar:
    """What a worker tells of one file."""

    def __init__(self, bars: "_Bars", task: TaskID) -> None:
        self._bars, self._task = bars, task

    def advance(self, size: int) -> None:
        if self._bars.stopped.is_set():
            raise Interrupted("stopped", remedy=AGAIN)
        self._bars.progress.advance(self._task, size)
        self._bars.count(size)

    def total(self, size: int) -> None:
        self._bars.progress.update(self._task, total=size)


class _Bars:
    """A bar for each file that is under way."""

    def __init__(self, console: Console) -> None:
        self.stopped = threading.Event()
        self._fetched, self._told = 0, time.monotonic()
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        self.progress = Progress(
            *columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal
        )

    def __enter__(self) -> Self:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def say(self, text: str) -> None:
        _say(self.progress.console, text)

    def count(self, size: int) -> None:
        """Where no bar is seen, say now and then how much has been done."""
        self._fetched += size
        if self.progress.disable and time.monotonic() - self._told > SECONDS_TOLD:
            self._told = time.monotonic()
            self.say(f"... {decimal(self._fetched)} fetched and unpacked so far")

    @contextmanager
    def of(self, title: str, total: int | None, have: int) -> Iterator[_Bar]:
        task = self.progress.add_task(escape(title), total=total, completed=have)
        try:
            yield _Bar(self, task)
        finally:
            self.progress.remove_task(task)
