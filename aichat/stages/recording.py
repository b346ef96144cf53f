"""Stage: records conversations as event logs, to be replayed with other backends.

A recording holds what people said, so there is none unless ``AICHAT_RECORD`` names a folder. Each
conversation gets a file of its own there, which only its owner may read (mode 0600):
``litestar aichat replay FILE`` plays it again. With ``AICHAT_RECORD_AUDIO=1`` the microphone's
audio is kept beside it (``.pcm``); without, a replay begins with the transcripts.
"""

from __future__ import annotations

import os
from collections import deque
from contextlib import suppress
from pathlib import Path

import anyio
from attrs import Factory, define, field, frozen

from aichat.core import (
    BadSettings,
    Bus,
    NotFound,
    Parts,
    PerConversation,
    Unreachable,
    Voice,
    hookimpl,
    new_id,
)
from aichat.core.events import DraftWritten, Event, MessageAdded, SpeakersChosen, SpeakersForeseen
from aichat.toolkit.event_log import Entry, Header, LogWriter

FOLDER, AUDIO = "AICHAT_RECORD", "AICHAT_RECORD_AUDIO"
GATHER_SECONDS = 0.25
"""Seconds for which events are gathered before they are written."""
WAITING_BYTES = 8_000_000
"""Most bytes that wait for a slow disk; more is dropped, and the log counts it."""
HISTORY = 60
"""Most earlier messages in the header."""
ONLY_MINE = 0o600


@define(eq=False)
class Tape:
    """One conversation's recording."""

    path: Path
    writer: LogWriter
    lines: deque[str] = field(factory=deque)
    waiting: int = 0
    """Bytes that wait, audio included."""
    lost: int = 0
    """Events given up since the last one that was not."""
    fresh: set[str] = field(factory=set)
    """Messages that are on the tape and so do not belong into its header."""
    has_header: bool = False
    is_broken: bool = False

    def add(self, event: Event, now: float) -> None:
        """Take in an event, or count it as lost."""
        if self.waiting > WAITING_BYTES:
            self.lost += 1
            return
        entry, before = self.writer.entry(event, now), len(self.writer.audio)
        if self.lost:
            lost = Entry(entry.at, "EventsLost", entry.turn, None, {"count": self.lost})
            self._put(lost)
            self.lost = 0
        self._put(entry)
        self.waiting += len(self.writer.audio) - before

    def _put(self, entry: Entry) -> None:
        line = entry.to_line() + "\n"
        self.lines.append(line)
        self.waiting += len(line)

    def take(self) -> tuple[bytes, bytes]:
        """Hand over what waits: text and audio."""
        text = "".join(self.lines).encode("utf-8", "replace")
        audio = bytes(self.writer.audio)
        self.lines.clear()
        self.writer.audio.clear()
        self.waiting = 0
        return text, audio


@frozen
class LogGrew(Event):
    """A recording has something to be written. Its own events are not recorded."""

    tape: Tape = field(repr=False)

    urgent = True
    internal = True


@define(eq=False)
class Recording:
    """Keeps a tape for each conversation that goes on."""

    bus: Bus
    parts: Parts
    folder: Path
    keeps_audio: bool
    tapes: PerConversation[Tape] = field(
        default=Factory(lambda self: self.bus.per_conversation(self._new_tape), takes_self=True)
    )

    def note(self, event: Event) -> None:
        """Take in what happens while a conversation is open; drafts not sent are private."""
        if event.internal or isinstance(event, (DraftWritten, SpeakersForeseen)):
            return
        conversation = event.turn.conversation
        if not self.bus.is_open(conversation) or (tape := self.tapes.of(conversation)).is_broken:
            return
        if not tape.has_header:
            tape.fresh |= _messages(event)
        was_empty = not tape.lines
        tape.add(event, self.bus.clock.now())
        if was_empty:
            self.bus.post(LogGrew(event.turn, tape))

    def _new_tape(self) -> Tape:
        began = self.bus.clock.wall()
        name = f"{began:%Y%m%d-%H%M%S}-{new_id()[-12:]}.jsonl"
        writer = LogWriter(self.bus.clock.now(), self.keeps_audio)
        return Tape(self.folder / name, writer)

    async def write(self, event: LogGrew) -> None:
        """Write what has gathered."""
        tape = event.tape
        if tape.is_broken:
            return
        await anyio.sleep(GATHER_SECONDS)
        try:
            header = b"" if tape.has_header else await self._header(tape, event)
            tape.has_header = True
            text, audio = tape.take()
            await anyio.to_thread.run_sync(append, tape.path, header + text, audio)
        except Exception as error:
            tape.is_broken = True
            tape.take()
            raise Unreachable(
                f"The recording cannot be written any more ({error}).",
                f"Make room in the folder that {FOLDER} names, or unset {FOLDER}.",
            ) from error

    async def _header(self, tape: Tape, event: LogGrew) -> bytes:
        storage, id = self.parts.storage, event.turn.conversation
        conversation, cast = await storage.cast(id)
        voices: list[Voice] = []
        for voice in (who.voice for who in cast if who.voice):
            with suppress(NotFound):  # it was deleted meanwhile
                voices.append(await storage.voice(voice))
        messages = await storage.recent_messages(id, HISTORY)
        before = tuple(m for m in messages if m.message_id not in tape.fresh)
        header = Header(conversation, tuple(cast), tuple(voices), before, self.keeps_audio)
        return f"{header.to_line()}\n".encode("utf-8", "replace")


def _messages(event: Event) -> set[str]:
    """Return the messages that begin with an event: a line may be stored before it is over."""
    if isinstance(event, MessageAdded):
        return {event.message.message_id}
    if isinstance(event, SpeakersChosen):
        return {line.message_id for line in event.lines if line.says == "new"}
    return set()


def append(path: Path, text: bytes, audio: bytes) -> None:
    """Add to a recording's two files; what is made here only its owner may read."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for file, data in ((path, text), (path.with_suffix(".pcm"), audio)):
        if data:
            number = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, ONLY_MINE)
            with os.fdopen(number, "ab") as stream:
                stream.write(data)


@hookimpl(tryfirst=True)  # an event stands in the log before what others make of it
def connect(bus: Bus, parts: Parts) -> None:
    """Record, if the environment asks for it."""
    folder, audio = os.environ.get(FOLDER), os.environ.get(AUDIO) or "0"
    if audio not in ("0", "1"):
        raise BadSettings(f"{AUDIO} is {audio!r}.", "Set it to 1 to keep the audio, or to 0.")
    if not folder:
        return
    recording = Recording(bus, parts, Path(folder).expanduser(), audio == "1")
    bus.tap(recording.note)
    bus.subscribe(recording.write, keeps=True)
