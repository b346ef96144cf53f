"""Everything that can happen in a conversation, as frozen attrs classes.

An event is a fact, named in the past tense. Each belongs to a turn, so that an interruption can
tell old work from new. Reading this file from top to bottom follows one exchange. Audio is mono
PCM16 little-endian; its repr is short, and no event's repr is ever logged with what people said.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from attrs import field, frozen

from aichat.core.models import Message, Prompt, Source

from .base import MIC_RATE as MIC_RATE
from .base import SPEAKER_RATE as SPEAKER_RATE
from .base import Event as Event
from .base import Line as Line
from .base import LineEvent as LineEvent
from .base import Turn as Turn
from .base import letters, size
from .drafts import DraftWritten as DraftWritten
from .drafts import SpeakersForeseen as SpeakersForeseen
from .loudspeakers import LinePlayed as LinePlayed
from .loudspeakers import LoudspeakerLeft as LoudspeakerLeft
from .loudspeakers import PlaybackPaused as PlaybackPaused
from .loudspeakers import PlaybackResumed as PlaybackResumed
from .measurements import MARKS as MARKS
from .measurements import ClauseTimed as ClauseTimed
from .measurements import ReplyUsage as ReplyUsage
from .measurements import TurnTimed as TurnTimed
from .requests import LinesRevived as LinesRevived
from .requests import ReplayWanted as ReplayWanted
from .requests import RestWanted as RestWanted
from .requests import RewriteWanted as RewriteWanted
from .withdrawn import ReplyWithdrawn as ReplyWithdrawn

# -- hearing ---------------------------------------------------------------------------------


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


# -- answering -------------------------------------------------------------------------------


@frozen
class SpeakersAsked(Event):
    """Characters are to speak although the user said nothing. Opens a new turn.

    *characters* are ids, in order; none: the conversation's strategy chooses. With *auto* nobody
    asked: they go on by themselves.
    """

    characters: tuple[str, ...] = ()
    auto: bool = False


@frozen
class SpeakersChosen(Event):
    """These lines will be said, in this order; none when nobody is to answer, *note* says why.

    When the characters go on by themselves, these are replies ``count + 1`` and following of at
    most *cap*; else both are 0.
    """

    lines: tuple[Line, ...]
    note: str = ""
    count: int = 0
    cap: int = 0


@frozen
class LineBegan(LineEvent):
    """It is this character's turn to write."""


@frozen
class PromptSent(LineEvent):
    """This is what the model is told for the line; for whoever wants to look into it."""

    prompt: Prompt = field(repr=lambda prompt: f"<{len(prompt.messages)} messages>")

    urgent: ClassVar[bool] = True


@frozen
class ReplyText(LineEvent):
    """The model wrote a few more letters; *index* counts the pieces of the line from 0."""

    text: str = field(repr=letters)
    index: int = 0


@frozen
class ToolUsed(LineEvent):
    """The character used a tool; *result* is what the model was told, or why it *failed*."""

    name: str
    arguments: Mapping[str, Any] = field(factory=dict, repr=lambda given: f"<{len(given)} given>")
    result: str = field(default="", repr=letters)
    failed: bool = False


@frozen
class ReplyClause(LineEvent):
    """A speakable piece of the reply is complete; *index* counts them from 0.

    *shown* is the piece as the text shows it, *text* as it is to be read out; the *shown* of all
    clauses joined equal the reply.
    """

    index: int
    text: str = field(repr=letters)
    shown: str = field(repr=letters)


@frozen
class ReplyFinished(LineEvent):
    """The text of the reply is complete, with so many *clauses*; empty when the model failed."""

    text: str = field(repr=letters)
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
    pcm: bytes = field(repr=size)
    last: bool = False
    words: tuple[SpokenWord, ...] = ()


@frozen
class AudioReady(LineEvent):
    """The next 24 kHz audio to play. It begins at sample *at* of clause *index*.

    *due* is when it should be heard, in seconds of the bus clock, if the loudspeaker keeps up. The
    *last* of a line holds no samples: all of the line has been handed out.
    """

    index: int
    pcm: bytes = field(repr=size)
    at: int = 0
    due: float = 0.0
    last: bool = False


@frozen
class LineFinished(LineEvent):
    """This speaker has finished: everything was handed out and should have been heard by now."""


@frozen
class TurnFinished(Event):
    """Every line is over."""


@frozen
class MessageAdded(Event):
    """The conversation has a new message, or a truer version of one (same ``message_id``).

    *changed*: somebody has changed one that was there.
    """

    message: Message = field(repr=lambda m: f"<{m.role} {m.message_id}>")
    changed: bool = False

    urgent: ClassVar[bool] = True


@frozen
class MessageDeleted(Event):
    """The user has deleted a message: nobody is told of it any more."""

    message_id: str

    urgent: ClassVar[bool] = True


@frozen
class MessagesHidden(Event):
    """The user has deleted messages, and may take that back: for now nobody is told of them."""

    message_ids: tuple[str, ...]

    urgent: ClassVar[bool] = True


@frozen
class MessagesRevealed(Event):
    """Messages that were hidden are there again, where they were."""

    message_ids: tuple[str, ...]

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
