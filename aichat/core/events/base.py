"""Turns, lines, and the base class of all events.

Import these events from :mod:`aichat.core.events`.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from attrs import Factory, field, frozen

from aichat.core.models import Message

MIC_RATE = 16_000
"""Samples per second of the microphone's audio inside aichat."""

SPEAKER_RATE = 24_000
"""Samples per second of the audio that goes to the loudspeaker."""


@frozen(cache_hash=True)
class Turn:
    """One exchange: the user says something, characters answer. ``Bus.new_turn`` makes them.

    *number* grows within a conversation and is the fence that voids old work; *id* identifies the
    turn in the API and in the store.
    """

    conversation: str
    number: int = 0
    id: str = ""


@frozen(cache_hash=True)
class Line:
    """One character's answer; *place* is its place in the turn, from 0.

    *character* is an id, *name* its display name; *message_id* is the id of the message that it
    becomes.
    """

    turn: Turn
    character: str
    place: int
    message_id: str = ""
    name: str = ""
    says: Literal["new", "version", "again", "take"] = "new"
    """A new message; another version of its message; that message again, or in a new take."""

    @property
    def is_again(self) -> bool:
        """Whether its message exists and stays as it is."""
        return self.says in ("again", "take")

    def message(self, text: str) -> Message:
        """Return the message that stores the line."""
        conversation, turn = self.turn.conversation, self.turn.id
        return Message(
            self.message_id, conversation, "assistant", text, self.name, self.character, turn
        )


def size(pcm: bytes) -> str:
    """Return a repr of audio without its bytes."""
    return f"<{len(pcm)} bytes>"


def letters(text: str) -> str:
    """Return a repr of text without its words."""
    return f"<{len(text)} letters>"


@frozen
class Event:
    """Something that happened, in one turn of one conversation."""

    turn: Turn

    urgent: ClassVar[bool] = False
    """Urgent events are not subject to back-pressure, and no interruption voids them."""
    internal: ClassVar[bool] = False
    """Only the plug-in that publishes it uses it: recordings leave it out."""


@frozen
class LineEvent(Event):
    """Something that happened to one character's line."""

    line: Line
    turn: Turn = field(
        init=False,
        repr=False,
        eq=False,
        default=Factory(lambda self: self.line.turn, takes_self=True),
    )
