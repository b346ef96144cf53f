"""Settings that are changed at the same moment: none is lost, whoever changes which."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aichat.core import Character, Conversation, Storage
from aichat.core.memory_storage import MemoryStorage
from aichat.plugins.sqlite.store import Sqlite
from aichat.web.realtime.conversation_settings import change_settings
from aichat.web.realtime.record_locks import RecordLocks
from aichat.web.settings.conversation_defaults import merged
from aichat.web.settings.live_settings import KEPT_AS, LiveSettings
from support.chat import CAST, a_store
from support.in_process_server import Server, a_server
from support.live_settings import a_chat_with_live_settings
from support.waiting import HANG_SECONDS

NAMES = ("model", "temperature", "max_tokens", "top_p", "strategy", "max_replies", "auto_cap")
VALUES: Mapping[str, Any] = dict(
    zip(NAMES, ("a/b", 0.5, 100, 0.25, "first", 2, 3), strict=True)
)  # fmt: skip


class Slow:
    """A store each of whose calls lets others go first, before and after; it has only some."""

    def __init__(self, store: Any, without: tuple[str, ...] = ()) -> None:
        self.store, self.without = store, without

    def __getattr__(self, name: str) -> Any:
        if name in self.without:
            raise AttributeError(name)
        call = getattr(self.store, name)

        async def slowly(*arguments: Any, **named: Any) -> Any:
            await anyio.lowlevel.checkpoint()
            answer = await call(*arguments, **named)
            await anyio.lowlevel.checkpoint()
            return answer

        return slowly


class SlowAndPlain(Slow):
    """One that cannot change single settings."""

    def __init__(self, store: Any) -> None:
        super().__init__(store, ("adjust_conversation",))


@asynccontextmanager
async def two_processes(path: Path) -> AsyncIterator[tuple[Storage, Storage]]:
    async with Sqlite(str(path / "aichat.db")) as one, Sqlite(str(path / "aichat.db")) as two:
        await one.add_conversation(Conversation("c"))
        yield one, two


def test_a_store_without_single_settings_is_not_taken_for_one_with() -> None:
    from aichat.core import Adjusts

    assert isinstance(MemoryStorage(), Adjusts)
    assert isinstance(Slow(MemoryStorage()), Adjusts)
    assert not isinstance(SlowAndPlain(MemoryStorage()), Adjusts)


changes = st.lists(
    st.dictionaries(st.sampled_from(NAMES), st.none() | st.integers(0, 9), min_size=1, max_size=2),
    min_size=1,
    max_size=8,
)


@settings(max_examples=40, deadline=None)
@given(changes)
@pytest.mark.parametrize("kind", [Slow, SlowAndPlain])
def test_changes_at_once_come_out_as_one_after_the_other(
    kind: Callable[[Any], Any], wanted: list[dict[str, Any]]
) -> None:
    async def main() -> None:
        store, alone = await a_store(), RecordLocks()
        slow, order = kind(store), list[int]()

        async def change(place: int) -> None:
            def choose(_: Mapping[str, Any]) -> Mapping[str, Any]:
                order.append(place)
                return wanted[place]

            await change_settings(slow, alone, "c", choose)

        async with anyio.create_task_group() as tasks:
            for place in range(len(wanted)):
                tasks.start_soon(change, place)
        expected: dict[str, Any] = {}
        for place in order:
            expected = merged(expected, wanted[place])
        assert (await store.conversation("c")).settings == expected
        assert sorted(order) == list(range(len(wanted)))
        assert not alone.locks  # nobody's lock is kept

    anyio.run(main)


@pytest.mark.anyio
async def test_two_processes_on_one_file_lose_no_setting(tmp_path: Path) -> None:
    async with two_processes(tmp_path) as stores:
        locks = RecordLocks(), RecordLocks()

        async def change(number: int) -> None:
            which = number % 2
            await change_settings(stores[which], locks[which], "c", {f"s{number}": number})

        async with anyio.create_task_group() as tasks:
            for number in range(30):
                tasks.start_soon(change, number)
        kept = (await stores[0].conversation("c")).settings
        assert kept == {f"s{number}": number for number in range(30)}


@pytest.mark.anyio
async def test_who_is_cancelled_while_it_waits_keeps_nobody_out() -> None:
    store, alone = Slow(await a_store()), RecordLocks()
    async with anyio.create_task_group() as tasks, alone.with_all(["c"]):
        tasks.start_soon(change_settings, store, alone, "c", {"top_p": 1})
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    with anyio.fail_after(HANG_SECONDS):
        await change_settings(store, alone, "c", {"top_p": 0.5})
    assert (await store.conversation("c")).settings == {"top_p": 0.5}


# -- over the wire -------------------------------------------------------------------------------


async def _filled(path: Path) -> None:
    async with Sqlite(str(path)) as store:
        for name in CAST:
            await store.add_character(Character(name.lower(), name))
        await store.add_conversation(Conversation(ID, active_characters=["olivia", "mark", "rosa"]))


ID = "7dd5d773-23b1-4d8e-9a61-5a8aaa1a81d6"


@pytest.fixture(params=["sqlite", "plain"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    if request.param == "sqlite":
        anyio.run(_filled, tmp_path / "aichat.db")
        store: Any = Sqlite(str(tmp_path / "aichat.db"))
    else:
        memory = MemoryStorage()
        anyio.run(_fill, memory)
        store = SlowAndPlain(memory)
    with a_server(storage=store) as server:
        yield server


async def _fill(store: MemoryStorage) -> None:
    for name in CAST:
        await store.add_character(Character(name.lower(), name))
    await store.add_conversation(Conversation(ID, active_characters=["olivia", "mark", "rosa"]))


def at_once(server: Server, *requests: tuple[str, str, dict[str, Any]]) -> list[int]:
    """Send requests side by side; return their statuses."""
    codes: list[int] = []

    async def main() -> None:
        async with (
            httpx.AsyncClient(base_url=server.url, trust_env=False) as client,
            anyio.create_task_group() as tasks,
        ):

            async def send(method: str, path: str, how: dict[str, Any]) -> None:
                codes.append((await client.request(method, path, **how)).status_code)

            for one in requests:
                tasks.start_soon(send, *one)

    anyio.run(main)
    return codes


def conversation(server: Server) -> Any:
    return httpx.get(f"{server.url}/api/conversations/{ID}", trust_env=False).json()


def test_settings_that_are_sent_at_once_over_rest_are_all_kept(server: Server) -> None:
    puts = [
        ("PUT", f"/api/conversations/{ID}", {"json": {"settings": {k: v}}})
        for k, v in VALUES.items()
    ]
    titled = (
        "PUT",
        f"/api/conversations/{ID}",
        {"json": {"title": "New", "settings": {"auto": True}}},
    )
    assert set(at_once(server, *puts, titled)) == {200}
    now = conversation(server)
    assert now["settings"] == {**VALUES, "auto": True}
    assert now["title"] == "New"


def test_sockets_forms_and_rest_lose_nothing_to_each_other(server: Server) -> None:
    query = f"conversation_id={ID}"
    with server.client(query) as one, server.client(query) as two:
        for client in (one, two):
            client.until("ready")
        for place, (name, value) in enumerate(VALUES.items()):
            (one, two)[place % 2].send("settings", **{name: value})
        forms = [
            ("POST", f"/c/{ID}/cast", {"data": {"do": f"mute {who}"}})
            for who in ("olivia", "mark", "rosa")
        ]
        rest = ("PUT", f"/api/conversations/{ID}", {"json": {"settings": {"stop": ["x"]}}})
        codes = at_once(server, *forms, rest)
        assert set(codes) == {200, 303}
        for client in (one, two):
            client.send("ping", t=1)
            client.until("pong")
    kept = conversation(server)["settings"]
    assert kept == {**VALUES, "muted": ["mark", "olivia", "rosa"], "stop": ["x"]}


def test_a_cast_that_is_ordered_loses_nobody_who_joins(server: Server) -> None:
    leaving = httpx.delete(f"{server.url}/api/conversations/{ID}/characters/rosa", trust_env=False)
    assert leaving.status_code == 200
    codes = at_once(
        server,
        *[("POST", f"/c/{ID}/cast", {"data": {"do": "down olivia"}}) for _ in range(4)],
        ("POST", f"/api/conversations/{ID}/characters/rosa", {}),
        *[("POST", f"/c/{ID}/cast", {"data": {"do": "up mark"}}) for _ in range(4)],
    )
    assert set(codes) == {201, 303}
    assert sorted(conversation(server)["active_characters"]) == ["mark", "olivia", "rosa"]


def test_what_a_browser_prefers_is_kept_though_its_forms_are_sent_at_once(server: Server) -> None:
    wanted = {"theme": "dark", "rail": "narrow", "shortcuts": "off", "announce": "whole"}
    with httpx.Client(base_url=server.url, trust_env=False) as browser:
        before = dict(browser.cookies)
        answers = [
            httpx.post(f"{server.url}/preferences", data={k: v}, cookies=before, trust_env=False)
            for k, v in wanted.items()
        ]
        for answer in answers:  # each was sent before any answer came
            for name, value in answer.cookies.items():
                browser.cookies.set(name, value)
        page = browser.get("/agents").text
    assert 'data-theme="dark" data-rail="narrow"' in page
    for name, value in wanted.items():
        assert f'data-{name}="{value}"' in page


def test_preferences_that_were_kept_together_before_are_still_known(server: Server) -> None:
    old = {"cookie": "aichat-preferences=theme=dark&rail=narrow; aichat-prefers-rail=wide"}
    page = httpx.get(f"{server.url}/agents", headers=old, trust_env=False).text
    assert 'data-theme="dark" data-rail="wide"' in page


@pytest.mark.anyio
async def test_settings_of_backends_that_two_processes_change_are_both_kept() -> None:
    store = await a_store()
    async with a_chat_with_live_settings(store) as (parts, one):
        other = LiveSettings(parts)
        await other.restore()
        await store.change_settings({KEPT_AS: {"vad.silero": {"threshold": 0.4}}})
        await one.change("turn", "silence", {"end_ms": 600})
    kept = (await store.settings())[KEPT_AS]
    assert kept == {"vad.silero": {"threshold": 0.4}, "turn.silence": {"end_ms": 600}}
