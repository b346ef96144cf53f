"""Contract of plug-ins with the hook ``authenticate``, as tests to inherit."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from inspect import iscoroutine
from typing import Any

import anyio
import pytest
from attrs import evolve

from aichat.core.actor import Actor, Connection
from aichat.core.authentication import REFUSALS
from aichat.core.errors import AichatError

from .leak_checks import assert_no_stall

ELSEWHERE = "192.0.2.7"
"""An address reserved for documentation (RFC 5737)."""
ODD: Mapping[str, Connection] = {
    "nothing at all": Connection("http", "", None),
    "no address": Connection("http", "/", None, {"host": "localhost"}),
    "an address that is none": Connection("http", "/", "unix:", {"host": "\xff"}),
    "a handshake": Connection("websocket", "/ws", ELSEWHERE, query="conversation_id=%00"),
    "empty headers": Connection("http", "/", ELSEWHERE, {"authorization": "", "cookie": ""}),
    "a scheme alone": Connection("http", "/", ELSEWHERE, {"authorization": "Bearer"}),
    "broken Basic": Connection("http", "/", ELSEWHERE, {"authorization": "Basic \xff=="}),
    "a token of 60 kB": Connection(
        "http", "/", ELSEWHERE, {"authorization": "Bearer " + "a." * 30_000}
    ),
    "cookies that are none": Connection("http", "/", ELSEWHERE, {"cookie": ";;=;a;=b; =\x7f"}),
    "other scripts": Connection(
        "http", "/\u4f60\u597d", ELSEWHERE, {"authorization": "Bearer \u05e9.\U0001f511"}
    ),
    "a lone surrogate": Connection("http", "/", ELSEWHERE, {"cookie": "a=\udcff"}),
    "another method": Connection("http", "/", ELSEWHERE, method="PROPFIND", query="&&=&"),
}


class AuthContract:
    """Give fixtures ``plugin``, which has the hook ``authenticate``, and ``known``.

    *known* is a :class:`~aichat.core.Connection` that is let in. ``strangers`` are refused: by
    default *known* from another address, without its headers and query, and with each header, which
    may hold credentials, cut short by a character.
    """

    pytestmark = pytest.mark.anyio

    @pytest.fixture
    def strangers(self, known: Connection) -> Sequence[Connection]:
        """Return connections that are refused."""
        cut = {name: value[:-1] for name, value in known.headers.items()}
        elsewhere = evolve(known, client=ELSEWHERE, headers={}, query="")
        return [elsewhere, evolve(elsewhere, headers=cut, query=known.query[:-1])]

    # -- what it answers ---------------------------------------------------------------------

    async def test_who_is_known_comes_in(self, plugin: Any, known: Connection) -> None:
        actor = plugin.authenticate(connection=known)
        assert isinstance(actor, Actor), f"it answers {type(actor).__name__}"
        assert actor.name

    async def test_the_same_connection_is_the_same_actor_each_time(
        self, plugin: Any, known: Connection
    ) -> None:
        # it is called every second for an open WebSocket, which another actor would close
        first = plugin.authenticate(connection=known)
        assert all(plugin.authenticate(connection=known) == first for _ in range(10))

    async def test_a_handshake_is_judged_as_a_request_is(
        self, plugin: Any, known: Connection
    ) -> None:
        handshake = evolve(known, kind="websocket", path="/ws", scheme="ws")
        assert plugin.authenticate(connection=handshake) == plugin.authenticate(connection=known)

    async def test_a_stranger_stays_outside(
        self, plugin: Any, strangers: Sequence[Connection]
    ) -> None:
        for stranger in strangers:
            assert_answers(plugin, stranger)
            assert not lets_in(plugin, stranger), stranger

    @pytest.mark.parametrize("name", ODD)
    async def test_whatever_comes_is_answered_and_not_let_in(self, plugin: Any, name: str) -> None:
        assert_answers(plugin, ODD[name])
        assert not lets_in(plugin, ODD[name])

    async def test_after_strangers_who_is_known_still_comes_in(
        self, plugin: Any, known: Connection, strangers: Sequence[Connection]
    ) -> None:
        for stranger in [*strangers, *ODD.values()] * 20:
            lets_in(plugin, stranger)
        assert lets_in(plugin, known)

    # -- how it answers ----------------------------------------------------------------------

    async def test_it_does_not_hold_up_the_event_loop(
        self, plugin: Any, known: Connection, strangers: Sequence[Connection]
    ) -> None:
        async def ask() -> None:
            for connection in [known, *strangers] * 20:
                lets_in(plugin, connection)
                await anyio.sleep(0)

        await assert_no_stall(ask)

    async def test_no_secret_is_written_into_the_log(
        self,
        plugin: Any,
        known: Connection,
        strangers: Sequence[Connection],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        with caplog.at_level(logging.DEBUG):
            for connection in (known, *strangers):
                lets_in(plugin, connection)
        secrets = [known.headers.get(name, "") for name in ("authorization", "cookie")]
        assert not any(secret and secret in caplog.text for secret in secrets)


def assert_answers(plugin: Any, connection: Connection) -> None:
    """Fail unless the answer is an Actor, None, Denied or Unreachable."""
    try:
        answer = plugin.authenticate(connection=connection)
    except REFUSALS as refusal:
        if not refusal.line.strip():
            raise AssertionError("it refuses without a word") from refusal
        return
    if iscoroutine(answer):
        answer.close()  # the complaint is ours, not Python's
    assert not iscoroutine(answer), "hooks are not async"
    assert answer is None or isinstance(answer, Actor), f"it answers {type(answer).__name__}"


def lets_in(plugin: Any, connection: Connection) -> bool:
    """Return whether the connection is let in."""
    try:
        return plugin.authenticate(connection=connection) is not None
    except AichatError:
        return False
