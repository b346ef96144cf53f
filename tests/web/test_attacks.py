"""Attacks, against a real server on a port."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import threading
from asyncio import Transport
from collections.abc import Iterator
from contextlib import closing, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import attrs
import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from aichat.core import WebConfig
from aichat.web.access import authentication
from aichat.web.access import keyring as keys
from aichat.web.access.rate_limits import Buckets
from aichat.web.serving import http_timeouts
from aichat.web.serving.http_timeouts import HttpTimeoutProtocol
from support.free_ports import free_port
from support.in_process_server import Server, a_server, closed_by, get
from support.litestar_command import environment, running, wait_for
from support.login import TOKEN, Door, a_door, cookie_header

EVIL = "https://evil.example"


@pytest.fixture(scope="module")
def victim(door: Door) -> Iterator[dict[str, str]]:
    """The headers that a browser sends along by itself, to whichever page it was lured."""
    with door.logged_in() as browser:
        yield cookie_header(browser)


# -- a page elsewhere uses the victim's browser ----------------------------------------------

FOREIGN = [
    {"sec-fetch-site": "cross-site", "origin": EVIL},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site", "origin": "http://127.0.0.1:3000"},  # another port
    {"sec-fetch-site": "same-site", "origin": "http://localhost:3000"},
    {"sec-fetch-site": "nonsense"},
    {"origin": EVIL},  # browsers without Sec-Fetch-Site
    {"origin": "null"},  # a sandboxed frame, a data: address
    {"origin": "file://"},
    {"origin": "http://127.0.0.1"},
    {"origin": "http://127.0.0.1.evil.example"},
]
FORMS = ("/messages", "/c/c/messages", "/logout", "/login", "/login?code=x")


@pytest.mark.parametrize("headers", FOREIGN)
@pytest.mark.parametrize("path", FORMS)
def test_a_form_of_another_site_or_port_changes_nothing(
    door: Door, victim: dict[str, str], path: str, headers: dict[str, str]
) -> None:
    answer = httpx.post(
        door.server.url + path, data={"text": "x"}, headers=headers | victim, trust_env=False
    )
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
    assert get(door.server, **victim).status_code == 200  # still logged in


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "PROPFIND"])
def test_no_method_that_changes_something_is_taken_from_elsewhere(
    server: Server, method: str
) -> None:
    answer = httpx.request(
        method, server.url + "/messages", headers={"origin": EVIL}, trust_env=False
    )
    assert answer.status_code == 403


def test_no_page_elsewhere_may_read_an_answer(server: Server) -> None:
    answer = httpx.get(server.url + "/health", headers={"origin": EVIL}, trust_env=False)
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    asked = {"origin": EVIL, "access-control-request-method": "POST"}
    preflight = httpx.options(server.url + "/messages", headers=asked, trust_env=False)
    assert "access-control-allow-origin" not in preflight.headers


def test_no_page_elsewhere_can_frame_ours(door: Door) -> None:
    policy = get(door.server, "/login").headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self'" in policy


@pytest.mark.parametrize("origin", [EVIL, "null", "http://127.0.0.1:3000", "http://localhost"])
def test_a_socket_of_another_site_is_refused_though_the_cookie_is_right(
    door: Door, victim: dict[str, str], origin: str
) -> None:
    with (
        pytest.raises(InvalidStatus) as refused,
        door.server.client(additional_headers=victim, origin=origin),
    ):
        pass
    assert refused.value.response.status_code == 403


# -- DNS rebinding: another name for our address ---------------------------------------------

REBOUND = ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.", "", "[::1"]


@pytest.mark.parametrize("host", REBOUND)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_name_for_our_address_reaches_nothing(
    server: Server, method: str, host: str
) -> None:
    headers = {"host": host, "origin": f"http://{host}", "sec-fetch-site": "same-origin"}
    for path in ("/", "/messages", "/health", "/static/manifest.json"):
        url = server.url + path
        answer = httpx.request(method, url, headers=headers, trust_env=False)
        assert answer.status_code == 403, path


def test_another_name_for_our_address_gets_no_socket(server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        host = f"evil.example:{unused.getsockname()[1]}"
    with (
        closing(socket.create_connection(("127.0.0.1", server.port))) as line,
        pytest.raises(InvalidStatus) as refused,
        connect(f"ws://{host}/ws", sock=line, origin=f"http://{host}", proxy=None),  # type: ignore[arg-type]
    ):
        pass
    assert refused.value.response.status_code == 403


# -- forged headers --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "https"},
        {"forwarded": "for=127.0.0.1;host=localhost;proto=https"},
        {"x-real-ip": "127.0.0.1"},
        {"x-forwarded-host": "localhost"},
        {"x-original-url": "/health"},
        {"x-rewrite-url": "/login"},
        {"x-http-method-override": "OPTIONS", "access-control-request-method": "GET"},
        {"cookie": "__Host-aichat=; aichat-80=x"},
        {"cookie": "=" * 500},
        {"authorization": "Bearer owner."},
        {"authorization": "Bearer \xff".encode("latin-1").decode("latin-1")},
    ],
)
def test_no_header_lets_in_who_has_not_logged_in(tmp_path: Path, headers: dict[str, str]) -> None:
    with a_door(tmp_path) as door:
        raw = {name: value.encode("latin-1") for name, value in headers.items()}
        answer = httpx.get(door.server.url + "/c/c", headers=raw, trust_env=False)
        assert answer.status_code == 401


def test_a_claimed_address_does_not_fool_the_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        authentication, "Buckets", partial(Buckets, now=lambda: 0.0)
    )  # at one moment
    with a_server(web=WebConfig(max_requests_per_s=1)) as server:
        codes = [
            get(server, "/health", x_forwarded_for=f"192.0.2.{n}").status_code for n in range(12)
        ]
    assert codes[-1] == 429


def raw(server: Server, data: bytes, timeout: float = 60) -> bytes:
    """Send bytes; return the answer's first line, or nothing when the line was cut."""
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout)) as line:
        answer = b""
        with suppress(BrokenPipeError, ConnectionResetError):  # it had enough before the end
            line.sendall(data)
        with suppress(ConnectionResetError):
            while b"\r\n" not in answer and (piece := line.recv(4_096)):
                answer += piece
    return answer.partition(b"\r\n")[0]


