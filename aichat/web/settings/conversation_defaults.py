"""Default settings and cast of a new conversation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from aichat.core import Character, Conversation, NotFound, Storage, new_id
from aichat.web.schemas.settings import SettingsChanges

SETTINGS = SettingsChanges.__struct_fields__


async def defaults(storage: Storage) -> dict[str, Any]:
    """Return the application's settings that conversations take over."""
    settings = await storage.settings()
    return {name: settings[name] for name in SETTINGS if settings.get(name) is not None}


async def new_conversation(
    storage: Storage,
    cast: Sequence[str],
    *,
    id: str = "",
    title: str | None = None,
    chosen: Mapping[str, Any] | None = None,
) -> Conversation:
    """Make a conversation of these characters; *chosen* settings win, null leaves one out."""
    settings = merged(await defaults(storage), chosen or {})
    made = Conversation(id or new_id(), title, active_characters=list(cast), settings=settings)
    return await storage.add_conversation(made)


async def begun(
    storage: Storage,
    most: int | None = None,
    choose: Callable[[Iterable[Character]], Iterable[Character]] = iter,
) -> tuple[Conversation, Sequence[Character]]:
    """Make a conversation of those active characters that *choose* lets in, *most* of them.

    Who is deleted while it is made is not in it.
    """
    while True:
        cast = list(choose(await storage.characters(active=True)))[:most]
        try:
            return await new_conversation(storage, [who.id for who in cast]), cast
        except NotFound:
            if not cast:
                raise


def merged(settings: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Change settings; null takes one away."""
    both = {**settings, **changes}
    return {name: value for name, value in both.items() if value is not None}
