"""Prepares the environment for ``litestar run``: .env, the application, host and port.

It is read when this module is imported, because litestar looks for an application right then.
"""

from __future__ import annotations

import os
from pathlib import Path

from aichat.core import AichatError, read_config
from aichat.web import paths
from aichat.web.settings.env_file import load_env

from .cannot_start import stop


def _set_up() -> AichatError | None:
    """Read .env and set what ``litestar run`` needs; return an error in .env, if any.

    Litestar runs this for every command of every application, so only aichat's may fail for it.
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
"""Why .env could not be read, or None."""


def require_env() -> None:
    """End the program with a message where .env could not be read."""
    if env_fault:
        raise stop(str(env_fault))
