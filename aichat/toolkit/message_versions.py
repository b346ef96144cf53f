"""Versions of a message: a reply may be rewritten, and the user chooses among its texts.

They are stored in the message's ``extensions``: ``versions``, oldest first, and ``version``, the
index of the one that is shown. Clients may write anything there; invalid versions are ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import evolve

from aichat.core.errors import BadValue
from aichat.core.models import Message

MOST = 20
"""Most versions of a message; the oldest are dropped."""
OWN = ("usage", "tools")
"""Extensions that belong to a single version."""


def versions(message: Message) -> list[dict[str, Any]]:
    """Return all versions of a message, oldest first: at least one."""
    kept = message.extensions.get("versions")
    texts = kept if isinstance(kept, (list, tuple)) else ()
    known = [dict(one) for one in texts if isinstance(one, Mapping) and _is_text(one)]
    return known or [_version(message, message.created_at)]


def shown(message: Message) -> int:
    """Return the index of the version that is shown."""
    number, count = message.extensions.get("version"), len(versions(message))
    return number if isinstance(number, int) and 0 <= number < count else count - 1


def rewritten(before: Message, after: Message) -> Message:
    """Return *after* in the place of *before*, with the versions of *before*."""
    texts = [*versions(before), _version(after, after.created_at)][-MOST:]
    rest = {name: value for name, value in before.extensions.items() if name not in OWN}
    kept = {**rest, **after.extensions, "versions": texts, "version": len(texts) - 1}
    return evolve(after, created_at=before.created_at, extensions=kept)


def chosen(message: Message, number: int) -> Message:
    """Return a message that shows another version. Raises BadValue if there is none."""
    texts = versions(message)
    if not 0 <= number < len(texts):
        raise BadValue(f"There is no version {number}.", f"There are {len(texts)}.", "version")
    text = texts[number]
    rest = {name: value for name, value in message.extensions.items() if name not in OWN}
    own = {name: text[name] for name in OWN if name in text}
    heard = text.get("heard")
    return evolve(
        message,
        content=text["content"],
        heard=heard if isinstance(heard, str) else None,
        interrupted=isinstance(heard, str),
        turn_id=str(text.get("turn_id", message.turn_id)),
        extensions={**rest, **own, "versions": texts, "version": number},
    )


def edited(message: Message, content: str) -> Message:
    """Return a message with another text in the place of the one that is shown.

    An edited text counts as heard to its end.
    """
    after = evolve(message, content=content, heard=None, interrupted=False)
    if "versions" not in message.extensions:
        return after
    texts, number = versions(message), shown(message)
    texts[number] = {**texts[number], "content": content, "heard": None}
    return evolve(after, extensions={**message.extensions, "versions": texts, "version": number})


def _version(message: Message, made: datetime) -> dict[str, Any]:
    own = {name: message.extensions[name] for name in OWN if name in message.extensions}
    return {
        "content": message.content,
        "heard": message.heard,
        "turn_id": message.turn_id,
        "created_at": made.isoformat(),
        **own,
    }


def _is_text(version: Mapping[str, Any]) -> bool:
    return isinstance(version.get("content"), str)
