"""Waits for a condition, or until no task can go further, however slow the machine is."""

from __future__ import annotations

import time
from collections.abc import Callable

import anyio

HANG_SECONDS = 60
"""Far more than any machine needs: only so that a test that hangs ends."""


async def blocked() -> None:
    """Let everybody get as far as they can without us."""
    with anyio.fail_after(HANG_SECONDS):
        await anyio.wait_all_tasks_blocked()


def soon(condition: Callable[[], bool]) -> None:
    """Wait until something is true; pytest's own timeout ends what never is."""
    while not condition():
        time.sleep(0.02)
