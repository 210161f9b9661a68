"""What `data verify` does: every listed clip, every downloaded byte and every sound of a task's data is looked at.

Nothing is written below the data root. One fault is one finding: of several checks that a file fails, the first counts.
A file with exactly the bytes that its publisher's hash vouches for is not decoded as well: no other copy could be
better, and some published recordings are odd (FSDKaggle2018 has empty ones, which no list asks for). Where a hash was
only recorded at the first download, nobody vouches for the bytes, and the file is decoded like any other.
"""

import hashlib
import stat
import sys
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from rich import box
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table

from benchmark.data.audio import read_audio
from benchmark.data.files import Dataset, OfficialFile
from benchmark.data.inventory import Inventory
from benchmark.data.parallel import in_order, usable_cores
from benchmark.data.receipts import Member, Receipt, read_receipt, receipt_path
from benchmark.errors import InputError
from benchmark.paths import cache_root
from benchmark.registry import Task
from benchmark.status import Format, data_command, error_parts, file_size, first_missing, variant_of
from benchmark.tabular import few, write_rows

LISTS, CLIPS, CONTENTS, AUDIO, COUNTS = "label lists", "listed clips", "downloaded files", "audio", "label counts"
STORES = "waveform stores"
LIST_SUFFIXES = (".csv", ".tsv", ".txt")
FINDINGS_SHOWN = 10
SHOWN_LENGTH = 400
DIGITS = 12  # of a hash, for people

