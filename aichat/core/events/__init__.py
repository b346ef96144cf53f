"""Everything that can happen in a conversation, as frozen attrs classes.

An event is a fact, named in the past tense. Each belongs to a turn, so that an interruption can
separate old work from new. The modules follow one exchange: ``hearing``, ``answering``,
``playing``, ``loudspeakers``, ``messages``; ``interruption`` ends it early. Audio is mono
PCM16 little-endian; its repr is short, and no event's repr holds what people said.
"""

from .answering import (
    LineBegan,
    PromptSent,
    ReplyClause,
    ReplyFinished,
    ReplyRetried,
    ReplyText,
    ReplyWithdrawn,
    SpeakersAsked,
    SpeakersChosen,
    ToolUsed,
)
from .base import MIC_RATE, SPEAKER_RATE, Event, Line, LineEvent, Turn
from .drafts import DraftWritten, SpeakersForeseen
from .hearing import (
    AudioReceived,
    InterimAudio,
    LanguageDoubted,
    Speculated,
    TalkHeld,
    TalkReleased,
    TranscriptUpdated,
    UserPaused,
    UserResumed,
    UserSaid,
    UserStartedSpeaking,
    UtteranceHeard,
    UtterancePaused,
)
from .interruption import ConversationClosed, HandlerFailed, Interrupted, LineInterrupted
from .loudspeakers import LinePlayed, LoudspeakerLeft, PlaybackPaused, PlaybackResumed
from .measurements import MARKS, ClauseTimed, ReplyUsage, TurnTimed
from .messages import MessageAdded, MessageDeleted, MessagesHidden, MessagesRevealed
from .playing import AudioReady, LineFinished, SpeechSynthesized, SpokenWord, TurnFinished
from .requests import LinesRevived, ReplayWanted, RestWanted, RewriteWanted

__all__ = [
    "MARKS",
    "MIC_RATE",
    "SPEAKER_RATE",
    "AudioReady",
    "AudioReceived",
    "ClauseTimed",
    "ConversationClosed",
    "DraftWritten",
    "Event",
    "HandlerFailed",
    "InterimAudio",
    "Interrupted",
    "LanguageDoubted",
    "Line",
    "LineBegan",
    "LineEvent",
    "LineFinished",
    "LineInterrupted",
    "LinePlayed",
    "LinesRevived",
    "LoudspeakerLeft",
    "MessageAdded",
    "MessageDeleted",
    "MessagesHidden",
    "MessagesRevealed",
    "PlaybackPaused",
    "PlaybackResumed",
    "PromptSent",
    "ReplayWanted",
    "ReplyClause",
    "ReplyFinished",
    "ReplyRetried",
    "ReplyText",
    "ReplyUsage",
    "ReplyWithdrawn",
    "RestWanted",
    "RewriteWanted",
    "SpeakersAsked",
    "SpeakersChosen",
    "SpeakersForeseen",
    "Speculated",
    "SpeechSynthesized",
    "SpokenWord",
    "TalkHeld",
    "TalkReleased",
    "ToolUsed",
    "TranscriptUpdated",
    "Turn",
    "TurnFinished",
    "TurnTimed",
    "UserPaused",
    "UserResumed",
    "UserSaid",
    "UserStartedSpeaking",
    "UtteranceHeard",
    "UtterancePaused",
]
