"""The line that tests cut leaves nothing open when its block ends."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from support.disconnecting_proxy import Line


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that sends back what it is sent."""

    def serve() -> None:
        with suppress(OSError):
            while True:
                end, _ = listener.accept()
                threads.append(threading.Thread(target=answer, args=(end,)))
                threads[-1].start()

    def answer(end: socket.socket) -> None:
        with end, suppress(OSError):
            while data := end.recv(100):
                end.sendall(data)

    threads = [threading.Thread(target=serve)]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threads[0].start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()


def connected(line: Line) -> socket.socket:
    return socket.create_connection(line.server_address, timeout=20)


def said(end: socket.socket, data: bytes) -> bytes:
    end.sendall(data)
    return end.recv(100)


def is_broken(end: socket.socket) -> bool:
    try:
        return end.recv(100) == b""
    except ConnectionResetError:
        return True


def test_it_forwards_until_it_is_cut_and_then_anew(echo: int) -> None:
    with Line(echo) as line, connected(line) as one:
        assert said(one, b"hello") == b"hello"
        line.cut()
        assert is_broken(one)
        with connected(line) as other:
            assert said(other, b"again") == b"again"


def test_an_end_that_hangs_up_ends_both(echo: int) -> None:
    with Line(echo) as line:
        with connected(line) as one:
            assert said(one, b"hello") == b"hello"
            one.shutdown(socket.SHUT_WR)
            assert one.recv(100) == b""
        with connected(line) as other:
            assert said(other, b"again") == b"again"


def test_after_the_block_nothing_is_open_and_nothing_is_accepted(echo: int) -> None:
    before = threading.active_count()
    with Line(echo) as line:
        one = connected(line)
        assert said(one, b"hello") == b"hello"
    with one:
        assert is_broken(one)
    with pytest.raises(ConnectionRefusedError):
        connected(line)
    assert threading.active_count() <= before + 1  # the echo's own


def test_a_server_that_is_gone_breaks_the_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with Line(port) as line, connected(line) as one:
        assert is_broken(one)
