"""Event log: a conversation's events as lines of JSON, written as they happen, for replay.

The first line is the header: the conversation when the recording began. Each other line is one
event, in the order in which they were published, with its own fields under ``told``:

    {"at": 1.25, "event": "ReplyText", "turn": 2, "place": 0, "told": {"text": "Hi", "index": 0}}

*at* counts seconds from the first event. Turns are counted from 0 in the order in which they
appear; *place* is the line's place in its turn. There are no ids, so that two recordings of the
same run are equal. Of audio there is only the length, and the SHA-256 of what came from the
microphone and what went to the loudspeaker. The microphone's audio may be kept in a second file:
then *start* says where in it the samples are.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from attrs import asdict, astuple, define, field, fields, frozen, has

from aichat.core.errors import AichatError, BadValue
from aichat.core.events import AudioReady, AudioReceived, Event, Line, LineEvent, SpokenWord, Turn
from aichat.core.models import Character, Conversation, Message, Voice
from aichat.toolkit.bounded_dict import BoundedDict

VERSION = 1
FIELDS = "told"
"""The key of an event's own fields in its line: part of the file format."""
OMITTED = ("turn", "line", "key", "message_id")
"""Fields that are left out: ids, and those that have a key of their own."""
MOMENTS = ("ended", "due", "began")
"""Fields that are times in seconds of the bus clock."""
RENAMED = {"UtteranceGrew": "InterimAudio"}
"""Names of events in older recordings, and what they are called today."""
TURNS = 64
"""Most turns that are remembered; an event of an older one gets a new number."""
CHUNKS = 4_096
"""Most chunks that are remembered to store equal audio once, such as digital silence."""


@frozen
class Entry:
    """One event in the log."""

    at: float
    event: str
    turn: int
    place: int | None = None
    data: Mapping[str, Any] = field(factory=dict)
    """The event's own fields."""

    def to_line(self) -> str:
        """Write it as JSON, without the line's end."""
        head: dict[str, Any] = {"at": self.at, "event": self.event, "turn": self.turn}
        if self.place is not None:
            head["place"] = self.place
        return json.dumps({**head, FIELDS: dict(self.data)}, ensure_ascii=False)


@frozen
class Header:
    """What a replay needs: the conversation, its characters, voices and earlier messages."""

    conversation: Conversation
    characters: tuple[Character, ...] = ()
    voices: tuple[Voice, ...] = ()
    messages: tuple[Message, ...] = ()
    has_audio: bool = False

    def to_line(self) -> str:
        """Write it as JSON, without the line's end."""
        header = {"aichat_log": VERSION, **asdict(self)}
        return json.dumps(header, ensure_ascii=False, default=lambda moment: moment.isoformat())


@frozen
class EventLog:
    """A whole recording."""

    header: Header
    entries: tuple[Entry, ...]


@define
class LogWriter:
    """Turns events into entries. *zero* is the bus clock's time of the first one."""

    zero: float
    keeps_audio: bool = False
    audio: bytearray = field(factory=bytearray)
    """Audio to append to the audio file; the writer of that file clears it."""
    kept: int = 0
    """Bytes of audio stored since the beginning."""
    turns: BoundedDict[Turn, int] = field(factory=lambda: BoundedDict(TURNS))
    begun: int = 0
    places: BoundedDict[str, int] = field(factory=lambda: BoundedDict(CHUNKS))
    """The offset of stored audio, by its hash."""
    loudspeakers: dict[str, int] = field(factory=dict)
    """Numbers of loudspeakers, in the order in which they first appeared."""

    def entry(self, event: Event, now: float) -> Entry:
        """Return the entry of an event that happens *now*."""
        data = {
            one.name: self._value(event, one.name, getattr(event, one.name))
            for one in fields(type(event))
            if one.name not in OMITTED
        }
        place = event.line.place if isinstance(event, LineEvent) else None
        name = type(event).__name__
        return Entry(max(0.0, now - self.zero), name, self._turn(event.turn), place, data)

    def _turn(self, turn: Turn) -> int:
        if turn not in self.turns:
            self.turns[turn], self.begun = self.begun, self.begun + 1
        return self.turns[turn]

    def _value(self, event: Event, name: str, value: Any) -> Any:
        if isinstance(value, bytes):
            return self._audio(event, value)
        if isinstance(value, float) and name in MOMENTS:
            return value - self.zero
        if name == "loudspeaker":
            return self.loudspeakers.setdefault(value, len(self.loudspeakers))
        return self._turn(value) if isinstance(value, Turn) else _plain(value)

    def _audio(self, event: Event, pcm: bytes) -> dict[str, Any]:
        described: dict[str, Any] = {"bytes": len(pcm)}
        if isinstance(event, AudioReceived | AudioReady):
            from hashlib import sha256  # only a recording needs it

            described["sha256"] = sha256(pcm).hexdigest()
            if self.keeps_audio and isinstance(event, AudioReceived):
                described["start"] = self._keep(described["sha256"], pcm)
        return described

    def _keep(self, digest: str, pcm: bytes) -> int:
        if (start := self.places.get(digest)) is None:
            start = self.places[digest] = self.kept
            self.audio += pcm
            self.kept += len(pcm)
        return start


