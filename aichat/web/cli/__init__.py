"""``litestar aichat …``, and what makes ``litestar run`` find the application from any folder.

Litestar loads this module (entry-point group ``litestar.commands``) before it looks for an app.
"""

from __future__ import annotations

import os
from pathlib import Path

import click

from aichat.core import AichatError, read_config
from aichat.web import paths
from aichat.web.access import commands
from aichat.web.serving.uvicorn_runner import stop
from aichat.web.settings.env_file import load_env

from .models import models


def _set_up() -> AichatError | None:
    """Read .env and what ``litestar run`` must know; return what is wrong with .env.

    Every command of every application comes by here, so only those of aichat's may stop for it.
    """
    fault = None
    try:
        load_env()
    except AichatError as error:
        fault = error
    if os.environ.get("LITESTAR_APP") or _another_app_is_here():
        return fault
    os.environ["LITESTAR_APP"] = "aichat.web.asgi:app"
    os.environ.setdefault("LITESTAR_QUIET_CONSOLE", "1")
    try:
        web = read_config(paths.plugins_toml(), shipped=paths.shipped()).web
    except AichatError:
        return fault  # what is wrong is reported by the command that needs it
    os.environ.setdefault("LITESTAR_HOST", web.host)
    os.environ.setdefault("LITESTAR_PORT", str(web.port))
    return fault


def _another_app_is_here() -> bool:
    return any(Path(name).exists() for name in ("app", "app.py", "application", "application.py"))


env_fault = _set_up()
"""Why .env could not be read."""


def require_env() -> None:
    """End the program with a message where .env could not be read."""
    if env_fault:
        raise stop(str(env_fault))


@click.group(name="aichat", help="What aichat is made of, and whether it works.")
def cli() -> None:
    """Group the commands."""
    require_env()


@cli.command()
@click.option("--paid", is_flag=True, help="Try engines whose use costs money, too.")
@click.option("--json", "as_json", is_flag=True, help="Print all of it as JSON.")
def doctor(paid: bool, as_json: bool) -> None:
    """Start every backend and try it; tell who plays which part, and why the others do not.

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
