"""The public door: all that a plug-in needs, beside ``aichat.core.events`` and ``.testing``."""

from .backends import (
    PARTS,
    Backend,
    Llm,
    Pause,
    Playable,
    Prompt,
    PromptMessage,
    Sequenced,
    Sequencer,
    SoundJudge,
    Storage,
    Stt,
    Tts,
    TurnDetector,
    Utterance,
    Vad,
    VadStream,
    WordMark,
    charges,
)
from .bus import Bus
from .casting import Parts, State, Status
from .clock import Clock
from .config import Config, Web, read_config
from .errors import (
    AichatError,
    BackendFailed,
    BadSettings,
    BadValue,
    CannotStart,
    Conflict,
    LaneFull,
    NotFound,
    NotReady,
    TimedOut,
    Unreachable,
)
from .hookspecs import hookimpl
from .ids import new_id
from .models import Character, Conversation, Message, Voice, is_clean
from .opening import open_bus
from .registry import cast_parts, load_plugins, open_chat
from .streams import closing, next_within, patience
from .subscriptions import Overflow, Subscription
from .trace import Step, Trace

__all__ = [
    "PARTS",
    "AichatError",
    "Backend",
    "BackendFailed",
    "BadSettings",
    "BadValue",
    "Bus",
    "CannotStart",
    "Character",
    "Clock",
    "Config",
    "Conflict",
    "Conversation",
    "LaneFull",
    "Llm",
    "Message",
    "NotFound",
    "NotReady",
    "Overflow",
    "Parts",
    "Pause",
    "Playable",
    "Prompt",
    "PromptMessage",
    "Sequenced",
    "Sequencer",
    "SoundJudge",
    "State",
    "Status",
    "Step",
    "Storage",
    "Stt",
    "Subscription",
    "TimedOut",
    "Trace",
    "Tts",
    "TurnDetector",
    "Unreachable",
    "Utterance",
    "Vad",
    "VadStream",
    "Voice",
    "Web",
    "WordMark",
    "cast_parts",
    "charges",
    "closing",
    "hookimpl",
    "is_clean",
    "load_plugins",
    "new_id",
    "next_within",
    "open_bus",
    "open_chat",
    "patience",
    "read_config",
]