_Thing = TypeVar("_Thing")
_Found = TypeVar("_Found")


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Attributes:
        check: The check that found it.
        file: The file below the data root, or what else it is about.
        what: What was found, and what was expected.
        remedy: What to do.
        wrong: False for what is only said: a missing clip of a task whose clips may be missing.
    """

    check: str
    file: str
    what: str
    remedy: str
    wrong: bool = True


@dataclass(frozen=True)
class Report:
    """What `verify` found.

    Attributes:
        task: Name of the task.
        root: Data root.
        variant: What the data is: `full`, `partial:<coverage>`, `custom:<fingerprint>`, or `unknown`.
        checks: Check to the number of things that it looked at.
        findings: All that was found, check by check, in the order of the lists.
        coverage: Folder with missing clips to the number of its clips that are there, and of those that are listed.
    """

    task: str
    root: Path
    variant: str
    checks: dict[str, int]
    findings: list[Finding]
    coverage: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def wrong(self) -> list[Finding]:
        """The findings that are faults."""
        return [finding for finding in self.findings if finding.wrong]


def verify(
    task: Task,
    root: Path,
    protocol: str,
    subsets: Sequence[str],
    registry: Sequence[Dataset],
    jobs: int | None,
    console: Console,
) -> Report:
    """Look at everything of a task's data; each thread holds one clip in memory.

    Args:
        task: The task.
        root: Data root; may be read-only.
        protocol: The protocol whose data is meant.
        subsets: Further parts of the data that are meant.
        registry: The official files that these need.
        jobs: Threads; by default one for each core that this process may use.
        console: Where to say what cannot be checked. The progress bar is on standard error.
    """
    module = task.load("datamodule")
    command = data_command("download", task, root, protocol)
    try:
        inventory: Inventory = module.take_stock(root, "skip", protocol, subsets)
    except (InputError, OSError) as error:
        return Report(task.name, root, "unknown", {LISTS: 1}, [_broken_list(error, root, command)])
    receipts, broken = _read_receipts(registry, root, command, console)
    members = [(receipt, member) for receipt in receipts for member in receipt.members]
    missing = {clip: reason.removesuffix(" is missing") for clip, reason in inventory.missing.items()}
    listed = _Listed(inventory, list(missing.values()), {member.path for _, member in members})
    again = f"run: {command}" if registry and not module.may_be_partial else ""
    jobs = jobs or usable_cores()

    changed, agreed, vouched = _check_contents(members, root, jobs, command)
    official_files = sum(len(dataset.files) for dataset in registry)
    published = len(receipts) == official_files > 0 and all(r.confirmed != "first download" for r in receipts)
    audio = [example.path for example in inventory.examples if _below(example.path, root) not in vouched]
    official = Format(module.rate, module.channels, module.seconds)
    stores, damaged = _check_stores(task, root, jobs)
    findings = [
        *_check_clips(listed, again, module.may_be_partial, command),
        *broken,
        *changed,
        *_check_audio(audio, root, official, jobs, again, agreed),
        *_check_counts(listed, changed, command if registry else "", published),
        *damaged,
    ]
    unique = {finding.file: finding for finding in reversed(findings)}
    checks = {
        CLIPS: inventory.listed + len(inventory.strangers),
        CONTENTS: len(members),
        AUDIO: len(audio),
        COUNTS: sum(count.official is not None for count in inventory.counts),
        STORES: stores,
    }
    coverage = _coverage(inventory, missing.values(), root)
    return Report(task.name, root, variant_of(inventory), checks, list(unique.values())[::-1], coverage)


def print_report(console: Console, report: Report, written: Path | None = None) -> None:
    """Print how much was looked at, how complete it is, and the first findings.

    Args:
        console: Where to print.
        report: What was found.
        written: Where the whole list of findings was written.
    """

    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    wrong = Counter(finding.check for finding in report.wrong)
    table = Table("check", "looked at", "wrong", box=box.SIMPLE_HEAD)
    for check, number in report.checks.items():
        table.add_row(check, f"{number:,}", f"{wrong[check]:,}")
    console.print(table)
    say(f"{report.task} at {report.root}: {report.variant}")
    for folder, (there, listed) in report.coverage.items():
        say(f"  {folder}: {there:,} of {listed:,} listed clips ({100 * there // listed} %)")
    said = [finding for finding in report.findings if not finding.wrong]
    if missing := sum(finding.check == CLIPS for finding in said):
        say(f"{missing:,} listed clips are missing, which is no fault in this task")
    for finding in [*report.wrong[:FINDINGS_SHOWN], *(finding for finding in said if finding.check == COUNTS)]:
        what = finding.what if len(finding.what) <= SHOWN_LENGTH else f"{finding.what[:SHOWN_LENGTH]} ..."
        say(f"{finding.file}: {what}\n    to do: {finding.remedy}")
    if (more := len(report.wrong) - FINDINGS_SHOWN) > 0:
        say(f"and {more:,} more{'' if written else '; --report FILE writes them all'}")
    if not report.wrong:
        say("nothing is wrong")
    if written:
        say(f"the whole list: {written}")


def write_findings(path: Path, report: Report) -> None:
    """Write every finding as a line `check, file, wrong, what, remedy`, separated by tabs.

    Raises:
        BenchmarkError: The file cannot be written.
    """
    rows = [(f.check, f.file, "yes" if f.wrong else "no", f.what, f.remedy) for f in report.findings]
    write_rows(path, rows, "\t", ("check", "file", "wrong", "what", "remedy"))


class _Listed:
    """The lists against the files: paths are those below the data root."""

    def __init__(self, inventory: Inventory, missing: list[str], downloaded: Collection[str]) -> None:
        self.missing, self.downloaded = missing, downloaded
        self.counts = [c for c in inventory.counts if c.official is not None and c.found != c.official]
        short = max((c.official - c.found for c in self.counts if c.official is not None), default=0)
        # What was published is no stranger, and clips whose rows are gone are not to be deleted.
        strangers = [name for name in inventory.strangers if name not in downloaded]
        self.lost_rows = strangers if len(strangers) <= short else []
        self.strangers = [] if self.lost_rows else strangers


def _broken_list(error: InputError | OSError, root: Path, command: str) -> Finding:
    what, where, remedy = error_parts(error)
    for folder in (root, root.resolve()):
        where = where.removeprefix(f"{folder}/")
    file = first_missing(what) or where or "."
    return Finding(LISTS, _shown(file), _shown(what), remedy or f"mend it, or delete it and run: {command}")


def _read_receipts(
    registry: Sequence[Dataset], root: Path, command: str, console: Console
) -> tuple[list[Receipt], list[Finding]]:
    """The receipts that are there, and what is wrong with those that cannot be read; says what has none."""
    receipts, findings, without = [], [], dict[str, None]()
    for dataset in registry:
        for file in dataset.files:
            path = receipt_path(root, dataset.name, file.name)
            try:
                receipt = read_receipt(path)
            except (InputError, OSError) as error:
                what = f"the receipt of {file.name} is broken: {error_parts(error)[0]}"
                findings.append(Finding(CONTENTS, _below(path, root), what, f"delete it and run: {command}"))
                continue
            if receipt and not _is_of(receipt, file):
                what = f"{file.name} was downloaded by another registry: its hash is not the published one"
                findings.append(Finding(CONTENTS, _below(path, root), what, f"run: {command}"))
            if receipt:
                receipts.append(receipt)
            else:
                without[dataset.name] = None
    if without:
        what = f"the contents of {few(list(without))} cannot be compared with what was published"
        reason = "they were not downloaded by this tool, or not wholly"
        console.print(f"{what}: {reason}", highlight=False, markup=False, soft_wrap=True)
    return receipts, findings


def _is_of(receipt: Receipt, file: OfficialFile) -> bool:
    """Whether what was downloaded has the hashes that are known of the file."""
    return file.md5 in (None, receipt.md5) and file.sha256 in (None, receipt.sha256)


def _check_clips(listed: _Listed, again: str, may_be_partial: bool, command: str) -> list[Finding]:
    findings = []
    for file in listed.missing:
        if may_be_partial and file not in listed.downloaded:
            findings.append(Finding(CLIPS, _shown(file), "is listed, but not there", "nothing, or put it there", False))
            continue
        remedy = f"run: {command}" if file in listed.downloaded else again or "put it there"
        findings.append(Finding(CLIPS, _shown(file), "is listed, but not there", remedy))
    remedy = "delete it, or move it elsewhere"
    return [*findings, *(Finding(CLIPS, _shown(file), "is on no list", remedy) for file in listed.strangers)]


def _check_contents(
    members: Sequence[tuple[Receipt, Member]], root: Path, jobs: int, command: str
) -> tuple[list[Finding], set[str], set[str]]:
    """What differs from its receipt, the files that agree with one, and with one that a publisher's hash confirmed."""
    sizes = [member.bytes for _, member in members]
    results = _look(f"hashing {len(members):,} files", partial(_compare, root), members, sizes, jobs)
    agreed, vouched, findings = set(), set(), []
    for (receipt, member), what in zip(members, results, strict=True):
        if not what:
            agreed.add(member.path)
            if receipt.confirmed != "first download":
                vouched.add(member.path)
    for (_, member), what in zip(members, results, strict=True):
        if what and member.path not in agreed:  # two archives may hold a file of one name; only one lies there
            findings.append(Finding(CONTENTS, _shown(member.path), what, f"delete it and run: {command}"))
    return findings, agreed, vouched


