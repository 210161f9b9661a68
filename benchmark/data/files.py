"""Official files: which there are, where they come from, and what is known of them; read from YAML, checked in full.

`tasks/<task>/files.yaml` lists the data sets of a task, `benchmark/weights.yaml` the pretrained weights:

    - name: TUT-urban-acoustic-scenes-2018-development
      title: TUT Urban Acoustic Scenes 2018, development
      holds: 8,640 clips of 10 s, 48 kHz, stereo, 24 bit
      licence: non-commercial, see the EULA in the documentation
      citation: Mesaros, Heittola, Virtanen, DCASE 2018 Workshop (arXiv 1807.09840)
      folder: TUT-urban-acoustic-scenes-2018-development   # below the data root; archives are unpacked into it
      protocols: [official-fold1]                          # that need it; absent: every protocol
      subset: unlabel_in_domain                            # of the task's data that needs it; absent: none
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
from collections.abc import Collection, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from benchmark.errors import InputError
from benchmark.suggest import did_you_mean

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
        limit: What its archives may unpack to.
        record: Address of its file list in the format of Zenodo's API.
        protocols: Protocols that need it; empty: all.
        subset: Part of the task's data that it is needed for and that a recipe asks for; None: always.
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
    subset: str | None = None
    page: str = ""
    remark: str = ""


def read_registry(path: Path) -> list[Dataset]:
    """The data sets of a registry file.

    Raises:
        InputError: The file cannot be read or is wrong; says where.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputError(f"cannot read the registry: {' '.join(str(error).split())}", path) from error
    if not isinstance(content, list):
        raise InputError("a registry is a list of data sets", path, "see benchmark/data/files.py")
    datasets = [_dataset(entry, f"{path}, entry {number}") for number, entry in enumerate(content, 1)]
    for what, names in (
        ("data sets", [dataset.name for dataset in datasets]),
        ("files", [f"{file.folder}/{file.name}" for dataset in datasets for file in dataset.files]),
    ):
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise InputError(f"two {what} are called {twice}", path, "give each a name of its own")
    return datasets


def needed(datasets: Sequence[Dataset], protocol: str, subsets: Collection[str]) -> list[Dataset]:
    """Those that a protocol, with some further subsets, needs; `all` needs every protocol's."""
    return [
        dataset
        for dataset in datasets
        if (protocol == "all" or not dataset.protocols or protocol in dataset.protocols)
        and (dataset.subset is None or dataset.subset in subsets)
    ]


def _dataset(entry: Any, where: str) -> Dataset:
    known = {field.name for field in fields(Dataset)} | {"folder"}
    required = {field.name for field in fields(Dataset) if field.default is MISSING} | {"folder"}
    _check_keys(entry, known, required, where)
    _check_keys(entry["limit"], {"files", "bytes"}, {"files", "bytes"}, f"{where}, limit")
    record = entry.get("record")
    files = tuple(_file(one, entry["folder"], record, f"{where}, file {n}") for n, one in enumerate(entry["files"], 1))
    plain = {key: value for key, value in entry.items() if key not in ("folder", "files", "limit", "protocols")}
    return Dataset(**plain, files=files, limit=Limit(**entry["limit"]), protocols=tuple(entry.get("protocols", ())))


def _file(entry: Any, folder: str, record: str | None, where: str) -> OfficialFile:
    known = ({field.name for field in fields(OfficialFile)} - {"urls"}) | {"url", "mirrors"}
    _check_keys(entry, known, {"name"}, where)
    url = entry.get("url") or (f"{record}/files/{entry['name']}/content" if record else None)
    if url is None:
        raise InputError("a file needs an address", where, "give url, or the data set's record")
    folder = entry.get("folder", folder)
    for path in (folder, entry["name"]):
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts or "\\" in path:
            raise InputError(f"{path!r} leaves the data root", where, "name a path below it")
    if "/" in entry["name"]:
        raise InputError(f"{entry['name']!r} is no file name", where, "name the folder in `folder`")
    for key, length in HASH_LENGTHS.items():
        if entry.get(key) is not None and not re.fullmatch(f"[0-9a-f]{{{length}}}", str(entry[key])):
            raise InputError(f"{key} must be {length} hexadecimal digits, not {entry[key]!r}", where, "correct it")
    plain = {key: entry.get(key) for key in ("bytes", "about", "md5", "sha256")}
    return OfficialFile(entry["name"], folder, (url, *entry.get("mirrors", ())), **plain)


def _check_keys(entry: Any, known: Collection[str], required: Collection[str], where: str) -> None:
    if not isinstance(entry, dict):
        raise InputError("expected keys with values", where, "see benchmark/data/files.py")
    for key in entry:
        if key not in known:
            raise InputError(f"unknown key {key!r}", where, did_you_mean(str(key), known))
    if missing := [key for key in sorted(required) if key not in entry]:
        raise InputError(f"missing: {', '.join(missing)}", where, "see benchmark/data/files.py")
