"""Pages, guard and health over HTTP: a real server on a port."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from aichat.core import CannotStart
from aichat.core.testing.fakes import FakeLlm
from aichat.web.html.markdown import render
from support.in_process_server import Server, a_server


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with a_server(llm=FakeLlm("**Bold** <script>alert(1)</script> words.")) as server:
        yield server


def get(server: Server, path: str, **headers: str) -> httpx.Response:
    return httpx.get(server.url + path, headers=headers, trust_env=False)


def post(server: Server, path: str, text: str, **headers: str) -> httpx.Response:
    return httpx.post(server.url + path, data={"text": text}, headers=headers, trust_env=False)


def test_the_server_is_alive_and_tells_what_serves(server: Server) -> None:
    assert get(server, "/health").json() == {"status": "healthy"}
    ready = get(server, "/health/ready")
    assert ready.status_code == 200
    serving = {part["part"]: part["name"] for part in ready.json()["parts"] if part["serving"]}
    assert set(serving) == {"vad", "turn", "stt", "llm", "tts", "sequencer", "storage"}


def test_a_part_that_nobody_plays_makes_the_server_not_ready() -> None:
    class Missing:
        async def __aenter__(self) -> None:
            raise CannotStart("There is no key.", "Set KEY.")

        async def __aexit__(self, *error: object) -> None: ...

    with a_server(llm=Missing()) as server:
        answer = get(server, "/health/ready")
        assert answer.status_code == 503
        llm = next(part for part in answer.json()["parts"] if part["part"] == "llm")
        assert llm["state"] == "failed"
        assert llm["detail"] == "There is no key. Set KEY."
        assert get(server, "/health").status_code == 200


def test_the_start_page_shows_the_cast_and_has_no_inline_script_or_style(server: Server) -> None:
    page = get(server, "/")
    assert page.status_code == 200
    for name in ("Olivia", "Mark", "Rosa"):
        assert name in page.text
    assert "<script>" not in page.text
    assert "style=" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"


def test_scripts_and_styles_are_served(server: Server) -> None:
    page = get(server, "/").text
    for name in ("/static/app-", "/static/app-"):
        path = page[page.index(name) :].split('"')[0]
        assert get(server, path).status_code == 200


def test_a_message_can_be_sent_without_scripts(server: Server) -> None:
    answer = post(server, "/messages", "@Mark hello <b>there</b>")
    assert answer.status_code == 303
    place = answer.headers["location"]
    assert "hello &lt;b&gt;there&lt;/b&gt;" in get(server, place).text  # no script brings it later
    with server.client("conversation_id=" + place.rpartition("/")[2]) as client:
        client.until("ready")
        assert post(server, place + "/messages", "@Rosa hi").status_code == 303
        client.until("turn_complete")
    page = get(server, place).text
    assert "hello &lt;b&gt;there&lt;/b&gt;" in page
    assert "<strong>Bold</strong>" in page
    assert "alert(1)</script>" not in page
    assert place in get(server, "/").text


def test_an_unknown_conversation_is_a_readable_404(server: Server) -> None:
    page = get(server, "/c/nowhere", accept="text/html")
    assert page.status_code == 404
    assert "There is no conversation" in page.text
    assert "Traceback" not in page.text
    assert get(server, "/c/nowhere").json()["status_code"] == 404
    lost = get(server, "/no/such/page", accept="text/html")
    assert lost.status_code == 404
    assert "content-security-policy" in lost.headers


@pytest.mark.parametrize("text", ["", "   ", "x" * 9_000, "a\0b"])
def test_a_wrong_message_is_refused_in_words(server: Server, text: str) -> None:
    answer = post(server, "/messages", text)
    assert answer.status_code == 400
    assert answer.json()["detail"]


@pytest.mark.parametrize(
    ("method", "headers", "allowed"),
    [
        ("GET", {"host": "evil.example"}, False),
        ("GET", {"host": "127.0.0.1.evil.example"}, False),
        ("GET", {"host": "localhost:1234"}, True),
        ("GET", {"host": "[::1]:80"}, True),
        ("GET", {"sec-fetch-site": "cross-site"}, True),
        ("POST", {"sec-fetch-site": "cross-site"}, False),
        ("POST", {"sec-fetch-site": "same-site"}, False),
        ("POST", {"sec-fetch-site": "same-origin"}, True),
        ("POST", {"origin": "http://evil.example"}, False),
        ("POST", {"origin": "null"}, False),
        ("POST", {}, True),
    ],
)
def test_foreign_hosts_and_origins_are_refused(
    server: Server, method: str, headers: dict[str, str], allowed: bool
) -> None:
    answer = httpx.request(
        method, server.url + "/messages", headers=headers, data={"text": ""}, trust_env=False
    )
    assert (answer.status_code != 403) is allowed
    assert "content-security-policy" in answer.headers


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "[x](javascript:alert(1))",
        "![x](http://evil.example/track.png)",
        '<img src=x onerror="alert(1)">',
        "<style>*{display:none}</style>",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
    ],
)
def test_markdown_never_becomes_active(text: str) -> None:
    html = str(render(text))
    for danger in ("<script", "<img", "<style", 'href="javascript', 'href="data'):
        assert danger not in html


def test_markdown_is_shown() -> None:
    html = str(render("**a** `b`\n\n- c\n\n[d](https://x.org)"))
    for piece in ("<strong>a</strong>", "<code>b</code>", "<li>c</li>", 'href="https://x.org"'):
        assert piece in html
