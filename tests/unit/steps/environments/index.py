"""A package index of our own, over HTTP: a few wheels of a few lines, so that uv resolves without the internet."""

from __future__ import annotations

import base64
import hashlib
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

TAG = "py3-none-any"


def wheel(folder: Path, name: str, version: str, *requires: str, python: str = ">=3.11", tag: str = TAG) -> Path:
    """Write a wheel with a module of its name, which knows its version."""
    path = folder / f"{name}-{version}-{tag}.whl"
    info = f"{name}-{version}.dist-info"
    metadata = [
        "Metadata-Version: 2.1",
        f"Name: {name}",
        f"Version: {version}",
        f"Requires-Python: {python}",
        *(f"Requires-Dist: {other}" for other in requires),
    ]
    files = {
        f"{name}.py": f'"""A module."""\nVERSION = "{version}"\n',
        f"{info}/METADATA": "\n".join(metadata) + "\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    record = [f"{file},sha256={_digest(text)},{len(text)}" for file, text in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,"]) + "\n"
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)
    return path


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


class Index(ThreadingHTTPServer):
    """Serves a folder of wheels by the simple API, and counts what is asked for."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.asked: list[str] = []
        self.gate: threading.Event | None = None
        """If there is one, wheels are given once it is set."""
        self.waiting = threading.Semaphore(0)
        """Released for each request that waits for the gate."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/simple"


class _Handler(BaseHTTPRequestHandler):
    server: Index

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        kind, _, name = self.path.strip("/").partition("/")
        if kind == "files" and (self.server.folder / name).is_file():
            if gate := self.server.gate:
                self.server.waiting.release()
                gate.wait()
            self._answer((self.server.folder / name).read_bytes(), "application/zip")
            return
        wheels = sorted(self.server.folder.glob(f"{name.replace('-', '_')}-*.whl"))
        if kind != "simple" or not wheels:
            self.send_error(404)
            return
        digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in wheels}
        links = "".join(f'<a href="/files/{name}#sha256={digest}">{name}</a>' for name, digest in digests.items())
        self._answer(f"<!DOCTYPE html><html><body>{links}</body></html>".encode(), "text/html")

    do_HEAD = do_GET  # noqa: N815 -- the name that the base class looks for

    def _answer(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@contextmanager
def serving(folder: Path) -> Iterator[Index]:
    """Serve a folder until the block ends."""
    with Index(folder) as index:
        threading.Thread(target=index.serve_forever, daemon=True).start()
        try:
            yield index
        finally:
            index.shutdown()