def _plain(value: Any) -> Any:
    """Return a field as JSON: chosen fields of our own records, else the name of the type."""
    if isinstance(value, Line):
        return {"character": value.character, "name": value.name, "place": value.place}
    if isinstance(value, SpokenWord):
        return list(astuple(value))
    if isinstance(value, Message):
        names = ("role", "content", "name", "character_id", "interrupted", "heard", "source")
        return {name: getattr(value, name) for name in names}
    if isinstance(value, AichatError):
        return value.code
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return type(value).__name__


# -- reading ---------------------------------------------------------------------------------


def read_log(path: Path) -> EventLog:
    """Read a recording. Raises :class:`BadValue` that names the file and the line."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise BadValue(f"{path} cannot be read: {error}.", "Name a recording's file.") from error
    return parse_log(lines, str(path))


def parse_log(lines: Iterable[str], name: str = "the log") -> EventLog:
    """Read a recording's lines. Raises :class:`BadValue` that names the line."""
    numbered = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not numbered:
        raise BadValue(f"{name} is empty.", "Name a recording's file.")
    (first, header), *rest = numbered
    return EventLog(
        _read_header(header, f"{name}, line {first}"),
        tuple(read_entry(line, f"{name}, line {number}") for number, line in rest),
    )


def read_entry(line: str, where: str = "the line") -> Entry:
    """Read one event's line. Raises :class:`BadValue` that says *where*."""
    read = _object(line, where)
    at, event, turn = read.get("at"), read.get("event"), read.get("turn")
    place, data = read.get("place"), read.get(FIELDS)
    if isinstance(at, bool) or not isinstance(at, int | float) or not 0 <= at < math.inf:
        raise _wrong(where, "at", at, "seconds from the beginning")
    if not isinstance(event, str) or not event:
        raise _wrong(where, "event", event, "the event's name")
    if type(turn) is not int or turn < 0:
        raise _wrong(where, "turn", turn, "the turn's number")
    if place is not None and (type(place) is not int or place < 0):
        raise _wrong(where, "place", place, "the line's place in the turn")
    if not isinstance(data, dict):
        raise _wrong(where, FIELDS, data, "an object, the event's own fields")
    return Entry(float(at), RENAMED.get(event, event), turn, place, data)


def _read_header(line: str, where: str) -> Header:
    header = _object(line, where)
    version = header.get("aichat_log")
    if version != VERSION:
        raise BadValue(
            f"{where}: this is no recording that can be read here (aichat_log is {version!r}).",
            f"Name a file whose first line has aichat_log {VERSION}.",
        )
    try:
        return Header(
            _record(Conversation, header["conversation"]),
            tuple(_record(Character, one) for one in header["characters"]),
            tuple(_record(Voice, one) for one in header["voices"]),
            tuple(_record(Message, one) for one in header["messages"]),
            bool(header["has_audio"]),
        )
    except (AichatError, AttributeError, KeyError, TypeError) as error:
        raise BadValue(
            f"{where}: the header is not complete ({type(error).__name__}: {error}).",
            "Record the conversation again.",
        ) from error


def _record(kind: Any, values: Mapping[str, Any]) -> Any:
    """Return a record with the fields that it has today; its times are those of the replay."""
    assert has(kind)  # noqa: S101  (a programming error, not the file's)
    known = {one.name for one in fields(kind)} - {"created_at", "updated_at"}
    return kind(**{name: value for name, value in values.items() if name in known})


def _object(line: str, where: str) -> dict[str, Any]:
    try:
        read = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadValue(
            f"{where} is not JSON ({error}).",
            "The file may have been cut off: remove that line, or use a whole copy.",
        ) from error
    if not isinstance(read, dict):
        raise BadValue(f"{where} is not a JSON object.", "Remove that line.")
    return read


def _wrong(where: str, name: str, value: object, wanted: str) -> BadValue:
    return BadValue(f"{where}: {name} is {value!r}.", f"It takes {wanted}.", name)
