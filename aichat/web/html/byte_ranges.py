"""Audio over HTTP with byte ranges: Safari plays nothing else, and seeking needs them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from litestar import Request, Response

ONE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


def sound(
    request: Request[Any, Any, Any], wav: bytes, headers: Mapping[str, str]
) -> Response[bytes]:
    """Answer with a wav file, or with the piece of it that was asked for."""
    sent = {**headers, "Accept-Ranges": "bytes"}
    asked = ONE.fullmatch(request.headers.get("range", ""))
    if asked is None or not (asked[1] or asked[2]):  # several pieces, or none
        return Response(wav, media_type="audio/wav", headers=sent)
    first, last = _piece(asked[1], asked[2], len(wav))
    if first > last:
        sent["Content-Range"] = f"bytes */{len(wav)}"
        return Response(b"", status_code=416, media_type="audio/wav", headers=sent)
    sent["Content-Range"] = f"bytes {first}-{last}/{len(wav)}"
    piece = wav[first : last + 1]
    return Response(piece, status_code=206, media_type="audio/wav", headers=sent)


def _piece(first: str, last: str, size: int) -> tuple[int, int]:
    """Return the first and the last byte; ``-500`` are the last 500."""
    if not first:
        return max(0, size - int(last)), size - 1
    return int(first), min(int(last) if last else size - 1, size - 1)
