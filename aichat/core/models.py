"""The records of the application. Field names are those of the public API.

Times are aware datetimes in UTC. What a field may hold is checked in
:mod:`~aichat.core.validators`, whatever the store.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal
from unicodedata import normalize

from attrs import Factory, field, frozen

from .picture_links import in_words
from .plain_text import unmarked
from .tools import Tool, ToolCall
from .validators import (
    are_codes,
    are_once_each,
    are_texts,
    is_flag,
    is_mapping,
    is_number_or_null,
    is_text,
    is_text_or_null,
    one_of,
    utc,
)

TITLE_LETTERS = 60
"""Most letters of a title that is made from a message."""
TITLE_SOURCE = 1_000
"""Letters at the beginning of a message that a title is made from."""

Role = Literal["user", "assistant", "system"]
Source = Literal["voice", "text"]
Method = Literal["description", "clone"]


def _now() -> datetime:
    return datetime.now(UTC)


def slug(name: str) -> str:
    """Return a name as the beginning of an id: ``Olivia Barns`` is ``olivia-barns``.

    At most 60 letters; a name without Latin letters or digits is ``character``.
    """
    latin = normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return "-".join(re.findall("[a-z0-9]+", latin))[:60].strip("-") or "character"


@frozen
class Voice:
    """How a character sounds: described in words, or cloned from a clip.

    *voice* is the key and the display name. *audio_path* and *text_path* are the keys of clips:
    what was said, and its transcript. *settings* are an engine's own options.
    """

    voice: str = field(validator=is_text)
    method: Method = field(default="description", validator=one_of(Method))
    speaker_desc: str = field(default="", validator=is_text)
    scene_prompt: str = field(default="", validator=is_text)
    audio_path: str | None = field(default=None, validator=is_text_or_null)
    text_path: str | None = field(default=None, validator=is_text_or_null)
    audio_tokens: Sequence[Sequence[int]] | None = field(default=None, validator=are_codes)
    settings: Mapping[str, Any] = field(factory=dict, validator=is_mapping)
    created_at: datetime = field(factory=_now, converter=utc)
    updated_at: datetime = field(factory=_now, converter=utc)


@frozen
class Character:
    """A character. *voice* is a key; *model* and *temperature* override the conversation's."""

    id: str = field(validator=is_text)
    name: str = field(validator=is_text)
    system_prompt: str = field(default="", validator=is_text)
    voice: str | None = field(default=None, validator=is_text_or_null)
    image_url: str | None = field(default=None, validator=is_text_or_null)
    images: Sequence[str] = field(default=(), validator=are_texts)
    is_active: bool = field(default=True, validator=is_flag)
    greeting: str | None = field(default=None, validator=is_text_or_null)
    model: str | None = field(default=None, validator=is_text_or_null)
    temperature: float | None = field(default=None, validator=is_number_or_null)
    extensions: Mapping[str, Any] = field(factory=dict, validator=is_mapping)
    created_at: datetime = field(factory=_now, converter=utc)
    updated_at: datetime = field(factory=_now, converter=utc)


@frozen
class Conversation:
    """A conversation: its cast in order, and settings. *title* is null until the user speaks."""

    conversation_id: str = field(validator=is_text)
    title: str | None = field(default=None, validator=is_text_or_null)
    active_characters: Sequence[str] = field(default=(), validator=are_once_each)
    settings: Mapping[str, Any] = field(factory=dict, validator=is_mapping)
    created_at: datetime = field(factory=_now, converter=utc)
    updated_at: datetime = field(factory=_now, converter=utc)


@frozen
class Message:
    """One message. *heard* is what was played of it when it was interrupted, else null.

    *extensions* are free JSON. aichat keeps there: ``versions`` (all texts of
    a reply, with ``version``, the index of the one that is shown), ``usage`` and ``tools``.
    """

    message_id: str = field(validator=is_text)
    conversation_id: str = field(validator=is_text)
    role: Role = field(validator=one_of(Role))
    content: str = field(validator=is_text)
    name: str | None = field(default=None, validator=is_text_or_null)
    character_id: str | None = field(default=None, validator=is_text_or_null)
    turn_id: str = field(default="", validator=is_text)
    interrupted: bool = field(default=False, validator=is_flag)
    heard: str | None = field(default=None, validator=is_text_or_null)
    source: Source = field(default="text", validator=one_of(Source))
    created_at: datetime = field(factory=_now, converter=utc)
    extensions: Mapping[str, Any] = field(factory=dict, validator=is_mapping)

    @property
    def title(self) -> str | None:
        """The title that it gives a conversation: the user's first words, as many as fit."""
        if self.role != "user":
            return None
        title = unmarked(in_words(self.content)[:TITLE_SOURCE])
        if len(title) > TITLE_LETTERS:
            whole_words = title[:TITLE_LETTERS].rpartition(" ")[0]
            title = (whole_words or title[: TITLE_LETTERS - 1]) + "…"
        return title or None

    @property
    def said(self) -> str:
        """What models see of it: all of it, or what was heard before the interruption."""
        return self.content if self.heard is None else self.heard


@frozen
class PromptMessage:
    """One message of a prompt.

    An assistant's may call tools (*calls*); the result of a call is a message of the role
    ``tool``, which names the call (*call_id*).
    """

    role: Role | Literal["tool"]
    content: str
    name: str | None = None
    calls: Sequence[ToolCall] = ()
    call_id: str | None = None


@frozen
class Prompt:
    """What a language model is sent for a character's reply.

    *messages* begin with the system prompt and are the conversation from its own point of view.
    *settings* hold what was chosen, for the character or else for the conversation: ``model``,
    ``temperature``, ``max_tokens``, ``top_p``, ``stop`` (a list of texts). The model may call
    *tools*, unless it has reached the limit of calls and *must_answer* (the calls in the messages
    still refer to them); a backend that cannot offer tools leaves them out. *prefill* is how the
    reply begins: the model goes on behind it, and does not repeat it. It is empty unless the
    backend says that it ``prefills``.
    """

    character: Character
    cast: Sequence[Character]
    messages: Sequence[PromptMessage]
    settings: Mapping[str, Any] = Factory(dict)
    tools: Sequence[Tool] = ()
    must_answer: bool = False
    prefill: str = ""
