"""The page's sockets, run by Node in virtual time: when they reconnect, and where they resume."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.page_scripts import Ask, page_parts

READY = {"type": "ready", "session_id": "s-1", "conversation_id": "c-1", "event_id": 7}
LIMIT, GONE, BROKEN = 1008, 4404, 1006


@pytest.fixture(scope="module")
def ask() -> Iterator[Ask]:
    with page_parts() as ask:
        yield ask


def log(ask: Ask, socket: str, *network: tuple[str, Any]) -> list[list[Any]]:
    """What happened: [ms, what, …]."""
    events: list[list[Any]] = ask({"socket": socket, "network": network})
    return events


def times(events: list[list[Any]], what: str) -> list[int]:
    return [event[0] for event in events if event[1] == what]


def states(events: list[list[Any]]) -> list[str]:
    words = {"connecting", "connected", "reconnecting", "offline", "refused"}
    return [event[1] for event in events if event[1] in words]


def broken(times: int) -> list[tuple[str, Any]]:
    """A server that is away: every attempt fails, and the next one follows after at most 15 s."""
    return [("end", BROKEN), ("pass", 15_000)] * times


def test_pauses_double_up_to_a_limit_and_the_page_is_offline_after_some_failures(ask: Ask) -> None:
    events = log(ask, "chat", ("accept", None), ("frame", READY), *broken(7))
    # each failure comes at a multiple of 15 s
    pauses = [at - n * 15_000 for n, at in enumerate(times(events, "open")[1:])]
    assert pauses == [250, 500, 1000, 2000, 4000, 5000, 5000]
    assert states(events) == ["connected", *["reconnecting"] * 4, *["offline"] * 3]


def test_pages_without_a_conversation_wait_longer_and_say_so_sooner(ask: Ask) -> None:
    events = log(ask, "status", *broken(7))
    pauses = [at - n * 15_000 for n, at in enumerate(times(events, "open")[1:])]
    assert pauses == [500, 1000, 2000, 4000, 8000, 15_000, 15_000]
    assert states(events) == ["connecting", *["offline"] * 6]


def test_it_connects_at_once_when_the_network_is_back_or_the_page_is_seen(ask: Ask) -> None:
    away = [*broken(4), ("end", BROKEN)]
    for back in (("online", True), ("show", "visible")):
        events = log(ask, "status", *away, ("pass", 10), back)
        assert times(events, "open")[-1] == 60_010
        assert len(log(ask, "status", *away, back, back)) == len(events)  # one socket, not two
    events = log(ask, "status", *away, ("show", "hidden"))
    assert times(events, "open")[-1] < 60_000


def test_a_browser_without_a_network_says_so_and_tries_in_any_case(ask: Ask) -> None:
    events = log(ask, "chat", ("online", False), ("end", BROKEN), ("pass", 250))
    assert states(events) == ["offline"]
    assert times(events, "open") == [0, 250]


def test_a_page_kept_for_the_back_button_lets_its_socket_go(ask: Ask) -> None:
    hide, show = ({"name": name, "persisted": True} for name in ("pagehide", "pageshow"))
    network = [("accept", None), ("event", hide), ("pass", 60_000)]
    assert times(log(ask, "status", *network), "open") == [0]
    assert times(log(ask, "status", *network, ("event", show)), "open") == [0, 60_000]


@pytest.mark.parametrize("code", [LIMIT, GONE])
def test_a_refused_conversation_is_not_tried_again(ask: Ask, code: int) -> None:
    events = log(ask, "chat", ("end", code), ("pass", 60_000), ("online", True))
    assert events[1:] == [[0, "refused", f"code {code}"]]


def test_a_computer_that_slept_for_too_long_tries_once_more(ask: Ask) -> None:
    connected = [("accept", None), ("frame", READY)]
    events = log(ask, "chat", *connected, ("end", LIMIT), ("pass", 250), ("end", LIMIT))
    assert states(events) == ["connected", "reconnecting", "refused"]


def test_it_resumes_after_the_last_event_that_it_has(ask: Ask) -> None:
    connected = [("accept", None), ("frame", READY)]
    more = ("frame", {"type": "text_chunk", "event_id": 9})
    events = log(ask, "chat", *connected, more, ("end", BROKEN), ("pass", 250))
    first, again = (event[2] for event in events if event[1] == "open")
    assert first == "wss://example.org/ws?view=html&conversation_id=c-1"
    assert again == f"{first}&session_id=s-1&last_event_id=9&played_ms=1250"
    assert ["got", "text_chunk"] in [event[1:] for event in events]


def test_nothing_is_sent_before_the_server_is_ready(ask: Ask) -> None:
    events = log(ask, "chat", ("accept", None), ("pass", 10_000))
    assert not times(events, "sent")
    events = log(ask, "chat", ("accept", None), ("frame", READY), ("pass", 10_000))
    assert times(events, "sent") == [10_000]


def test_a_server_that_answers_no_ping_is_left(ask: Ask) -> None:
    events = log(ask, "status", ("accept", None), ("pass", 31_000))
    assert times(events, "sent") == [10_000, 20_000]
    assert times(events, "closed") == [30_000]
    assert times(events, "open") == [0, 30_500]


def test_a_server_that_answers_stays(ask: Ask) -> None:
    network = [("accept", None)]
    for n in range(1, 10):
        network += [("pass", 10_000), ("frame", {"type": "pong", "t": n * 10_000})]
    assert times(log(ask, "status", *network), "open") == [0]


def test_a_ping_is_timed_and_fails_with_the_connection(ask: Ask) -> None:
    connected = [("accept", None), ("pass", 5), ("ping", None)]
    events = log(ask, "status", *connected, ("pass", 12), ("frame", {"type": "pong", "t": 5}))
    assert events[-1][1:] == ["pong", 12]
    for network in ([*connected, ("end", BROKEN)], [("ping", None)]):
        assert log(ask, "status", *network)[-1][1] == "The server does not answer."
