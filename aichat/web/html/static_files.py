"""The built scripts and styles, under ``/static``: the build has compressed them already."""

from __future__ import annotations

import re
from mimetypes import guess_type
from pathlib import Path

from litestar import HttpMethod, route
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import File

from aichat.web import paths

from .compression import accepts
from .page import Req

NAME = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")
HASHED = re.compile(r"-[A-Z0-9]{8}\.\w+$")
FOR_GOOD = "public, max-age=31536000, immutable"
"""What has the hash of its content in its name never changes."""
ENCODINGS = {"br": ".br", "gzip": ".gz"}
"""As a browser names them, best first, and the endings of the files."""


@route(
    "/static/{name:str}",
    http_method=[HttpMethod.GET, HttpMethod.HEAD],
    include_in_schema=False,
    sync_to_thread=False,
)
def bundled(request: Req, name: FromPath[str]) -> File:
    """One file of the bundle, in the shortest form that the browser takes."""
    path = paths.static() / name
    if not NAME.fullmatch(name) or not path.is_file():
        raise NotFoundException
    shortest, encoding = _shortest(path, request.headers.get("accept-encoding", ""))
    headers = {"Vary": "Accept-Encoding"}
    headers["Cache-Control"] = FOR_GOOD if HASHED.search(name) else "no-cache"
    if encoding:
        headers["Content-Encoding"] = encoding
    kind = guess_type(name)[0] or "application/octet-stream"
    return File(
        shortest, filename=name, media_type=kind, headers=headers, content_disposition_type="inline"
    )


def _shortest(path: Path, accepted: str) -> tuple[Path, str]:
    for encoding, ending in ENCODINGS.items():
        packed = path.with_name(path.name + ending)
        if accepts(accepted, encoding) and packed.is_file():
            return packed, encoding
    return path, ""
