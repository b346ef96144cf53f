"""The slow hash: few wait for it, and what is known is not hashed again."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from aichat.core import Actor
from aichat.web.access.argon import WAITING, Checker, hash_of
from aichat.web.access.keyring import Keyring
from aichat.web.access.rate_limits import TooMany
from aichat.web.access.token import Token
from support.login import asks


@pytest.mark.anyio
async def test_few_wait_for_the_slow_hash_and_the_rest_is_told_to_come_back() -> None:
    checker, hashed = Checker(), hash_of("right")
    results: list[bool | str] = []

    async def check(secret: str) -> None:
        try:
            results.append(await checker.matches(hashed, secret))
        except TooMany as error:
            results.append(error.line)

    async with anyio.create_task_group() as tasks:
        for n in range(WAITING + 4):
            tasks.start_soon(check, "right" if n % 2 else "wrong")
    refused = [one for one in results if isinstance(one, str)]
    assert len(refused) == 3
    assert results.count(True) + results.count(False) == WAITING + 1
    assert await checker.matches(hashed, "right")
    assert not await checker.matches(None, "")


@pytest.mark.anyio
async def test_a_token_that_is_known_needs_no_slow_hash_again(tmp_path: Path) -> None:
    class Never(Checker):
        async def matches(self, hashed: str | None, secret: str) -> bool:
            raise AssertionError

    with Keyring(tmp_path / "access.db") as ring:
        token, connection = Token(ring), asks(authorization="Bearer ada.secret")
        ring.add_token("ada", hash_of("secret"))
        assert token.authenticate(connection) is None
        assert await token.learn(connection)
        token._checker = Never()
        assert token.authenticate(connection) == Actor("ada")
        ring.revoke("ada")
        assert token.authenticate(connection) is None
