"""An official file from its addresses to a folder, whole and checked, however often the connection breaks.

What has come lies in `<name>.part`, and where it came from in `<name>.part.json`; a later call goes on from there. It
gets its name when its size and hashes are those that were published, or else `<name>.wrong-<start of its SHA-256>`. The
note stays beside it until the caller deletes it.
"""

import re
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import NamedTuple

import requests

from benchmark.data.files import OfficialFile
from benchmark.data.hosts import GiveUp, Hosts, TryAgain
from benchmark.data.part import CHUNK, Digest, Origin, Part, origin_of, set_aside, writing
from benchmark.errors import BenchmarkError

SLACK = 100_000_000  # bytes beyond twice the rounded size of a file
LONGEST_UNKNOWN = 20_000_000_000  # bytes of a file of which no size is known


class Fetched(NamedTuple):
    """A file that was fetched and is what was published, as far as that is known.

    Attributes:
        path: Where it lies.
        url: Where it came from; empty where it was there before and nothing says whence.
        bytes: Its size.
        md5: Its MD5.
        sha256: Its SHA-256.
        remarks: What was wrong with other addresses, or with a file that was there before.
    """

    path: Path
    url: str
    bytes: int
    md5: str
    sha256: str
    remarks: tuple[str, ...] = ()


def fetch(
    file: OfficialFile, folder: Path, hosts: Hosts, advance: Callable[[int], None], total: Callable[[int], None]
) -> Fetched:
    """Download a file, or go on with it; nothing is asked for where it is there already.

    Args:
        file: What is wanted and what is known of it.
        folder: Where to put it; is made.
        hosts: Connections to use.
        advance: Told the bytes that were gained, beyond those that were there before the call; negative when some
            must be fetched anew, 0 as a sign of life. What it raises stops the download, which can be resumed.
        total: Told the size once it is known.

    Returns:
        The file.

    Raises:
        BenchmarkError: No address gave it (names each with its reason), or the disk does not take it.
    """
    place, remarks = folder / file.name, list[str]()
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    if place.exists():
        digest = Digest.of(place, advance)
        wrong = digest.differs(file)
        if not wrong:
            total(digest.size)
            url = origin_of(place, digest.size)
            return Fetched(place, url, digest.size, digest.md5, digest.sha256)
        advance(-digest.size)
        remarks.append(f"{place} was there: {wrong}; kept aside as {set_aside(place, file.name, digest).name}")
    with closing(Part(file, folder, advance)) as part:
        addresses = list(dict.fromkeys(file.urls))
        for url in addresses:
            try:
                hosts.insist(url, partial(_attempt, file, url, part, hosts, total), lambda: part.size, part.sign)
            except GiveUp as error:
                remarks.append(f"{url}: {error}")
                continue
            wrong = part.differs()
            if not wrong:
                origin, digest = part.finish(place)
                return Fetched(place, origin.url, digest.size, digest.md5, digest.sha256, tuple(remarks))
            if part.is_pieced and addresses.count(url) == 1:
                addresses.append(url)  # its pieces may be of two versions: once more, from the start
            remarks.append(f"{url}: {wrong}; kept aside as {part.set_aside().name}")
    what = f"cannot download {file.name}: {'; '.join(remarks)}"
    raise BenchmarkError(what, place, "run again later (it goes on from what is there), or put the file there yourself")


def _attempt(file: OfficialFile, url: str, part: Part, hosts: Hosts, total: Callable[[int], None]) -> None:
    """Ask an address once for the bytes that are missing.

    Raises:
        TryAgain: Bytes are missing still.
        GiveUp: This address has another file, or none.
    """
    if part.is_whole:
        return
    with hosts.get(url, part.request(url)) as response:
        if response.status_code == 416:
            return part.end_at(_size(response))
        read = partial(response.raw.read1, CHUNK, decode_content=False)
        chunk = read()
        if not chunk and _size(response) != 0:
            raise TryAgain("nothing came")  # as when the connection broke within the headers: trust none of them
        origin = _origin(file, url, response)
        if response.status_code == 206:
            part.go_on(origin, _first_byte(response))
        else:
            part.restart(origin)
        if part.total is not None:
            total(part.total)
        while chunk and (part.total is None or part.size <= part.total):
            part.write(chunk)
            if part.total is None and part.size > (most := _most(file)):
                part.restart(Origin())  # what has come is of no use, and takes room
                raise GiveUp(f"it sends no length, and more than {most:,} bytes")
            chunk = read()
    if part.total is not None and part.size < part.total:
        raise TryAgain(f"it ended after {part.size:,} of {part.total:,} bytes")


def _most(file: OfficialFile) -> int:
    """Bytes that are taken of a file whose size nobody says."""
    return LONGEST_UNKNOWN if file.about is None else 2 * file.about + SLACK


def _origin(file: OfficialFile, url: str, response: requests.Response) -> Origin:
    """What an answer says of the whole file.

    Raises:
        GiveUp: It is not the file that is wanted.
    """
    headers = response.headers
    origin = Origin(url, _validator(headers), _size(response))
    if file.bytes is not None and origin.total not in (None, file.bytes):
        raise GiveUp(f"it has {origin.total:,} bytes instead of {file.bytes:,}")
    if headers.get("Content-Encoding", "identity") != "identity" and not file.name.endswith((".gz", ".tgz")):
        raise GiveUp("it sends a compressed form, though asked not to")
    if not file.is_known and "text/html" in headers.get("Content-Type", ""):
        raise GiveUp("it sends a web page")
    return origin


def _size(response: requests.Response) -> int | None:
    """What an answer says of the size of the whole file."""
    if response.status_code == 200:
        size = response.headers.get("Content-Length", "")
    else:
        size = response.headers.get("Content-Range", "").rpartition("/")[2]
    return int(size) if size.isdecimal() else None


def _validator(headers: Mapping[str, str]) -> str:
    """What `If-Range` may compare: a strong ETag, or else the date of the last change."""
    tag = headers.get("ETag", "")
    return tag if tag.startswith('"') else headers.get("Last-Modified", "")


def _first_byte(response: requests.Response) -> int | None:
    """Where the bytes of an answer belong in the file."""
    found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(found[1]) if found else None
