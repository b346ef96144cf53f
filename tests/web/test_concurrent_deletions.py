"""Pages and lists while others delete what they are reading: nothing breaks."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from io import BytesIO
from typing import Any

import anyio
import httpx
import pytest

from aichat.core import Character, Conversation, Message, NotFound, Voice
from aichat.core.memory_storage import MemoryStorage
from aichat.web.services.archive import writing
from support.chat import a_store
from support.in_process_server import Server, a_server

OURS = "7dd5d773-23b1-4d8e-9a61-5a8aaa1a81d6"
OTHERS = [f"00000000-0000-4000-8000-{n:012}" for n in range(40)]


class Vanishing(MemoryStorage):
    """While a test lets it, deletes what is in *victims*, one before each call that it is asked."""

    victims: list[Callable[[], Awaitable[None]]]
    counted = 0
    after = 10**9

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name.startswith("_") or name not in READ:
            return found

        async def called(*arguments: Any, **named: Any) -> Any:
            self.counted += 1
            if self.counted > self.after and self.victims:
                await self.victims.pop()()
            return await found(*arguments, **named)

        return called


READ = {
    "characters", "character", "voices", "voice", "clip", "conversations", "conversation", "cast",
    "message", "messages", "recent_messages", "search_messages", "settings", "add_conversation",
}  # fmt: skip


async def a_vanishing_store() -> Vanishing:
    store = Vanishing()
    store.__dict__.update((await a_store()).__dict__)
    await store.add_voice(Voice("spare"))
    await store.add_character(Character("spare", "Spare", voice="spare"))
    for id in (OURS, *OTHERS):
        await store.add_conversation(Conversation(id, f"tea {id}", ["olivia", "spare"]))
        for n in range(2):
            await store.add_message(Message(f"{id} {n}", id, "user", f"tea {n}"))
    store.victims = []
    return store


def deletions(store: Vanishing) -> list[Callable[[], Awaitable[None]]]:
    """Delete all that is not ours, the newest conversations (which lists show first) first."""

    def conversation(id: str) -> Callable[[], Awaitable[None]]:
        async def gone() -> None:
            with suppress(NotFound):
                await MemoryStorage.delete_conversation(store, id)

        return gone

    async def spare() -> None:
        await MemoryStorage.delete_character(store, "spare")
        await MemoryStorage.delete_voice(store, "spare")

    async def message() -> None:
        with suppress(NotFound):
            await MemoryStorage.delete_message(store, f"{OURS} 1")

    every = [conversation(id) for id in OTHERS]
    return [*every[:20], spare, *every[20:35], message, *every[35:]]


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    with a_server(storage=anyio.run(a_vanishing_store)) as server:
        yield server


@pytest.fixture
def server(running: Server) -> Iterator[Server]:
    refill(running.store)
    yield running
    running.store.after = 10**9


def refill(store: Vanishing) -> None:
    store.after = 10**9
    store.__dict__.update(anyio.run(a_vanishing_store).__dict__)


PAGES = [
    "/",
    f"/c/{OURS}",
    f"/c/{OURS}/edit",
    f"/c/{OURS}/turns",
    "/conversations",
    "/conversations?q=tea",
    "/characters",
    "/characters?q=spare",
    "/characters/olivia",
    "/voices",
    "/models",
    f"/models?conversation={OURS}",
    "/agents",
    "/speech",
    "/settings",
    "/settings/export",
    "/api/characters",
    "/api/characters/active",
    "/api/characters/search?query=spare",
    "/api/voices",
    "/api/conversations",
    "/api/messages/search?q=tea",
    f"/api/messages?conversation_id={OURS}",
    f"/api/messages/recent?conversation_id={OURS}",
    f"/api/messages/last?conversation_id={OURS}",
    "/api/settings",
]


@pytest.mark.parametrize("path", PAGES)
def test_what_others_delete_at_any_moment_breaks_no_page(server: Server, path: str) -> None:
    store, calls, place = server.store, 1, 0
    while place < min(calls, 8):  # deletions begin at the first call, the second …
        refill(store)
        store.victims, store.counted, store.after = deletions(store), 0, place
        answer = httpx.get(server.url + path, trust_env=False)
        calls, store.after = store.counted, 10**9
        assert answer.status_code == 200, (path, place, answer.text[-300:])
        place += 1


@pytest.mark.parametrize("path", [f"/c/{OURS}", f"/api/messages?conversation_id={OURS}"])
def test_a_page_whose_own_conversation_goes_says_so(server: Server, path: str) -> None:
    store = server.store
    store.victims = [lambda: MemoryStorage.delete_conversation(store, OURS)]
    store.counted, store.after = 0, 0
    answer = httpx.get(server.url + path, trust_env=False)
    assert answer.status_code == 404


def test_a_conversation_begins_though_somebody_is_deleted_just_then(server: Server) -> None:
    store = server.store

    async def gone(id: str) -> None:
        await MemoryStorage.delete_character(store, id)

    store.victims = [lambda: gone("mark"), lambda: gone("olivia")]
    store.counted, store.after = 0, 1
    with server.client("") as client:
        ready = client.until("ready")
    assert len(ready["characters"]) == 2
    store.victims = [lambda: gone("rosa")]
    store.counted, store.after = 0, 1
    begun = httpx.post(f"{server.url}/messages", data={"text": "hello"}, trust_env=False)
    assert begun.status_code == 303


def test_all_conversations_are_forgotten_though_another_forgets_them_too(server: Server) -> None:
    store = server.store
    store.victims, store.counted, store.after = deletions(store), 0, 0

    original = MemoryStorage.delete_conversation

    async def racing(self: MemoryStorage, id: str) -> None:
        await original(self, id)
        raise NotFound("Somebody else was quicker.", "Go on.")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Vanishing, "delete_conversation", racing)
        answer = httpx.post(f"{server.url}/settings/forget", data={"sure": "yes"}, trust_env=False)
    assert answer.status_code == 303
    assert anyio.run(store.conversations) == []


def test_an_export_keeps_a_conversation_whose_messages_are_deleted_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writing, "PAGE", 3)

    async def filled() -> Vanishing:
        store = await a_vanishing_store()
        for id in OTHERS:
            await store.delete_conversation(id)
        for n in range(2, 12):
            await store.add_message(Message(f"{OURS} {n}", OURS, "user", f"tea {n}"))
        return store

    store = anyio.run(filled)

    def deleting(n: int) -> Callable[[], Awaitable[None]]:
        return lambda: MemoryStorage.delete_message(store, f"{OURS} {n}")

    with a_server(storage=store) as server:
        store.victims = [deleting(n) for n in (11, 8, 5, 2)]
        store.counted, store.after = 0, 7
        packed = httpx.get(f"{server.url}/settings/export", trust_env=False).content
    with zipfile.ZipFile(BytesIO(packed)) as archive:
        talks = [json.loads(archive.read(n)) for n in archive.namelist() if "conversations/" in n]
    ours = next(one for one in talks if one["conversation"]["conversation_id"] == OURS)
    kept = [message["content"] for message in ours["messages"]]
    always = [f"tea {n}" for n in (0, 1, 3, 4, 6, 7, 9, 10)]
    assert [one for one in kept if one in always] == always
