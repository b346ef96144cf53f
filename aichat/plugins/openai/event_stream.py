"""The stream of a chat completion as JSON objects, however a server writes it.

Server-sent events as they should be, and what servers send in their place: a whole JSON body, or
JSON lines without ``data:``.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Iterator
from typing import Any

from attrs import define, field

from aichat.core import BackendFailed

from .errors import NoReply, StreamError, WebPage

LONGEST = 4_000_000
"""Bytes of one line, of one event, and of a body that is no stream."""
LONGEST_HEAD = 20_000
"""Letters of a web page in which its title is searched."""
LINE_END = re.compile(rb"\r\n|\r|\n")
BOM = b"\xef\xbb\xbf"

Object = dict[str, Any]


@define
class Lines:
    """Puts lines together from bytes that were cut anywhere; CR, LF or both end them."""

    parts: list[bytes] = field(factory=list)
    length: int = 0
    ended_with_cr: bool = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the lines that are whole now."""
        if self.ended_with_cr and data.startswith(b"\n"):
            data = data[1:]
            self.ended_with_cr = False
        if data:
            self.ended_with_cr = data.endswith(b"\r")
        *ends, rest = LINE_END.split(data)
        for end in ends:
            yield self._with(end)
        self.parts.append(rest)
        self.length += len(rest)
        if self.length > LONGEST:
            raise _too_long()

    def flush(self) -> bytes:
        """Return what has no end."""
        return self._with(b"")

    def _with(self, end: bytes) -> bytes:
        line = b"".join([*self.parts, end])
        self.parts, self.length = [], 0
        return line


@define
class Events:
    """Reads the body of one response; *source* yields its bytes."""

    source: Any
    is_done: bool = False
    """``[DONE]`` came: what follows is of no interest."""
    lines: Lines = field(factory=Lines)
    event: bytes = b""
    data: list[bytes] = field(factory=list)
    body: list[bytes] = field(factory=list)
    """Lines that belong to no event."""
    size: int = 0
    """Bytes in *data* and *body*."""
    has_begun: bool = False
    """A line came."""
    has_events: bool = False

    async def objects(self) -> AsyncGenerator[Object, None]:
        """Yield what the server sends; an empty object stands for ``[DONE]``.

        Raises :class:`StreamError` for an error that it reports, :class:`WebPage`, ValueError for
        what is no JSON, and what the connection raises.
        """
        async for data in self.source:
            for line in self.lines.feed(data):
                for one in self._line(line):
                    yield one
        for line in (self.lines.flush(), b""):
            for one in self._line(line):
                yield one
        if self.body and not self.has_events:
            yield _whole(b"\n".join(self.body))

    def _line(self, line: bytes) -> Iterator[Object]:
        if not self.has_begun:
            line, self.has_begun = line.removeprefix(BOM), True
        if self.is_done or line.startswith(b":"):
            return
        name, _, value = line.partition(b":")
        if not line:
            yield from self._event()
        elif name == b"data":
            self._keep(self.data, value.removeprefix(b" "))
        elif name == b"event":
            self.event = value.strip()
        elif name not in (b"id", b"retry"):
            yield from self._other(line)

    def _event(self) -> Iterator[Object]:
        """Read the event that an empty line ends."""
        lines, name = [line for line in self.data if line.strip()], self.event
        self.data, self.event = [], b""
        if not self.body:
            self.size = 0
        self.has_events = self.has_events or bool(lines)
        for data in _apart(lines):
            if data.strip()[:6].upper() == b"[DONE]":
                self.is_done = True
                yield {}
                return
            yield _object(data, is_error=name == b"error")

    def _other(self, line: bytes) -> Iterator[Object]:
        """Read a line that is no part of an event: an object of its own, or part of a body."""
        if line.startswith(b"{") and not self.body:
            try:
                read = _object(line) if self.has_events else _whole(line)
            except ValueError:  # it goes on in the next line
                read = {}
            if read:
                self.has_events = True
                yield read
                return
        self._keep(self.body, line)

    def _keep(self, where: list[bytes], line: bytes) -> None:
        where.append(line)
        self.size += len(line) + 1
        if self.size > LONGEST:
            raise _too_long()


def _apart(lines: list[bytes]) -> list[bytes]:
    """Return the data of an event; several, where the empty lines between them are missing."""
    whole = b"\n".join(lines)
    return lines if len(lines) < 2 or not _is_json(whole) else [whole]


def _is_json(data: bytes) -> bool:
    try:
        json.loads(data)
    except ValueError:
        return False
    return True


def _object(data: bytes, is_error: bool = False) -> Object:
    text = data.decode(errors="replace")  # some servers cut letters in two
    if text.lstrip()[:1] == "<":
        raise WebPage(text[:LONGEST_HEAD])
    read = json.loads(text)
    if not isinstance(read, dict):
        raise ValueError("an object was expected")
    if is_error or read.get("error"):
        raise StreamError(read.get("error") or read)
    return read


def _whole(data: bytes) -> Object:
    """Read a body that came in place of a stream."""
    try:
        read = _object(data)
    except StreamError as error:
        raise NoReply(error.body) from None
    _check_reply(read)
    return read


def _check_reply(read: Object) -> None:
    """Raise :class:`NoReply` if an answer without events says why there is no reply."""
    if "choices" not in read and any(read.get(name) for name in ("detail", "message", "msg")):
        raise NoReply(read)


def _too_long() -> BackendFailed:
    return BackendFailed("The language model's server sent a line without an end.", "Try again.")
