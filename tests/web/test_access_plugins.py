"""Plug-ins decide who comes in, and aichat judges what they answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import litestar
import pytest
from websockets.exceptions import InvalidStatus

from aichat.core import Actor, Connection, Denied, hookimpl
from support.in_process_server import a_server, closed_by, get
from support.login import Door, a_door


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
