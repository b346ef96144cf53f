"""How the server ends: at once, with everything kept.

What goes on is interrupted first, so that what was heard becomes a message; clients are let go with
a close code that says they may come back. When all is kept nothing holds up the end: not a thread
that is stuck in an engine, nor a request that is still answered.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading

import click
from litestar.datastructures import State

GOODBYE_SECONDS = 0.15
"""Clients get so long to take in why they are let go ..."""
GRACE_SECONDS = 0.2
"""... and requests to be answered."""
LAST_SECONDS = 0.25
"""When all is kept, the process ends after so long whatever still goes on."""


async def begin(state: State) -> None:
    """Interrupt what goes on, and let everybody go."""
    if bus := getattr(state, "bus", None):  # else it never started
        bus.stop()
        await state.rooms.part(GOODBYE_SECONDS)


def is_news(record: logging.LogRecord) -> bool:
    """Leave out of the log where a request was cut off: that was us."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, asyncio.CancelledError)


def end_soon(exit_code: int) -> None:
    """End the process with *exit_code* unless it has ended by itself. Call it when all is kept."""
    last = threading.Timer(LAST_SECONDS, _end, (exit_code,))
    last.daemon = True
    last.start()


def _end(exit_code: int) -> None:
    main = threading.main_thread()
    busy = {one.name for one in threading.enumerate() if not one.daemon and one is not main}
    what = ", ".join(sorted(busy)) or "a task"
    click.echo(
        f"aichat has kept everything, and ends although something does not: {what}.", err=True
    )
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(exit_code)
