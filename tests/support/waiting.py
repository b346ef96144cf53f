"""Waits until every task can go no further, and ends a test that would wait for ever."""

from __future__ import annotations

import anyio

HANG_SECONDS = 60
"""Far more than any machine needs: only so that a test that hangs ends."""


async def blocked() -> None:
    """Let everybody get as far as they can without us."""
    with anyio.fail_after(HANG_SECONDS):
        await anyio.wait_all_tasks_blocked()
