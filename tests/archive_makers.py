"""Zip and tar files for tests, right ones and such as no honest program writes."""

import io
import struct
import tarfile
import zlib
from pathlib import Path

REGULAR = 0o100644


def add_member(name, content=b"", *, size=None, mode=REGULAR, flags=0x800, stored=False, method=None, crc=None):
    """A member for `write_zip`; `size`, `flags`, `method` and `crc` are what its headers say, true or not."""
    packer = zlib.compressobj(wbits=-15)
    data = content if stored else packer.compress(content) + packer.flush()
    method = (0 if stored else 8) if method is None else method
    size = len(content) if size is None else size
    crc = zlib.crc32(content) if crc is None else crc
    name = name if isinstance(name, bytes) else name.encode()
    common = struct.pack("<HHHHHIIIHH", 20, flags, method, 0, 33, crc, len(data), size, len(name), 0)
    return name, data, common, mode


def write_zip(path: Path, *members):
    """Write a zip of members from `add_member`, or of plain `(name, content)`."""
    whole, directory = b"", b""
    for member in members:
        name, data, common, mode = add_member(*member) if len(member) == 2 else member
        directory += b"PK\1\2" + struct.pack("<H", 3 << 8 | 20) + common
        directory += struct.pack("<HHHII", 0, 0, 0, mode << 16, len(whole)) + name
        whole += b"PK\3\4" + common + name + data
    end = struct.pack("<HHHHIIH", 0, 0, len(members), len(members), len(directory), len(whole), 0)
    path.write_bytes(whole + directory + b"PK\5\6" + end)
    return path


def tar_member(name, content=b"", **fields):
    """A member for `write_tar`; `fields` are what its header says, true or not."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def write_tar(path: Path, *members, format=tarfile.GNU_FORMAT):
    """Write a tar, compressed as its name says, of members from `tar_member`, or of plain `(name, content)`."""
    whole = b""
    for member in members:
        info, content = member if isinstance(member[0], tarfile.TarInfo) else tar_member(*member)
        whole += info.tobuf(format) + content + bytes(-len(content) % 512)
    path.write_bytes(gzipped(whole + bytes(1024)) if path.name.endswith("gz") else whole + bytes(1024))
    return path


def gzipped(content):
    """As gzip, the same bytes every time."""
    packer = zlib.compressobj(wbits=31)
    out = io.BytesIO()
    out.write(packer.compress(content) + packer.flush())
    return out.getvalue()


def write_archive(path: Path, content):
    """Write an archive, in the format of its name, of a dict of contents by name."""
    return (write_zip if path.name.endswith(".zip") else write_tar)(path, *content.items())
