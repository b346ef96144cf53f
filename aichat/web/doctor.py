"""``litestar aichat doctor``: start every backend, and tell how that went."""

from __future__ import annotations

import logging

import anyio
import click

from aichat.core import AichatError, Parts, State, open_chat

from .app import read_setup
from .server import stop

PATIENCE_SECONDS = 30.0


def examine() -> bool:
    """Print a line for each backend; return whether every part can be played."""
    logging.getLogger("aichat").setLevel(logging.CRITICAL)  # the table below says it all
    setup = read_setup()
    if setup.error or setup.manager is None:
        raise stop(str(setup.error))
    click.echo(f"settings: {setup.config.path}")

    config, manager = setup.config, setup.manager

    async def start() -> bool:
        async with open_chat(config, manager) as (_, parts):
            with anyio.move_on_after(PATIENCE_SECONDS):
                await _all_started(parts)
            for status in parts.statuses():
                mark = "*" if status.serving else " "
                click.echo(
                    f"{mark} {status.part:10} {status.name:16} {status.state:9} {status.detail}"
                )
            return parts.is_ready()

    try:
        return anyio.run(start)
    except* AichatError as group:
        raise stop("\n".join(str(error) for error in group.exceptions)) from None


async def _all_started(parts: Parts) -> None:
    settled = anyio.Event()

    def look() -> None:
        waiting = (State.WAITING, State.STARTING)
        if not any(s.state in waiting and not s.detail for s in parts.statuses()):
            settled.set()

    parts.watchers.append(look)
    look()
    await settled.wait()
