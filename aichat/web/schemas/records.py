"""Bodies and answers of the REST API. Field names are those of the outside contract.

``New…`` are the bodies of POST, ``…Changes`` those of PUT: there a field that is not sent keeps its
value. Unknown fields are refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

import msgspec
from litestar.params import BodyKwarg
from msgspec import UNSET, Meta, Struct, UnsetType

from . import settings
from .settings import Ids, ModelName, Temperature

T = TypeVar("T", bound=Struct)

Name = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"\S", examples=["Olivia Barns"])]
VoiceKey = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=100,
        pattern=r"\S",
        description='The key and the display name. It holds no "/", and is no address of ours: '
        '"upload", "clips", "preview".',
        examples=["warm-woman"],
    ),
]
LongText = Annotated[str, Meta(max_length=100_000)]
ShortText = Annotated[str, Meta(max_length=10_000)]
Address = Annotated[
    str,
    Meta(
        max_length=2_000,
        description="The address of a picture on this server, as `POST /images` returns it.",
        examples=["/static/olivia.png"],
    ),
]
Time = Annotated[datetime, Meta(tz=True)]
Uuid = Annotated[str, Meta(extra_json_schema={"format": "uuid"})]
Json = Annotated[dict[str, Any], Meta(description="Free JSON, kept unchanged.")]
Cast = Annotated[
    list[Annotated[str, Meta(max_length=200)]],
    Meta(max_length=100, description="Ids of characters, each once, in speaking order."),
]
Title = Annotated[str, Meta(min_length=1, max_length=200)]
Content = Annotated[str, Meta(min_length=1, max_length=2_000_000)]


# -- answers beside the records ----------------------------------------------------------------


class Deleted(Struct):
    """It is gone."""

    success: bool
    message: str


class FieldError(Struct):
    """One wrong field of a request."""

    field: str
    message: str


class Error(Struct, omit_defaults=True):
    """Every error. *detail* says what is wrong and how to mend it; *extra* names wrong fields."""

    status_code: int
    detail: str
    extra: list[FieldError] | UnsetType = UNSET


# -- characters --------------------------------------------------------------------------------


class Character(Struct):
    """Who may answer. *model* and *temperature* win over the conversation's, unless null."""

    id: Annotated[str, Meta(examples=["olivia-barns-001"])]
    name: str
    system_prompt: str
    voice: str | None
    image_url: str | None
    images: list[str]
    is_active: bool
    greeting: str | None
    model: str | None
    temperature: float | None
    extensions: dict[str, Any]
    created_at: Time
    updated_at: Time


class NewCharacter(Struct, forbid_unknown_fields=True):
    """A character to be made; its id is made of its name."""

    name: Name
    system_prompt: LongText = ""
    voice: VoiceKey | None = None
    image_url: Address | None = None
    images: Annotated[list[Address], Meta(max_length=100)] = []
    is_active: bool = True
    greeting: ShortText | None = None
    model: ModelName | None = None
    temperature: Temperature | None = None
    extensions: Json = {}


class CharacterChanges(Struct, forbid_unknown_fields=True):
    """What is to be changed of a character; null takes away what may be null."""

    name: Name | UnsetType = UNSET
    system_prompt: LongText | UnsetType = UNSET
    voice: VoiceKey | UnsetType | None = UNSET
    image_url: Address | UnsetType | None = UNSET
    images: Annotated[list[Address], Meta(max_length=100)] | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET
    greeting: ShortText | UnsetType | None = UNSET
    model: ModelName | UnsetType | None = UNSET
    temperature: Temperature | UnsetType | None = UNSET
    extensions: Json | UnsetType = UNSET


# -- settings ----------------------------------------------------------------------------------


class Settings(Struct):
    """What new conversations begin with; null leaves it to the backend."""

    model: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    top_p: float | None = None
    stop: list[str] | None = None
    strategy: str | None = None
    max_replies: int | None = None
    auto: bool | None = None
    auto_cap: int | None = None


