"""A chat whose turn detector has settings that can be changed while it serves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from attrs import evolve

from aichat.core import Parts, load_plugins
from aichat.core.memory_storage import MemoryStorage
from aichat.core.plugins import open_chat
from aichat.core.registry.config import Part
from aichat.web.settings.live_settings import LiveSettings
from support.chat import Given, all_ready

SILENCE = {"turn": Part(("silence",), {"silence": {"end_ms": 700}})}


@asynccontextmanager
async def a_chat_with_live_settings(
    store: MemoryStorage,
) -> AsyncIterator[tuple[Parts, LiveSettings]]:
    given = Given(storage=store)
    config = evolve(given.config(), parts={**given.config().parts, **SILENCE})
    async with open_chat(config, load_plugins(extra=[given])) as (_, parts):
        await all_ready(parts)
        adjusting = LiveSettings(parts)
        await adjusting.restore()
        yield parts, adjusting
