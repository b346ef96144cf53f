"""Shortens the time after which a thread yields the interpreter lock to the event loop."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

SWITCH_SECONDS = 0.001
"""Python's default of 5 ms would let a model in plain Python delay an interruption by that much
each time the loop waits for the lock."""


@contextmanager
def quick_switches() -> Iterator[None]:
    """Make threads yield after a millisecond within the ``with`` block."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(min(before, SWITCH_SECONDS))
    try:
        yield
    finally:
        sys.setswitchinterval(before)
