"""The reference of the WebSocket, and the frames that the server sends.

:mod:`~aichat.web.schemas.client_frames` has those that clients send.

Text frames are JSON objects with a ``type``. A binary frame from the client is raw PCM16, 16 kHz
mono. A binary frame from the server (subprotocol ``aichat.v1``) is speech: a header of 16 bytes,
little-endian, then PCM16, 24 kHz mono.

    offset  size  field
    0       u8    version, 1
    1       u8    flags; bit 0: the speaker's last audio (may carry no samples)
    2       u16   sequence_number: the speaker's place in the turn
    4       u32   generation: the turn's number; a player drops what is older than its floor
    8       u32   chunk_index within the speaker's line
    12      u32   event_id

The address names the conversation (``conversation_id``) and its characters (``character_ids``,
separated by commas). Without a conversation one is made. With both, these take part in it from the
next turn on, for everybody; an id that is unknown (close code 4404) or none at all (4400) is
answered by an ``error``, and nothing has changed. ``languages`` (``de-DE,en``) are those that the
user is likely to speak, the favourite first; if it is not given, the header ``Accept-Language``
says so.

Frames that begin a turn, and others that are work, are counted: what comes faster than people are
gets an ``error`` ``rate_limited`` (``retryable``), and is ignored. A flood is reported only now
and then.

Barge-in has two stages. A client that detects speech while it plays holds its position at once and
sends ``playback`` with ``state`` ``paused``; one that is sent ``duck`` holds as well. Nothing is
dropped meanwhile, and nothing more is sent. Then either ``interrupted`` comes (flush), or
``resume``: it goes on with the very next sample and sends ``playback`` with ``state`` ``playing``.
A client that gets neither within some seconds goes on by itself.

A client whose connection was cut comes back within 60 s with these in the address:

    session_id       of its ``ready``
    last_event_id    the last ``event_id`` it has received
    turn_id, sequence_number, played_ms    how far its loudspeaker got (as in ``playback``)
    audio            ``kept`` (as if not given): it still holds, or has played, all audio up to
                     last_event_id. ``lost``: it holds none; it is sent what follows played_ms,
                     and is ``lost`` again when it is cut off before that has come

It gets the text it missed and the audio it has not, in the order of ``event_id``, each frame as it
was (with ``lost``, the first one begins within its chunk). While nobody is there the characters
hold. A close with code 1001 (the page was left) is a farewell: they stop at once. A connection
that ended with a handshake got all that was sent on it. ``resumed`` in ``ready`` says whether
coming back worked; if not, begin anew.

A client that comes in the middle of a turn finds in ``ready`` what it missed of it, line by line.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import Struct

SUBPROTOCOL = "aichat.v1"


class Outgoing(Struct, tag_field="type", omit_defaults=False):
    """A message to the client; the room adds the ``event_id``."""

    event_id: int = 0


class Speaker(Struct):
    """A character as a client needs it."""

    id: str
    name: str
    image_url: str | None


LineSays = Literal["new", "version", "again", "take"]
LineState = Literal["waiting", "writing", "written", "over"]


class LineNow(Struct, kw_only=True):
    """One line of a live turn: its *text* so far, and the *chunk_index* that comes next.

    ``over``: all of its audio was sent, or it was stopped.
    """

    message_id: str
    character_id: str
    character_name: str
    sequence_number: int
    says: LineSays
    text: str
    chunk_index: int
    state: LineState


class AutoOut(Struct):
    """The characters go on by themselves: *count* replies before this turn, *cap* in all."""

    count: int
    cap: int


class TurnNow(Struct, kw_only=True):
    """The live turn; *held*: its loudspeakers hold their position, as after ``duck``.

    Its audio is sent from here on; what was sent before is not sent again.
    """

    turn_id: str
    speakers: list[str]
    generation: int
    lines: list[LineNow]
    held: bool
    auto: AutoOut | None = None


class Ready(Outgoing, tag="ready", kw_only=True):
    """The conversation is open. Audio of *generation* and before is stale.

    Unless the client was ``resumed`` and gets what it missed, *turn* is the one that goes on, if
    any; *listening* and *transcript* are what is heard of the user just now.
    """

    conversation_id: str
    session_id: str
    characters: list[Speaker]
    sample_rate: int
    resumed: bool
    generation: int
    notices: list[str]
    turn: TurnNow | None = None
    listening: bool = False
    transcript: str = ""


class TranscriptionChunk(Outgoing, tag="transcription_chunk", kw_only=True):
    """A transcript of the user's speech, interim or final; *timestamp* is in seconds since 1970."""

    is_final: bool
    text: str
    timestamp: float