def test_two_hosts_are_no_host(server: Server) -> None:
    for pair in (("evil.example", "localhost"), ("localhost", "evil.example")):
        hosts = "".join(f"Host: {host}\r\n" for host in pair)
        assert b"403" in raw(server, f"GET / HTTP/1.1\r\n{hosts}\r\n".encode())


def test_a_request_within_a_request_is_refused(server: Server) -> None:
    smuggled = (
        b"POST /messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nX"
    )
    assert b"400" in raw(server, smuggled)


# -- stolen, old and planted logins ----------------------------------------------------------


def test_a_login_address_that_was_overheard_is_worth_nothing_after_use(door: Door) -> None:
    code = door.keyring.new_code()
    with door.browser() as browser, door.browser() as thief:
        assert browser.post(f"/login?code={code}").status_code == 303
        answer = thief.post(f"/login?code={code}")
        assert answer.status_code == 403
        assert "used already" in answer.text
        assert code not in answer.text
        assert "set-cookie" not in answer.headers


def test_of_many_who_use_one_address_at_once_one_is_logged_in(tmp_path: Path) -> None:
    import anyio

    async def race(door: Door) -> list[int]:
        path, codes = f"/login?code={door.keyring.new_code()}", []

        async def use(client: httpx.AsyncClient) -> None:
            codes.append((await client.post(path)).status_code)

        async with (
            httpx.AsyncClient(base_url=door.server.url, trust_env=False) as client,
            anyio.create_task_group() as tasks,
        ):
            for _ in range(5):
                tasks.start_soon(use, client)
        return codes

    with a_door(tmp_path) as door:
        assert sorted(anyio.run(race, door)) == [303, 403, 403, 403, 403]


def test_a_stolen_cookie_dies_with_the_logout(door: Door) -> None:
    with door.logged_in() as browser:
        stolen = cookie_header(browser)
        assert get(door.server, **stolen).status_code == 200
        browser.post("/logout")
    assert get(door.server, **stolen).status_code == 401
    with pytest.raises(InvalidStatus), door.server.client(additional_headers=stolen):
        pass


def test_a_revoked_name_ends_its_tokens_its_browsers_and_their_sockets(door: Door) -> None:
    bearer = door.token("eve", "a passphrase of eve")
    with door.browser() as browser:
        browser.post("/login", data={"name": "eve", "secret": "a passphrase of eve"})
        cookie = cookie_header(browser)
        with (
            door.server.client(additional_headers=bearer) as program,
            door.server.client(additional_headers=cookie) as page,
        ):
            program.until("ready")
            page.until("ready")
            door.keyring.revoke("eve")
            assert get(door.server, **bearer).status_code == 401
            assert get(door.server, **cookie).status_code == 401
            for client in (program, page):
                assert closed_by(client)[0] == 1008


