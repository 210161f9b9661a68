"""Data sets on a server that misbehaves, their download, and what lies on the disk afterwards."""

import hashlib
import io
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from archive_makers import write_archive
from fetching import quick_hosts
from rich.console import Console
from server import Server

from benchmark.data.download import download
from benchmark.data.files import read_registry
from benchmark.data.receipts import FOLDER, read_receipt, receipt_path
from benchmark.errors import BenchmarkError

ABOUT = {"title": "T", "holds": "H", "licence": "L", "citation": "C", "source": "S"}


def publish(server, path, name="clips", files=None, known=True, record=False, **entry):
    """Serve a data set's files, and write its registry.

    Args:
        server: Gets the files.
        path: A folder for the registry and the archives.
        name: Of the data set, and of its folder.
        files: File to its content; an archive's is a dict of contents by member.
        known: Whether the registry knows sizes and MD5s.
        record: Whether there is a record that lists the files.
        entry: Further keys of the data set.
    """
    path.mkdir(exist_ok=True)
    entries = []
    for file, content in (files or {}).items():
        if isinstance(content, dict):
            content = write_archive(path / file, content).read_bytes()
        place = f"/{name}/files/{file}/content"
        server.files[place] = content
        entries.append({"name": file, "url": server.url(place)})
        if known:
            entries[-1] |= {"bytes": len(content), "md5": hashlib.md5(content).hexdigest()}
    whole = {"name": name, **ABOUT, "folder": name, "limit": {"files": 2000, "bytes": 10_000_000}, **entry}
    if record:
        whole["record"] = server.publish_record(f"/{name}", [file["name"] for file in entries])
    registry = path / f"{name}.yaml"
    registry.write_text(yaml.safe_dump([whole | {"files": entries}]), encoding="utf-8")
    return registry


def asked(server, file, name="clips"):
    return len(server.asked(f"/{name}/files/{file}/content"))


@dataclass
class Site:
    """A data root and a cache."""

    root: Path
    cache: Path

    def bring(self, *registries, **options):
        """Download; returns what was said."""
        console = Console(file=io.StringIO(), width=200)
        datasets = [dataset for registry in registries for dataset in read_registry(registry)]
        options = {"hosts": quick_hosts()} | options
        try:
            download(datasets, self.root, self.cache, console, **options)
        except BenchmarkError as error:
            error.said = console.file.getvalue()
            raise
        return console.file.getvalue()

    def start(self, registry, *words, **environment):
        """The same by the command line, in a process of its own."""
        command = [sys.executable, "-m", "benchmark", "data", "download", "esc", "--registry", str(registry)]
        folders = {"DCASE_BENCH_DATA": str(self.root), "DCASE_BENCH_CACHE": str(self.cache)}
        return subprocess.Popen(
            [*command, *words],
            env=os.environ | folders | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def archive(self, file, name="clips"):
        return self.cache / "downloads" / name / file

    def receipt(self, file, name="clips"):
        return read_receipt(receipt_path(self.root, name, file))

    def receipt_path(self, file, name="clips"):
        return receipt_path(self.root, name, file)

    def data(self):
        """Path to content of all that is below the data root but the receipts."""
        return {path: content for path, content in contents(self.root).items() if not path.startswith(FOLDER)}

    def kept(self):
        """Names of all that is in the cache but the locks."""
        return sorted(Path(path).name for path in contents(self.cache) if not path.endswith("/lock"))


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def refused(site, *registries, **options):
    """The error, and what was said before it."""
    with pytest.raises(BenchmarkError) as caught:
        site.bring(*registries, **options)
    return caught.value, caught.value.said


class Gated(Server):
    """Answers nothing while its gate is closed."""

    def __init__(self):
        super().__init__()
        self.gate = threading.Event()
        self.gate.set()

    def read(self, path):
        """The content of a path, later."""
        self.gate.wait(60)
        return super().read(path)
