"""The files in an archive."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from aichat.web.schemas import records

VERSION = 1
ABOUT = "aichat.json"
VOICES = "voices.json"
CHARACTERS = "characters.json"
SETTINGS = "settings.json"
CONVERSATIONS = "conversations/"
CLIPS = "clips/"


class About(Struct):
    """What the archive is, and which version wrote it when."""

    version: int
    made_by: str
    made_at: str
    format: str = "aichat"


class ArchivedConversation(Struct):
    """One conversation, and its messages, oldest first."""

    conversation: records.Conversation
    messages: list[records.Message]


def plain(record: Struct, kind: type[Struct]) -> dict[str, Any]:
    """Return the fields of *record* that *kind* has, as a client might have sent them."""
    return {name: getattr(record, name) for name in kind.__struct_fields__ if hasattr(record, name)}
