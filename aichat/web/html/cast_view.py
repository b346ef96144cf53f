"""A conversation's cast and turn settings, as the templates show them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import frozen

from aichat.core import Character, Conversation, Storage
from aichat.web.schemas.server_frames import Speaker
from aichat.web.settings.conversation_defaults import defaults

from .character_pictures import own_picture

STRATEGIES = {
    "all": "Everybody, in order",
    "first": "The first",
    "round_robin": "One after the other",
    "natural": "Those who feel like it (dice)",
    "manual": "Nobody",
}
"""Who answers when nobody is named, in words."""
AUTO_CAP = 6
"""Default of the replies that characters give on their own before they wait."""


@frozen
class CastView:
    """A conversation's cast. *others* are those who may join it; *id* is empty while it is new."""

    id: str
    title: str
    characters: Sequence[Character]
    others: Sequence[Character]
    muted: frozenset[str]
    strategy: str
    max_replies: int | None
    auto: bool
    auto_cap: int
    strategies: Mapping[str, str] = STRATEGIES


def speakers(cast: Iterable[Character]) -> list[Speaker]:
    """Return a cast for clients; a picture on another server would reveal who is in a call."""
    return [Speaker(who.id, who.name, own_picture(who)) for who in cast]


async def cast_view(
    storage: Storage, conversation: Conversation | None, cast: Sequence[Character]
) -> CastView:
    """Prepare the cast of a conversation, or of one that is yet to be made."""
    settings = conversation.settings if conversation else await defaults(storage)
    here = {who.id for who in cast}
    others = [who for who in await storage.characters() if who.id not in here]
    strategy = settings.get("strategy")
    return CastView(
        conversation.conversation_id if conversation else "",
        (conversation.title if conversation else None) or "New conversation",
        cast,
        others,
        muted(settings),
        strategy if strategy in STRATEGIES else "all",
        _count(settings.get("max_replies")),
        settings.get("auto") is True,
        _count(settings.get("auto_cap")) or AUTO_CAP,
    )


def muted(settings: Mapping[str, Any]) -> frozenset[str]:
    """Return the ids that never answer; what the store holds that makes no sense is left out."""
    stored = settings.get("muted")
    ids = stored if isinstance(stored, list | tuple) else ()
    return frozenset(one for one in ids if isinstance(one, str))


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and value > 0 else None
