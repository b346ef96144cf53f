"""Adds messages once, however often they are sent.

A client that makes the ``message_id`` may send a message again when it got no answer. While one
request adds an id, no other of this process does; what is still on its way to the store is
written first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from attrs import define, evolve

from aichat.core import Conflict, Message, NotFound, Parts, Storage, new_id
from aichat.web.realtime.record_locks import RecordLocks
from aichat.web.schemas.decoding import BadBody, Mistake
from aichat.web.schemas.records import NewMessage


@define(eq=False)
class Posted(RecordLocks):
    """Locks of the message ids that are being added or changed."""

    async def add(
        self, parts: Parts, bodies: Sequence[NewMessage]
    ) -> tuple[list[Message], list[Message]]:
        """Add all or none; return the messages as stored, and those of them that are new."""
        ids = [str(body.message_id) for body in bodies if body.message_id]
        storage = parts.storage
        async with self.with_all(ids), parts.writes.settled(*ids):
            known = {id: found for id in ids if (found := await _known(storage, id))}
            names = await _names(storage, bodies)
            kept = [_kept(known.get(str(body.message_id)), body, names) for body in bodies]
            added = [message for message in kept if message.message_id not in known]
            if added:
                await storage.add_messages(added)
        return kept, added


def check(bodies: Sequence[NewMessage], *, is_batch: bool) -> None:
    """Check what the schema cannot express. Raises BadBody."""
    wrong: list[Mistake] = []
    seen: set[object] = set()
    for place, body in enumerate(bodies):
        where = f"[{place}]." if is_batch else ""
        if body.heard is not None and not body.interrupted:
            wrong.append(Mistake(f"{where}heard", "Only an interrupted message has it."))
        if body.message_id in seen:
            wrong.append(Mistake(f"{where}message_id", "It is in this batch twice."))
        seen.add(body.message_id or place)
    if wrong:
        raise BadBody(wrong)


async def _known(storage: Storage, id: str) -> Message | None:
    try:
        return await storage.message(id)
    except NotFound:
        return None


async def _names(storage: Storage, bodies: Iterable[NewMessage]) -> dict[str | None, str]:
    """Return the names of characters whose messages have no name, by id."""
    unnamed = {body.character_id for body in bodies if body.name is None and body.character_id}
    return {id: (await storage.character(id)).name for id in unnamed}


def _kept(before: Message | None, body: NewMessage, names: Mapping[str | None, str]) -> Message:
    """Return the stored message if it is the same, or the new one. Raises Conflict."""
    message = _message(body, names)
    if before is None:
        return message
    name = message.name if body.name else before.name  # a character may have been renamed since
    if evolve(message, created_at=before.created_at, name=name) != before:
        raise Conflict(
            f"There is another message {message.message_id} already.",
            "Make a new id, or send what was sent before.",
        )
    return before


def _message(body: NewMessage, names: Mapping[str | None, str]) -> Message:
    return Message(
        str(body.message_id or new_id()),
        str(body.conversation_id),
        body.role,
        body.content,
        body.name or names.get(body.character_id),
        body.character_id,
        body.turn_id,
        body.interrupted,
        body.heard,
        body.source,
        extensions=body.extensions,
    )
