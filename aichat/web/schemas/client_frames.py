"""The text frames that clients send over the WebSocket, decoded and checked.

:mod:`~aichat.web.schemas.server_frames` describes both directions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from aichat.core import AichatError, is_storable

from . import settings
from .settings import FRAME_LIMIT, LONGEST_MS, MOST_LINES, TEXT_LIMIT, Ids

MessageId = Annotated[str, Meta(min_length=1, max_length=100)]


class BadFrame(AichatError):
    """A client sent a frame that breaks the contract."""

    code = "bad_frame"


class AudioChunkIn(Struct, tag="audio_chunk"):
    """Microphone audio, base64."""

    audio_data: str
    format: Literal["pcm", "wav"] = "pcm"
    sample_rate: Annotated[int, Meta(ge=8_000, le=48_000)] = 16_000
    channels: Annotated[int, Meta(ge=1, le=2)] = 1


class TextMessage(Struct, tag="text_message"):
    """A typed user turn."""

    text: str


class Interrupt(Struct, tag="interrupt"):
    """Stop everything, or one speaker."""

    character_id: str | None = None


class Ask(Struct, tag="ask"):
    """Make characters speak without input of the user: these, or those the strategy chooses."""

    character_ids: Ids = []


class SettingsIn(settings.SettingsChanges, tag="settings", forbid_unknown_fields=True):
    """Settings for this conversation from the next turn on; null takes one back.

    Those of :class:`~aichat.web.schemas.settings.SettingsChanges`, and *muted*: the
    ids of characters that never answer.
    """

    muted: Ids | UnsetType | None = UNSET


class StartOfSpeech(Struct, tag="start_of_speech"):
    """Push-to-talk is held: pauses do not end the turn."""


class EndOfSpeech(Struct, tag="end_of_speech"):
    """Push-to-talk was released: end the user's turn now."""


class PlaybackIn(Struct, tag="playback"):
    """How far the loudspeaker has got."""

    turn_id: str
    sequence_number: Annotated[int, Meta(ge=0, le=MOST_LINES)]
    played_ms: Annotated[float, Meta(ge=0, le=LONGEST_MS)]
    state: Literal["playing", "paused", "flushed", "done"] = "playing"


class Draft(Struct, tag="draft"):
    """Text that is typed but not sent; the answer ``foreseen`` names who would reply to it."""

    text: Annotated[str, Meta(max_length=TEXT_LIMIT)] = ""
    number: Annotated[int, Meta(ge=0, le=MOST_LINES)] = 0


class SayRest(Struct, tag="say_rest"):
    """Say what an interruption cut off, of this message and of the speakers after it."""

    message_id: MessageId


class PlayAgain(Struct, tag="play_again"):
    """Say a character's message again, from its *word* on (0: the first).

    Words are what white space separates in the text as the page shows it. *new_take*: speak it
    anew, even if the speech of before is still there.
    """

    message_id: MessageId
    word: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    new_take: bool = False


class Regenerate(Struct, tag="regenerate"):
    """Generate another version of a character's message; later messages stay."""

    message_id: MessageId


class Ping(Struct, tag="ping"):
    """Asks for the server's clock."""

    t: float = 0.0


Incoming = (
    AudioChunkIn
    | TextMessage
    | Interrupt
    | Ask
    | SettingsIn
    | StartOfSpeech
    | EndOfSpeech
    | PlaybackIn
    | Draft
    | SayRest
    | PlayAgain
    | Regenerate
    | Ping
)
_decoder: msgspec.json.Decoder[Incoming] = msgspec.json.Decoder(Incoming)
_types = sorted(str(kind.__struct_config__.tag) for kind in Incoming.__args__)


def decode(frame: str) -> Incoming:
    """Read a text frame. Raises :class:`BadFrame` that names what is wrong."""
    if len(frame) > FRAME_LIMIT or len(frame.encode("utf-8", "replace")) > FRAME_LIMIT:
        raise BadFrame(f"A frame is over {FRAME_LIMIT} bytes.", "Send smaller frames.")
    try:
        message = _decoder.decode(frame)
    except RecursionError:
        raise BadFrame("A frame is nested too deep.", "Send it flat.") from None
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise BadFrame(f"A frame is wrong: {error}.", _mend(error)) from error
    if isinstance(message, TextMessage):
        message.text = checked_text(message.text)
    for name, text in _texts(message):
        if not is_storable(text):
            problem = f"A frame is wrong: `{name}` holds a character that cannot be kept."
            raise BadFrame(problem, "Take it out.")
    return message


def _mend(error: Exception) -> str:
    """Return the hint for a frame that msgspec refused."""
    if "unknown field" in str(error):  # only settings refuse them
        return f"Known settings: {', '.join(SettingsIn.__struct_fields__)}."
    return f"Known types: {', '.join(_types)}."


def _texts(message: Incoming) -> Iterator[tuple[str, str]]:
    """Yield the texts of a frame, with their fields."""
    for name in message.__struct_fields__:
        value = getattr(message, name)
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, str):
                yield name, one


def checked_text(text: str) -> str:
    """Return a typed message without the white space around it. Raises :class:`BadFrame`."""
    if not text.strip():
        raise BadFrame("A message without text was sent.", "Write something first.")
    if len(text) > TEXT_LIMIT:
        raise BadFrame(f"A message is over {TEXT_LIMIT} letters.", "Shorten it.")
    if not is_storable(text):
        raise BadFrame("A message holds a character that cannot be kept.", "Take it out.")
    return text.strip()
