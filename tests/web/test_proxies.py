"""Whom a request is from when it comes through proxies, and who may claim that."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import anyio
import attrs
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import InvalidStatus

from aichat.core import BadSettings, WebConfig, read_config
from aichat.web.access.proxies import Proxies, address_of
from support.chat import AT_EASE
from support.in_process_server import Server, a_server
from support.login import TOKEN, Door, a_door

TRUSTED = ("127.0.0.1", "10.0.0.0/8", "2001:db8:ffff::/48")


def seen(
    peer: str | None, headers: list[tuple[str, str]], *, trusted: tuple[str, ...] = TRUSTED,
    kind: str = "http",
) -> dict[str, Any]:  # fmt: skip
    """The scope of a request, as it is seen behind the proxies."""
    got: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        got.append(scope)

    raw = [(b"host", b"127.0.0.1:8000"), *((k.encode(), v.encode("latin-1")) for k, v in headers)]
    scope = {
        "type": kind,
        "scheme": "ws" if kind == "websocket" else "http",
        "client": (peer, 1) if peer is not None else None,
        "headers": raw,
    }
    before = dict(scope)
    anyio.run(Proxies(app, trusted), scope, None, None)
    assert scope == before  # the server's own scope is left alone
    return dict(got[0])


def client(peer: str | None, *forwarded: str, **how: Any) -> str | None:
    found = seen(peer, [("x-forwarded-for", one) for one in forwarded], **how)["client"]
    return found[0] if found else None


@pytest.mark.parametrize(
    ("peer", "forwarded", "who"),
    [
        ("127.0.0.1", (), "127.0.0.1"),
        ("127.0.0.1", ("192.0.2.7",), "192.0.2.7"),
        ("::ffff:127.0.0.1", ("192.0.2.7",), "192.0.2.7"),
        ("127.0.0.1", ("198.51.100.1, 192.0.2.7",), "192.0.2.7"),  # the left one is a claim
        ("127.0.0.1", ("127.0.0.1, 192.0.2.7",), "192.0.2.7"),
        ("127.0.0.1", ("192.0.2.7, 10.1.2.3",), "192.0.2.7"),
        ("127.0.0.1", ("198.51.100.1, 192.0.2.7, 10.1.2.3, 10.9.9.9",), "192.0.2.7"),
        ("127.0.0.1", ("198.51.100.1", "192.0.2.7"), "192.0.2.7"),  # the header came twice
        ("127.0.0.1", ("10.0.0.1, 10.0.0.2",), "10.0.0.1"),
        ("10.5.5.5", ("2001:db8::1",), "2001:db8::1"),
        ("2001:db8:ffff::9", ("[2001:db8::1]:4711",), "2001:db8::1"),
        ("127.0.0.1", ("192.0.2.7:4711",), "192.0.2.7"),
        ("127.0.0.1", ('"192.0.2.7"',), "192.0.2.7"),
        ("127.0.0.1", ("::ffff:192.0.2.7",), "192.0.2.7"),
        ("127.0.0.1", ("198.51.100.1, unknown",), "127.0.0.1"),
        ("127.0.0.1", ("198.51.100.1, unknown, 10.1.1.1",), "10.1.1.1"),
        ("127.0.0.1", ("_hidden",), "127.0.0.1"),
        ("127.0.0.1", ("",), "127.0.0.1"),
        ("127.0.0.1", (",,, ,",), "127.0.0.1"),
        ("127.0.0.1", ("999.1.1.1",), "127.0.0.1"),
        ("127.0.0.1", ("\xff\xfe",), "127.0.0.1"),
        ("127.0.0.1", (",".join(["10.0.0.1"] * 5_000),), "10.0.0.1"),
        # nobody believes who is no proxy of ours
        ("192.0.2.9", ("127.0.0.1",), "192.0.2.9"),
        ("127.0.0.2", ("192.0.2.7",), "127.0.0.2"),
        (None, ("127.0.0.1",), None),
        ("", ("127.0.0.1",), ""),
    ],
)
def test_the_client_is_the_first_from_the_right_who_is_no_proxy_of_ours(
    peer: str | None, forwarded: tuple[str, ...], who: str | None
) -> None:
    assert client(peer, *forwarded) == who
    assert client(peer, *forwarded, kind="websocket") == who


def test_nobody_is_believed_unless_plugins_toml_says_so() -> None:
    assert client("127.0.0.1", "192.0.2.7", trusted=()) == "127.0.0.1"


def test_a_proxy_on_a_unix_socket_is_believed_if_it_is_named() -> None:
    assert client(None, "192.0.2.7", trusted=("unix",)) == "192.0.2.7"
    assert client("", "192.0.2.7", trusted=("unix",)) == "192.0.2.7"
    assert client("198.51.100.1", "192.0.2.7", trusted=("unix",)) == "198.51.100.1"


hops = st.lists(
    st.one_of(
        st.ip_addresses().map(str),
        st.sampled_from(["10.0.0.1", "127.0.0.1", "unknown", "[::1]:80", "192.0.2.7:1", "["]),
        st.text('0123456789.:[]" af', max_size=20),
    ),
    max_size=8,
).map(", ".join)


@given(hops)
def test_what_a_client_claims_never_changes_who_it_is(claimed: str) -> None:
    real = "192.0.2.7"
    assert client("127.0.0.1", claimed, f"{real}, 10.0.0.1") == real
    assert client(real, claimed) == real
    assert client("127.0.0.1", claimed) is not None


@pytest.mark.parametrize(
    ("headers", "scheme"),
    [
        ({}, "http"),
        ({"x-forwarded-proto": "https"}, "https"),
        ({"x-forwarded-proto": "HTTPS"}, "https"),
        ({"x-forwarded-proto": "wss"}, "https"),
        ({"x-forwarded-proto": "http"}, "http"),
        ({"x-forwarded-proto": "ftp"}, "http"),
        ({"x-forwarded-proto": ""}, "http"),
        ({"x-forwarded-proto": "http, https", "x-forwarded-for": "192.0.2.7"}, "https"),
        ({"x-forwarded-proto": "https, http", "x-forwarded-for": "192.0.2.7, 10.0.0.1"}, "https"),
    ],
)
def test_the_scheme_is_what_the_outermost_proxy_of_ours_saw(
    headers: Mapping[str, str], scheme: str
) -> None:
    pairs = list(headers.items())
    assert seen("127.0.0.1", pairs)["scheme"] == scheme
    assert seen("127.0.0.1", pairs, kind="websocket")["scheme"] == scheme.replace("http", "ws")
    assert seen("192.0.2.9", pairs)["scheme"] == "http"


def test_the_host_is_what_the_proxy_was_asked_for() -> None:
    pairs = [("x-forwarded-host", "evil.example, chat.example"), ("x-forwarded-for", "192.0.2.7")]
    hosts = [v for k, v in seen("127.0.0.1", pairs)["headers"] if k == b"host"]
    assert hosts == [b"chat.example"]
    assert dict(seen("192.0.2.9", pairs)["headers"])[b"host"] == b"127.0.0.1:8000"


@pytest.mark.parametrize("text", ["", "x", "1.2.3", "1.2.3.4.5", "[", "[]", ":", "::1::", "1:2:3"])
def test_what_is_no_address_is_none(text: str) -> None:
    assert address_of(text) is None


# -- the setting ---------------------------------------------------------------------------------


def configured(folder: Path, written: str) -> WebConfig:
    path = folder / "plugins.toml"
    path.write_text(f"[web]\ntrusted_proxies = {written}\n")
    return read_config(path, {}).web


def test_proxies_are_addresses_networks_or_unix(tmp_path: Path) -> None:
    names = ["127.0.0.1", "10.0.0.0/8", "::1", "2001:db8::/32", "unix"]
    assert configured(tmp_path, str(names)).trusted_proxies == tuple(names)
    assert configured(tmp_path, '"127.0.0.1"').trusted_proxies == ("127.0.0.1",)


@pytest.mark.parametrize(
    ("written", "mend"),
    [
        ('["10.0.0.1/8"]', r"Did you mean '10\.0\.0\.0/8'\?"),
        ('["localhost"]', "Write addresses or networks"),
        ('["*"]', "Write addresses or networks"),
        ('["10.0.0.0/33"]', "Write addresses or networks"),
        ('["0.0.0.0/0"]', "trust every address"),
        ('["::/0"]', "trust every address"),
        ("[1]", "Write a name, or a list"),
        ("true", "Write a name, or a list"),
        ('["127.0.0.1", ""]', "Write addresses or networks"),
    ],
)
def test_what_is_none_stops_the_start_with_the_mend(
    tmp_path: Path, written: str, mend: str
) -> None:
    with pytest.raises(BadSettings, match=mend):
        configured(tmp_path, written)


# -- over the wire -------------------------------------------------------------------------------


BEHIND: WebConfig = attrs.evolve(
    TOKEN, trusted_proxies=("127.0.0.1",), allowed_hosts=("chat.example",)
)  # fmt: skip


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with a_door(tmp_path_factory.mktemp("door"), BEHIND) as door:
        yield door


PUBLIC = {
    "x-forwarded-for": "192.0.2.7",
    "x-forwarded-proto": "https",
    "x-forwarded-host": "chat.example",
}


def test_behind_a_proxy_that_keeps_no_host_a_browser_logs_in_and_talks(door: Door) -> None:
    origin = {"origin": "https://chat.example", "sec-fetch-site": "same-origin"}
    with httpx.Client(base_url=door.server.url, headers=PUBLIC | origin, trust_env=False) as page:
        answer = page.post(f"/login?code={door.keyring.new_code()}")
        assert answer.status_code == 303
        assert re.match(r"__Host-aichat=.*; Secure", answer.headers["set-cookie"])
        cookie = {"cookie": answer.headers["set-cookie"].partition(";")[0]}
        assert page.get("/", headers=cookie).status_code == 200
        headers = PUBLIC | cookie
        with door.server.client(additional_headers=headers, origin=origin["origin"]) as client:
            client.until("ready")
        with (
            pytest.raises(InvalidStatus) as refused,
            door.server.client(additional_headers=headers, origin="https://evil.example"),
        ):
            pass
        assert refused.value.response.status_code == 403


def test_a_cookie_is_secure_because_the_proxy_says_https_also_without_an_origin(door: Door) -> None:
    answer = httpx.post(
        f"{door.server.url}/login?code={door.keyring.new_code()}", headers=PUBLIC, trust_env=False
    )
    assert answer.headers["set-cookie"].startswith("__Host-aichat=")


def test_a_forwarded_name_that_is_not_allowed_reaches_nothing(door: Door) -> None:
    for host in ("evil.example", "chat.example.evil.example", "chat.example/", "\xff"):
        raw = {**PUBLIC, "x-forwarded-host": host.encode("latin-1")}
        answer = httpx.get(f"{door.server.url}/login", headers=raw, trust_env=False)
        assert answer.status_code == 403, host


def statuses(server: Server, count: int, address: str) -> list[int]:
    headers = {"x-forwarded-for": address}
    return [
        httpx.get(f"{server.url}/health", headers=headers, trust_env=False).status_code
        for _ in range(count)
    ]


def test_each_client_behind_a_proxy_has_limits_of_its_own() -> None:
    web = WebConfig(max_requests_per_s=1, trusted_proxies=("127.0.0.1",))
    with a_server(web=web) as server:
        # more than a slow machine is given back meanwhile, at one a second
        assert 429 in statuses(server, 40, "192.0.2.7")
        assert statuses(server, 3, "192.0.2.8") == [200] * 3
        assert 429 in statuses(server, 10, "198.51.100.1, 192.0.2.7")


def test_without_the_setting_no_claim_counts() -> None:
    with a_server(web=attrs.evolve(AT_EASE, max_requests_per_s=1)) as server:
        codes = [statuses(server, 1, f"192.0.2.{n}")[0] for n in range(12)]
    assert codes[-1] == 429


def test_local_takes_no_forwarded_requests_from_a_proxy_of_ours_either() -> None:
    with a_server(web=attrs.evolve(AT_EASE, trusted_proxies=("127.0.0.1",))) as server:
        for claimed in ("127.0.0.1", "192.0.2.7", "unknown"):
            answer = httpx.get(
                f"{server.url}/", headers={"x-forwarded-for": claimed}, trust_env=False
            )
            assert answer.status_code == 403