def test_an_old_login_ends_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "SESSION_SECONDS", -1)
    monkeypatch.setattr(keys, "CODE_SECONDS", -1)
    with a_door(tmp_path) as door, door.browser() as browser:
        late = door.keyring.new_code()
        assert browser.post(f"/login?code={late}").status_code == 403
        monkeypatch.setattr(keys, "CODE_SECONDS", 60)
        assert browser.post(f"/login?code={door.keyring.new_code()}").status_code == 303
        assert get(door.server, **cookie_header(browser)).status_code == 401


def test_a_planted_cookie_is_replaced_at_the_login_and_never_becomes_valid(door: Door) -> None:
    name = f"aichat-{door.server.port}"
    with door.browser(cookies={name: "planted"}) as browser:
        answer = browser.post(f"/login?code={door.keyring.new_code()}")
        fresh = re.match(rf"{name}=([^;]+);", answer.headers["set-cookie"])
        assert fresh
        assert fresh[1] != "planted"
    assert get(door.server, cookie=f"{name}=planted").status_code == 401


def test_logging_in_again_ends_the_login_before(door: Door) -> None:
    with door.logged_in() as browser:
        first = cookie_header(browser)
        browser.post(f"/login?code={door.keyring.new_code()}")
        assert get(door.server, **first).status_code == 401
        assert get(door.server, **cookie_header(browser)).status_code == 200


def test_a_plain_cookie_counts_only_on_the_servers_own_machine(tmp_path: Path) -> None:
    web = attrs.evolve(TOKEN, allowed_hosts=("chat.example",))
    with a_door(tmp_path, web) as door, door.logged_in() as browser:
        secret = next(iter(browser.cookies.jar)).value
        for port in (80, door.server.port):
            cookie = f"aichat-{port}={secret}"
            assert get(door.server, cookie=cookie, host="chat.example").status_code == 401
            host = f"chat.example:{port}"
            assert get(door.server, cookie=cookie, host=host).status_code == 401


# -- files, sizes, slowness ------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/static/../../app.py", "/static/..%2f..%2fapp.py", "/static/%2e%2e/%2e%2e/app.py",
        "/static/....//....//app.py", "/static//etc/passwd", "/static/%2fetc%2fpasswd",
        "/static/..\\..\\app.py", "/static/..%5c..%5capp.py", "/static/../health/ready",
        "/static/%252e%252e/app.py", "/static/a%00b", "/%00",
        "/static/" + "a" * 300, "/static/" + "a/" * 4_000,
        "/static/../c/c", "/health/../c/c", "/login/../c/c", "//c/c", "/./c/c",
    ],
)  # fmt: skip
def test_no_path_leads_out_of_the_static_files_or_past_the_gate(door: Door, path: str) -> None:
    line = raw(door.server, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert line.split()[1] in (b"400", b"401", b"404")


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nx: " + b"a" * 2_000_000 + b"\r\n\r\n",
        b"GET /health?" + b"a" * 2_000_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + b"x: a\r\n" * 200_000 + b"\r\n",
    ],
)
def test_headers_without_end_are_refused(server: Server, request_: bytes) -> None:
    assert raw(server, request_) in (b"HTTP/1.1 431 Request Header Fields Too Large", b"")
    assert get(server, "/health").status_code == 200


@pytest.mark.parametrize(
    ("query", "headers"),
    [("x" * 9_000, ""), ("x" * 30_000, ""), ("", "a: b\r\n" * 130), ("", "c: " + "d" * 9_000)],
)
def test_a_handshake_that_is_too_long_is_refused_at_once(
    server: Server, query: str, headers: str
) -> None:
    lines = (
        f"GET /ws?conversation_id={query} HTTP/1.1", f"Host: 127.0.0.1:{server.port}",
        "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", headers.strip(),
    )  # fmt: skip
    request = "\r\n".join(line for line in lines if line) + "\r\n\r\n"
    assert raw(server, request.encode()) == b"HTTP/1.1 431 Request Header Fields Too Large"


