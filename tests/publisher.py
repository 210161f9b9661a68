"""Mini data as a publisher would offer it: official file names, archives, and a registry of the official schema."""

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from server import Server

from benchmark.data.files import ARCHIVES
from benchmark.registry import Task

AUDIO = (".wav", ".flac", ".ogg")


def publish(task: Task, root: Path, server: Server) -> str:
    """Serve the official files of the task's default protocol, made of the data at `root`.

    Args:
        task: The task.
        root: Its mini variant.
        server: Gets the files, and the records that list them.

    Returns:
        The registry, as YAML, with the files' own sizes and hashes.
    """
    registry = yaml.safe_load((task.folder / "files.yaml").read_text(encoding="utf-8"))
    protocol = next(iter(task.protocols))
    registry = [dataset for dataset in registry if protocol in dataset.get("protocols", [protocol])]
    taken = {
        f"{file.get('folder', dataset['folder'])}/{file['name']}"
        for dataset in registry
        for file in dataset["files"]
        if not file["name"].endswith(ARCHIVES)
    }
    size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
    for dataset in registry:
        dataset["limit"]["bytes"] = size
        for file in dataset["files"]:
            content = _content(file, dataset, root, taken)
            path = f"/{dataset['name']}/files/{file['name']}/content"
            server.files[path] = content
            for key in ("about", "bytes", "md5", "sha256", "mirrors", "url"):
                file.pop(key, None)
            file |= {"bytes": len(content), "md5": hashlib.md5(content).hexdigest()}
            if "record" not in dataset:
                file["url"] = server.url(path)
        if "record" in dataset:
            dataset["record"] = server.publish_record(f"/{dataset['name']}", [f["name"] for f in dataset["files"]])
    return yaml.safe_dump(registry)


def _content(file: dict[str, Any], dataset: dict[str, Any], root: Path, taken: set[str]) -> bytes:
    """A file as it is, or an archive of what belongs to it, below a folder of the target's name."""
    target = file.get("folder", dataset["folder"])
    if not file["name"].endswith(ARCHIVES):
        path = root / target / file["name"]
        like = [path] if path.is_file() else sorted(path.parent.glob(f"*{path.suffix}"))  # another name for the list
        assert len(like) == 1 or file["name"] == "README.md", f"nothing to publish as {file['name']}"
        return like[0].read_bytes() if len(like) == 1 else b"about the data\n"
    archives = [
        other["name"]
        for other in dataset["files"]
        if other.get("folder", dataset["folder"]) == target and other["name"].endswith(ARCHIVES)
    ]
    members = list(_members(file["name"], archives, root, target, taken))
    return (_zip if file["name"].endswith(".zip") else _tar)(members, Path(target).name)


def _members(name: str, archives: list[str], root: Path, target: str, taken: set[str]) -> Iterator[tuple[str, bytes]]:
    if ".doc" in name:
        yield "README.md", b"about the data\n"
        return
    target = target if (root / target).is_dir() else target.removesuffix("-master")  # GitHub's name for the folder
    files = sorted(path for path in (root / target).rglob("*") if path.is_file())
    assert files, f"nothing to publish as {name}"
    files = [path for path in files if path.relative_to(root).as_posix() not in taken]
    meta = [other for other in archives if ".meta" in other]
    if name in meta:
        files = [path for path in files if path.suffix not in AUDIO]
    else:
        audio = [other for other in archives if ".meta" not in other and ".doc" not in other]
        files = [path for path in files if path.suffix in AUDIO or not meta][audio.index(name) :: len(audio)]
    for path in files:
        yield path.relative_to(root / target).as_posix(), path.read_bytes()


def _zip(members: list[tuple[str, bytes]], top: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in members:
            archive.writestr(zipfile.ZipInfo(f"{top}/{path}"), content)
    return buffer.getvalue()


def _tar(members: list[tuple[str, bytes]], top: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for path, content in members:
            info = tarfile.TarInfo(f"{top}/{path}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()
