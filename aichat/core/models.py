"""The nouns of the application. Field names are those of the outside contract.

Times are aware datetimes in UTC. Text never holds U+0000 or lone surrogates, which PostgreSQL
and UTF-8 cannot carry: such values are refused here, whatever the store.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from attrs import Attribute, Factory, field, frozen

from .errors import BadValue

_UNCLEAN = re.compile("[\0\ud800-\udfff]")

TITLE_LETTERS = 60
"""The longest title that is made of a message."""

Role = Literal["user", "assistant", "system"]
Source = Literal["voice", "text"]


def _now() -> datetime:
    return datetime.now(UTC)


def _clean(_: object, attribute: Attribute[Any], value: object) -> None:
    if isinstance(value, str) and not is_clean(value):
        raise BadValue(
            f"{attribute.name} holds a character that cannot be stored (U+0000 or half a pair).",
            "Take it out.",
            attribute.name,
        )


def is_clean(text: str) -> bool:
    """Tell whether every store can keep *text*."""
    return _UNCLEAN.search(text) is None


def _text(default: str = "") -> Any:
    return field(default=default, validator=_clean)


def _maybe_text() -> Any:
    return field(default=None, validator=_clean)


@frozen
class Voice:
    """How a character sounds: described in words, or cloned from a clip.

    *voice* is the key and the display name; *settings* are an engine's own options.
    """

    voice: str = field(validator=_clean)
    method: Literal["description", "clone"] = "description"
    speaker_desc: str = _text()
    scene_prompt: str = _text()
    audio_path: str | None = _maybe_text()
    text_path: str | None = _maybe_text()
    audio_tokens: Sequence[Sequence[int]] | None = None
    settings: Mapping[str, Any] = Factory(dict)
    created_at: datetime = Factory(_now)
    updated_at: datetime = Factory(_now)


@frozen
class Character:
    """Who may answer. *voice* is a key; *model* and *temperature* override the conversation's."""

    id: str = field(validator=_clean)
    name: str = field(validator=_clean)
    system_prompt: str = _text()
    voice: str | None = _maybe_text()
    image_url: str | None = _maybe_text()
    images: Sequence[str] = ()
    is_active: bool = True
    greeting: str | None = _maybe_text()
    model: str | None = _maybe_text()
    temperature: float | None = None
    extensions: Mapping[str, Any] = Factory(dict)
    created_at: datetime = Factory(_now)
    updated_at: datetime = Factory(_now)


@frozen
class Conversation:
    """Who talks, in which order, with which settings. *title* is null until the user speaks."""

    conversation_id: str
    title: str | None = _maybe_text()
    active_characters: Sequence[str] = ()
    settings: Mapping[str, Any] = Factory(dict)
    created_at: datetime = Factory(_now)
    updated_at: datetime = Factory(_now)


@frozen
class Message:
    """One thing said. *heard* is what was played of it when it was interrupted, else null."""

    message_id: str
    conversation_id: str
    role: Role
    content: str = field(validator=_clean)
    name: str | None = _maybe_text()
    character_id: str | None = None
    turn_id: str = ""
    interrupted: bool = False
    heard: str | None = _maybe_text()
    source: Source = "text"
    created_at: datetime = Factory(_now)

    @property
    def title(self) -> str | None:
        """What a conversation is called after it: the user's first words, as many as fit."""
        if self.role != "user":
            return None
        title = " ".join(self.content.split(maxsplit=TITLE_LETTERS)[:TITLE_LETTERS])
        if len(title) > TITLE_LETTERS:
            whole_words = title[:TITLE_LETTERS].rpartition(" ")[0]
            title = (whole_words or title[: TITLE_LETTERS - 1]) + "…"
        return title or None

    @property
    def said(self) -> str:
        """What the others know of it: all of it, or what was heard before the interruption."""
        return self.content if self.heard is None else self.heard


@frozen
class PromptMessage:
    """One message for a model."""

    role: Role
    content: str
    name: str | None = None


@frozen
class Prompt:
    """All that a character is told before it answers.

    *messages* begin with the system prompt and are the conversation from its own point of view.
    *settings* hold what the user chose: ``model``, ``temperature``, ``max_tokens``, ``top_p``.
    """

    character: Character
    cast: Sequence[Character]
    messages: Sequence[PromptMessage]
    settings: Mapping[str, Any] = Factory(dict)
