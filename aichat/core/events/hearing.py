"""From the microphone to what the user said.

Import these events from :mod:`aichat.core.events`.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import field, frozen

from aichat.core.models import Message, Source

from .base import Event, letters, size


@frozen
class AudioReceived(Event):
    """The microphone sent some 16 kHz audio. Carried by taps, never by lanes."""

    pcm: bytes = field(repr=size)


@frozen
class TalkHeld(Event):
    """The user holds push-to-talk: pauses do not end the utterance."""

    urgent: ClassVar[bool] = True


@frozen
class TalkReleased(Event):
    """The user let go of push-to-talk: what was heard so far is the whole utterance."""

    urgent: ClassVar[bool] = True


@frozen
class UserStartedSpeaking(Event):
    """Voice activity began."""

    urgent: ClassVar[bool] = True


@frozen
class UserPaused(Event):
    """Voice activity stopped; whether the turn is over is decided later."""

    urgent: ClassVar[bool] = True


@frozen
class UserResumed(Event):
    """The user went on before the turn was taken to be over."""

    urgent: ClassVar[bool] = True


@frozen
class UtteranceGrew(Event):
    """What was said so far in one breath, 16 kHz; *number* counts those of utterance *key*."""

    key: str
    pcm: bytes = field(repr=size)
    number: int = 0

    urgent: ClassVar[bool] = True


@frozen
class UtterancePaused(Event):
    """The user may have finished: what was said so far, 16 kHz. Told once in each pause."""

    key: str
    pcm: bytes = field(repr=size)

    urgent: ClassVar[bool] = True


@frozen
class UtteranceHeard(Event):
    """The user has finished: all of the utterance, 16 kHz; empty if there was none.

    *ended* is the moment the voice stopped, in seconds of the bus clock.
    """

    key: str
    pcm: bytes = field(repr=size)
    ended: float = 0.0

    urgent: ClassVar[bool] = True


@frozen
class TranscriptUpdated(Event):
    """What the recogniser has understood so far. A final empty one: no words.

    *text* only grows until the final one, which may correct it; *tail* is a guess at what follows,
    and may be another one next time.
    """

    text: str = field(repr=letters)
    final: bool = False
    tail: str = field(default="", repr=letters)

    urgent: ClassVar[bool] = True


@frozen
class UserSaid(Event):
    """The user finished, speaking or typing. Opens a new turn."""

    text: str = field(repr=letters)
    source: Source = "text"
    message_id: str = ""

    def message(self) -> Message:
        """Make the message that it is."""
        conversation, turn = self.turn.conversation, self.turn.id
        return Message(
            self.message_id, conversation, "user", self.text, turn_id=turn, source=self.source
        )


@frozen
class Speculated(Event):
    """An answer was begun *seconds* before the user's turn was known to be over.

    *kept*: it became the answer, in this turn. Else the user went on, and it was made in vain.
    """

    kept: bool
    seconds: float

    urgent: ClassVar[bool] = True