class SettingsChanges(settings.SettingsChanges, forbid_unknown_fields=True):
    """What is to be changed of settings; null takes one away."""


class ConversationSettingsChanges(SettingsChanges, forbid_unknown_fields=True):
    """What is to be changed of a conversation's settings; *muted* characters never answer."""

    muted: Ids | UnsetType | None = UNSET


# -- conversations -----------------------------------------------------------------------------


class Conversation(Struct):
    """Who talks, in which order, with which settings."""

    conversation_id: Uuid
    title: str | None
    active_characters: list[str]
    settings: dict[str, Any]
    created_at: Time
    updated_at: Time


NewCast = Annotated[Cast, BodyKwarg(max_items=100)]


class NewConversation(Struct, forbid_unknown_fields=True):
    """A conversation to be made. Settings that are not sent are the application's."""

    conversation_id: UUID | None = None
    title: Title | None = None
    active_characters: Cast = []
    settings: ConversationSettingsChanges = msgspec.field(
        default_factory=ConversationSettingsChanges
    )


class ConversationChanges(Struct, forbid_unknown_fields=True):
    """What is to be changed of a conversation. Without a title, the user's next words make one."""

    title: Title | UnsetType | None = UNSET
    active_characters: Cast | UnsetType = UNSET
    settings: ConversationSettingsChanges | UnsetType = UNSET


# -- messages ----------------------------------------------------------------------------------

Role = Literal["user", "assistant", "system"]
Source = Literal["voice", "text"]


class Message(Struct):
    """One thing said. *heard* is what was played of it when it was interrupted, else null."""

    message_id: Uuid
    conversation_id: Uuid
    role: Role
    content: str
    name: str | None
    character_id: str | None
    turn_id: str
    interrupted: bool
    heard: str | None
    source: Source
    created_at: Time
    extensions: dict[str, Any]


class NewMessage(Struct, forbid_unknown_fields=True):
    """A message to be added. Sent again with the same *message_id* it is not added twice."""

    conversation_id: UUID
    role: Role
    content: Content
    message_id: UUID | None = None
    name: Name | None = None
    character_id: Annotated[str, Meta(max_length=200)] | None = None
    turn_id: Annotated[str, Meta(max_length=200)] = ""
    interrupted: bool = False
    heard: Annotated[str, Meta(max_length=2_000_000)] | None = None
    source: Source = "text"
    extensions: Json = {}


class MessageChanges(Struct, forbid_unknown_fields=True):
    """What is to be changed of a message; *version* shows another of the texts it has had.

    A changed content counts as heard, too, so prompts show all of it.
    """

    content: Content | UnsetType = UNSET
    version: Annotated[int, Meta(ge=0, le=1_000)] | UnsetType = UNSET
    extensions: Json | UnsetType = UNSET


Batch = Annotated[
    list[NewMessage],
    Meta(min_length=1, max_length=1_000),
    BodyKwarg(min_items=1, max_items=1_000),
]

BackendChanges = Annotated[
    dict[str, Any],
    Meta(description="New values by name; null takes one back to what plugins.toml says."),
]


class Begun(Struct):
    """A turn has begun; its frames go over the conversation's WebSocket."""

    turn_id: str


class Regenerating(Struct):
    """A version is being written. *deleted* are the ids of what followed the message."""

    turn_id: str
    deleted: list[str]
    undo_seconds: float


# -- records ---------------------------------------------------------------------------------


def out(kind: type[T], record: object) -> T:
    """Convert a record to the schema *kind*."""
    return msgspec.convert(record, kind, from_attributes=True)


def outs(kind: type[T], records: Iterable[object]) -> list[T]:
    """Convert records to the schema *kind*."""
    return msgspec.convert(list(records), list[kind], from_attributes=True)  # type: ignore[valid-type]