def _compare(root: Path, entry: tuple[Receipt, Member]) -> str:
    receipt, member = entry
    path = root / member.path
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return "is no file"
        if status.st_size != member.bytes:
            return f"has {status.st_size:,} bytes instead of the {member.bytes:,} of {receipt.file}"
        with path.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
    except FileNotFoundError:
        return f"is missing; {receipt.file} has it"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if digest != member.sha256:
        return f"has changed: SHA-256 {digest[:DIGITS]}... instead of the {member.sha256[:DIGITS]}... of {receipt.file}"
    return ""


def _check_audio(
    paths: Sequence[Path], root: Path, official: Format, jobs: int, again: str, agreed: Collection[str]
) -> list[Finding]:
    """Clips that cannot be read, or are of another format, which is no fault of one that is as it was downloaded."""
    sizes = [file_size(path) or 0 for path in paths]
    results = _look(f"decoding {len(paths):,} clips", partial(_listen, official), paths, sizes, jobs)
    remedy = f"delete it and {again}" if again else "delete it, or copy it again from where it came from"
    findings = []
    for path, (what, is_readable) in zip(paths, results, strict=True):
        file = _below(path, root)
        if what and is_readable and file in agreed:
            findings.append(Finding(AUDIO, _shown(file), what, "nothing: it is as it was downloaded", False))
        elif what:
            findings.append(Finding(AUDIO, _shown(file), what, remedy))
    return findings


