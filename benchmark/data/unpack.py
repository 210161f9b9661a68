"""Unpacking official archives: all of an archive is checked first, every file appears whole or not at all.

Nothing is written before every name, kind and declared size has passed. Those of a zip stand in its central directory.
A tar is read through once for them, which also checks gzip's checksum: it comes last, so that writing while reading
would leave damaged files under final names. (A plain tar has no checksum of contents; there the hash of the archive,
checked when it was fetched, is all there is.)

Each file is written to a temporary name beside its place, renamed, then noted in a journal, so that a killed unpacking
goes on where it was. Nothing is synced to the disk, which would take longer than the unpacking: a power cut can lose
the newest files, but then their sizes differ from the journal's and they are unpacked again.
"""

import hashlib
import json
import os
import re
import stat
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path, PurePosixPath
from typing import Any

from benchmark.data.archives import Entry, damaged, read_entries, shortened, too_much
from benchmark.data.files import Limit
from benchmark.data.receipts import Member
from benchmark.errors import InputError
from benchmark.records import unwritable

DEEPEST = 64  # folders in one path; no data set comes near it, and each file of an attack could make thousands


def unpack(
    archive: Path, root: Path, folder: str, limit: Limit, journal: Path, advance: Callable[[int], None]
) -> list[Member]:
    """Unpack a zip, tar, tar.gz or tgz into `root/folder`; go on where an earlier call was killed.

    A top folder that repeats the last part of `folder` is left out, and so is what macOS leaves in archives. Files that
    are there already under a member's name are replaced at once; others are left alone.

    Args:
        archive: The archive; its name says its format.
        root: Data root.
        folder: Where the archive goes below `root`; may be a symbolic link to another disk.
        limit: What this archive may unpack to.
        journal: Where to keep what is done; the caller deletes it when it has noted the result.
        advance: Called with the bytes of members, uncompressed, as they are written or found to be there already; with
            0 now and then while a tar is read without writing, so that it can stop the work.

    Returns:
        The archive's files in its order.

    Raises:
        InputError: The archive is damaged, or holds what is refused: a path that leaves the folder or that the file
            system cannot hold, two files of one path (or of paths that differ only by case or Unicode form: on a disk
            that does not tell them apart one would replace the other), links, devices, encrypted members, more than
            `limit`. Or something is in the way of a file.
        BenchmarkError: A file cannot be written (full disk, read-only folder).
    """
    place = root / folder
    temporary = f".unpacking-{hashlib.sha256(f'{folder}/{archive.name}'.encode()).hexdigest()[:12]}"
    if place.exists():  # whether or not there is a journal: the cache may have been cleared since
        _remove_leftovers(place, temporary)
    identity = _identity(archive, place)
    done = _read_journal(journal, identity)
    if done is None:  # a journal is begun once the archive has been checked
        for _ in _files(archive, root, folder, limit, advance):
            pass
        done = {}
    _begin(journal, identity, done.values())
    members = []
    for path, entry in _files(archive, root, folder, limit, advance):
        member = done.get(path)
        if member and member.bytes == entry.size == _size(root / path):
            advance(entry.size)
        else:
            member = Member(path, entry.size, _write(archive, entry, root / path, temporary, advance))
            _note(journal, member)
        members.append(member)
    return members


def _files(
    archive: Path, root: Path, folder: str, limit: Limit, advance: Callable[[int], None]
) -> Iterator[tuple[str, Entry]]:
    """The files of an archive, each checked, with their paths below `root`."""
    gate = _Gate(archive, root, folder, limit)
    with closing(read_entries(archive, limit, advance)) as entries:
        for entry in entries:
            if path := gate.admit(entry):
                yield path, entry
            else:
                for _ in entry.read():  # a damaged name can look like one that is passed over; reading notices
                    advance(0)


