"""Browsers log in, by the printed address or a passphrase, and out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from websockets.exceptions import InvalidStatus

from aichat.core import Connection
from aichat.core.testing import AuthContract
from aichat.web.access.keyring import Keyring
from aichat.web.access.token import Token
from support.in_process_server import closed_by, get
from support.login import TOKEN, Door, a_door, asks, cookie_header


class TestCookie(AuthContract):
    @pytest.fixture
    def plugin(self, tmp_path: Path) -> Iterator[Token]:
        with Keyring(tmp_path / "access.db") as ring:
            yield Token(ring)

    @pytest.fixture
    def known(self, plugin: Token) -> Connection:
        return asks(cookie=f"aichat-8000={plugin.keyring.new_session('ada')}")


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