def _listen(official: Format, path: Path) -> tuple[str, bool]:
    """What is wrong with a clip, and whether it can be read."""
    if not _may_be_opened(path):
        return "is no file", False
    try:
        waveform, rate = read_audio(path)
    except InputError as error:
        return error_parts(error)[0], False
    return ", ".join(official.differences(rate, len(waveform), waveform.shape[1] / rate)), True


def _may_be_opened(path: Path) -> bool:
    """Opening a named pipe would wait for ever; what is wrong with anything else, reading says."""
    try:
        return not stat.S_ISFIFO(path.stat().st_mode)
    except OSError:
        return True


def _check_counts(listed: _Listed, changed: Sequence[Finding], command: str, published: bool) -> list[Finding]:
    """One finding for all counts that differ; none where a list is known to have changed, which explains them.

    It is no fault where every file is the `published` one, as its publisher's hash says: then a mirror's registry has
    other data, or the number that was expected is wrong.
    """
    if not listed.counts or any(finding.file.endswith(LIST_SUFFIXES) for finding in changed):
        return []
    differing = "; ".join(f"{c.name}: {c.found:,} instead of {c.official:,}" for c in listed.counts)
    lost = f"; on no list are {', '.join(listed.lost_rows)}" if listed.lost_rows else ""
    remedy = "put the published files in their place"
    if published:
        remedy = "nothing: every file is the one whose hash its registry has; but this is not the official data"
    elif command:
        remedy += f": {command}"
    return [Finding(COUNTS, COUNTS, _shown(differing + lost), remedy, wrong=not published)]


def _check_stores(task: Task, root: Path, jobs: int) -> tuple[int, list[Finding]]:
    """The number of the data's waveform stores, and those whose samples are not what was decoded."""
    from benchmark.data.store import WaveformStore
    from benchmark.data.store_index import stores_of_data

    folders, findings = stores_of_data(cache_root(), task.name, root), []
    for folder in folders:
        try:
            differ = WaveformStore(folder).verify(jobs, progress=sys.stderr.isatty())
            what = f"the samples of {len(differ):,} clips have changed: {few(differ)}" if differ else ""
        except (InputError, OSError) as error:
            what = error_parts(error)[0]
        if what:
            remedy = "delete the folder: the next run builds it again"
            findings.append(Finding(STORES, str(folder), _shown(what), remedy))
    return len(folders), findings


def _look(
    title: str, check: Callable[[_Thing], _Found], things: Sequence[_Thing], sizes: Sequence[int], jobs: int
) -> list[_Found]:
    """What `check` says of each thing, in the order of the things, with a bar that counts their bytes."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    console = Console(stderr=True)
    quiet = not (things and console.is_terminal)
    results: list[_Found] = []
    with (
        Progress(*columns, TimeRemainingColumn(), console=console, transient=True, disable=quiet) as bars,
        closing(in_order(check, things, jobs)) as found,
    ):
        bar = bars.add_task(title, total=sum(sizes))
        for size, result in zip(sizes, found, strict=True):
            results.append(result)
            bars.advance(bar, size)
    return results


def _coverage(inventory: Inventory, missing: Collection[str], root: Path) -> dict[str, tuple[int, int]]:
    """Clips that are there and that are listed, of each folder that lacks some."""
    gone = Counter(file.rpartition("/")[0] for file in missing)
    there = Counter(_below(example.path, root).rpartition("/")[0] for example in inventory.examples)
    return {_shown(folder): (there[folder], there[folder] + number) for folder, number in sorted(gone.items())}


def _below(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def _shown(text: str) -> str:
    """Text that any terminal and any file takes: the name of a file need not be UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
