"""Limits the size of HTTP responses, counted after decompression.

Compressed zeros shrink to a thousandth, so the bytes on the wire say nothing of the memory that
they take. An HTTP client of the httpx family uses :func:`bounds` and :data:`ASK`: it accepts gzip
alone, which is decompressed here in small pieces, and a response that is too large is cut off. The
client's package is passed in, so that the toolkit needs none.
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
"""Most bytes that are decompressed at a time."""
GZIP = 16 + zlib.MAX_WBITS
MOST_MEMBERS = 100
"""Most members of a gzip response; usually there is one."""
ASK = {"Accept-Encoding": "gzip"}
"""Request header: the compression that is supported here."""
REFUSAL_BYTES = MB
"""Most bytes of an error response."""


@define
class Unpacking:
    """Decompresses a gzip response, piece by piece."""

    work: Any = field(factory=lambda: zlib.decompressobj(GZIP))
    members: int = 1

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """Yield the decompressed *data*. Raises :class:`zlib.error` if it is not gzip."""
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


@define
class Limit:
    """The limit of one response: *most* bytes; *what* names the server, *hint* is the errors'."""

    most: float
    what: str
    hint: str
    unpacking: Unpacking | None = None
    packed: int = 0
    unpacked: int = 0

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """Yield *data*, decompressed. Raises :class:`BackendFailed` where it becomes too large."""
        self.packed += len(data)
        try:
            for piece in self.unpacking.pieces(data) if self.unpacking else [data]:
                self.unpacked += len(piece)
                if max(self.packed, self.unpacked) > self.most:
                    raise self.exceeded()
                yield piece
        except zlib.error:
            raise BackendFailed(f"The answer of {self.what} is broken gzip.", self.hint) from None

    def exceeded(self) -> BackendFailed:
        """Return the error of a response that is too large."""
        most = f"{self.most / MB:.0f} MB"
        return BackendFailed(f"The answer of {self.what} is larger than {most}.", self.hint)

    def check(self, response: Any) -> None:
        """Refuse a response whose headers say that it is too large, or compressed otherwise."""
        packed = _compression(response)
        if packed not in ("identity", "gzip", "x-gzip", ""):
            problem = f"The answer of {self.what} has a compression that was not requested"
            raise BackendFailed(f"{problem} ({packed}).", self.hint)
        length = response.headers.get("content-length", "")
        has_body = response.request.method != "HEAD"
        if has_body and length.isdecimal() and int(length) > self.most:
            raise self.exceeded()


def bounds(http: Any, most: Callable[[Any], float], what: str, hint: str) -> Callable[[Any], Any]:
    """Return a response hook for an ``AsyncClient`` of the package *http*.

    *most* returns the limit in bytes for the response to a request; *what* names the server and
    *hint* is that of the error. A larger response, or another compression, raises
    :class:`BackendFailed`.
    """
    bound = bounds_in_threads(http, most, what, hint)

    async def hook(response: Any) -> None:
        bound(response)

    return hook


def bounds_in_threads(
    http: Any, most: Callable[[Any], float], what: str, hint: str
) -> Callable[[Any], None]:
    """Return a response hook as :func:`bounds` does, for a ``Client``."""
    bounded = _bounded_stream(http)

    def hook(response: Any) -> None:
        size = most(response.request) if response.is_success else REFUSAL_BYTES
        limit = Limit(size, what, hint, Unpacking() if "gzip" in _compression(response) else None)
        limit.check(response)
        response.headers.pop("content-encoding", None)  # it is done here, not by the client
        response.stream = bounded(response.stream, limit)

    return hook


def _compression(response: Any) -> str:
    return str(response.headers.get("content-encoding", "identity")).strip().lower()


def _bounded_stream(http: Any) -> Callable[[Any, Limit], Any]:
    """Return the class of streams of the package *http* that keep to a limit."""

    class Bounded(http.AsyncByteStream, http.SyncByteStream):  # type: ignore[misc]
        def __init__(self, stream: Any, limit: Limit) -> None:
            self.stream, self.limit = stream, limit

        def __iter__(self) -> Iterator[bytes]:
            for data in self.stream:
                yield from self.limit.pieces(data)

        async def __aiter__(self) -> AsyncIterator[bytes]:
            async for data in self.stream:
                for piece in self.limit.pieces(data):
                    yield piece
                    await anyio.lowlevel.checkpoint()  # let other tasks run

        def close(self) -> None:
            self.stream.close()

        async def aclose(self) -> None:
            await self.stream.aclose()

    return Bounded
