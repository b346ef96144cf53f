"""Guessing passphrases lets nobody in, and keeps nobody out."""

from __future__ import annotations

from pathlib import Path

import anyio
import attrs
import httpx
import pytest

from aichat.core import WebConfig
from aichat.web.access import token
from aichat.web.access.argon import Checker
from aichat.web.access.keyring import Keyring
from aichat.web.access.rate_limits import TooMany
from aichat.web.access.token import FAILURES, Token
from support.in_process_server import get
from support.login import TOKEN, a_door


@pytest.fixture
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is, no further attempt comes within a test."""
    monkeypatch.setattr(token, "ATTEMPT_SECONDS", 36_000)


def guessed(browser: httpx.Client, name: str, count: int) -> list[int]:
    forms = ({"name": name, "secret": f"guess number {n}"} for n in range(count))
    return [browser.post("/login", data=form).status_code for form in forms]


@pytest.mark.usefixtures("_patient")
def test_a_thousand_guesses_keep_nobody_out_but_the_passphrase_that_is_guessed(
    tmp_path: Path,
) -> None:
    with a_door(tmp_path) as door, door.browser() as thief:
        door.token("ada", "tea with four lemons")
        bob = door.token("bob", "tea with four sugars")
        random = door.random_token("robot")
        assert guessed(thief, "ada", 1_000) == [403] * 5 + [429] * 995
        assert thief.post("/login?code=guess").status_code == 403
        with door.browser() as browser:  # from the same address
            late = browser.post("/login", data={"name": "ada", "secret": "tea with four lemons"})
            assert late.status_code == 429
            assert int(late.headers["retry-after"]) > 0
            assert "Too many failed logins by this name" in late.text
            assert "litestar aichat login" in late.text
            assert browser.post(f"/login?code={door.keyring.new_code()}").status_code == 303
        assert get(door.server, **random).status_code == 200
        assert get(door.server, **bob).status_code == 200
        with door.browser() as browser:
            form = {"name": "bob", "secret": "tea with four sugars"}
            assert browser.post("/login", data=form).status_code == 303


@pytest.mark.usefixtures("_patient")
def test_a_flood_of_guesses_uses_up_nobodys_requests(tmp_path: Path) -> None:
    web = WebConfig(access="token", max_requests_per_s=1)  # 10 at once, and 40 attempts to log in
    with a_door(tmp_path, web) as door, door.browser() as thief:
        robot, bob = door.random_token("robot"), door.token("bob", "tea with four sugars")
        assert guessed(thief, "ada", 20) == [403] * 5 + [429] * 15
        for n in range(10):
            assert get(door.server, authorization=f"Bearer ada.guess{n}").status_code == 429
        pages = {get(door.server, "/conversations").status_code for _ in range(30)}
        assert pages == {401, 429}  # strangers there ask for pages as well
        assert get(door.server, **robot).status_code == 200
        assert get(door.server, **bob).status_code == 200
        late = thief.post("/login", data={"name": "ada", "secret": "guess"})
        assert "by this name" in late.text
        codes = {thief.post(f"/login?code=guess{n}").status_code for n in range(60)}
        assert codes == {403, 429}  # they are not counted by name, and still no flood comes through
        with door.browser() as browser:
            assert browser.post(f"/login?code={door.keyring.new_code()}").status_code == 303
            assert browser.get("/").status_code == 200


@pytest.mark.usefixtures("_patient")
def test_wrong_codes_and_random_tokens_are_not_counted(tmp_path: Path) -> None:
    with a_door(tmp_path) as door, door.browser() as thief:
        robot = door.random_token("robot")
        codes = [thief.post(f"/login?code=guess{n}").status_code for n in range(60)]
        assert set(codes) == {403}
        assert thief.post(f"/login?code={door.keyring.new_code()}").status_code == 303
        wrong = {"authorization": robot["authorization"][:-1] + "!"}
        statuses = [get(door.server, **wrong).status_code for _ in range(7)]
        assert statuses == [401] * 5 + [429] * 2  # it may be a passphrase of that name
        assert get(door.server, **robot).status_code == 200


@pytest.mark.usefixtures("_patient")
def test_bearer_guesses_count_with_those_of_the_form_and_by_name_alone(tmp_path: Path) -> None:
    with a_door(tmp_path) as door, door.browser() as browser:
        ada = door.token("ada", "tea with four lemons")
        for n in range(5):
            assert get(door.server, authorization=f"Bearer ada.guess{n}").status_code == 401
        assert guessed(browser, "ada", 1) == [429]
        assert guessed(browser, "nobody", 6) == [403] * 5 + [429]  # who is there does not show
        assert get(door.server, **ada).status_code == 429
        assert get(door.server, **door.token("bob", "tea with four sugars")).status_code == 200


@pytest.mark.usefixtures("_patient")
def test_a_passphrase_that_has_come_in_stays_in_while_it_is_guessed(tmp_path: Path) -> None:
    with a_door(tmp_path) as door, door.browser() as thief:
        ada = door.token("ada", "tea with four lemons")
        assert get(door.server, **ada).status_code == 200
        guessed(thief, "ada", 10)
        assert get(door.server, **ada).status_code == 200


def test_strangers_do_not_use_up_the_requests_of_who_has_logged_in(tmp_path: Path) -> None:
    with a_door(tmp_path, attrs.evolve(TOKEN, max_requests_per_s=1)) as door:
        robot = door.random_token("robot")
        assert 429 in [get(door.server).status_code for _ in range(30)]
        assert get(door.server, **robot).status_code == 200


@pytest.mark.anyio
async def test_an_address_that_fails_often_waits_and_lets_others_go_first(tmp_path: Path) -> None:
    checked: list[str] = []
    freed = anyio.Event()

    class Slow(Checker):
        async def matches(self, hashed: str | None, secret: str) -> bool:
            checked.append(secret)
            await freed.wait()
            return False

    refused: list[str] = []
    with Keyring(tmp_path / "access.db") as ring:
        token = Token(ring)
        for _ in range(FAILURES):
            assert await token.check("192.0.2.1", "x", "y" * 2_000) is None
        for _ in range(FAILURES):
            with token._waiting("192.0.2.1"):
                pass
        token._checker = Slow()

        async def guess(client: str, secret: str) -> None:
            try:
                await token.check(client, f"n{secret}", secret)
            except TooMany:
                refused.append(secret)

        async with anyio.create_task_group() as tasks:
            for n in range(3):
                tasks.start_soon(guess, "192.0.2.1", f"{n}")
            for n in range(3, 6):
                tasks.start_soon(guess, "192.0.2.2", f"{n}")
            await anyio.wait_all_tasks_blocked()
            freed.set()
    assert len([one for one in checked if one < "3"]) == 1
    assert sorted(one for one in checked if one >= "3") == ["3", "4", "5"]
    assert len(refused) == 2
