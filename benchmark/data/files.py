"""Official files: which there are, where they come from, and what is known of them; read from YAML, checked in full.

`tasks/<task>/files.yaml` lists the data sets of a task, `benchmark/weights.yaml` the pretrained weights:

    - name: TUT-urban-acoustic-scenes-2018-development
      title: TUT Urban Acoustic Scenes 2018, development
      holds: 8,640 clips of 10 s, 48 kHz, stereo, 24 bit
      licence: non-commercial, see the EULA in the documentation
      citation: Mesaros, Heittola, Virtanen, DCASE 2018 Workshop (arXiv 1807.09840)
      folder: TUT-urban-acoustic-scenes-2018-development   # below the data root; archives are unpacked into it
      protocols: [official-fold1]                          # that need it; absent: every protocol
      record: https://zenodo.org/api/records/1228142       # a file list in the format of Zenodo's API; optional
      limit: {files: 8700, bytes: 26000000000}             # what its archives may unpack to, together
      source: dcase_util 0.2.20                            # where these facts were read
      files:
        - {name: meta.zip, bytes: 69272, md5: e196065ee83c07af03a11a310364377d}

A file may say `bytes` (exact) or `about` (a rounded size), `md5`, `sha256`, `url` (default: that of the record),
`mirrors`, and `folder` (in place of the data set's). Where no hash is known, the record's list confirms the file, or
else its hash is recorded at the first download (trust on first use).
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

import yaml

from benchmark.errors import InputError
from benchmark.suggest import did_you_mean
from benchmark.yaml_files import parse_yaml

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
HASH_LENGTHS = {"md5": 32, "sha256": 64}


@dataclass(frozen=True)
class OfficialFile:
    """One published file.

    Attributes:
        name: Its name.
        folder: Where it goes below the data root; an archive is unpacked there.
        urls: Its address, then those of mirrors.
        bytes: Its size; None where it is not known exactly.
        about: Its size as published, rounded; None where `bytes` is known or nothing is.
        md5: Its MD5, if known.
        sha256: Its SHA-256, if known.
    """

    name: str
    folder: str
    urls: tuple[str, ...]
    bytes: int | None = None
    about: int | None = None
    md5: str | None = None
    sha256: str | None = None

    @property
    def is_archive(self) -> bool:
        """Whether it is unpacked."""
        return self.name.endswith(ARCHIVES)

    @property
    def is_known(self) -> bool:
        """Whether its content can be checked by a published hash."""
        return bool(self.md5 or self.sha256)

    @property
    def size(self) -> int | None:
        """Its size in bytes, exact or about."""
        return self.about if self.bytes is None else self.bytes


@dataclass(frozen=True)
class Limit:
    """What the archives of a data set may unpack to, together: more is taken for an attack or a mistake."""

    files: int
    bytes: int


@dataclass(frozen=True)
class Dataset:
    """Files that are published together.

    Attributes:
        name: Unique in its registry.
        title: For people.
        holds: What is in it.
        licence: Its licence.
        citation: Who to cite.
        source: Where the facts were read.
        files: Its files.
        limit: What its archives may unpack to, together.
        record: Address of its file list in the format of Zenodo's API.
        protocols: Protocols that need it; empty: all.
        page: Where people read about it.
        remark: What a user should know, e.g. of files that cannot be downloaded.
    """

    name: str
    title: str
    holds: str
    licence: str
    citation: str
    source: str
    files: tuple[OfficialFile, ...]
    limit: Limit
    record: str | None = None
    protocols: tuple[str, ...] = ()
    page: str = ""
    remark: str = ""


def read_registry(path: Path) -> list[Dataset]:
    """The data sets of a registry file.

    Raises:
        InputError: The file cannot be read or is wrong; says where.
    """
    try:
        content = parse_yaml(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputError(f"cannot read the registry: {' '.join(str(error).split())}", path) from error
    if not isinstance(content, list):
        raise InputError("a registry is a list of data sets", path, "see benchmark/data/files.py")
    datasets = [_dataset(entry, f"{path}, entry {number}") for number, entry in enumerate(content, 1)]
    for what, names in (
        ("data sets", [dataset.name.lower() for dataset in datasets]),
        ("files", [f"{file.folder}/{file.name}".lower() for dataset in datasets for file in dataset.files]),
    ):
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise InputError(f"two {what} are called {twice}", path, "give each a name of its own")
    return datasets


def needed(datasets: Sequence[Dataset], protocol: str) -> list[Dataset]:
    """Those that a protocol needs; `all` for every protocol."""
    return [d for d in datasets if protocol == "all" or not d.protocols or protocol in d.protocols]


def _dataset(entry: Any, where: str) -> Dataset:
    texts = [field.name for field in fields(Dataset) if field.name not in ("files", "limit", "protocols")] + ["folder"]
    required = {field.name for field in fields(Dataset) if field.default is MISSING} | {"folder"}
    _check(entry, dict.fromkeys(texts, str) | {"files": list, "limit": dict, "protocols": list}, required, where)
    _check(entry["limit"], {"files": int, "bytes": int}, {"files", "bytes"}, f"{where}, limit")
    _check_path(entry["name"], where, "/")
    if "record" in entry:
        _check_address(entry["record"], where)
    if not entry["files"]:
        raise InputError("a data set needs files", where, "name at least one")
    files = [
        _file(one, entry["folder"], entry.get("record"), f"{where}, file {n}")
        for n, one in enumerate(entry["files"], 1)
    ]
    plain = {key: value for key, value in entry.items() if key not in ("folder", "files", "limit", "protocols")}
    protocols = tuple(str(name) for name in entry.get("protocols", ()))
    return Dataset(**plain, files=tuple(files), limit=Limit(**entry["limit"]), protocols=protocols)


def _file(entry: Any, folder: str, record: str | None, where: str) -> OfficialFile:
    texts, numbers = ("name", "folder", "url", "md5", "sha256"), ("bytes", "about")
    _check(entry, dict.fromkeys(texts, str) | dict.fromkeys(numbers, int) | {"mirrors": list}, {"name"}, where)
    folder, name = entry.get("folder", folder), entry["name"]
    _check_path(name, where, "/")
    _check_path(folder, where)
    url = entry.get("url") or (f"{record}/files/{quote(name)}/content" if record else None)
    if url is None:
        raise InputError("a file needs an address", where, "give url, or the data set's record")
    urls = (url, *(str(mirror) for mirror in entry.get("mirrors", ())))
    for address in urls:
        _check_address(address, where)
    for key, length in HASH_LENGTHS.items():
        if key in entry and not re.fullmatch(f"[0-9a-f]{{{length}}}", entry[key]):
            raise InputError(f"{key} must be {length} hexadecimal digits, not {entry[key]!r}", where, "correct it")
    plain = {key: entry.get(key) for key in ("bytes", "about", "md5", "sha256")}
    return OfficialFile(name, folder, urls, **plain)


def _check(entry: Any, known: Mapping[str, type], required: Collection[str], where: str) -> None:
    """Check the keys of a mapping, and the types of their values."""
    if not isinstance(entry, dict):
        raise InputError("expected keys with values", where, "see benchmark/data/files.py")
    for key, value in entry.items():
        if key not in known:
            raise InputError(f"unknown key {key!r}", where, did_you_mean(str(key), known))
        if not isinstance(value, known[key]) or isinstance(value, bool) or (isinstance(value, int) and value < 0):
            expected = {str: "text", int: "a number", list: "a list", dict: "keys with values"}[known[key]]
            raise InputError(f"{key} must be {expected}, not {value!r}", where, "correct it (quotes make text)")
    if missing := [key for key in sorted(required) if key not in entry]:
        raise InputError(f"missing: {', '.join(missing)}", where, "see benchmark/data/files.py")


def _check_path(path: str, where: str, forbidden: str = "") -> None:
    """Check that a path stays below the data root, and beside the receipts."""
    parts = PurePosixPath(path).parts
    if not parts or parts[0] in ("/", ".dcase-bench") or ".." in parts or set(path) & {"\\", "\0", *forbidden}:
        what = f"{path!r} is no name of a file" if forbidden else f"{path!r} leaves the data root"
        raise InputError(what, where, "name a path below the data root")


def _check_address(address: str, where: str) -> None:
    if not re.match(r"https?://[^/]", address):
        raise InputError(f"{address!r} is no address that starts with http:// or https://", where, "correct it")
