"""uvicorn's HTTP with timeouts, and with a limit on the size of headers.

uvicorn itself waits for ever for a request that comes slowly, and takes headers of any size. Here
a request's headers must be there ``HEADER_SECONDS`` after the connection or after their first byte,
and hold at most ``HEADER_BYTES`` (a little more, if they come in one piece). Its body must not
pause for longer than ``BODY_SECONDS``; how large it may be is the route's to say.
"""

from __future__ import annotations

from asyncio import TimerHandle, Transport

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from websockets.http11 import MAX_LINE_LENGTH, MAX_NUM_HEADERS

HEADER_BYTES = 64 * 1024
HEADER_SECONDS = 20.0
HANDSHAKE_LINE = MAX_LINE_LENGTH - len(b"\r\n")
HANDSHAKE_LINES = MAX_NUM_HEADERS
"""Most bytes in a line of a WebSocket's handshake, and most lines."""
BODY_SECONDS = 30.0

TOO_LARGE = b"431 Request Header Fields Too Large"
TOO_SLOW = b"408 Request Timeout"


class HttpTimeoutProtocol(HttpToolsProtocol):
    """One HTTP connection with timeouts and size limits."""

    _in_headers = True
    _header_bytes = 0
    _deadline: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Start the timeout for the first request."""
        super().connection_made(transport)
        self._wait(HEADER_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timeout."""
        self._rest()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Start the timeout for a request's headers."""
        super().on_message_begin()
        self._in_headers, self._header_bytes = True, 0
        self._wait(HEADER_SECONDS)

    def on_headers_complete(self) -> None:
        """Start the timeout for a request's body."""
        super().on_headers_complete()
        self._in_headers = False
        self._wait(BODY_SECONDS)

    def on_message_complete(self) -> None:
        """Stop the timeout: the request is complete."""
        super().on_message_complete()
        self._rest()

    def handle_websocket_upgrade(self) -> None:
        """Pass a handshake on; refuse one that the WebSocket library would drop unanswered."""
        first = len(self.scope["method"]) + len(self.url) + len(" " + " HTTP/1.1")
        lines = [first, *(len(name) + len(value) + 2 for name, value in self.scope["headers"])]
        if max(lines) > HANDSHAKE_LINE or len(lines) > HANDSHAKE_LINES:
            self._refuse(TOO_LARGE)
        else:
            super().handle_websocket_upgrade()

    def data_received(self, data: bytes) -> None:
        """Receive a piece of a request; restart the body's timeout, check the headers' size."""
        self._header_bytes += len(data)
        if not self._in_headers and self._deadline:
            self._wait(BODY_SECONDS)
        super().data_received(data)
        if self._in_headers and self._header_bytes > HEADER_BYTES:
            self._refuse(TOO_LARGE)

    def _wait(self, seconds: float) -> None:
        self._rest()
        self._deadline = self.loop.call_later(seconds, self._refuse, TOO_SLOW)

    def _rest(self) -> None:
        if self._deadline:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, status: bytes) -> None:
        self._rest()
        if self.transport.is_closing():
            return
        if self.flow.read_paused:  # the server is slow, not the client
            self._wait(BODY_SECONDS)
            return
        if self.cycle is None or self.cycle.response_complete:  # nothing else is being answered
            empty = b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            self.transport.write(b"HTTP/1.1 " + status + empty)
        self.transport.close()
