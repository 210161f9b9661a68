"""A web server on 127.0.0.1 that serves files with byte ranges, and misbehaves where a test tells it to.

    with Server({"/a.bin": b"..."}, folder=archives) as server:
        server.fail("/a.bin", Fault(drop=100), Fault(status=503, headers={"Retry-After": "1"}))
        requests.get(server.url("/a.bin"))
        assert [asked.range for asked in server.asked("/a.bin")] == [None, "bytes=100-"]

Asked as a proxy (`GET http://elsewhere/a.bin`) it answers itself, whatever the host.
"""

import hashlib
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self
from urllib.parse import quote, unquote, urlsplit


@dataclass(frozen=True)
class Fault:
    """What is wrong with the answers to some requests for a path.

    Attributes:
        times: How many requests it concerns; None: all from now on.
        drop: Close the connection after so many bytes of the body; negative: so many bytes before the body begins.
        reset: Drop it by a reset instead of an orderly end.
        stall: Seconds of silence before the answer; with `drop`, before the connection is closed.
        trickle: Bytes of the body sent at once, and seconds of pause after each.
        ranges: Whether ranges are understood.
        etag: Whether an ETag is sent; `weak` for a weak one.
        modified: A Last-Modified header, as seconds since 1970.
        conditional: Whether `If-Range` is understood.
        content: Bytes served instead of the file's.
        length: A Content-Length that is not that of the body; `none` for none at all.
        chunked: Whether the body is sent in chunks, without a length.
        content_range: A Content-Range that may not be that of the body.
        status: An HTTP status other than 200, with an empty body; None of the above then holds, but for `stall`.
        redirect: A path or address to be redirected to.
        headers: Further headers.
    """

    times: int | None = 1
    drop: int | None = None
    reset: bool = False
    stall: float = 0
    trickle: tuple[int, float] | None = None
    ranges: bool = True
    etag: bool | str = True
    modified: float | None = None
    conditional: bool = True
    content: bytes | None = None
    length: int | str | None = None
    chunked: bool = False
    content_range: str | None = None
    status: int | None = None
    redirect: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """A request that arrived.

    Attributes:
        target: What was asked for, as it stood in the request.
        path: Its path, decoded.
        headers: Headers by their names in lower case.
        time: When, on the monotonic clock.
    """

    target: str
    path: str
    headers: dict[str, str]
    time: float

    @property
    def range(self) -> str | None:
        """The bytes that were asked for."""
        return self.headers.get("range")


