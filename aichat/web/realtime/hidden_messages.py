"""Messages that are not shown although the store has them: their deletion is pending."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attrs import define, field

from aichat.core import Message, Storage


@define
class HiddenMessages:
    """The ids of hidden messages, by conversation."""

    ids: dict[str, set[str]] = field(factory=dict)

    def of(self, conversation: str) -> tuple[str, ...]:
        """Return the hidden ids of a conversation."""
        return tuple(self.ids.get(conversation, ()))

    def add(self, conversation: str, ids: Iterable[str]) -> None:
        """Hide messages of a conversation."""
        self.ids.setdefault(conversation, set()).update(ids)

    def drop(self, conversation: str, ids: Iterable[str]) -> None:
        """Stop hiding these messages."""
        left = self.ids.get(conversation, set()).difference(ids)
        if left:
            self.ids[conversation] = left
        else:
            self.ids.pop(conversation, None)

    def visible(self, messages: Iterable[Message]) -> list[Message]:
        """Return the messages that are not hidden."""
        if not self.ids:
            return list(messages)
        return [m for m in messages if m.message_id not in self.ids.get(m.conversation_id, ())]

    async def recent(self, storage: Storage, conversation: str, n: int) -> Sequence[Message]:
        """Return the last *n* messages that are not hidden, oldest first."""
        more = len(self.ids.get(conversation, ()))
        found = await storage.recent_messages(conversation, n + more)
        return self.visible(found)[-n:]
