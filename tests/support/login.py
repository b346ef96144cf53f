"""Logging in: a server that asks people to log in, a browser's cookie, a program's token."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

import attrs
import httpx
import pytest
from attrs import define

from aichat.core import Connection, WebConfig
from aichat.web.access.argon import hash_of
from aichat.web.access.keyring import Keyring
from support.chat import AT_EASE
from support.in_process_server import Server, a_server

TOKEN: WebConfig = attrs.evolve(AT_EASE, access="token")


@define
class Door:
    """A server that is asked with tokens, and its keyring as another process sees it."""

    server: Server
    keyring: Keyring

    def browser(self, **how: Any) -> httpx.Client:
        """A browser that keeps cookies, and says of each form that it is on a page of ours."""
        url = how.pop("base_url", self.server.url)
        headers = {"origin": url, "sec-fetch-site": "same-origin", **how.pop("headers", {})}
        return httpx.Client(base_url=url, headers=headers, trust_env=False, **how)

    @contextmanager
    def logged_in(self) -> Iterator[httpx.Client]:
        """A browser that has used the printed address."""
        with self.browser() as browser:
            answer = browser.post(f"/login?code={self.keyring.new_code()}")
            assert (answer.status_code, answer.headers["location"]) == (303, "/")
            yield browser

    def token(self, name: str, secret: str = "correct horse battery") -> dict[str, str]:
        """Make a token; return the header that a program sends."""
        assert self.keyring.add_token(name, hash_of(secret))
        return {"authorization": f"Bearer {name}.{secret}"}

    def random_token(self, name: str) -> dict[str, str]:
        """Make a token as `token new` does; return the header that a program sends."""
        secret = token_urlsafe(32)
        assert self.keyring.add_token(name, self.keyring.random_hash(name, secret))
        return {"authorization": f"Bearer {name}.{secret}"}


@contextmanager
def a_door(folder: Path, web: WebConfig = TOKEN, **how: Any) -> Iterator[Door]:
    """Serve until the block ends, with the keyring in *folder*."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AICHAT_DATA", str(folder))
        with a_server(web=web, **how) as server, Keyring(folder / "access.db") as keyring:
            yield Door(server, keyring)


def cookie_header(browser: httpx.Client) -> dict[str, str]:
    return {"cookie": "; ".join(f"{one.name}={one.value}" for one in browser.cookies.jar)}


def another_address() -> str:
    """An address of this machine by which it is not itself, or skip."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
            address = str(probe.getsockname()[0])
        except OSError:
            address = "127.0.0.1"
    if address.startswith("127."):
        pytest.skip("this machine has no address beside loopback")
    return address


def asks(client: str | None = "127.0.0.1", **headers: str) -> Connection:
    """A request as authenticators see it."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Connection("http", "/", client, {"host": "localhost:8000", **named})
