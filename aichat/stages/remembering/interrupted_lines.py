"""Lines that interruptions cut off, kept so that they can be finished."""

from __future__ import annotations

from attrs import define, field

from aichat.core import Message
from aichat.core.events import Line

from .ledger import LineLedger

CLOSING = " \n\t.,;:!?…)]}»”’"
"""What closes the word before it."""
TURNS = 4
"""Interrupted turns of a conversation whose lines are kept."""


@define
class UnheardLines:
    """One conversation's lines that were cut off, by turn."""

    turns: dict[str, dict[Line, LineLedger]] = field(factory=dict)
    messages: dict[str, Message] = field(factory=dict)
    """The messages that some of them left, in their truest version."""

    def keep(self, line: Line, spoken: LineLedger) -> None:
        """A line was cut off, perhaps before it had begun."""
        self.turns.setdefault(line.turn.id, {})[line] = spoken
        while len(self.turns) > TURNS:
            for old in self.turns.pop(next(iter(self.turns))):
                self.messages.pop(old.message_id, None)

    def of(self, line: Line) -> Message | None:
        """Return the message that a line left."""
        return self.messages.get(line.message_id)

    def note(self, message: Message) -> None:
        """One of them left this message."""
        self.messages[message.message_id] = message

    def after(self, message: Message) -> list[tuple[Line, str]]:
        """Return the lines behind a message that left none, each with its text if that is whole."""
        lines = self.turns.get(message.turn_id, {})
        place = next((n.place for n in lines if n.message_id == message.message_id), -1)
        return [
            (line, spoken.written if spoken.is_written else "")
            for line, spoken in sorted(lines.items(), key=lambda item: item[0].place)
            if line.place > place and line.message_id not in self.messages
        ]


def unheard(message: Message) -> str:
    """Return what was not heard of an interrupted message, from the next word on."""
    heard = message.heard or ""
    if not message.content.startswith(heard):
        return message.content
    return message.content[len(heard) :].lstrip(CLOSING)
