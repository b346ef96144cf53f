"""A Hugging Face hub on this machine, which cuts downloads until a test lets them go on."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha1, sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field

COMMIT = "0123456789012345678901234567890123456789"
CUT = 0
"""Stands for a status where the connection is closed without an answer."""
LARGE = 10_000
"""Bytes from which a file is kept as the hub keeps large ones, by its SHA-256."""


@define
class Hub:
    """What it serves, and what was asked of it."""

    files: dict[str, dict[str, bytes]] = field(factory=dict)
    """Of each repository, by name."""
    cuts: list[int] = field(factory=list)
    """After so many bytes of a model.bin the connection is cut, once each."""
    wrong: bool = False
    """Large files come with a byte that is not right."""
    held: threading.Event = field(factory=threading.Event)
    """While it is not set, no model.bin ends."""
    faults: dict[str, list[int]] = field(factory=dict)
    """Statuses of the next answers about a repository ("api") and its files ("resolve")."""
    asked: list[tuple[str, str, str]] = field(factory=list)
    """Method, path and Range of each request."""
    packed: bytes = b""
    """What it tells of a repository in place of the truth, in gzip."""
    address: str = ""

    def add(self, repository: str, files: Mapping[str, bytes] | Path) -> None:
        """Serve a folder, or the given contents, as a repository."""
        if isinstance(files, Path):
            files = {path.name: path.read_bytes() for path in files.iterdir()}
        self.files[repository] = dict(files)

    def ranges(self) -> list[str]:
        """Which parts of a model.bin were fetched."""
        return [
            part
            for method, path, part in self.asked
            if method == "GET" and path.startswith("/cdn/") and path.endswith("/model.bin")
        ]

    def environment(self, cache: Path) -> dict[str, str]:
        """What a program needs to use it."""
        return {
            "HF_ENDPOINT": self.address, "HF_HUB_CACHE": str(cache), "HF_HUB_OFFLINE": "0",
            "HF_TOKEN": "hf_secret",
        }  # fmt: skip

    def use(self, patch: pytest.MonkeyPatch, cache: Path) -> None:
        """Let this process use it."""
        from huggingface_hub import constants

        patch.setattr(constants, "ENDPOINT", self.address)
        place = self.address + "/{repo_id}/resolve/{revision}/{filename}"
        patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", place)
        patch.setattr(constants, "HF_HUB_CACHE", str(cache))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.hub.asked.append((self.command, path, self.headers.get("Range", "")))
        parts = path.strip("/").split("/")
        if parts[0] == "cdn":
            return self.pour(self.content("/".join(parts[1:3]), parts[3]))
        is_api = parts[:2] == ["api", "models"]
        if faults := self.hub.faults.get("api" if is_api else "resolve"):
            return self.fail(faults.pop(0))
        repository = "/".join(parts[2:4] if is_api else parts[:2])
        if repository not in self.hub.files:
            return self.send(404, b"{}", {"X-Error-Code": "RepoNotFound"})
        if is_api:
            return self.tell("tree" in parts, repository)
        return self.resolve(repository, parts[-1])

    def fail(self, status: int) -> None:
        self.close_connection = True
        if status != CUT:
            self.send(status, b"")

    def content(self, repository: str, name: str) -> bytes:
        return self.hub.files[repository][name]

    def tell(self, as_tree: bool, repository: str) -> None:
        if self.hub.packed:
            return self.send(200, self.hub.packed, {"Content-Encoding": "gzip"})
        files = self.hub.files[repository]
        if as_tree:
            known = [
                {"type": "file", "path": name, "size": len(data), "oid": etag(data), **lfs(data)}
                for name, data in files.items()
            ]
            return self.send(200, json.dumps(known).encode())
        siblings = [
            {"rfilename": name, "size": len(data), "blobId": etag(data), **lfs(data)}
            for name, data in files.items()
        ]
        info = {"id": repository, "sha": COMMIT, "siblings": siblings}
        return self.send(200, json.dumps(info).encode())

    def resolve(self, repository: str, name: str) -> None:
        if name not in self.hub.files[repository]:
            return self.send(404, b"", {"X-Error-Code": "EntryNotFound"})
        data = self.content(repository, name)
        headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{etag(data)}"'}
        if len(data) < LARGE:
            return self.send(200, data, headers)
        place = f"{self.hub.address.replace('127.0.0.1', 'localhost')}/cdn/{repository}/{name}"
        headers |= {"X-Linked-Etag": f'"{etag(data)}"', "X-Linked-Size": str(len(data))}
        return self.send(302, b"", headers | {"Location": place})

    def pour(self, data: bytes) -> None:
        """Send a large file from where it is asked for; perhaps not all of it."""
        assert "Authorization" not in self.headers, "the token went to another host"
        first = int((self.headers.get("Range") or "bytes=0-")[6:].rstrip("-"))
        self.send_response(206 if self.headers.get("Range") else 200)
        self.send_header("Content-Length", str(len(data) - first))
        self.end_headers()
        rest = data[first:]
        if self.hub.wrong:
            rest = rest[:-1] + bytes([rest[-1] ^ 1])
        if not self.path.endswith("/model.bin"):
            self.wfile.write(rest)
            return
        if self.hub.cuts:
            self.wfile.write(rest[: self.hub.cuts.pop(0)])
            self.close_connection = True
            return
        self.wfile.write(rest[:-1])
        self.wfile.flush()
        self.hub.held.wait(60)
        self.wfile.write(rest[-1:])

    def send(self, status: int, data: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)


def etag(data: bytes) -> str:
    if len(data) >= LARGE:
        return sha256(data).hexdigest()
    return sha1(b"blob %d\0" % len(data) + data).hexdigest()


def lfs(data: bytes) -> dict[str, Any]:
    if len(data) < LARGE:
        return {}
    # the two documents spell the digest in two ways
    pointer = {"size": len(data), "pointerSize": 130, "oid": etag(data), "sha256": etag(data)}
    return {"lfs": pointer}


@contextmanager
def a_hub() -> Iterator[Hub]:
    """Serve until the block ends; nothing is held back unless a test does that."""
    hub = Hub()
    hub.held.set()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": hub}))
    server.daemon_threads = True
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.held.set()
        server.shutdown()
        server.server_close()
        thread.join()
