"""How the server stops: at once, with everything stored.

Live turns are interrupted first, so that what was heard becomes a message; clients are disconnected
with a close code that lets them reconnect. When all is stored nothing delays the end: neither a
thread that is stuck in an engine, nor a request that is still being answered.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading

import click

from aichat.web.application_state import ApplicationState

GOODBYE_SECONDS = 0.15
"""Timeout for clients to receive the close frame."""
GRACE_SECONDS = 0.2
"""Timeout for requests to be answered."""
LAST_SECONDS = 0.25
"""Seconds after everything is stored until the process is ended whatever still runs."""


async def begin(state: ApplicationState) -> None:
    """Interrupt live turns, and disconnect every client."""
    state.bus.stop()
    await state.rooms.part(GOODBYE_SECONDS)


def is_news(record: logging.LogRecord) -> bool:
    """Return whether a record is logged: requests that the shutdown cancelled are not."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, asyncio.CancelledError)


def end_soon(exit_code: int) -> None:
    """End the process with *exit_code* unless it ends by itself; call when all is stored."""
    last = threading.Timer(LAST_SECONDS, _end, (exit_code,))
    last.daemon = True
    last.start()


def _end(exit_code: int) -> None:
    main = threading.main_thread()
    busy = {one.name for one in threading.enumerate() if not one.daemon and one is not main}
    what = ", ".join(sorted(busy)) or "a task"
    click.echo(
        f"aichat has stored everything, and exits although this still runs: {what}.", err=True
    )
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(exit_code)
