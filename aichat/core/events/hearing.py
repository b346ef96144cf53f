"""Events from the microphone to what the user said.

Import these events from :mod:`aichat.core.events`.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import field, frozen

from aichat.core.models import Message, Source

from .base import Event, Turn, letters, size


@frozen
class AudioReceived(Event):
    """The microphone sent some 16 kHz audio. Carried by taps, never by lanes.

    *languages* are those that its user reads, as codes such as "de", the favourite first; empty if
    the client does not say.
    """

    pcm: bytes = field(repr=size)
    languages: tuple[str, ...] = ()


@frozen
class TalkHeld(Event):
    """The user holds push-to-talk: pauses do not end the utterance."""

    urgent: ClassVar[bool] = True


@frozen
class TalkReleased(Event):
    """The user released push-to-talk: the audio so far is the whole utterance."""

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
    """The user went on before the endpoint."""

    urgent: ClassVar[bool] = True


@frozen
class InterimAudio(Event):
    """An utterance so far, 16 kHz, for an interim transcript; *number* counts those of *key*."""

    key: str
    pcm: bytes = field(repr=size)
    number: int = 0

    urgent: ClassVar[bool] = True


@frozen
class UtterancePaused(Event):
    """The user may have finished: the utterance so far, 16 kHz. Published once in each pause."""

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
    """The interim transcript, or the *final* one; a final one without text: no words.

    *text* only grows until the final one, which may correct it; *tail* is the uncertain end, which
    may change each time.
    """

    text: str = field(repr=letters)
    final: bool = False
    tail: str = field(default="", repr=letters)

    urgent: ClassVar[bool] = True


@frozen
class UserSaid(Event):
    """The user finished, speaking or typing. Opens a new turn.

    *joins*: the user goes on with the message of that turn, of whose answer nothing was heard. Then
    *text* is all of the message, *message_id* is the same, and that turn leaves nothing.
    """

    text: str = field(repr=letters)
    source: Source = "text"
    message_id: str = ""
    joins: Turn | None = None

    def message(self) -> Message:
        """Return the message that stores it."""
        conversation, turn = self.turn.conversation, self.turn.id
        return Message(
            self.message_id, conversation, "user", self.text, turn_id=turn, source=self.source
        )


@frozen
class LanguageDoubted(Event):
    """The user seems to speak another language than the recogniser writes.

    *advice* says so, and which setting to change. Published once in a conversation.
    """

    advice: str

    urgent: ClassVar[bool] = True


@frozen
class Speculated(Event):
    """A speculative turn began *seconds* before the endpoint.

    *kept*: it was committed, as this turn. Else the user went on, and it was revoked.
    """

    kept: bool
    seconds: float

    urgent: ClassVar[bool] = True
