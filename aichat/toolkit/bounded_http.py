"""Answers over HTTP have an end: so many bytes and no more, counted after they are unpacked.

Packed zeros shrink to a thousandth, so what comes over the wire tells nothing of the memory that it
takes. An HTTP client of the httpx family gets :func:`bounds` and :data:`ASK`: it asks for gzip
alone, which is unpacked here in small pieces, and an answer that is too large is ended. The
client's package is handed in, so that the core needs none.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio.lowlevel
from attrs import define, field

from aichat.core.errors import BackendFailed

MB = 1 << 20
PIECE = 1 << 16
"""Bytes that are unpacked at a time."""
GZIP = 16 + zlib.MAX_WBITS
MOST_MEMBERS = 100
"""An answer in gzip has one part; nobody packs it in more than these."""
ASK = {"Accept-Encoding": "gzip"}
"""The header by which a client asks for what can be unpacked here."""
REFUSAL_BYTES = MB
"""An answer that says no may be so large."""


@define
class Unpacking:
    """Takes the gzip off an answer, piece by piece."""

    work: Any = field(factory=lambda: zlib.decompressobj(GZIP))
    members: int = 1

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """Yield what *data* unpacks to. Raises :class:`zlib.error` for what is no gzip."""
        while data:
            if self.work.eof:  # another member follows
                self.members += 1
                if self.members > MOST_MEMBERS:
                    raise zlib.error("too many members")
                self.work = zlib.decompressobj(GZIP)
            yield self.work.decompress(data, PIECE)
            data = self.work.unconsumed_tail or self.work.unused_data
        while not self.work.eof and (rest := self.work.decompress(b"", PIECE)):
            yield rest


def bounds(http: Any, most: Callable[[Any], float], what: str, mend: str) -> Callable[[Any], Any]:
    """Return a response hook for an ``AsyncClient`` of the package *http*.

    *most* says how many bytes the answer to a request may have; *what* names who answers, *mend*
    says what to do. What is larger, or packed in another way, raises :class:`BackendFailed`.
    """
    bound = bounds_in_threads(http, most, what, mend)

    async def hook(response: Any) -> None:
        bound(response)

    return hook


def bounds_in_threads(
    http: Any, most: Callable[[Any], float], what: str, mend: str
) -> Callable[[Any], None]:
    """Return a response hook as :func:`bounds` does, for a ``Client``."""

    class Bounded(http.AsyncByteStream, http.SyncByteStream):  # type: ignore[misc]
        def __init__(self, stream: Any, limit: float, unpacking: Unpacking | None) -> None:
            self.stream, self.limit, self.unpacking = stream, limit, unpacking
            self.packed = self.unpacked = 0

        def __iter__(self) -> Iterator[bytes]:
            for data in self.stream:
                yield from self.pieces(data)

        async def __aiter__(self) -> AsyncIterator[bytes]:
            async for data in self.stream:
                for piece in self.pieces(data):
                    yield piece
                    await anyio.lowlevel.checkpoint()  # others work meanwhile

        def pieces(self, data: bytes) -> Iterator[bytes]:
            self.packed += len(data)
            try:
                for piece in self.unpacking.pieces(data) if self.unpacking else [data]:
                    self.unpacked += len(piece)
                    if max(self.packed, self.unpacked) > self.limit:
                        raise too_large(self.limit)
                    yield piece
            except zlib.error:
                raise BackendFailed(f"The answer of {what} is broken gzip.", mend) from None

        def close(self) -> None:
            self.stream.close()

        async def aclose(self) -> None:
            await self.stream.aclose()

    def too_large(limit: float) -> BackendFailed:
        return BackendFailed(f"The answer of {what} is larger than {limit / MB:.0f} MB.", mend)

    def hook(response: Any) -> None:
        headers = response.headers
        limit = most(response.request) if response.is_success else REFUSAL_BYTES
        packed = headers.get("content-encoding", "identity").strip().lower()
        if packed not in ("identity", "gzip", "x-gzip", ""):
            problem = f"The answer of {what} is packed in a way that nobody asked for ({packed})."
            raise BackendFailed(problem, mend)
        length = headers.get("content-length", "")
        has_body = response.request.method != "HEAD"
        if has_body and length.isdecimal() and int(length) > limit:
            raise too_large(limit)
        headers.pop("content-encoding", None)  # it is done here, not by the client
        unpacking = Unpacking() if "gzip" in packed else None
        response.stream = Bounded(response.stream, limit, unpacking)

    return hook