class _Gate:
    """Decides of each member of an archive, in order, whether and where it may be written."""

    def __init__(self, archive: Path, root: Path, folder: str, limit: Limit) -> None:
        self._archive, self._place, self._limit = archive, (root / folder).absolute(), limit
        self._folder = PurePosixPath(folder)
        self._files: set[str] = set()
        self._folders: set[str] = set()
        self._bytes = 0
        try:
            existing = next(path for path in (self._place, *self._place.parents) if path.exists())
            self._longest_name = os.pathconf(existing, "PC_NAME_MAX")
            self._longest_path = os.pathconf(existing, "PC_PATH_MAX")
        except OSError as error:
            raise unwritable(self._place, error) from error

    def admit(self, entry: Entry) -> str | None:
        """The path below the root that a member goes to; None for folders and what macOS leaves."""
        if entry.kind not in ("file", "folder"):
            raise self._refused(entry, f"is {entry.kind}")
        for spelling in (entry.name, unicodedata.normalize("NFKC", entry.name)):
            if why := _leaves(spelling):
                raise self._refused(entry, why)
        if entry.size < 0 or (entry.kind == "folder" and entry.size):
            raise self._refused(entry, f"is a {entry.kind} of {entry.size} bytes")
        self._bytes += entry.size
        if self._bytes > self._limit.bytes:
            raise too_much(self._archive, self._limit)
        parts = [part for part in entry.name.split("/") if part not in ("", ".")]
        if entry.kind == "folder":
            return None
        if not parts or entry.name.endswith(("/", "/.")):
            raise self._refused(entry, "is a file without a name")
        if parts[0] == "__MACOSX" or parts[-1].startswith("._") or parts[-1] == ".DS_Store":
            return None
        if len(parts) > 1 and parts[0] == self._folder.name:
            del parts[0]
        self._check_length(entry, parts)
        self._check_unique(entry, parts)
        return self._folder.joinpath(*parts).as_posix()

    def _check_length(self, entry: Entry, parts: list[str]) -> None:
        try:
            longest = max(len(part.encode()) for part in parts)
        except UnicodeError:
            raise self._refused(entry, "has a name that is no UTF-8") from None
        whole = len(os.fsencode(self._place.joinpath(*parts)))
        if longest > self._longest_name or whole >= self._longest_path:
            raise self._refused(entry, f"has a name that is too long for the file system of {self._place}")
        if len(parts) > DEEPEST:
            raise self._refused(entry, f"lies deeper than {DEEPEST} folders")

    def _check_unique(self, entry: Entry, parts: list[str]) -> None:
        keys = [unicodedata.normalize("NFC", part).casefold() for part in parts]
        path, *parents = ("/".join(keys[:end]) for end in range(len(keys), 0, -1))
        if path in self._files:
            raise self._refused(entry, "is there twice, or differs from another only by case or Unicode form")
        if path in self._folders or not self._files.isdisjoint(parents):
            raise self._refused(entry, "makes one path a file and a folder")
        self._files.add(path)
        self._folders.update(parents)
        if len(self._files) > self._limit.files:
            raise too_much(self._archive, self._limit)

    def _refused(self, entry: Entry, why: str) -> InputError:
        what = f"refused: its member {shortened(entry.name)} {why}"
        return InputError(what, self._archive, "delete it and download again; if it stays so, tell its publisher")


def _leaves(name: str) -> str | None:
    """Why a member's name could lead elsewhere, on any system; None if it cannot."""
    if not name:
        return "has no name"
    if "\0" in name or "\\" in name:
        return "has a backslash or NUL in its name"
    if name.startswith("/") or re.match("[A-Za-z]:", name):
        return "has an absolute path"
    if ".." in name.split("/"):
        return "has .. in its path"
    return None


def _write(archive: Path, entry: Entry, place: Path, temporary_name: str, advance: Callable[[int], None]) -> str:
    """Write a member's content to its place, whole or not at all; returns its SHA-256."""
    temporary = place.with_name(temporary_name)
    digest, written = hashlib.sha256(), 0
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)
        with temporary.open("xb") as file:
            for chunk in entry.read():
                written += len(chunk)
                if written > entry.size:
                    break
                file.write(chunk)
                digest.update(chunk)
                advance(len(chunk))
        if written != entry.size:
            raise damaged(archive, f"{shortened(entry.name)} is not of the size it declares")
        temporary.replace(place)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, FileExistsError | NotADirectoryError | IsADirectoryError):
            what = "a file is where a folder should be, or a folder where a file should be"
            raise InputError(what, error.filename2 or error.filename, "move it away") from error
        if isinstance(error, OSError):
            raise unwritable(place, error) from error
        raise
    return digest.hexdigest()


def _size(path: Path) -> int | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _remove_leftovers(place: Path, temporary: str) -> None:
    """Remove what a killed call left; if that was of another archive, it can lie where this one writes nothing."""
    try:
        for path in place.rglob(temporary):
            path.unlink(missing_ok=True)
    except OSError as error:
        raise unwritable(place, error) from error


def _identity(archive: Path, place: Path) -> dict[str, Any]:
    try:
        status = archive.stat()
    except OSError as error:
        raise InputError(f"cannot read: {error.strerror}", archive, "download it") from error
    what = {"archive": archive.name, "bytes": status.st_size, "mtime_ns": status.st_mtime_ns}
    return what | {"place": str(place.resolve())}


def _read_journal(path: Path, identity: dict[str, Any]) -> dict[str, Member] | None:
    """What is done of this archive, by path; None where no journal of it is."""
    try:
        first, *lines = path.read_text(encoding="utf-8").splitlines()
        if json.loads(first) != identity:
            return None
    except (OSError, ValueError):
        return None
    done = {}
    for line in lines:
        try:
            member = Member(*json.loads(line))
        except (ValueError, TypeError):  # the line at which the work was killed
            break
        done[member.path] = member
    return done


def _begin(journal: Path, identity: dict[str, Any], done: Iterable[Member]) -> None:
    """Write the journal without its torn line; torn itself, it is a journal of less."""
    try:
        journal.parent.mkdir(parents=True, exist_ok=True)
        journal.write_text("".join(f"{json.dumps(line)}\n" for line in (identity, *done)), encoding="utf-8")
    except OSError as error:
        raise unwritable(journal, error) from error


def _note(journal: Path, member: Member) -> None:
    try:
        with journal.open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps(member)}\n")
    except OSError as error:
        raise unwritable(journal, error) from error