class LineOut(Struct):
    """One line of a turn.

    It *says* something ``new``, another ``version`` of its message, or that message ``again`` or
    in a new ``take``: then its text is not sent.
    """

    message_id: str
    character_id: str
    sequence_number: int
    says: LineSays = "new"


class TurnStarted(Outgoing, tag="turn_started", kw_only=True):
    """Who will speak, in order. Nobody: *note* says why."""

    turn_id: str
    speakers: list[str]
    generation: int
    lines: list[LineOut]
    note: str = ""
    auto: AutoOut | None = None


class TextChunk(Outgoing, tag="text_chunk", kw_only=True):
    """Some letters of a reply; the last one is empty and final.

    With *restarts*, what was sent of the line before was no part of it, and *text* takes its place.
    """

    character_id: str
    character_name: str
    text: str
    sequence_number: int
    chunk_index: int
    turn_id: str
    message_id: str
    is_final: bool
    restarts: bool = False


class ToolOut(Outgoing, tag="tool", kw_only=True):
    """A character used a tool while it wrote; *result* is what its model was sent."""

    character_id: str
    sequence_number: int
    turn_id: str
    message_id: str
    name: str
    arguments: dict[str, Any]
    result: str
    failed: bool


class WordOut(Struct):
    """A word as it is read out; it is heard *at* ms after its line began."""

    text: str
    at: float


class CaptionsOut(Outgoing, tag="captions", kw_only=True):
    """When the words of a clause are heard; a later frame of the same clause replaces it."""

    turn_id: str
    message_id: str
    sequence_number: int
    clause: int
    words: list[WordOut]


class AudioChunkOut(Outgoing, tag="audio_chunk", kw_only=True):
    """Speech for clients without the subprotocol."""

    character_id: str
    audio_data: str
    sequence_number: int
    chunk_index: int
    format: str
    sample_rate: int
    turn_id: str
    is_final: bool


class TurnComplete(Outgoing, tag="turn_complete", kw_only=True):
    """This speaker has finished."""

    character_id: str
    sequence_number: int
    turn_id: str


class InterruptedOut(Outgoing, tag="interrupted", kw_only=True):
    """Flush the audio of this turn, or of one speaker if one is named."""

    turn_id: str
    reason: str
    generation: int
    character_id: str | None = None
    sequence_number: int | None = None


class Duck(Outgoing, tag="duck", kw_only=True):
    """Possible barge-in: hold the position, and keep the audio."""

    turn_id: str
    generation: int


class Resume(Outgoing, tag="resume", kw_only=True):
    """No barge-in: go on with the sample after the last one played."""

    turn_id: str
    generation: int


class ErrorOut(Outgoing, tag="error", kw_only=True):
    """An error: a line for people, a code for programs."""

    message: str
    code: str
    stage: str | None = None
    retryable: bool = False


class HintOut(Outgoing, tag="hint", kw_only=True):
    """What the user may want to change: a line for people, a code for programs.

    ``other_language``: the user seems to speak another language than is transcribed.
    """

    message: str
    code: str


class Pong(Outgoing, tag="pong", kw_only=True):
    """The server's clock, seconds since 1970."""

    t: float
    server_time: float


class Foreseen(Outgoing, tag="foreseen", kw_only=True):
    """Who would answer the draft of this *number*, in order, and that as a line for people."""

    number: int
    speakers: list[str]
    line: str


class Listening(Outgoing, tag="listening", kw_only=True):
    """The server hears the user speak, until the final ``transcription_chunk`` (may be empty)."""

    speaking: bool


class StatusOut(Outgoing, tag="status", kw_only=True):
    """Notices about the backends in use, for the user."""

    notices: list[str]


class LatencyOut(Outgoing, tag="latency", kw_only=True):
    """A turn's waterfall so far, ms after its first mark; a later frame replaces it.

    *gaps* are the silences between the speakers, in ms; *final*: the turn is over.
    """

    turn_id: str
    marks: dict[str, float]
    gaps: list[float]
    final: bool


class CastOut(Outgoing, tag="cast", kw_only=True):
    """Who is in the conversation from the next turn on; its title and its settings."""

    characters: list[Speaker]
    title: str | None
    settings: dict[str, Any]


class Html(Outgoing, tag="html", kw_only=True):
    """Fragments for the page: ``<hx-partial>`` elements for htmx."""

    html: str


_encoder = msgspec.json.Encoder()


def encode(message: Outgoing) -> str:
    """Write a text frame."""
    return _encoder.encode(message).decode()
