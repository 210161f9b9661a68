"""The list of files that a publisher's record itself gives, in the format of Zenodo's API."""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from benchmark.data.hosts import GiveUp, Hosts, TryAgain
from benchmark.errors import BenchmarkError


class Published(NamedTuple):
    """What a record says of one of its files.

    Attributes:
        bytes: Its size.
        md5: Its MD5.
    """

    bytes: int
    md5: str


def read_record(url: str, hosts: Hosts) -> dict[str, Published]:
    """The files of a record by their names.

    Args:
        url: Address of the record.
        hosts: Connections to use.

    Raises:
        BenchmarkError: There is no answer, or it is no list of files.
    """

    def ask() -> Any:
        with hosts.get(url) as response:
            if not response.content:
                raise TryAgain("nothing came")
            try:
                return json.loads(response.content)
            except ValueError as error:  # cut short, or the page of a proxy
                raise TryAgain(f"what it sends is no JSON: {error}") from error

    try:
        content = hosts.insist(url, ask, progress=lambda: 0, is_wanted=lambda: None)
    except GiveUp as error:
        raise BenchmarkError(f"cannot read the list of published files: {error}", url, "run again later") from error
    try:
        return dict(_published(entry) for entry in content["files"])
    except (KeyError, TypeError, ValueError) as error:
        what = f"not a list of published files: {type(error).__name__} {error}"
        raise BenchmarkError(what, url, "see whether the record has moved") from error


def _published(entry: Mapping[str, Any]) -> tuple[str, Published]:
    """A file's name and what is said of it; older records use other keys."""
    name, size = (entry["key"], entry["size"]) if "key" in entry else (entry["filename"], entry["filesize"])
    md5 = re.fullmatch(r"(?:md5:)?([0-9a-f]{32})", entry["checksum"])
    if md5 is None:
        raise ValueError(f"{name} has no MD5 but {entry['checksum']!r}")
    return str(name), Published(int(size), md5[1])
