"""How soon a thread that holds the interpreter lock gives way to the event loop."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

SWITCH_SECONDS = 0.001
"""A plug-in's model in plain Python would else hold up an interruption by Python's own 5 ms each
time the loop waits for the lock."""


@contextmanager
def quick_switches() -> Iterator[None]:
    """Let threads give way after a millisecond for the length of a ``with`` block."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(min(before, SWITCH_SECONDS))
    try:
        yield
    finally:
        sys.setswitchinterval(before)
