"""A conversation's cast and turn settings, as the templates show them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attrs import frozen

from aichat.core import Character, Conversation, Storage
from aichat.core.turn_rules import TurnRules, read_rules
from aichat.web.schemas.server_frames import Speaker
from aichat.web.settings.conversation_defaults import defaults

from .character_pictures import own_picture


@frozen
class CastView:
    """A conversation's cast. *others* are those who may join it; *id* is empty while it is new."""

    id: str
    title: str
    characters: Sequence[Character]
    others: Sequence[Character]
    rules: TurnRules


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
    return CastView(
        conversation.conversation_id if conversation else "",
        (conversation.title if conversation else None) or "New conversation",
        cast,
        others,
        read_rules(settings),
    )