def test_headers_of_a_usual_size_are_taken(server: Server) -> None:
    assert get(server, "/health", cookie="a" * 30_000).status_code == 200


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"name=a&secret=b", "multipart/form-data"),
        (b"--b\r\nnonsense", "multipart/form-data; boundary=b"),
        (b'{"name": "a"}', "application/json"),
        (b"\xff\xfe=%ff%zz&&&==", "application/x-www-form-urlencoded"),
        (b"name=a&name=b&secret=%00", "application/x-www-form-urlencoded"),
    ],
)
def test_a_form_that_makes_no_sense_is_refused(tmp_path: Path, content: bytes, kind: str) -> None:
    with a_door(tmp_path) as door, door.browser(headers={"content-type": kind}) as browser:
        assert browser.post("/login", content=content).status_code in (400, 403)
        assert browser.post("/login?code=%00%ff&next=%00", content=content).status_code == 403


def test_a_body_without_end_is_refused(door: Door, victim: dict[str, str]) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(30):
            yield b"a" * 1_000_000

    form = {"content-type": "application/x-www-form-urlencoded"}
    for path, headers in (("/messages", victim), ("/login", {})):
        answer = httpx.post(
            door.server.url + path, content=endless(), headers=form | headers, trust_env=False
        )
        assert answer.status_code == 413, path


def answer_of(line: socket.socket) -> bytes:
    try:
        return line.recv(100)
    except ConnectionResetError:
        return b""


def test_who_sends_slowly_is_let_go(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_timeouts, "HEADER_SECONDS", 0.3)
    monkeypatch.setattr(http_timeouts, "BODY_SECONDS", 0.3)
    head = b"POST /messages HTTP/1.1\r\nHost: localhost\r\n"
    beginnings = (b"", b"GE", head, head + b"Content-Length: 9\r\n\r\n", head + b"x: y\r\n" * 9)
    for beginning in beginnings:
        with closing(socket.create_connection(("127.0.0.1", server.port), 60)) as line:
            line.sendall(beginning)
            assert b" 200 " not in answer_of(line)  # it ends, and not by our own timeout


def test_who_is_served_is_not_let_go(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """No timeout runs on a connection whose request is complete."""
    connections: list[HttpTimeoutProtocol] = []
    made = HttpTimeoutProtocol.connection_made

    def noted(self: HttpTimeoutProtocol, transport: Transport) -> None:
        connections.append(self)
        made(self, transport)

    monkeypatch.setattr(HttpTimeoutProtocol, "connection_made", noted)
    with server.client() as client:
        client.until("ready")
        assert [one._deadline for one in connections] == [None]
        client.send("ping", t=1)
        client.until("pong")
    with httpx.Client(base_url=server.url, trust_env=False) as browser:
        for _ in range(3):  # over one connection
            assert browser.get("/").status_code == 200
            assert [one._deadline for one in connections] == [None, None]


def test_a_flood_of_sockets_does_not_keep_others_out_for_long() -> None:
    with a_server(web=WebConfig(max_sockets=2)) as server:
        with server.client(), server.client():
            for _ in range(20):
                with pytest.raises(InvalidStatus), server.client():
                    pass
        for _ in range(100):
            try:
                with server.client() as client:
                    client.until("ready")
                    break
            except (InvalidStatus, ConnectionClosed):
                continue
        else:
            raise AssertionError("nobody was let in")


# -- secrets stay secret ---------------------------------------------------------------------

CANARY = "sk-canary-3f9a1c77"


class Echo(BaseHTTPRequestHandler):
    """A language model that refuses the key, and repeats it in its answer."""

    def do_POST(self) -> None:
        body = json.dumps({"error": {"message": f"Bad key: {self.headers['authorization']}"}})
        self.send_response(401)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *args: object) -> None: ...


@pytest.fixture
def model() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()
        thread.join()


