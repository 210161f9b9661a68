"""Archives read member by member by the standard library, which trusts them; here they are not.

Whatever the readers raise on a damaged archive becomes one error, and no header makes them take more memory or time
than the registry's limit allows.
"""

import gzip
import io
import stat
import tarfile
import zipfile
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple

from benchmark.data.files import Limit
from benchmark.errors import BenchmarkError, InputError

CHUNK = 1 << 20
LONGEST_HEADER = 1 << 16  # tarfile reads long names and attributes at once, whatever size they declare
HEADERS_PER_FILE = 1 << 14  # headers, padding and folders of a tar, with room to spare
UTF8_NAME, ENCRYPTED = 0x800, 0x1  # flag bits of zip
LONGEST_ZIP_END, ANY_COUNT = 22 + 0xFFFF, 0xFFFF  # the end record with its comment; the count that stands for more
SPECIAL = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFIFO: "a fifo",
    stat.S_IFSOCK: "a socket",
}
TAR_KINDS = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.DIRTYPE: "folder",
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a fifo",
}


class Entry(NamedTuple):
    """One member, as its archive declares it.

    Attributes:
        name: Its path in the archive, unchecked.
        kind: `file`, `folder`, or what else it is, e.g. `a symbolic link`, to be refused.
        size: In bytes, as declared.
        read: Streams its content; of a tar, before the next member is asked for.
    """

    name: str
    kind: str
    size: int
    read: Callable[[], Iterator[bytes]]


def read_entries(archive: Path, limit: Limit, advance: Callable[[int], None]) -> Generator[Entry, None, None]:
    """The members of a zip, tar, tar.gz or tgz, in its order.

    Args:
        archive: The archive; its name says its format.
        limit: Bounds what is read of a tar, contents or not.
        advance: Called with 0 now and then while members of a tar are passed over.

    Raises:
        InputError: The archive is damaged (of a tar, this can be known only after its last member), or larger than
            `limit`.
    """
    return _zip_entries(archive) if archive.name.endswith(".zip") else _tar_entries(archive, limit, advance)


def too_much(archive: Path, limit: Limit) -> InputError:
    """The error for an archive that is larger than its limit."""
    what = f"refused: it unpacks to more than {limit.files:,} files or {limit.bytes:,} bytes"
    return InputError(what, archive, "delete it and download again; if it is genuine, raise `limit` in its registry")


def damaged(archive: Path, what: str) -> InputError:
    """The error for an archive that cannot be read."""
    return InputError(f"the archive is damaged: {what}", archive, "delete it and download again")


def shortened(name: str) -> str:
    """A name for messages: in quotes, one line, not too long."""
    return repr(name if len(name) <= 160 else f"{name[:80]}…{name[-80:]}")


@contextmanager
def _reading(archive: Path) -> Iterator[None]:
    """Turn whatever the readers raise into one error: there are a dozen kinds."""
    try:
        yield
    except BenchmarkError:
        raise
    except Exception as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise damaged(archive, said if len(said) <= 200 else f"{said[:200]}…") from error


def _zip_entries(archive: Path) -> Generator[Entry, None, None]:
    with _reading(archive), zipfile.ZipFile(archive) as reader:
        members = reader.infolist()
        if _zip_count(archive) not in (len(members) % 2**16, ANY_COUNT):
            raise zipfile.BadZipFile("its directory does not list all members")
        for info in members:
            name = _zip_name(info)
            yield Entry(name, _zip_kind(info, name), info.file_size, partial(_zip_content, archive, reader, info))


def _zip_count(archive: Path) -> int:
    """How many members a zip says it has, modulo 65,536; zipfile does not look."""
    with archive.open("rb") as file:
        file.seek(max(0, archive.stat().st_size - LONGEST_ZIP_END))
        end = file.read()
    return int.from_bytes(end[end.rfind(b"PK\5\6") :][10:12], "little")


def _zip_name(info: zipfile.ZipInfo) -> str:
    """The name in full; macOS and older programs write UTF-8 without its flag."""
    name = info.orig_filename if "\0" in info.orig_filename else info.filename
    if not info.flag_bits & UTF8_NAME:
        with suppress(UnicodeError):
            return name.encode("cp437").decode("utf-8")
    return name


def _zip_kind(info: zipfile.ZipInfo, name: str) -> str:
    if info.flag_bits & ENCRYPTED:
        return "encrypted"
    if (kind := stat.S_IFMT(info.external_attr >> 16)) in SPECIAL:
        return SPECIAL[kind]
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # zipfile expands blocks of the other methods in memory, whatever they hold.
        return f"compressed by method {info.compress_type}, which is not supported"
    return "folder" if name.endswith("/") else "file"


def _zip_content(archive: Path, reader: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    with _reading(archive), reader.open(info) as content:
        while chunk := content.read(CHUNK):
            yield chunk


def _tar_entries(archive: Path, limit: Limit, advance: Callable[[int], None]) -> Generator[Entry, None, None]:
    with _reading(archive), _opened(archive) as source:
        stream = _TarStream(source, archive, limit, advance)
        with tarfile.TarFile(fileobj=stream) as reader:
            while member := reader.next():
                reader.members.clear()  # type: ignore[attr-defined]  # tarfile would keep them all
                kind = "a sparse file" if member.issparse() else TAR_KINDS.get(member.type, "of an unknown kind")
                yield Entry(member.name, kind, member.size, partial(stream.content, member.size))
        stream.finish()


def _opened(archive: Path) -> IO[bytes] | gzip.GzipFile:
    return gzip.open(archive) if archive.name.endswith("gz") else archive.open("rb")


class _TarStream(io.BufferedIOBase):
    """The bytes of a tar for tarfile: read forwards only, no more than allowed, and to the real end."""

    def __init__(
        self, source: IO[bytes] | gzip.GzipFile, archive: Path, limit: Limit, advance: Callable[[int], None]
    ) -> None:
        self._source, self._archive, self._limit, self._advance = source, archive, limit, advance
        self._most = limit.bytes + limit.files * HEADERS_PER_FILE + CHUNK
        self._position = 0
        self._last = b""

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = 0, /) -> int:
        if offset < self._position:
            raise tarfile.ReadError("a member of negative size")
        while self._position < offset and self._take(min(CHUNK, offset - self._position)):
            self._advance(0)
        return self._position

    def read(self, size: int | None = -1, /) -> bytes:
        """What tarfile asks for: headers, never contents."""
        if size is None or not 0 <= size <= LONGEST_HEADER:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return self._take(size)

    def content(self, size: int) -> Iterator[bytes]:
        """The content of the member whose header was read last."""
        with _reading(self._archive):
            while size and (chunk := self._take(min(CHUNK, size))):
                size -= len(chunk)
                yield chunk

    def finish(self) -> None:
        """Check that the tar ended with its mark; tarfile takes a damaged or missing header for the end, too."""
        block = self._last
        if len(block) != tarfile.BLOCKSIZE:
            raise tarfile.ReadError("it ends too early")
        while block:
            if block.count(0) < len(block):
                raise tarfile.ReadError("a header is wrong")
            block = self._take(CHUNK)
            self._advance(0)

    def _take(self, size: int) -> bytes:
        self._last = self._source.read(size)
        self._position += len(self._last)
        if self._position > self._most:
            raise too_much(self._archive, self._limit)
        return self._last
