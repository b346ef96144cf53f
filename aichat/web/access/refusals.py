"""Answers to refused requests: one readable line, as JSON or plain text."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from litestar.types import HTTPScope, Receive, Send, WebSocketScope

from aichat.core import AichatError

Headers = Iterable[tuple[bytes, bytes]]
REASON = 123
"""Most bytes of the reason in a close frame (RFC 6455)."""


async def refuse_http(
    scope: HTTPScope, send: Send, status: int, line: str, headers: Headers = ()
) -> None:
    """Refuse a request: with JSON like the API's errors, or plain text for browsers."""
    accept = next((value for key, value in scope["headers"] if key == b"accept"), b"")
    is_page = b"text/html" in accept
    text = line if is_page else json.dumps({"status_code": status, "detail": line})
    kind = b"text/plain; charset=utf-8" if is_page else b"application/json"
    sent = [(b"content-type", kind), (b"cache-control", b"no-store"), *headers]
    await send({"type": "http.response.start", "status": status, "headers": sent})
    await send({"type": "http.response.body", "body": text.encode(), "more_body": False})


async def refuse_socket(
    scope: WebSocketScope,
    receive: Receive,
    send: Send,
    status: int,
    error: AichatError,
    headers: Headers = (),
    code: int = 1008,
) -> None:
    """Refuse a handshake with an HTTP *status*, or so that a page can show why.

    A browser hides the answer to a handshake from the page. So a page, which the guard has let in
    by its Origin, gets its connection, and in the next moment a close with *code* and the reason.
    """
    await receive()  # the handshake
    if any(key == b"origin" for key, _ in scope["headers"]):
        # a browser that offers subprotocols takes no connection without one of them
        chosen = next(iter(scope["subprotocols"]), None)
        await send({"type": "websocket.accept", "subprotocol": chosen, "headers": []})
        await send({"type": "websocket.close", "code": code, "reason": reason(error)})
    elif "websocket.http.response" in (scope.get("extensions") or {}):
        await _answer_handshake(send, status, error.line, headers)
    else:
        await send({"type": "websocket.close", "code": code, "reason": reason(error)})


async def _answer_handshake(send: Send, status: int, line: str, headers: Headers) -> None:
    body = json.dumps({"status_code": status, "detail": line}).encode()
    sent = [(b"content-type", b"application/json"), *headers]
    start: Any = {"type": "websocket.http.response.start", "status": status, "headers": sent}
    await send(start)
    rest: Any = {"type": "websocket.http.response.body", "body": body}  # litestar has no types
    await send(rest)


def reason(why: str | AichatError) -> str:
    """Return what a close frame can hold of *why*; the hint of an error only as a whole."""
    if isinstance(why, AichatError):
        why = why.line if len(why.line.encode()) <= REASON else why.problem
    return why.encode(errors="replace")[:REASON].decode(errors="ignore")
