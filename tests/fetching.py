"""A small file, its server and its download, as the tests of fetching use them."""

import hashlib
import random
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
from server import Fault, Server

from benchmark.data.fetch import fetch
from benchmark.data.files import OfficialFile
from benchmark.data.hosts import Hosts, Patience
from benchmark.errors import BenchmarkError, Interrupted

CONTENT = random.Random(0).randbytes(300)
OTHER = random.Random(1).randbytes(300)
PATH = "/data/a.bin"
SPEED = 1000  # seconds of pauses that pass in one


@contextmanager
def serving(monkeypatch):
    """A server that has the file, asked without a proxy."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with Server({PATH: CONTENT}) as server:
        yield server


def quick_hosts(**patience):
    """Pauses pass a thousand times faster."""
    patience = Patience(**{"connect": 5, "read": 5} | patience)
    return Hosts(patience, sleep=lambda s: time.sleep(s / SPEED), clock=lambda: time.monotonic() * SPEED)


def official(*urls, name="a.bin", content=CONTENT, size=300, md5="", sha256=""):
    """The file as its registry knows it: by size and both hashes unless told otherwise."""
    md5 = hashlib.md5(content).hexdigest() if md5 == "" else md5
    sha256 = hashlib.sha256(content).hexdigest() if sha256 == "" else sha256
    return OfficialFile(name, "folder", urls, size, md5=md5, sha256=sha256)


class Bar:
    """What was told of the progress."""

    def __init__(self, have=0):
        self.have, self.size = have, None

    def advance(self, size):
        self.have += size

    def total(self, size):
        self.size = size


def get(file, folder, hosts=None, have=0):
    bar = Bar(have)
    fetched = fetch(file, folder, hosts or quick_hosts(), bar.advance, bar.total)
    assert bar.have == fetched.bytes == fetched.path.stat().st_size
    return fetched


def assert_is(fetched, folder, content=CONTENT, aside=()):
    assert fetched.path.read_bytes() == content
    assert fetched.md5 == hashlib.md5(content).hexdigest()
    assert fetched.sha256 == hashlib.sha256(content).hexdigest()
    note = f"{fetched.path.name}.part.json"  # of its origin; may stay beside it
    assert sorted(path.name for path in folder.iterdir() if path.name != note) == sorted([fetched.path.name, *aside])


def wrong_name(content, name="a.bin"):
    return f"{name}.wrong-{hashlib.sha256(content).hexdigest()[:8]}"


def refuse(file, folder, hosts=None):
    with pytest.raises(BenchmarkError) as caught:
        get(file, folder, hosts)
    assert caught.value.exit_code == 1
    assert not (folder / file.name).exists()
    return str(caught.value)


def begin(file, folder, size, server):
    """Leave a part of `size` bytes, as a stopped download does."""

    def stop(gained):
        if gained:
            raise Interrupted("stopped")

    server.fail(PATH, Fault(drop=size, ranges=False))
    with pytest.raises(Interrupted):
        fetch(file, folder, quick_hosts(), stop, lambda size: None)
    assert (folder / "a.bin.part").stat().st_size == size
    server.fail(PATH)
    server.log.clear()


def ranges(server, path=PATH):
    return [asked.range for asked in server.asked(path)]


ALONE = """
import hashlib, json, resource, sys
from pathlib import Path
from benchmark.data.fetch import fetch
from benchmark.data.files import OfficialFile
from benchmark.data.hosts import Hosts

url, folder, size, md5, limit = sys.argv[1:]
if int(limit):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), resource.RLIM_INFINITY))
assert "torch" not in sys.modules
try:
    file = OfficialFile("a.bin", "folder", (url,), int(size), md5=md5)
    fetch(file, Path(folder), Hosts(), lambda size: None, lambda size: None)
except Exception as error:
    print(f"{type(error).__name__} {error.exit_code} {error}")
"""


def start_alone(server, folder, content, limit=0):
    """A download in a process of its own, which does not import torch."""
    values = [server.url(PATH), folder, len(content), hashlib.md5(content).hexdigest(), limit]
    arguments = [sys.executable, "-c", ALONE, *map(str, values)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
