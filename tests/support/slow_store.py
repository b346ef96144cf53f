"""A store that reads at once and answers later."""

from __future__ import annotations

from collections.abc import Sequence

import anyio

from aichat.core import Character, Conversation, Message
from aichat.core.memory_storage import MemoryStorage
from support.chat import a_store


class SlowStore(MemoryStorage):
    """Each call takes the next pause of its list, after it has read."""

    cast_pauses: Sequence[float] = ()
    message_pauses: Sequence[float] = ()

    async def cast(self, id: str) -> tuple[Conversation, Sequence[Character]]:
        read = await super().cast(id)
        if self.cast_pauses:
            pause, *self.cast_pauses = self.cast_pauses
            await anyio.sleep(pause)
        return read

    async def recent_messages(
        self, conversation: str, n: int = 50, before: str | None = None
    ) -> Sequence[Message]:
        read = await super().recent_messages(conversation, n, before)
        if self.message_pauses:
            pause, *self.message_pauses = self.message_pauses
            await anyio.sleep(pause)
        return read


async def a_slow_store() -> SlowStore:
    store, plain = SlowStore(), await a_store()
    store.__dict__.update(vars(plain))
    return store
