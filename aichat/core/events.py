"""Everything that can happen in a conversation, as frozen attrs classes.

An event is a fact, named in the past tense. Each belongs to a turn, so that an interruption can
tell old work from new. Reading this file from top to bottom follows one exchange. Audio is mono
PCM16 little-endian; its repr is short, and no event's repr is ever logged with what people said.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from attrs import Factory, field, frozen

from .models import Message, Source

MIC_RATE = 16_000
"""Samples per second of the microphone's audio inside aichat."""

SPEAKER_RATE = 24_000
"""Samples per second of the audio that goes to the loudspeaker."""


@frozen(cache_hash=True)
class Turn:
    """One exchange: the user says something, characters answer. ``Bus.new_turn`` makes them.

    *number* grows within a conversation and is the fence that voids old work; *id* is its name
    outside and in the store.
    """

    conversation: str
    number: int = 0
    id: str = ""


@frozen(cache_hash=True)
class Line:
    """One character's answer; *place* is its place in the turn, from 0.

    *character* is an id, *name* what people call it; *message_id* is that of the message to be.
    """

    turn: Turn
    character: str
    place: int
    message_id: str = ""
    name: str = ""

    def message(self, text: str) -> Message:
        """Make the message that the line leaves."""
        conversation, turn = self.turn.conversation, self.turn.id
        return Message(
            self.message_id, conversation, "assistant", text, self.name, self.character, turn
        )


def _size(pcm: bytes) -> str:
    return f"<{len(pcm)} bytes>"


def _letters(text: str) -> str:
    return f"<{len(text)} letters>"


@frozen
class Event:
    """Something that happened, in one turn of one conversation."""

    turn: Turn

    urgent: ClassVar[bool] = False
    """Urgent events never wait for room in a lane, and no interruption voids them."""


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


# -- hearing ---------------------------------------------------------------------------------


@frozen
class AudioReceived(Event):
    """The microphone sent some 16 kHz audio. Carried by taps, never by lanes."""

    pcm: bytes = field(repr=_size)


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
    """What the user has said so far in one breath, 16 kHz. *key* names the utterance."""

    key: str
    pcm: bytes = field(repr=_size)

    urgent: ClassVar[bool] = True


@frozen
class UtteranceHeard(Event):
    """The user has finished: all of the utterance, 16 kHz; empty if there was none.

    *ended* is the moment the voice stopped, in seconds of the bus clock.
    """

    key: str
    pcm: bytes = field(repr=_size)
    ended: float = 0.0

    urgent: ClassVar[bool] = True


@frozen
class TranscriptUpdated(Event):
    """The recogniser's best guess so far; later guesses replace it. A final empty one: no words."""

    text: str = field(repr=_letters)
    final: bool = False

    urgent: ClassVar[bool] = True


@frozen
class UserSaid(Event):
    """The user finished, speaking or typing. Opens a new turn."""

    text: str = field(repr=_letters)
    source: Source = "text"
    message_id: str = ""


@frozen
class RestWanted(Event):
    """The user wants to hear what an interruption cut off, of message *message_id* and after it.

    Opens a new turn.
    """

    message_id: str


# -- answering -------------------------------------------------------------------------------


@frozen
class SpeakersChosen(Event):
    """These lines will be said, in this order; none when nobody is to answer."""

    lines: tuple[Line, ...]


@frozen
class LinesRevived(Event):
    """These lines will be said after all; each with its text, empty if it is yet to be written."""

    lines: tuple[Line, ...]
    texts: tuple[str, ...] = field(repr=lambda texts: f"<{len(texts)} texts>")


@frozen
class LineBegan(LineEvent):
    """It is this character's turn to write."""


@frozen
class ReplyText(LineEvent):
    """The model wrote a few more letters; *index* counts the pieces of the line from 0."""

    text: str = field(repr=_letters)
    index: int = 0


