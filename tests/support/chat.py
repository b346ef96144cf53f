"""A chat made of the product's own stages and backends that a test hands over."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import anyio
from attrs import define, field

from aichat.core import (
    PARTS,
    Backend,
    Bus,
    Character,
    Config,
    Conversation,
    Message,
    Parts,
    WebConfig,
    hookimpl,
    load_plugins,
    open_chat,
)
from aichat.core.events import Event, HandlerFailed, UserSaid
from aichat.core.ids import new_id
from aichat.core.memory_storage import MemoryStorage
from aichat.core.registry.config import Part
from aichat.core.testing.fakes import FakeLlm, FakeStt, FakeTts, FakeTurn, FakeVad

E = TypeVar("E", bound=Event)
CAST = ("Olivia", "Mark", "Rosa")
AT_EASE = WebConfig(max_sockets=1_000, max_requests_per_s=10_000, max_turns_per_s=1_000)
"""Tests are many clients at one address."""


async def a_store(cast: Sequence[str] = CAST) -> MemoryStorage:
    """A store with a conversation "c" of the *cast*; ids are the names in lower case."""
    store = MemoryStorage()
    for name in cast:
        await store.add_character(Character(name.lower(), name, f"You are {name}."))
    await store.add_conversation(Conversation("c", active_characters=[n.lower() for n in cast]))
    return store


def _offer(backend: Any) -> Callable[[], Backend[Any]]:
    return lambda: Backend("given", lambda: backend)


class Given:
    """A plug-in that offers the backends a test hands over, each under the name `given`."""

    def __init__(self, **backends: Any) -> None:
        fakes = {"vad": FakeVad, "turn": FakeTurn, "stt": FakeStt, "llm": FakeLlm, "tts": FakeTts}
        self.backends = {part: make() for part, make in fakes.items()} | backends
        for part, backend in self.backends.items():
            setattr(self, f"{part}_backend", hookimpl(_offer(backend)))

    def config(self, web: WebConfig = AT_EASE) -> Config:
        parts = {
            part: Part(("given",) if part in self.backends else ("in_order",)) for part in PARTS
        }
        return Config(Path("plugins.toml"), parts, web=web)


@define
class Listener:
    """Writes down everything that happens."""

    events: list[Event] = field(factory=list)
    more: anyio.Event = field(factory=anyio.Event)

    def hear(self, event: Event) -> None:
        self.events.append(event)
        self.more.set()
        self.more = anyio.Event()

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]


@define
class Chat:
    bus: Bus
    parts: Parts
    heard: Listener
    store: Any

    async def say(self, text: str, conversation: str = "c") -> None:
        """Type something, and let everything come of it."""
        await self.bus.publish(UserSaid(self.bus.new_turn(conversation), text, "text", new_id()))
        await self.bus.settled()

    async def begin(self, text: str, conversation: str = "c") -> None:
        """Type something, and go on."""
        await self.bus.publish(UserSaid(self.bus.new_turn(conversation), text, "text", new_id()))

    async def until(self, kind: type[E], count: int = 1) -> E:
        """Wait until so many events of a kind have happened; return the last of them."""
        while len(self.heard.of(kind)) < count:
            await self.heard.more.wait()
        return self.heard.of(kind)[count - 1]

    def spoken(self) -> list[str]:
        """What each utterance said that opened a turn: its own words, not those it joins."""
        own, before = [], ""
        for said in self.heard.of(UserSaid):
            if said.source == "voice":
                own.append(said.text.removeprefix(f"{before} ") if said.joins else said.text)
            before = said.text
        return own

    async def last_message(self, place: int = -1) -> Message:
        """The last message that is stored, or another by its place."""
        return (await self.store.recent_messages("c"))[place]

    async def said(self) -> list[tuple[str, str]]:
        """Who said what, as the store keeps it."""
        messages = await self.store.recent_messages("c")
        return [(message.name or message.role, message.said) for message in messages]


async def all_ready(parts: Parts) -> None:
    """Wait until every part is played."""
    while not parts.is_ready():
        changed = anyio.Event()
        parts.watchers.append(changed.set)
        await changed.wait()
        parts.watchers.remove(changed.set)


@asynccontextmanager
async def a_chat(
    *, failures: bool = False, extra: Sequence[object] = (), **backends: Any
) -> AsyncIterator[Chat]:
    """Open a chat with *extra* plug-ins; unless *failures* are expected, none may have happened."""
    backends.setdefault("storage", await a_store())
    given = Given(**backends)
    heard = Listener()
    async with open_chat(given.config(), load_plugins(extra=[given, *extra])) as (bus, parts):
        await all_ready(parts)
        bus.tap(heard.hear)
        with anyio.fail_after(600):
            yield Chat(bus, parts, heard, backends["storage"])
            await bus.settled()
    if not failures:
        assert not heard.of(HandlerFailed)
