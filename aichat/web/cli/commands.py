"""``litestar aichat …``, and what makes ``litestar run`` find the application from any folder.

Litestar loads this module (entry-point group ``litestar.commands``) before it looks for an app.
"""

from __future__ import annotations

from pathlib import Path

import click

from aichat.web.access import commands
from aichat.web.serving.litestar_environment import require_env

from .models import models


@click.group(name="aichat", help="What aichat is made of, and whether it works.")
def cli() -> None:
    """Group the commands."""
    require_env()


@cli.command()
@click.option("--paid", is_flag=True, help="Try engines whose use costs money, too.")
@click.option("--json", "as_json", is_flag=True, help="Print all of it as JSON.")
def doctor(paid: bool, as_json: bool) -> None:
    """Start and try every backend; report which one fills each part, and why the others do not.

    Ends with status 1 when a part is not played or does not work.
    """
    from .doctor import examine

    raise SystemExit(0 if examine(paid=paid, as_json=as_json) else 1)


@cli.command()
@click.argument("file", type=click.Path(path_type=Path))
def backup(file: Path) -> None:
    """Copy all that aichat keeps into FILE, a new zip file, also while the server runs."""
    from .backup import back_up

    back_up(file)


@cli.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--config", type=click.Path(path_type=Path), help="The plugins.toml to use.")
@click.option(
    "--speed",
    type=click.Choice(["real", "max"]),
    default="real",
    show_default=True,
    help="As fast as it was said, or as fast as the backends can.",
)
def replay(file: Path, config: Path | None, speed: str) -> None:
    """Play a recorded conversation (AICHAT_RECORD) again, with any backends."""
    from .replay import play_again

    play_again(file, config, is_virtual=speed == "max")


cli.add_command(models)
cli.add_command(commands.login)
cli.add_command(commands.token)