@frozen
class ReplyClause(LineEvent):
    """A speakable piece of the reply is complete; *index* counts them from 0.

    *shown* is the piece as the text shows it, *text* as it is to be read out; the *shown* of all
    clauses joined equal the reply.
    """

    index: int
    text: str = field(repr=_letters)
    shown: str = field(repr=_letters)


@frozen
class ReplyFinished(LineEvent):
    """The text of the reply is complete, with so many *clauses*; empty when the model failed."""

    text: str = field(repr=_letters)
    clauses: int = 0


# -- speaking and playing --------------------------------------------------------------------


@frozen
class SpokenWord:
    """Where a word is: characters ``start:end`` of the clause's text, from sample *at* (24 kHz)."""

    start: int
    end: int
    at: int


@frozen
class SpeechSynthesized(LineEvent):
    """The voice produced some 24 kHz audio for clause *index*; *last* closes the clause.

    *words* are those that begin in this chunk; their *at* counts from the start of the clause.
    """

    index: int
    pcm: bytes = field(repr=_size)
    last: bool = False
    words: tuple[SpokenWord, ...] = ()


@frozen
class AudioReady(LineEvent):
    """The next 24 kHz audio to play. It begins at sample *at* of clause *index*.

    *due* is when it should be heard, in seconds of the bus clock, if the loudspeaker keeps up. The
    *last* of a line holds no samples: all of the line has been handed out.
    """

    index: int
    pcm: bytes = field(repr=_size)
    at: int = 0
    due: float = 0.0
    last: bool = False


@frozen
class LinePlayed(LineEvent):
    """The browser says how far the loudspeaker has got in a line.

    ``paused``: it holds there, because it heard speech; ``back``: it was cut off and goes on there.
    """

    played_ms: float
    state: Literal["playing", "paused", "back", "flushed", "done"] = "playing"

    urgent: ClassVar[bool] = True


@frozen
class PlaybackPaused(Event):
    """The loudspeakers hold their position: somebody may be breaking in, or nobody is there."""

    cause: Literal["voice", "away"] = "voice"

    urgent: ClassVar[bool] = True


@frozen
class PlaybackResumed(Event):
    """The *cause* is gone: the loudspeakers go on with the sample at which they stopped."""

    cause: Literal["voice", "away"] = "voice"

    urgent: ClassVar[bool] = True


@frozen
class LineFinished(LineEvent):
    """This speaker has finished: everything was handed out and should have been heard by now."""


@frozen
class TurnFinished(Event):
    """Every line is over."""


@frozen
class MessageAdded(Event):
    """The conversation has a new message, or a truer version of one (same ``message_id``)."""

    message: Message = field(repr=lambda m: f"<{m.role} {m.message_id}>")

    urgent: ClassVar[bool] = True


@frozen
class TurnTimed(Event):
    """A turn's waterfall: what was reached when, in ms after the user's turn began to be answered.

    Marks in order: ``speech_ended``, ``turn_decided``, ``transcribed``, ``first_text``,
    ``first_clause``, ``first_speech``, ``first_audio``; those that did not happen are missing.
    """

    marks: tuple[tuple[str, float], ...]

    urgent: ClassVar[bool] = True


# -- trouble ---------------------------------------------------------------------------------


@frozen
class Interrupted(Event):
    """The user broke in: everything of this turn and before is void."""

    reason: str = "interrupt"

    urgent: ClassVar[bool] = True


@frozen
class LineInterrupted(LineEvent):
    """One speaker was stopped: this line is void, the turn goes on with the next."""

    reason: str = "interrupt"

    urgent: ClassVar[bool] = True


@frozen
class HandlerFailed(Event):
    """A subscriber raised. The bus goes on; whoever cares tells the user."""

    handler: str
    event: Event = field(repr=lambda event: type(event).__name__)
    error: Exception = field(eq=False)

    urgent: ClassVar[bool] = True


@frozen
class ConversationClosed(Event):
    """Nobody is in the conversation any more: forget what is kept of it in memory."""

    urgent: ClassVar[bool] = True
