"""Receipts: what was downloaded and unpacked, and how its content was confirmed; one small file each.

They lie at `<data root>/.dcase-bench/<data set>/<file>.json`. A file with a receipt is wholly there: the receipt is
written last. `data verify` compares what is there with them.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from benchmark.errors import InputError
from benchmark.records import read_json, write_text

FOLDER = ".dcase-bench"
Confirmed = Literal["registry", "record", "first download"]


class Member(NamedTuple):
    """A file that was unpacked, or downloaded as it is.

    Attributes:
        path: Where it lies below the data root.
        bytes: Its size.
        sha256: Of its content.
    """

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Receipt:
    """What came of an official file.

    Attributes:
        file: Its name.
        url: Where it came from; empty where it was in the cache already and nothing says whence.
        bytes: Its size.
        md5: Its MD5.
        sha256: Its SHA-256.
        confirmed: What its content was compared with: the hash in the registry, the hash in the record's list, or
            nothing, because it was the first download.
        members: What it became below the data root.
    """

    file: str
    url: str
    bytes: int
    md5: str
    sha256: str
    confirmed: Confirmed
    members: tuple[Member, ...]


def receipt_path(root: Path, dataset: str, file: str) -> Path:
    """Where the receipt of a data set's file lies."""
    return root / FOLDER / dataset / f"{file}.json"


def read_receipt(path: Path) -> Receipt | None:
    """The receipt at `path`, None where there is none.

    Raises:
        InputError: It is broken.
    """
    if not path.exists():
        return None
    try:
        content = read_json(path)
        members = tuple(Member(str(name), int(size), str(sha256)) for name, size, sha256 in content["members"])
        return Receipt(**content | {"members": members})
    except (TypeError, ValueError, KeyError) as error:
        raise InputError(f"not a receipt: {error}", path, "delete it and download again") from error


def write_receipt(path: Path, receipt: Receipt) -> None:
    """Write a receipt at once or not at all."""
    write_text(path, json.dumps(vars(receipt)) + "\n")
