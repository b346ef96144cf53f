"""The frame of the pages over HTTP: preferences, toasts, errors; the sockets that pages watch."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import anyio
import anyio.to_thread
import attrs
import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from aichat.core import CannotStart, Character, Unreachable, hookimpl, tool
from aichat.web.html.toasts import LONGEST, Toast, toast
from support.chat import AT_EASE, a_store
from support.in_process_server import Server, a_server

PLACES = ("/", "/characters", "/voices", "/models", "/speech", "/agents", "/settings")


def coin() -> str:
    """Toss a coin."""
    return "heads"


class Offers:
    """A plug-in with one tool."""

    @hookimpl
    def tools(self) -> list[object]:
        return [tool(coin)]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with a_server(attrs.evolve(AT_EASE, components_page=True), [Offers()]) as server:
        yield server


@pytest.mark.parametrize("path", [*PLACES, "/components"])
def test_every_place_has_a_page_that_marks_it_in_the_rail(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    marked = 'aria-current="page"'
    rail = answer.text[answer.text.index('class="places"') : answer.text.index("rail-end")]
    assert rail.count(marked) == (path != "/components")
    if path != "/components":
        assert f'href="{path}" {marked}' in rail
    assert "style=" not in answer.text
    assert "<script>" not in answer.text


def test_the_page_of_components_is_served_only_on_request(client: httpx.Client) -> None:
    link = 'href="/components"'
    assert link in client.get("/settings").text
    with a_server() as server, httpx.Client(base_url=server.url, trust_env=False) as other:
        assert other.get("/components").status_code == 404
        assert link not in other.get("/settings").text


def test_what_a_browser_prefers_is_drawn_and_kept(client: httpx.Client) -> None:
    assert 'data-theme="system" data-rail="wide"' in client.get("/agents").text
    back = client.post("/preferences", data={"theme": "dark", "next": "/agents"})
    assert back.url.path == "/agents"
    assert 'data-theme="dark" data-rail="wide"' in back.text
    back = client.post("/preferences", data={"rail": "narrow", "next": "/speech"})
    assert 'data-theme="dark" data-rail="narrow"' in back.text


@pytest.mark.parametrize("wrong", ["plaid", '"><script>', ""])
def test_what_is_no_choice_changes_nothing(client: httpx.Client, wrong: str) -> None:
    page = client.post("/preferences", data={"theme": wrong, "no": "such", "next": "/agents"}).text
    assert 'data-theme="system"' in page


@pytest.mark.parametrize("elsewhere", ["https://evil.example", "//evil.example", "/\\evil", "x"])
def test_preferences_lead_back_to_our_own_pages_only(server: Server, elsewhere: str) -> None:
    answer = httpx.post(
        f"{server.url}/preferences", data={"theme": "dark", "next": elsewhere}, trust_env=False
    )
    assert answer.headers["location"] == "/"


@pytest.mark.parametrize("text", ["Saved.", 'Ünsere Übung; "quoted", 100 %\n', "字" * 900, "<b>"])
def test_a_toast_survives_its_cookie(text: str) -> None:
    written = Toast(text, "bad").cookie().split(";")[0]
    assert len(written) < 4_000
    name, _, value = written.partition("=")
    assert toast({name: value}) == Toast(text[:LONGEST], "bad")


@pytest.mark.parametrize("value", ["", "x", "[]", '["good"]', '["odd", "x"]', '["good", 1]', "%"])
def test_a_cookie_that_holds_no_toast_shows_none(value: str) -> None:
    assert toast({"aichat-toast": value}) is None


def test_a_character_gets_the_tools_that_the_form_names_and_is_told_once(
    client: httpx.Client, server: Server
) -> None:
    who = anyio.run(server.store.characters)[0]
    page = client.post(f"/agents/{who.id}", data={"tool": ["coin", "no such"]})
    assert page.url.path == "/agents"
    assert f"{who.name} may use coin." in page.text
    assert f"{who.name} may use coin." not in client.get("/agents").text
    kept = anyio.run(server.store.character, who.id)
    assert kept.extensions["tools"] == ["coin"]
    none = client.post(f"/agents/{who.id}", data={"other": ""})
    assert f"{who.name} uses no tools." in none.text
    assert anyio.run(server.store.character, who.id).extensions["tools"] == []


def test_what_else_a_character_carries_stays_and_lost_tools_are_told(
    client: httpx.Client, server: Server
) -> None:
    extra = {"mine": {"deep": [1]}, "tools": ["gone"]}
    who = anyio.run(server.store.add_character, Character("", "Zoë <b>", extensions=extra))
    page = client.get("/agents").text
    assert "Zoë &lt;b&gt;" in page
    assert "No plug-in provides it any more." in page
    client.post(f"/agents/{who.id}", data={"tool": ["gone", "coin"]})
    kept = anyio.run(server.store.character, who.id)
    assert kept.extensions == {"mine": {"deep": [1]}, "tools": ["coin", "gone"]}


def test_htmx_is_answered_with_a_toast_alone(client: httpx.Client, server: Server) -> None:
    who = anyio.run(server.store.characters)[0]
    told = client.post(f"/agents/{who.id}", data={"tool": "coin"}, headers={"hx-request": "true"})
    assert told.status_code == 200
    assert told.headers["hx-reswap"] == "none"
    assert 'hx-target="#toasts"' in told.text
    assert "may use coin." in told.text
    assert "<main" not in told.text
    lost = client.post("/agents/nobody", headers={"hx-request": "true"})
    assert lost.status_code == 404
    assert "toast is-bad" in lost.text
    assert "<main" not in lost.text


def test_without_tools_the_page_says_so() -> None:
    with a_server(disable=("clock", "dice")) as server:
        page = httpx.get(f"{server.url}/agents", trust_env=False).text
        assert "No plug-in offers tools." in page


@pytest.mark.parametrize("path", [*PLACES[1:3], "/agents", "/", "/c/c"])
def test_a_store_that_fails_leaves_the_shell_and_a_way_to_try_again(path: str) -> None:
    store = anyio.run(a_store)

    async def broken(*args: object, **how: object) -> object:
        raise Unreachable("The store does not answer.", "See that it runs.")

    for name in ("characters", "voices", "cast"):
        setattr(store, name, broken)
    with a_server(storage=store) as server:
        answer = httpx.get(server.url + path, headers={"accept": "text/html"}, trust_env=False)
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "5"
        assert "The store does not answer. See that it runs." in answer.text
        assert 'class="places"' in answer.text
        assert f'href="{path}"' in answer.text
        assert "Try again" in answer.text
        speech = httpx.get(f"{server.url}/speech", headers={"accept": "text/html"}, trust_env=False)
        assert speech.status_code == 200


def test_a_number_that_is_none_is_told_beside_its_field(client: httpx.Client) -> None:
    page = client.post("/settings", data={"max_replies": "many", "auto_cap": "7", "strategy": ""})
    assert page.status_code == 400
    assert "Write a number." in page.text
    assert 'aria-invalid="true"' in page.text
    assert 'value="many"' in page.text
    assert 'value="7"' in page.text
    assert client.get("/settings").text.count('value="7"') == 0


DRAWN = {"drawn strategy": "", "drawn max_replies": "", "drawn auto": "", "drawn auto_cap": ""}


def test_an_old_page_of_settings_takes_nothing_back(client: httpx.Client) -> None:
    assert client.get("/settings").text.count('name="drawn ') == len(DRAWN)
    client.put("/api/settings", json={"strategy": "first", "auto": True, "max_replies": 3})
    shown = {"strategy": "", "max_replies": "", "auto_cap": "7"}
    assert client.post("/settings", data={**DRAWN, **shown}).status_code in (200, 303)
    kept = client.get("/api/settings").json()
    assert (kept["strategy"], kept["auto"], kept["max_replies"]) == ("first", True, 3)
    assert kept["auto_cap"] == 7
    gone = {"strategy": None, "auto": None, "max_replies": None, "auto_cap": None}
    client.put("/api/settings", json=gone)


def test_a_page_that_stays_learns_what_it_shows_once_it_was_saved(client: httpx.Client) -> None:
    htmx = {"HX-Request": "true"}
    answer = client.post("/settings", data={**DRAWN, "max_replies": "4"}, headers=htmx)
    assert 'hx-target="#rules-drawn"' in answer.text
    assert '<input type="hidden" name="drawn max_replies" value="4">' in answer.text
    back = {**DRAWN, "drawn max_replies": "4", "max_replies": ""}
    client.post("/settings", data=back, headers=htmx)
    assert client.get("/api/settings").json().get("max_replies") is None


def test_models_that_cannot_be_listed_leave_the_page(server: Server) -> None:
    page = httpx.get(f"{server.url}/models", headers={"accept": "text/html"}, trust_env=False)
    assert page.status_code == 200
    assert "has no list of models" in page.text


# -- sockets -------------------------------------------------------------------------------------


@contextmanager
def socket(server: Server, path: str) -> Iterator[ClientConnection]:
    url = f"ws://127.0.0.1:{server.port}{path}"
    with connect(url, proxy=None, compression=None) as connection:
        yield connection


def frame(connection: ClientConnection) -> dict[str, object]:
    told: dict[str, object] = json.loads(connection.recv(5))
    return told


class Slow:
    """Starts for as long as a test likes, and then fails."""

    def __init__(self) -> None:
        self.report: Callable[[str], None] = lambda line: None
        self.may_fail = threading.Event()

    async def __aenter__(self) -> None:
        self.report("weights: 3 of 9 MB")
        await anyio.to_thread.run_sync(self.may_fail.wait, abandon_on_cancel=True)
        raise CannotStart("The line broke.", "Mend it.")

    async def __aexit__(self, *error: object) -> None: ...


def test_a_page_hears_how_its_parts_get_on() -> None:
    llm = Slow()
    with a_server(llm=llm) as server, socket(server, "/ws/status?parts=llm,tts") as connection:
        first = frame(connection)
        assert "weights: 3 of 9 MB" in str(first["html"])
        assert 'data-parts="llm,tts"' in str(first["html"])
        assert "stt." not in str(first["html"])
        llm.may_fail.set()
        assert "The line broke. Mend it." in str(frame(connection)["html"])


def test_what_takes_long_to_start_can_be_stopped_and_tried_again() -> None:
    llm = Slow()
    with a_server(llm=llm) as server, socket(server, "/ws/status?parts=llm") as connection:
        try:
            stop_and_try_again(server, connection)
        finally:
            llm.may_fail.set()  # its threads end


def stop_and_try_again(server: Server, connection: ClientConnection) -> None:
    html = str(frame(connection)["html"])
    name = re.findall(r'name="name" value="([^"]+)"', html)[0]
    stop, retry = f"{server.url}/settings/stop", f"{server.url}/settings/retry"
    who = {"part": "llm", "name": name}
    assert httpx.post(stop, data=who, trust_env=False).status_code == 303
    told = str(frame(connection)["html"])
    assert "You stopped it while it was starting." in told
    assert f'aria-label="Try again: {name}"' in told
    assert httpx.post(stop, data=who, trust_env=False).status_code == 400
    needed = {"part": "storage", "name": "given"}
    assert httpx.post(stop, data=needed, trust_env=False).status_code == 400
    assert httpx.post(retry, data=who, trust_env=False).status_code == 303
    while "weights: 3 of 9 MB" not in told:
        told = str(frame(connection)["html"])
    assert f'aria-label="Stop: {name}"' in told


def test_a_ping_is_answered_with_its_own_time(server: Server) -> None:
    with socket(server, "/ws/status") as connection:
        assert frame(connection)["type"] == "html"
        connection.send('{"type": "ping", "t": 12.5}')
        assert frame(connection) == {"type": "pong", "t": 12.5}


@pytest.mark.parametrize(
    "wrong", ["", "x", "[]", '{"type": "ping"}', '{"type": "no", "t": 1}', b"\0"]
)
def test_who_sends_something_else_is_let_go(server: Server, wrong: str | bytes) -> None:
    with socket(server, "/ws/status") as connection:
        frame(connection)
        connection.send(wrong)
        with pytest.raises(ConnectionClosed) as closed:
            frame(connection)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008


def test_sound_comes_back_as_it_was(server: Server) -> None:
    with socket(server, "/ws/echo") as connection:
        for size in (1, 644, 4_096):
            connection.send(bytes(range(256)) * 16 if size == 4_096 else bytes(size))
            echoed = connection.recv(5)
            assert len(echoed) == size


@pytest.mark.parametrize("wrong", ["text", b"", b"x" * 4_097])
def test_what_is_no_sound_is_not_sent_back(server: Server, wrong: str | bytes) -> None:
    with socket(server, "/ws/echo") as connection:
        connection.send(wrong)
        with pytest.raises(ConnectionClosed) as closed:
            connection.recv(5)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008


def test_nobody_gets_more_echo_than_one_speaks(server: Server) -> None:
    def flood(connection: ClientConnection) -> None:
        for _ in range(1_000):
            connection.send(bytes(640))
        for _ in range(1_000):
            connection.recv(5)

    with socket(server, "/ws/echo") as connection, pytest.raises(ConnectionClosed):
        flood(connection)


def test_pages_that_watch_do_not_use_up_the_talks_that_one_may_have(server: Server) -> None:
    watchers = [connect(f"ws://127.0.0.1:{server.port}/ws/status", proxy=None) for _ in range(6)]
    try:
        for watcher in watchers:
            assert frame(watcher)["type"] == "html"
        with server.client() as talker:
            talker.until("ready")
    finally:
        for watcher in watchers:
            watcher.close()


# -- in few bytes --------------------------------------------------------------------------------

BUDGET = 60_000
"""Bytes until the page to talk on is there: HTML, styles, and the scripts that it waits for."""


def first_paint(server: Server, encoding: str) -> list[tuple[str, int]]:
    """What a browser fetches for the page to talk on, and how many bytes each takes on the line."""
    fetched: dict[str, int] = {}
    waiting = ["/"]
    headers = {"accept": "text/html", "accept-encoding": encoding}
    with httpx.Client(base_url=server.url, trust_env=False, headers=headers) as client:
        while waiting:
            path = waiting.pop()
            if path in fetched:
                continue
            with client.stream("GET", path) as answer:
                assert answer.status_code == 200
                raw = b"".join(answer.iter_raw())
                fetched[path] = len(raw)
            text = client.get(path, headers={"accept-encoding": "identity"}).text
            waiting += re.findall(r'<(?:link|script)[^>]+(?:href|src)="(/static/[^"]+)"', text)
            if path.endswith(".js"):  # what it imports at once, not what it imports later
                names = re.findall(r'(?:from|import)"\./([^"]+)"', text)
                waiting += [f"/static/{name}" for name in names]
    return sorted(fetched.items())


@pytest.mark.parametrize("encoding", ["br, gzip", "gzip"])
def test_the_page_to_talk_on_is_there_within_few_bytes(server: Server, encoding: str) -> None:
    fetched = first_paint(server, encoding)
    assert len(fetched) >= 10
    assert sum(size for _, size in fetched) <= BUDGET, fetched


def test_a_file_of_the_bundle_comes_as_the_browser_takes_it(server: Server) -> None:
    path = re.findall(r'href="(/static/app-[^"]+\.css)"', httpx.get(server.url).text)[0]
    plain = httpx.get(server.url + path, headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.headers["content-type"].startswith("text/css")
    assert plain.headers["cache-control"] == "public, max-age=31536000, immutable"
    for accepted, encoding in (("gzip", "gzip"), ("gzip;q=0", None), ("br;q=0.0, x", None)):
        packed = httpx.get(server.url + path, headers={"accept-encoding": accepted})
        assert packed.headers.get("content-encoding") == encoding
        assert packed.headers["vary"] == "Accept-Encoding"
        assert packed.text == plain.text
    head = httpx.head(server.url + path)
    assert head.status_code == 200
    assert head.content == b""
    manifest = httpx.get(f"{server.url}/static/manifest.json")
    assert manifest.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("name", ["no-such.js", "%2e%2e", ".fingerprint", "a%2fb", "app.py"])
def test_nothing_else_is_in_the_bundle(server: Server, name: str) -> None:
    assert httpx.get(f"{server.url}/static/{name}").status_code == 404
