"""Changes some settings of a conversation without losing changes made at the same time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from aichat.core import Adjusts, Conversation, FieldChanges, Storage
from aichat.web.settings.conversation_defaults import merged

from .record_locks import RecordLocks

Settings = Mapping[str, Any]
Choose = Callable[[Settings], Settings]


async def change_settings(
    storage: Storage,
    locks: RecordLocks,
    id: str,
    wanted: Settings | Choose,
    changes: FieldChanges | None = None,
) -> Conversation:
    """Change the *wanted* settings (null removes one), and fields of the conversation with them.

    *wanted* may be a function of the current settings. One request at a time does this in this
    process; a store that can (:class:`~aichat.core.Adjusts`) also excludes other processes.
    """
    async with locks.with_all([id]):
        if callable(wanted):
            wanted = wanted((await storage.conversation(id)).settings)
        if isinstance(storage, Adjusts):
            return await storage.adjust_conversation(id, wanted, changes or {})
        before = await storage.conversation(id)
        both = {**(changes or {}), "settings": merged(before.settings, wanted)}
        return await storage.change_conversation(id, both)