def test_no_secret_is_ever_shown_logged_or_stored(tmp_path: Path, model: str) -> None:
    (tmp_path / "plugins.toml").write_text(SETTINGS.replace("ADDRESS", model))
    port = free_port()
    more = {"OPENROUTER_API_KEY": CANARY, "PORT": str(port)}
    url, shown = f"http://127.0.0.1:{port}", []
    with running(tmp_path, **more) as process:
        wait_for(url + "/health", process)
        token = made_token(tmp_path, more)
        assert process.stdout
        said = ""
        while "once, within" not in said:
            said += process.stdout.readline()
        code = re.findall(r"code=(\S+)", said)[0]
        with httpx.Client(base_url=url, headers={"origin": url}, trust_env=False) as browser:
            shown += [browser.get(f"/login?code={code}"), browser.post(f"/login?code={code}")]
            cookie = next(iter(browser.cookies.jar)).value
            assert cookie
            for path in ("/", "/health/ready", "/nowhere", "/login", "/c/nowhere"):
                for accept in ("text/html", "application/json"):
                    shown.append(browser.get(path, headers={"accept": accept}))
            said_so = browser.post("/messages", data={"text": "@Olivia hello"})
            frames = conversation(url, said_so.headers["location"], token)
            shown.append(browser.get(said_so.headers["location"]))
            shown.append(browser.post(f"/login?code={code}"))
        wrong = {"authorization": f"Bearer {token}x"}
        shown.append(httpx.get(url + "/", headers=wrong, trust_env=False))
        process.terminate()
        said_later = process.stdout.read()
    secrets = [CANARY, cookie, token, token.partition(".")[2], code]
    texts = [answer.text for answer in shown] + frames + [said_later]
    for secret in secrets:
        assert not [text for text in texts if secret in text]
        for file in (tmp_path / "data").rglob("*"):
            assert file.is_dir() or secret.encode() not in file.read_bytes(), file
    for secret in (CANARY, cookie, token):
        assert secret not in said
    assert "key" in "".join(frames)  # the refusal was told, without the key


SETTINGS = """
vad.use = "silero"
turn.use = "silence"
stt.use = "pocketsphinx"
llm.use = ["openai", "demo"]
tts.use = "espeak"
sequencer.use = "in_order"
storage.use = "sqlite"
[llm.openai]
base_url = "ADDRESS"
model = "m"
api_key = "$OPENROUTER_API_KEY"
[web]
access = "token"
"""


def made_token(folder: Path, more: dict[str, str]) -> str:
    done = subprocess.run(
        [Path(sys.executable).with_name("litestar"), "aichat", "token", "new", "robot"],
        cwd=folder,
        env=environment(folder, **more),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.strip()


def conversation(url: str, place: str, token: str) -> list[str]:
    """Hear what comes of a conversation whose language model cannot be reached."""
    address = f"{url.replace('http', 'ws')}/ws?conversation_id={place.rpartition('/')[2]}"
    bearer = {"authorization": f"Bearer {token}"}
    frames: list[str] = []
    with connect(address, additional_headers=bearer, proxy=None) as line:
        line.send('{"type": "text_message", "text": "@Olivia hello"}')
        while '"type":"error"' not in "".join(frames) and len(frames) < 2_000:
            frames.append(str(line.recv(60)))
    return frames


# -- forms -----------------------------------------------------------------------------------

UNREADABLE = [
    (b"; charset=nosuch", b"x"),
    (b"; charset=ascii", b"\xff"),
    (b"", b"\xed\xa0\x80"),  # half an emoji
]
TAKE_FORMS = ("/models", "/speech/espeak", "/characters/new", "/characters/x/active", "/voices/new")


@pytest.mark.parametrize(("charset", "text"), UNREADABLE)
@pytest.mark.parametrize("path", TAKE_FORMS)
def test_a_form_that_cannot_be_read_is_refused_and_not_our_fault(
    server: Server, path: str, charset: bytes, text: bytes
) -> None:
    head = b'--B\r\nContent-Disposition: form-data; name="name"\r\nContent-Type: text/plain'
    body = head + charset + b"\r\n\r\n" + text + b"\r\n--B--\r\n"
    kind = {"content-type": "multipart/form-data; boundary=B"}
    answer = httpx.post(server.url + path, content=body, headers=kind, trust_env=False)
    assert answer.status_code == 400, answer.text


def test_a_login_form_that_cannot_be_read_is_refused(door: Door) -> None:
    head = b'--B\r\nContent-Disposition: form-data; name="name"\r\nContent-Type: text/plain'
    body = head + b"; charset=nosuch\r\n\r\nx\r\n--B--\r\n"
    kind = {"content-type": "multipart/form-data; boundary=B"}
    answer = httpx.post(f"{door.server.url}/login", content=body, headers=kind, trust_env=False)
    assert answer.status_code == 400, answer.text


def test_every_form_is_read_in_one_place() -> None:
    web = Path(authentication.__file__).parents[1]
    readers = {path.name for path in web.rglob("*.py") if ".form()" in path.read_text("utf-8")}
    assert readers == {"forms.py"}