class Server:
    """Serves from a dict and from a folder while its context is open.

    Args:
        files: Path, with its slash, to content.
        folder: What is served below `/` where `files` has nothing.
    """

    def __init__(self, files: Mapping[str, bytes] | None = None, folder: Path | None = None) -> None:
        self.files, self.folder = dict(files or {}), folder
        self.log: list[Asked] = []
        self.stopping = threading.Event()
        self._faults: dict[str, list[tuple[Fault, int | None]]] = {}
        self._lock = threading.Lock()
        self._http = _Http(self)

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._http.shutdown()
        self._http.server_close()

    def url(self, path: str = "") -> str:
        """Address of a path."""
        return f"http://127.0.0.1:{self._http.server_port}{quote(path)}"

    def fail(self, path: str, *faults: Fault) -> None:
        """Misbehave in the next answers for a path, fault by fault; replaces what was told before."""
        with self._lock:
            self._faults[path] = [(fault, fault.times) for fault in faults]

    def asked(self, path: str) -> list[Asked]:
        """The requests for a path, in order."""
        return [asked for asked in self.log if asked.path == path]

    def publish_record(self, path: str, names: Iterable[str], old: bool = False) -> str:
        """Serve a record that lists some files, in the format of Zenodo's API; returns its address.

        Args:
            path: Of the record.
            names: The files; their content is served at `<path>/files/<name>/content`.
            old: Whether the keys are those of older records.
        """
        entries = []
        for name in names:
            content = self.read(place := f"{path}/files/{name}/content") or b""
            entry = {"size": len(content), "checksum": "md5:" + hashlib.md5(content).hexdigest()}
            if old:
                entry = {"filesize": len(content), "checksum": hashlib.md5(content).hexdigest()}
            link = {"download" if old else "self": self.url(place)}
            entries.append({"id": name, "filename" if old else "key": name, **entry, "links": link})
        self.files[path] = json.dumps({"files": entries}).encode()
        return self.url(path)

    def read(self, path: str) -> bytes | None:
        """The content of a path, None where there is none."""
        if path in self.files:
            return self.files[path]
        if self.folder is None or ".." in path or not (file := self.folder / path.lstrip("/")).is_file():
            return None
        return file.read_bytes()

    def next_fault(self, path: str) -> Fault:
        """What is wrong with the answer that is due."""
        with self._lock:
            queue = self._faults.get(path, [])
            if not queue:
                return Fault()
            fault, left = queue.pop(0)
            if left is None or left > 1:
                queue.insert(0, (fault, left and left - 1))
            return fault


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, owner: Server) -> None:
        self.owner = owner
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Http

    def log_message(self, format: str, *args: object) -> None:
        """The log is kept for the tests, not printed."""

    def do_GET(self) -> None:
        owner, path = self.server.owner, unquote(urlsplit(self.path).path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        owner.log.append(Asked(self.path, path, headers, time.monotonic()))
        fault = owner.next_fault(path)
        if fault.stall and fault.drop is None:
            owner.stopping.wait(fault.stall)
        content = owner.read(path) if fault.content is None else fault.content
        if fault.redirect is not None:
            self._answer_empty(302, {"Location": fault.redirect})
        elif fault.status is not None:
            self._answer_empty(fault.status, fault.headers)
        elif content is None:
            self._answer_empty(404, {})
        else:
            self._answer(content, headers, fault)

    def _answer_empty(self, status: int, headers: Mapping[str, str]) -> None:
        self._send_head(status, {"Content-Length": "0", **headers})

    def _answer(self, content: bytes, asked: Mapping[str, str], fault: Fault) -> None:
        headers = {"Content-Type": "application/octet-stream"}
        tag = f'"{hashlib.md5(content).hexdigest()}"'
        if fault.etag:
            headers["ETag"] = f"W/{tag}" if fault.etag == "weak" else tag
        if fault.modified is not None:
            headers["Last-Modified"] = formatdate(fault.modified, usegmt=True)
        status, first, size = 200, 0, len(content)
        condition = asked.get("if-range") if fault.conditional else None
        is_current = condition is None or condition in (tag, headers.get("Last-Modified"))
        wanted = re.fullmatch(r"bytes=(\d+)-", asked.get("range", ""))
        if fault.ranges and wanted and is_current:
            first = int(wanted[1])
            if first >= size:
                return self._answer_empty(416, {"Content-Range": f"bytes */{size}"})
            status, headers["Content-Range"] = 206, fault.content_range or f"bytes {first}-{size - 1}/{size}"
        body = content[first:]
        if fault.chunked:
            headers["Transfer-Encoding"] = "chunked"
        elif fault.length == "none":
            self.close_connection = True
        else:
            headers["Content-Length"] = str(len(body) if fault.length is None else fault.length)
            self.close_connection = fault.length is not None
        in_head = fault.drop is not None and fault.drop < 0
        self._send_head(status, headers | dict(fault.headers), fault.drop if in_head else None)
        if not in_head:
            self._send_body(body, fault)
        if fault.drop is not None:
            self._drop(fault)

    def _send_head(self, status: int, headers: Mapping[str, str], end: int | None = None) -> None:
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
        lines += [f"{name}: {value}" for name, value in ({"Date": formatdate(usegmt=True)} | dict(headers)).items()]
        self.wfile.write("\r\n".join([*lines, "", ""]).encode("latin-1")[:end])

    def _send_body(self, body: bytes, fault: Fault) -> None:
        step, pause = fault.trickle or (1 << 16, 0)
        end = len(body) if fault.drop is None else min(fault.drop, len(body))
        for start in range(0, end, step):
            piece = body[start : min(start + step, end)]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if fault.chunked else piece)
            if pause:
                self.server.owner.stopping.wait(pause)
        if fault.chunked and fault.drop is None:
            self.wfile.write(b"0\r\n\r\n")

    def _drop(self, fault: Fault) -> None:
        self.close_connection = True
        if fault.stall:
            self.server.owner.stopping.wait(fault.stall)
        if fault.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
