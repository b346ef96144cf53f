"""``litestar aichat login`` and ``litestar aichat token new|list|revoke``.

They write to the keyring's file, where the running server sees it at once.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from secrets import token_urlsafe

import click

from aichat.core import AichatError, BadValue, Conflict, NotFound, read_config
from aichat.core.registry.config import name_hint
from aichat.web import paths

from .keyring import CODE_SECONDS, OWNER, Keyring
from .token import NAME

NOT_ASKED = 'No login is needed yet: set access = "token" under [web] in plugins.toml.'
LEAST_LETTERS = 12
"""Fewest characters of a passphrase (NIST SP 800-63B-4 asks for 15; argon2 and a limit help)."""


def keyring() -> Keyring:
    """Return the keyring of this data folder, not yet open."""
    return Keyring(paths.data() / "access.db")


def login_line(ring: Keyring, address: str) -> str:
    """Make a one-use login address, and return the lines to print."""
    return (
        f"Log in at {address.rstrip('/')}/login?code={ring.new_code()}\n"
        f"  (once, within {CODE_SECONDS // 60} minutes; "
        "`litestar aichat login` prints another)"
    )


@click.command()
@click.option("--url", help="How browsers reach the server, as https://chat.example")
def login(url: str | None) -> None:
    """Print a new one-use login address of the running server."""
    host, port = os.environ.get("LITESTAR_HOST", ""), os.environ.get("LITESTAR_PORT", "8000")
    with _opened() as ring:
        click.echo(login_line(ring, url or f"http://{browsable(host)}:{port}"))


@click.group()
def token() -> None:
    """Let programs and people in: make, list and revoke their tokens."""


@token.command()
@click.argument("name")
@click.option("--passphrase", is_flag=True, help="Choose the secret yourself; it is asked for.")
def new(name: str, passphrase: bool) -> None:
    """Make a token called NAME, and print it once."""
    from .argon import hash_of

    with _opened() as ring:
        _check(name)
        secret = _asked() if passphrase else token_urlsafe(32)
        hashed = hash_of(secret) if passphrase else ring.random_hash(name, secret)
        if not ring.add_token(name, hashed):
            hint = f"Choose another name, or `litestar aichat token revoke {name}` first."
            raise Conflict(f"There is a token called {name!r} already.", hint)
    if not passphrase:
        click.echo(f"{name}.{secret}")  # alone on stdout, for scripts
    click.echo(
        f"Programs send it as `Authorization: Bearer {name}.…`, people log in as {name!r}. "
        "It cannot be shown again: only a hash was kept.",
        err=True,
    )


@token.command("list")
def list_() -> None:
    """List the names that can log in."""
    with _opened() as ring:
        for one in (names := ring.listed()):
            made = f"token of {one.created_at}" if one.created_at else "no token"
            click.echo(f"{one.name:20} {made:34} {one.browsers} logged-in browsers")
    if not names:
        click.echo("There are no tokens, and nobody is logged in.", err=True)


@token.command()
@click.argument("name")
def revoke(name: str) -> None:
    """Revoke the token called NAME, and log out all its browsers, at once."""
    with _opened() as ring:
        if not ring.revoke(name):
            names = [one.name for one in ring.listed()]
            raise NotFound(f"Nobody called {name!r} can log in.", name_hint(name, names))
    click.echo(f"{name} is revoked.")


def browsable(host: str) -> str:
    """Return a host as it stands in a URL; a wildcard address becomes localhost."""
    host = "localhost" if host in ("", "0.0.0.0", "::") else host  # noqa: S104
    return f"[{host}]" if ":" in host else host


def _check(name: str) -> None:
    if name == OWNER or not NAME.fullmatch(name):
        raise BadValue(
            f"A token cannot be called {name!r}.",
            f"Use up to 40 of a-z, 0-9 and -, and not {OWNER!r}.",
        )


def _asked() -> str:
    secret: str = click.prompt("Passphrase", hide_input=True, confirmation_prompt=True).strip()
    if len(secret) < LEAST_LETTERS:
        raise BadValue("That passphrase is too short.", f"Choose at least {LEAST_LETTERS} letters.")
    return secret


@contextmanager
def _opened() -> Iterator[Keyring]:
    """Open the keyring; an error of ours is printed and ends the command."""
    try:
        with keyring() as ring:
            if read_config(paths.plugins_toml(), shipped=paths.shipped()).web.access != "token":
                click.echo(NOT_ASKED, err=True)
            yield ring
    except AichatError as error:
        click.echo(str(error), err=True)  # as it is: click would put it into a box and cut it
        raise SystemExit(1) from error
