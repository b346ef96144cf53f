"""Without a login only the owner of this machine comes in."""

from __future__ import annotations

import json

import attrs
import httpx
import pytest
from websockets.exceptions import InvalidStatus

from aichat.core import Actor, Connection, Denied
from aichat.core.testing import AuthContract
from aichat.web.access.local import Local
from support.in_process_server import Server, a_server, get
from support.login import TOKEN, another_address, asks


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


class TestLocal(AuthContract):
    @pytest.fixture
    def plugin(self) -> Local:
        return Local()

    @pytest.fixture
    def known(self) -> Connection:
        return asks()
