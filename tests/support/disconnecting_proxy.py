"""A TCP proxy between page and server whose connections a test can break."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER that breaks a connection instead of ending it."""


class Line(ThreadingTCPServer):
    """Forwards TCP connections to a port of this machine until the block ends.

    A page outlives the block and tries to connect again: whatever is open by then is closed here,
    and nothing new is accepted.
    """

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), Forwarder)
        self.port = port
        self.ends: set[socket.socket] = set()
        self.over = False
        self.lock = threading.Lock()
        self.accepting = threading.Thread(target=self.serve_forever, args=(0.05,))

    def __enter__(self) -> Line:
        self.accepting.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.shutdown()
        self.accepting.join()
        with self.lock:
            self.over = True
        self.cut()
        self.server_close()  # waits for the connections' threads, which close their sockets

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def cut(self) -> None:
        """Break every connection that is open now; new ones work."""
        with self.lock:
            for end in self.ends:
                with suppress(OSError):  # it has ended by itself
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                    end.shutdown(socket.SHUT_RDWR)
            self.ends.clear()


class Forwarder(BaseRequestHandler):
    """One connection; the server closes the near end after it."""

    request: socket.socket
    server: Line

    def handle(self) -> None:
        near, line = self.request, self.server
        with suppress(OSError), socket.create_connection(("127.0.0.1", line.port)) as far:
            with line.lock:
                if line.over:
                    return
                line.ends |= {near, far}
            answers = threading.Thread(target=forward, args=(far, near))
            answers.start()
            forward(near, far)
            answers.join()
            with line.lock:  # no cut reaches a socket that is closed, or another of its number
                line.ends -= {near, far}


def forward(one: socket.socket, other: socket.socket) -> None:
    """Pass on what comes, and then that no more comes."""
    with suppress(OSError):
        while data := one.recv(65_536):
            other.sendall(data)
    with suppress(OSError):
        other.shutdown(socket.SHUT_WR)
