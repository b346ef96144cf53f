"""The public door: all that a plug-in needs, beside ``aichat.core.events`` and ``.testing``."""

from .access import Actor, Connection
from .backends import (
    PARTS,
    Ability,
    Backend,
    Clones,
    Codes,
    ListsModels,
    Llm,
    Model,
    Pause,
    Playable,
    Reference,
    Sequenced,
    Sequencer,
    SoundJudge,
    Stt,
    Tts,
    TurnDetector,
    Usage,
    Utterance,
    Vad,
    VadStream,
    WordMark,
    Written,
    abilities,
    charges,
    languages,
)
from .briefs import asked_with, briefing
from .bus import Bus
from .casting import Parts, State, Status
from .clock import Clock
from .cloning import introduce, with_tokens_dropped
from .config import Config, Web, read_config
from .cutting import pieces
from .errors import (
    AichatError,
    BackendFailed,
    BadSettings,
    BadValue,
    CannotStart,
    Conflict,
    Denied,
    LaneFull,
    NotFound,
    NotReady,
    TimedOut,
    Unreachable,
)
from .eventlog import Entry, EventLog, Header, LogWriter, read_log
from .fields import is_clean, require_json
from .hookspecs import hookimpl
from .hosts import is_this_machine
from .ids import new_id
from .likeness import dice, sounds_like
from .live import Live, LiveSetting
from .local_models import LocalModel, device_of, first_line, precision_of, weights_at
from .models import Character, Conversation, Message, Prompt, PromptMessage, Voice, slug
from .opening import open_bus
from .pictures import in_words
from .registry import cast_parts, load_plugins, open_chat
from .replies import Habits, replied
from .roles import GO_ON, in_turns, without_system, without_tools
from .seed import READY_CHARACTERS, READY_VOICES
from .shown_text import Withdrawn
from .storage import BackedUp, Changes, Storage
from .streams import Breath, closing, next_within, patience
from .subscriptions import Overflow, Subscription
from .tools import Tool, ToolCall, tool
from .trace import Step, Trace
from .transcripts import spoken
from .unmarked import unmarked
from .versions import chosen, edited, rewritten, shown, versions
from .weights import Weights, fetched, needed_weights
from .workers import Left, Listener, Workers

__all__ = [
    "GO_ON",
    "PARTS",
    "READY_CHARACTERS",
    "READY_VOICES",
    "Ability",
    "Actor",
    "AichatError",
    "BackedUp",
    "Backend",
    "BackendFailed",
    "BadSettings",
    "BadValue",
    "Breath",
    "Bus",
    "CannotStart",
    "Changes",
    "Character",
    "Clock",
    "Clones",
    "Codes",
    "Config",
    "Conflict",
    "Connection",
    "Conversation",
    "Denied",
    "Entry",
    "EventLog",
    "Habits",
    "Header",
    "LaneFull",
    "Left",
    "Listener",
    "ListsModels",
    "Live",
    "LiveSetting",
    "Llm",
    "LocalModel",
    "LogWriter",
    "Message",
    "Model",
    "NotFound",
    "NotReady",
    "Overflow",
    "Parts",
    "Pause",
    "Playable",
    "Prompt",
    "PromptMessage",
    "Reference",
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
    "Tool",
    "ToolCall",
    "Trace",
    "Tts",
    "TurnDetector",
    "Unreachable",
    "Usage",
    "Utterance",
    "Vad",
    "VadStream",
    "Voice",
    "Web",
    "Weights",
    "Withdrawn",
    "WordMark",
    "Workers",
    "Written",
    "abilities",
    "asked_with",
    "briefing",
    "cast_parts",
    "charges",
    "chosen",
    "closing",
    "device_of",
    "dice",
    "edited",
    "fetched",
    "first_line",
    "hookimpl",
    "in_turns",
    "in_words",
    "introduce",
    "is_clean",
    "is_this_machine",
    "languages",
    "load_plugins",
    "needed_weights",
    "new_id",
    "next_within",
    "open_bus",
    "open_chat",
    "patience",
    "pieces",
    "precision_of",
    "read_config",
    "read_log",
    "replied",
    "require_json",
    "rewritten",
    "shown",
    "slug",
    "sounds_like",
    "spoken",
    "tool",
    "unmarked",
    "versions",
    "weights_at",
    "with_tokens_dropped",
    "without_system",
    "without_tools",
]
