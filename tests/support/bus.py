"""An event and a handler for tests of the bus."""

from __future__ import annotations

import anyio
from attrs import field, frozen

from aichat.core.events import Event, Interrupted, Turn, UserSaid


@frozen
class Guess(Event):
    """An event of a plug-in's own."""

    text: str = field(repr=False)


def said(turn: Turn, text: str = "hi") -> UserSaid:
    return UserSaid(turn, text)


class Ear:
    """A handler that remembers what it heard, and holds back when it is told to."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.open = anyio.Event()
        self.open.set()

    def hold(self) -> None:
        self.open = anyio.Event()

    async def hear(self, event: UserSaid | Guess | Interrupted) -> None:
        await self.open.wait()
        self.heard.append("!" if isinstance(event, Interrupted) else event.text)
