"""Who comes in: the owner of this machine, whoever has logged in, or whom a plug-in knows."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

import anyio
import attrs
import click
import httpx
import litestar
import pytest
from click.testing import CliRunner, Result
from websockets.exceptions import InvalidStatus

from aichat.core import Actor, CannotStart, Connection, Denied, Unreachable, Web, hookimpl
from aichat.core.testing import AuthContract
from aichat.web.access import binding, commands, keyring, token
from aichat.web.access.argon import WAITING, Checker, hash_of
from aichat.web.access.keyring import Keyring
from aichat.web.access.local import Local
from aichat.web.access.rate_limits import TooMany
from aichat.web.access.token import FAILURES, Token
from support.free_ports import free_port
from support.in_process_server import Server, a_server, closed_by, get
from support.litestar_command import running
from support.login import TOKEN, Door, a_door, another_address, cookie_header

HERE = {"host": "localhost:8000"}
LITESTAR = Path(sys.executable).with_name("litestar")


def asks(client: str | None = "127.0.0.1", **headers: str) -> Connection:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Connection("http", "/", client, {**HERE, **named})


# -- local -----------------------------------------------------------------------------------


@pytest.mark.parametrize("client", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("host", ["localhost", "LocalHost:80", "127.0.0.1:80", "[::1]:8000"])
def test_whoever_sits_at_the_machine_is_its_owner(client: str, host: str) -> None:
    assert Local().authenticate(asks(client, host=host)) == Actor("owner")


@pytest.mark.parametrize(
    "connection",
    [
        asks("192.0.2.7"),
        asks("::ffff:192.0.2.7"),
        asks(None),
        asks(""),
        asks("localhost"),
        asks(host="chat.example"),
        asks(host="localhost.chat.example"),
        asks(host="localhost, chat.example"),
        asks(host=""),
        asks(x_forwarded_for="127.0.0.1"),
        asks(x_forwarded_anything="1"),
        asks(forwarded="for=127.0.0.1"),
        asks(via="1.1 proxy"),
        asks(x_real_ip="127.0.0.1"),
        asks(cf_connecting_ip="127.0.0.1"),
        asks(origin="https://chat.example"),
        asks(origin="http://localhost.evil.example"),
    ],
)
def test_whatever_hints_at_somebody_else_is_refused_with_the_mend(connection: Connection) -> None:
    with pytest.raises(Denied, match=r'Hint: .*access = "token"'):
        Local().authenticate(connection)


def test_pages_that_are_allowed_by_name_may_ask_from_this_machine() -> None:
    local = Local(["https://tool.example"])
    assert local.authenticate(asks(origin="https://tool.example"))
    assert local.authenticate(asks(origin="http://localhost:3000"))
    assert local.authenticate(asks(origin="null"))  # the guard has judged that one


def test_local_serves_this_machine_without_a_login(server: Server) -> None:
    assert get(server).status_code == 200
    with server.client() as client:
        client.until("ready")
    assert get(server, "/login").status_code == 404


def test_a_forwarded_request_is_refused_over_http_and_websocket(server: Server) -> None:
    answer = get(server, x_forwarded_for="127.0.0.1")
    assert answer.status_code == 403
    assert "x-forwarded-for" in answer.json()["detail"]
    assert "content-security-policy" in answer.headers
    page = get(server, accept="text/html", via="1.1 proxy")
    assert page.headers["content-type"].startswith("text/plain")
    assert 'access = "token"' in page.text
    with pytest.raises(InvalidStatus) as refused, server.client(additional_headers={"via": "x"}):
        pass
    assert refused.value.response.status_code == 403
    assert "via" in json.loads(refused.value.response.body)["detail"]
    assert get(server, "/health", via="x").status_code == 200


def test_local_refuses_another_machine_even_where_it_can_be_reached() -> None:
    address = another_address()
    web = attrs.evolve(TOKEN, access="local", allowed_hosts=(address,))
    with a_server(web=web, host="0.0.0.0") as server:
        url = f"http://{address}:{server.port}"
        assert httpx.get(url + "/", trust_env=False).status_code == 403
        claims_to_be_here = {"host": "localhost"}
        answer = httpx.get(url + "/", headers=claims_to_be_here, trust_env=False)
        assert answer.status_code == 403
        assert "only the machine it runs on" in answer.json()["detail"]
        assert get(server).status_code == 200


# -- plug-ins --------------------------------------------------------------------------------


class Badge:
    """A plug-in that knows people by a header."""

    def __init__(self) -> None:
        self.valid = {"ada"}
        self.asked: list[Connection] = []

    @hookimpl
    def authenticate(self, connection: Connection) -> Actor | None:
        self.asked.append(connection)
        badge = connection.headers.get("x-badge")
        if badge == "broken":
            raise RuntimeError("sk-secret")
        if badge == "stolen":
            raise Denied("This badge was stolen.", "Get another.")
        return Actor(badge) if badge in self.valid else None


@pytest.fixture
def badge(tmp_path: Path) -> Iterator[tuple[Badge, Door]]:
    badge = Badge()
    with a_door(tmp_path, plugins=[badge]) as door:
        yield badge, door


def test_a_plugin_lets_in_whom_it_knows_and_aichat_judges_the_rest(
    badge: tuple[Badge, Door],
) -> None:
    plugin, door = badge
    assert get(door.server, x_badge="ada").status_code == 200
    assert get(door.server, x_badge="eve").status_code == 401
    assert get(door.server, **door.token("robot")).status_code == 200
    stolen = get(door.server, x_badge="stolen", **door.token("other"))
    assert stolen.status_code == 403
    assert stolen.json()["detail"] == "This badge was stolen. Get another."
    with door.server.client(additional_headers={"x-badge": "ada"}) as client:
        client.until("ready")
    asked = plugin.asked[-1]
    assert (asked.kind, asked.path, asked.client) == ("websocket", "/ws", "127.0.0.1")
    assert asked.query == "conversation_id=c"
    assert "ada" not in repr(asked)


def test_routes_know_who_asks(tmp_path: Path) -> None:
    @litestar.get("/whoami", sync_to_thread=False)
    def whoami(request: litestar.Request[Any, Any, Any]) -> str:
        return str(request.user.name)

    class Routes:
        @hookimpl
        def web_routes(self) -> list[object]:
            return [whoami]

    with a_door(tmp_path, plugins=[Routes()]) as door:
        assert get(door.server, "/whoami", **door.token("robot")).text == "robot"
        with door.logged_in() as browser:
            assert browser.get("/whoami").text == "owner"


def test_a_plugin_that_fails_lets_nobody_in_and_tells_nothing(badge: tuple[Badge, Door]) -> None:
    answer = get(badge[1].server, x_badge="broken")
    assert answer.status_code == 500
    assert "sk-secret" not in answer.text


async def _nobody_awaits_this() -> Actor:
    return Actor("ada")


@pytest.mark.parametrize(
    "answer", [lambda: False, lambda: True, lambda: "bob", lambda: Actor, _nobody_awaits_this]
)
def test_an_answer_that_is_none_lets_nobody_in_over_http_and_websocket(
    tmp_path: Path, answer: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    class Careless:
        @hookimpl
        def authenticate(self, connection: Connection) -> Any:
            return answer()

    with a_door(tmp_path, plugins=[Careless()]) as door:
        for _ in range(3):
            refused = get(door.server, "/api/characters")
            assert refused.status_code == 500
            assert refused.json()["detail"].startswith("Who you are cannot be found out.")
            with pytest.raises(InvalidStatus) as handshake, door.server.client():
                pass
            assert handshake.value.response.status_code == 500
    logged = capfd.readouterr().err
    assert logged.count("Careless: authenticate returned") == 1


def test_a_socket_ends_when_its_plugin_stops_answering(tmp_path: Path) -> None:
    answers: list[Any] = [Actor("ada")]

    class Fickle:
        @hookimpl
        def authenticate(self, connection: Connection) -> Any:
            return answers[-1]

    with a_door(tmp_path, plugins=[Fickle()]) as door, door.server.client() as client:
        client.until("ready")
        answers.append("ada")
        assert closed_by(client)[0] == 1008


class TestLocal(AuthContract):
    @pytest.fixture
    def plugin(self) -> Local:
        return Local()

    @pytest.fixture
    def known(self) -> Connection:
        return asks()


class TestCookie(AuthContract):
    @pytest.fixture
    def plugin(self, tmp_path: Path) -> Iterator[Token]:
        with Keyring(tmp_path / "access.db") as ring:
            yield Token(ring)

    @pytest.fixture
    def known(self, plugin: Token) -> Connection:
        return asks(cookie=f"aichat-8000={plugin.keyring.new_session('ada')}")


class TestRandomToken(AuthContract):
    @pytest.fixture
    def plugin(self, tmp_path: Path) -> Iterator[Token]:
        with Keyring(tmp_path / "access.db") as ring:
            yield Token(ring)

    @pytest.fixture
    def known(self, plugin: Token) -> Connection:
        ring, secret = plugin.keyring, token_urlsafe(32)
        ring.add_token("robot", ring.random_hash("robot", secret))
        return asks(authorization=f"Bearer robot.{secret}")


def test_a_socket_ends_when_its_plugin_does_not_vouch_for_it_any_more(
    badge: tuple[Badge, Door],
) -> None:
    plugin, door = badge
    with door.server.client(additional_headers={"x-badge": "ada"}) as client:
        client.until("ready")
        plugin.valid.clear()
        code, reason = closed_by(client)
    assert code == 1008
    assert "not logged in" in reason


def test_a_plugin_can_stand_in_for_the_login_so_that_local_may_serve_others() -> None:
    with a_server(plugins=[Badge()]) as server:
        assert get(server, x_badge="ada", via="1.1 proxy").status_code == 200
        assert get(server, x_badge="eve", via="1.1 proxy").status_code == 403


# -- token: browsers -------------------------------------------------------------------------


def test_without_a_login_only_health_static_and_login_are_served(door: Door) -> None:
    for path in ("/health", "/login"):
        assert get(door.server, path).status_code == 200
    style = get(door.server, "/login").text.partition('stylesheet" href="')[2].partition('"')[0]
    assert get(door.server, style).status_code == 200
    for path in ("/", "/health/ready", "/c/c", "/nowhere", "/login/", "/static", "/healthy"):
        answer = get(door.server, path)
        assert answer.status_code == 401, path
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert "Log in at /login" in answer.json()["detail"]
    with pytest.raises(InvalidStatus) as refused, door.server.client():
        pass
    assert refused.value.response.status_code == 401


def test_a_reader_of_pages_is_led_to_the_login_and_back(door: Door) -> None:
    with door.browser(headers={"accept": "text/html"}) as browser:
        answer = browser.get("/c/c")
        assert answer.status_code == 303
        assert answer.headers["location"] == "/login?next=%2Fc%2Fc"
        page = browser.get(answer.headers["location"])
        assert 'action="/login?next=%2Fc%2Fc"' in page.text
        code = door.keyring.new_code()
        back = browser.post(f"/login?next=%2Fc%2Fc&code={code}")
        assert back.headers["location"] == "/c/c"
        assert browser.get("/c/c").status_code == 200
        assert browser.get("/login?next=/c/c").headers["location"] == "/c/c"
        assert browser.post("/messages", data={"text": "x"}).status_code == 303


@pytest.mark.parametrize(
    "next_", ["//evil.example", "/\\evil.example", "https://evil.example", "x", "/a\r\nb: c", "/ä"]
)
def test_a_login_never_leads_to_another_site(door: Door, next_: str) -> None:
    query = {"next": next_, "code": door.keyring.new_code()}
    with door.browser() as browser:
        assert browser.post("/login", params=query).headers["location"] == "/"
        assert browser.get("/login", params={"next": next_}).headers["location"] == "/"


def test_looking_at_the_one_use_address_does_not_use_it_up(door: Door) -> None:
    code = door.keyring.new_code()
    with door.browser() as browser:
        for _ in range(3):
            page = browser.get(f"/login?code={code}")
            assert page.status_code == 200
            assert page.headers["cache-control"] == "no-store"
            assert code not in page.text
        assert not browser.cookies
        assert browser.post(f"/login?code={code}").status_code == 303
        assert browser.get("/").status_code == 200


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(door: Door) -> None:
    with door.browser() as browser:
        answer = browser.post(f"/login?code={door.keyring.new_code()}")
    name, _, rest = answer.headers["set-cookie"].partition("=")
    secret, *flags = rest.split("; ")
    assert name == f"aichat-{door.server.port}"
    assert len(secret) == 43
    assert sorted(flags) == ["HttpOnly", "Max-Age=2592000", "Path=/", "SameSite=Strict"]


def test_behind_a_tls_proxy_the_cookie_is_secure_and_bound_to_the_host(tmp_path: Path) -> None:
    web = attrs.evolve(TOKEN, allowed_hosts=("chat.example",))
    with a_door(tmp_path, web) as door, door.browser() as browser:
        seen = {"host": "chat.example", "origin": "https://chat.example"}
        answer = browser.post(f"/login?code={door.keyring.new_code()}", headers=seen)
        assert answer.status_code == 303
        name, _, rest = answer.headers["set-cookie"].partition("=")
        assert name == "__Host-aichat"
        assert "; Secure" in rest
        assert "domain" not in rest.lower()
        cookie = {"cookie": f"{name}={rest.partition(';')[0]}"}
        assert browser.get("/", headers=seen | cookie).status_code == 200
        websocket = {"host": "chat.example"} | cookie
        with door.server.client(additional_headers=websocket) as client:
            client.until("ready")


def test_over_plain_http_from_elsewhere_nobody_is_logged_in_and_the_code_is_kept(
    tmp_path: Path,
) -> None:
    web = attrs.evolve(TOKEN, allowed_hosts=("chat.example",))
    with a_door(tmp_path, web) as door, door.browser() as browser:
        code = door.keyring.new_code()
        seen = {"host": "chat.example", "origin": "http://chat.example"}
        answer = browser.post(f"/login?code={code}", headers=seen)
        assert answer.status_code == 403
        assert "only over https" in answer.text
        assert "set-cookie" not in answer.headers
        assert door.keyring.use_code(code)


def test_a_browsers_socket_is_let_in_by_its_cookie(door: Door) -> None:
    with door.logged_in() as browser:
        cookie = cookie_header(browser)
        with door.server.client(additional_headers=cookie, origin=door.server.url) as client:
            client.until("ready")


def test_logging_out_ends_the_cookie_and_the_open_socket_at_once(door: Door) -> None:
    with door.logged_in() as browser:
        cookie = cookie_header(browser)
        with door.server.client(additional_headers=cookie, origin=door.server.url) as client:
            client.until("ready")
            answer = browser.post("/logout")
            assert (answer.status_code, answer.headers["location"]) == (303, "/login")
            assert "Max-Age=0" in answer.headers["set-cookie"]
            assert closed_by(client)[0] == 1008
        assert not browser.cookies
        assert get(door.server, **cookie).status_code == 401


def test_a_page_that_is_not_logged_in_is_told_so_over_its_socket(door: Door) -> None:
    with door.server.client(origin=door.server.url, subprotocols=["aichat.v1"]) as page:  # type: ignore[list-item]
        code, reason = closed_by(page)
    assert code == 1008
    assert reason.startswith("You are not logged in")


def test_a_name_and_a_passphrase_log_a_browser_in(door: Door) -> None:
    door.token("ada", "a long passphrase")
    with door.browser() as browser:
        wrong = browser.post("/login", data={"name": "ada", "secret": "a long pass"})
        assert wrong.status_code == 403
        assert "No token has this name" in wrong.text
        right = browser.post("/login", data={"name": " ada ", "secret": "a long passphrase\n"})
        assert right.status_code == 303
        assert browser.get("/").status_code == 200
    with door.browser() as browser:
        whole = {"name": "ada", "secret": "ada.a long passphrase"}
        assert browser.post("/login", data=whole).status_code == 303


@pytest.mark.parametrize(
    "form", [{}, {"name": "ada"}, {"secret": "x"}, {"code": "x"}, {"name": ""}]
)
def test_an_incomplete_login_is_refused_in_words(tmp_path: Path, form: dict[str, str]) -> None:
    with a_door(tmp_path) as door, door.browser() as browser:
        answer = browser.post("/login", data=form)
        assert answer.status_code == 403
        assert "No token has this name" in answer.text


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
    web = Web(access="token", max_requests_per_s=1)  # 10 at once, and 40 attempts to log in
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


# -- token: programs -------------------------------------------------------------------------


def test_a_program_comes_in_with_its_token_over_http_and_websocket(door: Door) -> None:
    bearer = door.token("program")
    for _ in range(2):
        assert get(door.server, **bearer).status_code == 200
    with door.server.client(additional_headers=bearer) as client:
        client.until("ready")
    assert get(door.server, authorization=bearer["authorization"].lower()).status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        "Bearer", "Bearer x", "Bearer .", "Bearer lone.", "Bearer .secret",
        "Basic bG9uZTpzZWNyZXQ=", "lone.correct horse battery",
        "Bearer LONE.correct horse battery", "Bearer lone.correct horse batter",
        "Bearer eyJhbGciOiJIUzI1NiJ9.e30.c2ln", "Bearer lone." + "x" * 2_000,
    ],
)  # fmt: skip
def test_what_is_no_token_of_ours_lets_nobody_in(tmp_path: Path, header: str) -> None:
    with a_door(tmp_path) as door:
        door.token("lone")
        assert get(door.server, authorization=header).status_code == 401


def test_a_page_that_is_allowed_elsewhere_asks_with_a_token(tmp_path: Path) -> None:
    tool = "https://tool.example"
    web = attrs.evolve(TOKEN, allowed_origins=(tool,))
    with a_door(tmp_path, web) as door:
        asked = {
            "origin": tool,
            "access-control-request-method": "GET",
            "access-control-request-headers": "authorization",
        }
        preflight = httpx.options(door.server.url + "/c/c", headers=asked, trust_env=False)
        assert preflight.status_code == 204
        assert preflight.headers["access-control-allow-origin"] == tool
        bearer = door.token("tool")
        answer = get(door.server, "/c/c", origin=tool, sec_fetch_site="cross-site", **bearer)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == tool
        assert get(door.server, "/c/c", origin=tool).status_code == 401


def command(folder: Path, *args: str, input: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LITESTAR, "aichat", *args],
        cwd=folder,
        env={**os.environ, "AICHAT_DATA": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        input=input,
    )


def test_a_token_of_another_process_comes_in_and_is_revoked_at_once(tmp_path: Path) -> None:
    with a_door(tmp_path) as door:
        made = command(tmp_path, "token", "new", "laptop")
        assert made.returncode == 0, made.stderr
        assert made.stdout.startswith("laptop.")
        bearer = {"authorization": f"Bearer {made.stdout.strip()}"}
        assert get(door.server, **bearer).status_code == 200
        with door.server.client(additional_headers=bearer) as client:
            client.until("ready")
            revoked = command(tmp_path, "token", "revoke", "laptop")
            assert revoked.stdout == "laptop is revoked.\n"
            assert get(door.server, **bearer).status_code == 401
            assert closed_by(client)[0] == 1008


def invoke(folder: Path, *args: str, input: str | None = None) -> Result:
    """Run a command in this process, which is faster."""
    cli = click.Group(commands=[commands.login, commands.token])
    return CliRunner(env={"AICHAT_DATA": str(folder)}).invoke(cli, list(args), input=input)


def test_the_commands_list_tokens_and_refuse_what_is_wrong_in_words(tmp_path: Path) -> None:
    assert "There are no tokens" in invoke(tmp_path, "token", "list").output
    assert invoke(tmp_path, "token", "new", "laptop").exit_code == 0
    assert "laptop" in invoke(tmp_path, "token", "list").output
    again = invoke(tmp_path, "token", "new", "laptop")
    assert again.exit_code == 1
    assert "There is a token called 'laptop' already.\n  Hint: Choose another" in again.output
    lost = invoke(tmp_path, "token", "revoke", "labtop")
    assert lost.exit_code == 1
    assert "Nobody called 'labtop' can log in.\n  Hint: Did you mean 'laptop'?" in lost.output
    (tmp_path / "file").write_text("")
    broken = invoke(tmp_path / "file", "login")
    assert broken.exit_code == 1
    assert "Hint: Set AICHAT_DATA" in broken.output


def test_the_login_command_prints_another_one_use_address(tmp_path: Path) -> None:
    with a_door(tmp_path) as door, door.browser() as browser:
        said = invoke(tmp_path, "login", "--url", "https://chat.example/").output
        address = said.partition("Log in at ")[2].split()[0]
        assert address.startswith("https://chat.example/login?code=")
        path = address.removeprefix("https://chat.example")
        assert browser.post(path).status_code == 303
        assert "owner" in invoke(tmp_path, "token", "list").output


@pytest.mark.parametrize("name", ["owner", "Ada", "a b", "-a", "x" * 41, "ä", "a.b"])
def test_a_token_with_a_bad_name_is_refused_with_the_mend(tmp_path: Path, name: str) -> None:
    done = invoke(tmp_path, "token", "new", "--", name)
    assert done.exit_code == 1
    assert "Use up to 40 of a-z" in done.output


def test_a_passphrase_can_be_chosen_and_is_not_shown(tmp_path: Path) -> None:
    make = ("token", "new", "ada", "--passphrase")
    short = invoke(tmp_path, *make, input="short\nshort\n")
    assert short.exit_code == 1
    assert "at least 12 letters" in short.output
    phrase = "tea with four lemons"
    made = invoke(tmp_path, *make, input=f"{phrase}\n{phrase}\n")
    assert made.exit_code == 0
    assert phrase not in made.output
    with a_door(tmp_path) as door:
        bearer = f"Bearer ada.{phrase}"
        assert get(door.server, authorization=bearer).status_code == 200


def test_revoking_and_making_anew_does_not_let_the_old_token_in(door: Door) -> None:
    old = door.token("phoenix", "the old secret of it")
    assert get(door.server, **old).status_code == 200
    door.keyring.revoke("phoenix")
    new = door.token("phoenix", "the new secret of it")
    assert get(door.server, **old).status_code == 401
    assert get(door.server, **new).status_code == 200


# -- the keyring -----------------------------------------------------------------------------


@pytest.fixture
def ring(tmp_path: Path) -> Iterator[Keyring]:
    with Keyring(tmp_path / "new" / "access.db", now=lambda: ring_time[0]) as ring:
        ring_time[0] = 1_000.0
        yield ring


ring_time = [1_000.0]


def test_the_file_is_its_owners_alone(ring: Keyring) -> None:
    assert stat.S_IMODE(ring.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(ring.path.parent.stat().st_mode) == 0o700
    ring.path.chmod(0o644)
    with Keyring(ring.path):
        assert stat.S_IMODE(ring.path.stat().st_mode) == 0o600


def test_no_secret_is_in_the_file(ring: Keyring) -> None:
    secrets = [ring.new_code(), ring.new_session("owner"), "a secret of somebody"]
    ring.add_token("ada", hash_of(secrets[-1]))
    kept = ring.path.read_bytes()
    for secret in secrets:
        assert secret.encode() not in kept
    assert b"$argon2id$" in kept


def test_a_code_opens_once_and_not_too_late(ring: Keyring) -> None:
    code, late = ring.new_code(), ring.new_code()
    assert not ring.use_code("")
    assert not ring.use_code(code + "x")
    assert ring.use_code(code)
    assert not ring.use_code(code)
    ring_time[0] += keyring.CODE_SECONDS
    assert not ring.use_code(late)


def test_a_session_ends_after_its_time_or_when_it_is_ended(ring: Keyring) -> None:
    one, two = ring.new_session("ada"), ring.new_session("ada")
    ring.refresh()
    assert (ring.session(one), ring.session(two)) == ("ada", "ada")
    assert ring.session("") is None
    ring.end_session(one)
    ring.refresh()
    assert (ring.session(one), ring.session(two)) == (None, "ada")
    ring_time[0] += keyring.SESSION_SECONDS
    assert ring.session(two) is None
    ring.new_session("ada")
    ring.refresh()
    assert len(ring.sessions) == 1  # the old one is swept away


def test_another_process_sees_a_change_at_once(ring: Keyring) -> None:
    with Keyring(ring.path, now=ring.now) as other:
        secret = ring.new_session("ada")
        other.refresh()
        assert other.session(secret) == "ada"
        ring.revoke("ada")
        other.refresh()
        assert other.session(secret) is None


def test_while_somebody_writes_what_is_known_holds(ring: Keyring) -> None:
    secret = ring.new_session("ada")
    ring.refresh()
    with sqlite3.connect(ring.path) as writer:
        writer.execute("begin exclusive")
        ring.refresh()
        assert ring.session(secret) == "ada"
    writer.close()


def test_a_name_has_so_many_browsers_and_the_oldest_goes(
    ring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyring, "SESSIONS", 2)
    other = ring.new_session("bob")
    secrets = []
    for _ in range(4):
        ring_time[0] += 1
        secrets.append(ring.new_session("ada"))
    ring.refresh()
    assert [ring.session(one) for one in secrets] == [None, None, "ada", "ada"]
    assert ring.session(other) == "bob"
    assert [(one.name, one.browsers) for one in ring.listed()] == [("ada", 2), ("bob", 1)]


def test_a_file_that_cannot_be_used_is_told_with_the_mend(ring: Keyring, tmp_path: Path) -> None:
    ring.path.write_bytes(b"not a database" * 100)
    with pytest.raises(CannotStart, match="Hint: Set AICHAT_DATA"):
        Keyring(ring.path).open()
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotStart, match="cannot be used"):
        Keyring(tmp_path / "file" / "access.db").open()
    newer = tmp_path / "newer.db"
    with sqlite3.connect(newer) as db:
        db.execute("pragma user_version = 99")
    db.close()
    with pytest.raises(CannotStart, match="newer aichat"):
        Keyring(newer).open()


def test_a_file_that_was_taken_away_lets_nobody_in_anew(ring: Keyring) -> None:
    ring.path.unlink()
    with pytest.raises(Unreachable):
        ring.new_session("ada")
    ring.close()
    with pytest.raises(Unreachable):
        ring.refresh()


# -- argon2 ----------------------------------------------------------------------------------


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


# -- where it may listen ---------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_needs_no_login(host: str) -> None:
    assert binding.refusal(host, None, None) is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.7", "2001:db8::1"])
def test_another_address_needs_one(host: str) -> None:
    assert 'access = "token"' in (binding.refusal(host, None, None) or "")


def test_an_inherited_socket_is_judged_by_its_address(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as ours:
        assert binding.refusal("127.0.0.1", ours.fileno(), None) is None
        assert ours.getsockname()  # it is still open
    with socket.create_server(("0.0.0.0", 0)) as wide:
        assert binding.refusal("127.0.0.1", wide.fileno(), None)
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(tmp_path / "s"))
        assert binding.refusal("127.0.0.1", unix.fileno(), None)
    with (tmp_path / "f").open("w") as file:
        assert binding.refusal("127.0.0.1", file.fileno(), None)
    assert binding.refusal("127.0.0.1", None, str(tmp_path / "s"))


def started(folder: Path, *args: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LITESTAR, "run", "--port", "0", *args],
        cwd=folder,
        env={**os.environ, "AICHAT_DATA": str(folder / "data"), **more},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("args", "more"),
    [
        (("--host", "0.0.0.0"), {}),
        ((), {"HOST": "::"}),
        ((), {"LITESTAR_HOST": "0.0.0.0"}),
        (("--uds", "aichat.sock"), {}),
        (("--host", "0.0.0.0", "--reload"), {}),
    ],
)
def test_serving_others_without_a_login_stops_the_start_with_one_message(
    tmp_path: Path, args: tuple[str, ...], more: dict[str, Any]
) -> None:
    done = started(tmp_path, *args, **more)
    said = done.stdout + done.stderr
    assert done.returncode == 1
    assert "aichat cannot start:" in said
    assert said.count("Hint:") == 1
    assert 'access = "token"' in said
    assert "Traceback" not in said
    assert not (tmp_path / "data").exists()


def test_with_a_login_it_may_serve_others_and_says_how_to_log_in(tmp_path: Path) -> None:
    shipped = (Path(__file__).parents[2] / "plugins.toml").read_text()
    (tmp_path / "plugins.toml").write_text(shipped.replace('access = "local"', 'access = "token"'))
    port = free_port()
    with running(tmp_path, "--host", "0.0.0.0", PORT=str(port)) as process:
        assert process.stdout
        said = ""
        while "over https only" not in said:
            said += process.stdout.readline()
        assert f"aichat is at http://localhost:{port}\n" in said
        address = said.partition("Log in at ")[2].split()[0]
        assert address.startswith(f"http://localhost:{port}/login?code=")
        headers = {"sec-fetch-site": "same-origin"}
        with httpx.Client(headers=headers, trust_env=False) as browser:
            assert browser.post(address).status_code == 303
            assert browser.get(f"http://localhost:{port}/").status_code == 200
        assert httpx.get(f"http://localhost:{port}/", trust_env=False).status_code == 401
