"""Finds free ports, for servers that take a number instead of a socket."""

from __future__ import annotations

import random
import socket

BELOW_EPHEMERAL = range(20_000, 32_000)
"""From here no system gives a port to whoever asks for any, so ours stays free until it is used."""

_choice = random.SystemRandom()


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    while True:
        port = _choice.choice(BELOW_EPHEMERAL)
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port
