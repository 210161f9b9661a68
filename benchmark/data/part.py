"""The bytes of a file that is being fetched: on disk at any moment, with a note of where they came from."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self

from benchmark.data.files import OfficialFile
from benchmark.data.hosts import TryAgain
from benchmark.errors import BenchmarkError, InputError
from benchmark.records import read_json, unwritable, write_text

CHUNK = 1 << 18  # bytes


@dataclass(frozen=True)
class Origin:
    """Where a part comes from: its address, what tells its version from others there, and the size of the whole."""

    url: str = ""
    validator: str = ""
    total: int | None = None

    def may_be_same(self, other: "Origin") -> bool:
        """Whether nothing says that the other is another version of the file."""
        is_other = self.url == other.url and self.validator != other.validator and self.validator and other.validator
        return not is_other and agree(self.total, other.total)


class Digest:
    """Size and hashes of the bytes that have passed."""

    def __init__(self) -> None:
        self.size = 0
        self._md5, self._sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()

    @classmethod
    def of(cls, path: Path, advance: Callable[[int], None]) -> Self:
        """Those of a file that is there."""
        digest = cls()
        try:
            with path.open("rb") as handle:
                while chunk := handle.read(CHUNK):
                    advance(0)
                    digest.update(chunk)
        except OSError as error:
            raise BenchmarkError(f"cannot read: {error.strerror or error}", path, "move it away") from error
        return digest

    def update(self, chunk: bytes | memoryview) -> None:
        """Let bytes pass."""
        self.size += len(chunk)
        self._md5.update(chunk)
        self._sha256.update(chunk)

    @property
    def md5(self) -> str:
        """In hexadecimal digits."""
        return self._md5.hexdigest()

    @property
    def sha256(self) -> str:
        """In hexadecimal digits."""
        return self._sha256.hexdigest()

    def differs(self, file: OfficialFile) -> str:
        """What is not as it was published; empty where everything that is known agrees."""
        if file.bytes not in (None, self.size):
            return f"it has {self.size:,} bytes instead of {file.bytes:,}"
        for name, has, should in (("MD5", self.md5, file.md5), ("SHA-256", self.sha256, file.sha256)):
            if should not in (None, has):
                return f"its {name} is {has} instead of {should}"
        return ""


class Part:
    """The bytes that have come of a file; on disk at any moment, with a note of where they came from."""

    def __init__(self, file: OfficialFile, folder: Path, advance: Callable[[int], None]) -> None:
        self._file, self._advance = file, advance
        self._path, self._note = folder / f"{file.name}.part", folder / f"{file.name}.part.json"
        self._origin, self._digest, self.is_pieced = Origin(), Digest(), False
        size = self._path.stat().st_size if self._path.exists() else 0
        origin = _read_origin(self._note) if size else None
        if origin and self._may_be_from(origin, size):
            self._origin, self._digest, self.is_pieced = origin, Digest.of(self._path, advance), True
        self._open()
        if size > self.size:
            self._truncate()
            advance(-size)

    def _may_be_from(self, origin: Origin, size: int) -> bool:
        is_ours = origin.url in self._file.urls or self._file.is_known
        whole = origin.total if self._file.bytes is None else self._file.bytes
        return is_ours and agree(self._file.bytes, origin.total) and (whole is None or size <= whole)

    @property
    def size(self) -> int:
        """Bytes that are there."""
        return self._digest.size

    @property
    def total(self) -> int | None:
        """Bytes of the whole file, once known."""
        return self._origin.total if self._file.bytes is None else self._file.bytes

    @property
    def is_whole(self) -> bool:
        """Whether no byte is missing, as far as is known."""
        return self.size > 0 and self.size == self.total

    def differs(self) -> str:
        """What is not as it was published or announced; empty where nothing is."""
        return self._digest.differs(replace(self._file, bytes=self.total))

    def request(self, url: str) -> dict[str, str]:
        """The headers that ask `url` for the rest, or none where only the whole could be trusted."""
        is_same = url == self._origin.url and self._origin.validator != ""
        if not self.size or not (is_same or self._file.is_known):
            return {}
        condition = {"If-Range": self._origin.validator} if is_same else {}
        return {"Range": f"bytes={self.size}-"} | condition

    def restart(self, origin: Origin) -> None:
        """Begin anew."""
        self._advance(-self.size)
        self._digest, self.is_pieced = Digest(), False
        self._truncate()
        self._write_origin(origin)  # after the bytes of another origin are gone

    def go_on(self, origin: Origin, first: int | None) -> None:
        """Prepare for bytes that continue what is there.

        Args:
            origin: Where they come from.
            first: Where they belong in the file.

        Raises:
            TryAgain: They do not continue it; what was there is gone.
        """
        if first != self.size or not self._origin.may_be_same(origin):
            self.restart(Origin())
            raise TryAgain("what it sends does not continue what is there")
        self.is_pieced = self.size > 0
        if origin.url == self._origin.url and not origin.validator:
            origin = replace(origin, validator=self._origin.validator)
        self._write_origin(replace(origin, total=self._origin.total if origin.total is None else origin.total))

    def end_at(self, total: int | None) -> None:
        """Take the file for whole if it has `total` bytes.

        Raises:
            TryAgain: It has not; what was there is gone.
        """
        if total != self.size or not agree(self.total, total):
            self.restart(Origin())
            raise TryAgain("it does not have the bytes that are missing")
        self._write_origin(replace(self._origin, total=total))

    def write(self, chunk: bytes) -> None:
        """Add bytes."""
        with writing(self._path):
            rest = memoryview(chunk)
            while rest:
                taken = self._handle.write(rest)  # fewer bytes than it was given where the disk is full
                self._digest.update(rest[:taken])
                rest = rest[taken:]
        self._advance(len(chunk))

    def sign(self) -> None:
        """Give a sign of life."""
        self._advance(0)

    def finish(self, place: Path) -> tuple[Origin, Digest]:
        """Give the whole file its name; the note of its origin stays.

        Returns:
            Where it came from; its size and hashes.
        """
        with writing(place):
            os.fsync(self._handle.fileno())
            self._path.replace(place)
        return self._origin, self._digest

    def set_aside(self) -> Path:
        """Keep what has come under another name and begin anew."""
        aside = set_aside(self._path, self._file.name, self._digest)
        self._handle.close()
        self._open()
        self.restart(Origin())
        return aside

    def close(self) -> None:
        """Leave what is there for a later call."""
        self._handle.close()
        if not self.size:
            self._path.unlink(missing_ok=True)
            self._note.unlink(missing_ok=True)

    def _open(self) -> None:
        with writing(self._path):
            self._handle = self._path.open("ab", buffering=0)

    def _truncate(self) -> None:
        with writing(self._path):
            self._handle.truncate(0)

    def _write_origin(self, origin: Origin) -> None:
        self._origin = origin
        write_text(self._note, json.dumps(asdict(origin)) + "\n")


def agree(size: int | None, other: int | None) -> bool:
    """Whether two sizes are equal, as far as both are known."""
    return size is None or other is None or size == other


def origin_of(place: Path, size: int) -> str:
    """The address that a whole file of `size` bytes came from; empty where that is not known."""
    part = place.with_name(f"{place.name}.part")
    if part.exists():  # the note is of this part, and somebody else has put the file there
        return ""
    origin = _read_origin(place.with_name(f"{part.name}.json"))
    return origin.url if origin and agree(origin.total, size) else ""


def _read_origin(path: Path) -> Origin | None:
    try:
        origin = Origin(**read_json(path))
    except (InputError, TypeError):
        return None
    is_right = (
        isinstance(origin.url, str) and isinstance(origin.validator, str) and isinstance(origin.total, int | None)
    )
    return origin if is_right else None


def set_aside(path: Path, name: str, digest: Digest) -> Path:
    """Keep what is at `path`, and is not the file `name`, where nothing takes it for that; returns where."""
    aside = path.with_name(f"{name}.wrong-{digest.sha256[:8]}")
    with writing(aside):
        path.replace(aside)
    return aside


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Name `path` and what to do when the disk does not take it."""
    try:
        yield
    except OSError as error:
        raise unwritable(path, error) from error
