"""``litestar aichat backup FILE``: copy all that is kept, also while the server runs."""

from __future__ import annotations

import logging
from pathlib import Path

import anyio
import click

from aichat.core import AichatError, BacksUp, CannotStart, Parts, parts_from_config
from aichat.core.registry.selection import run_parts
from aichat.web.app import Setup, read_setup


def back_up(file: Path) -> None:
    """Write the backup, and say what is in it. Leaves with status 1 and the mend if it cannot."""
    logging.getLogger("aichat").setLevel(logging.CRITICAL)  # the error below says it all
    try:
        click.echo(anyio.run(_back_up, read_setup(), file.absolute()))
    except* AichatError as group:
        errors = "\n".join(str(error) for error in group.exceptions)
        click.echo(f"There is no backup: {errors}", err=True)
        raise SystemExit(1) from None
    click.echo("To go back to it: stop aichat, and unpack it into an empty data folder.")


async def _back_up(setup: Setup, file: Path) -> str:
    if setup.error or setup.manager is None:
        raise setup.error or CannotStart("There are no plug-ins.", "Install aichat again.")
    role = parts_from_config(setup.config, setup.manager).roles["storage"]
    async with run_parts(Parts({"storage": role})):  # the one that a server would take
        storage = role.backend()
        if not isinstance(storage, BacksUp):
            name = role.serving.name if role.serving else "that serves"
            raise CannotStart(
                f"The storage {name!r} has no backup of its own.",
                "Use the tools of its database, such as pg_dump.",
            )
        return await storage.back_up(file)
