"""A conversation's room: everybody who is connected to it, and what they are sent.

The room listens to the bus with taps, encodes each event once, and puts it into every
connection's outbox. It keeps the last text frames for a client that comes back.
"""

from __future__ import annotations

from base64 import b64encode
from collections import Counter, deque
from collections.abc import Callable, Sequence
from time import time

import anyio
from attrs import define, field, frozen

from aichat.core import AichatError, Bus, Character, Parts
from aichat.core.events import (
    SPEAKER_RATE,
    AudioReady,
    HandlerFailed,
    Interrupted,
    Line,
    LineFinished,
    LineInterrupted,
    MessageAdded,
    PlaybackPaused,
    PlaybackResumed,
    ReplyFinished,
    ReplyText,
    SpeakersChosen,
    TranscriptUpdated,
    TurnTimed,
    UserStartedSpeaking,
)

from . import wire
from .faults import error_message, stage_of
from .views import Painter

STOPS = (Interrupted, LineInterrupted)
HURRIED = (wire.InterruptedOut, wire.ErrorOut, wire.TurnComplete, wire.Duck, wire.Resume)
GATHER_SECONDS = 0.003
OUTBOX = 2_000
"""Frames that may wait for a slow client; then it is let go, and may come back."""
KEPT = 1_000
"""Text frames kept for a client that comes back."""
TURNS = 4
"""The lines of so many turns are known, for playback reports that come late."""


@frozen
class Goodbye:
    """The connection ends behind what was put before; *code* is the WebSocket's close code."""

    code: int
    reason: str


Frame = str | bytes | Goodbye


@define(eq=False)
class Connection:
    """One client's outbox. *on_overflow* is called when it is too slow."""

    is_binary: bool
    wants_html: bool
    on_overflow: Callable[[], None]
    frames: deque[tuple[int, Frame]] = field(factory=deque)
    """What waits to be sent, each with the generation whose audio it is, or 0."""
    is_hurried: bool = False
    """Something among it should go at once."""
    wanted: anyio.Event | None = None
    """The writer waits for it,"""
    wants_company: bool = False
    """and only for something that should go at once: it has text."""

    def put(self, frame: Frame, generation: int = 0, *, patient: bool = False) -> None:
        """Add a frame; whoever falls behind is let go. Text that is *patient* waits for company."""
        if len(self.frames) >= OUTBOX:
            self.frames.clear()
            self.on_overflow()
            return
        self.frames.append((generation, frame))
        self.is_hurried = self.is_hurried or not patient
        if self.wanted and (self.is_hurried or not self.wants_company):
            self.wanted.set()
            self.wanted = None

    def drop_audio(self, generation: int) -> None:
        """Give up audio that waits, up to a generation."""
        self.frames = deque(f for f in self.frames if not 0 < f[0] <= generation)

    async def wait(self) -> None:
        """Wait until there is something to send.

        Each system call delays the work that leads to the first audio, so text that streams waits
        up to ``GATHER_SECONDS`` for more of it, or for audio, which goes at once.
        """
        if not self.frames:
            self.is_hurried = self.wants_company = False
            await self._filled()
        if not self.is_hurried:
            self.wants_company = True
            with anyio.move_on_after(GATHER_SECONDS):
                await self._filled()

    async def _filled(self) -> None:
        self.wanted = wanted = anyio.Event()
        await wanted.wait()

    def take(self) -> Frame:
        """Take the next frame."""
        return self.frames.popleft()[1]


@define(eq=False)
class Room:
    """One conversation's connections. *painter* turns an event into fragments for the page."""

    conversation: str
    bus: Bus
    parts: Parts
    painter: Painter
    cast: Sequence[Character] = ()
    session_ids: set[str] = field(factory=set)
    has_pages: bool = False
    """Some client has asked for fragments."""
    connections: set[Connection] = field(factory=set)
    last_event_id: int = 0
    log: deque[tuple[int, bool, str]] = field(factory=lambda: deque(maxlen=KEPT))
    """Text frames already sent: event id, whether for pages only, the frame."""
    turns: dict[str, tuple[Line, ...]] = field(factory=dict)
    audio_chunks: Counter[Line] = field(factory=Counter)
    text_chunks: Counter[Line] = field(factory=Counter)
    kept: set[str] = field(factory=set)
    """The messages of this turn that are there to stay."""
    told: set[tuple[int, str, str]] = field(factory=set)
    """Errors told in this turn: a voice that fails at every clause is told once."""

    def listen(self) -> None:
        """Subscribe to the conversation."""
        for handler in (self.show_text, self.play, self.finish_line):
            self.bus.tap(handler, interruptible=True, conversation=self.conversation)
        for other in (
            self.transcribe,
            self.hear,
            self.choose,
            self.duck,
            self.interrupt,
            self.interrupt_line,
            self.fail,
            self.time,
            self.page,
        ):
            self.bus.tap(other, conversation=self.conversation)

    # -- sending -----------------------------------------------------------------------------

    def send(self, message: wire.Outgoing, *, pages_only: bool = False) -> None:
        """Send a text frame to everybody, and keep it for who comes back."""
        patient = not isinstance(message, HURRIED)
        self.last_event_id += 1
        message.event_id = self.last_event_id
        frame = wire.encode(message)
        self.log.append((message.event_id, pages_only, frame))
        for connection in self.connections:
            if connection.wants_html or not pages_only:
                connection.put(frame, patient=patient)

    def send_to(self, connection: Connection, message: wire.Outgoing) -> None:
        """Send a text frame to one client only."""
        message.event_id = self.last_event_id
        connection.put(wire.encode(message))

    def missed(self, connection: Connection, last_event_id: int) -> None:
        """Send what a client that comes back has missed."""
        for event_id, pages_only, frame in self.log:
            if event_id > last_event_id and (connection.wants_html or not pages_only):
                connection.put(frame)

    def change(self, title: str | None, cast: Sequence[Character]) -> None:
        """Show who is in the conversation now, and what it is called."""
        self.cast = cast
        characters = [wire.Speaker(who.id, who.name, who.image_url) for who in cast]
        self.send(wire.CastOut(characters=characters, title=title))
        self.send(wire.Html(html=self.painter.cast(cast, title)), pages_only=True)

    def dismiss(self, code: str, line: str) -> None:
        """Tell everybody why this is the end, and let them go."""
        self.send(wire.ErrorOut(message=line, code=code))
        for connection in self.connections:
            connection.put(Goodbye(4404, line))

    # -- events ------------------------------------------------------------------------------

    def page(
        self,
        event: SpeakersChosen | MessageAdded | ReplyFinished | Interrupted | LineInterrupted,
    ) -> None:
        """Send pages their fragments."""
        if isinstance(event, MessageAdded):
            self.kept.add(event.message.message_id)
        if not self.has_pages:
            return
        if html := self._html(event):
            self.send(wire.Html(html=html), pages_only=True)

    def _html(
        self,
        event: SpeakersChosen | MessageAdded | ReplyFinished | Interrupted | LineInterrupted,
    ) -> str:
        if isinstance(event, STOPS):
            return self._gone(event)
        if isinstance(event, MessageAdded) and not self._is_shown(event.message.message_id):
            return self.painter.appended(event.message, self.cast)
        return self.painter(event, self.cast)

    def _is_shown(self, message_id: str) -> bool:
        """Tell whether the message is a line of a turn, whose bubble is there already."""
        return any(line.message_id == message_id for lines in self.turns.values() for line in lines)

    def _gone(self, event: Interrupted | LineInterrupted) -> str:
        """Take away the lines that were stopped before anything of them was heard."""
        if isinstance(event, LineInterrupted):
            lines: tuple[Line, ...] = (event.line,)
        else:
            lines = self.turns.get(event.turn.id, ())
        return self.painter.gone(line for line in lines if line.message_id not in self.kept)

    def transcribe(self, event: TranscriptUpdated) -> None:
        """Show what is being said."""
        at = self.bus.clock.wall().isoformat()
        self.send(wire.TranscriptionChunk(is_final=event.final, text=event.text, timestamp=at))

    def hear(self, event: UserStartedSpeaking) -> None:
        """Show that the user is heard."""
        self.told.clear()
        self.send(wire.Listening(speaking=True))

    def choose(self, event: SpeakersChosen) -> None:
        """Announce the turn."""
        self.turns[event.turn.id] = event.lines
        while len(self.turns) > TURNS:
            del self.turns[next(iter(self.turns))]
        self.audio_chunks.clear()
        self.text_chunks.clear()
        self.told.clear()
        self.kept.clear()
        lines = [wire.LineOut(line.message_id, line.character, line.place) for line in event.lines]
        speakers = [line.character for line in event.lines]
        turn = event.turn
        self.send(
            wire.TurnStarted(
                turn_id=turn.id,
                speakers=speakers,
                generation=turn.number,
                lines=lines,
                note=event.note,
                auto=wire.AutoOut(event.count, event.cap) if event.cap else None,
            )
        )

    def show_text(self, event: ReplyText | ReplyFinished) -> None:
        """Stream a reply's text."""
        line, is_final = event.line, isinstance(event, ReplyFinished)
        index = self.text_chunks[line]
        self.text_chunks[line] += 1
        self.send(
            wire.TextChunk(
                character_id=line.character,
                character_name=line.name,
                text="" if is_final else event.text,
                sequence_number=line.place,
                chunk_index=index,
                turn_id=line.turn.id,
                message_id=line.message_id,
                is_final=is_final,
            )
        )

    def play(self, event: AudioReady) -> None:
        """Send speech."""
        self._audio(event.line, event.pcm, event.last)

    def finish_line(self, event: LineFinished) -> None:
        """Tell that a speaker has finished."""
        line = event.line
        self.send(
            wire.TurnComplete(
                character_id=line.character, sequence_number=line.place, turn_id=line.turn.id
            )
        )

    def _audio(self, line: Line, pcm: bytes, last: bool) -> None:
        chunk = self.audio_chunks[line]
        self.audio_chunks[line] += 1
        self.last_event_id += 1
        binary = text = None
        for connection in self.connections:
            if connection.is_binary:
                number = line.turn.number
                binary = binary or (
                    wire.header(last, line.place, number, chunk, self.last_event_id) + pcm
                )
                connection.put(binary, number)
            else:
                text = text or self._audio_text(line, pcm, chunk, last)
                connection.put(text, line.turn.number)

    def _audio_text(self, line: Line, pcm: bytes, chunk: int, last: bool) -> str:
        return wire.encode(
            wire.AudioChunkOut(
                event_id=self.last_event_id,
                character_id=line.character,
                audio_data=b64encode(pcm).decode(),
                sequence_number=line.place,
                chunk_index=chunk,
                format="pcm",
                sample_rate=SPEAKER_RATE,
                turn_id=line.turn.id,
                is_final=last,
            )
        )

    def duck(self, event: PlaybackPaused | PlaybackResumed) -> None:
        """Loudspeakers hold their position, or go on; nobody is told that nobody is there."""
        if event.cause == "voice":
            kind = wire.Duck if isinstance(event, PlaybackPaused) else wire.Resume
            self.send(kind(turn_id=event.turn.id, generation=event.turn.number))

    def interrupt(self, event: Interrupted) -> None:
        """Everybody stops: audio that waits here is given up too."""
        for connection in self.connections:
            connection.drop_audio(event.turn.number)
        turn = event.turn
        self.send(wire.InterruptedOut(turn_id=turn.id, reason=event.reason, generation=turn.number))

    def interrupt_line(self, event: LineInterrupted) -> None:
        """One speaker stops."""
        line = event.line
        self.send(
            wire.InterruptedOut(
                turn_id=line.turn.id,
                reason=event.reason,
                generation=line.turn.number,
                character_id=line.character,
                sequence_number=line.place,
            )
        )

    def fail(self, event: HandlerFailed) -> None:
        """Tell the user, once a turn for each kind of failure."""
        stage, error = stage_of(event.handler), event.error
        code = error.code if isinstance(error, AichatError) else "internal"
        key = (event.turn.number, stage, code)
        if key in self.told:
            return
        self.told.add(key)
        self.send(error_message(error, stage))

    def time(self, event: TurnTimed) -> None:
        """Send the waterfall."""
        self.send(
            wire.LatencyOut(
                turn_id=event.turn.id,
                marks=dict(event.marks),
                gaps=list(event.gaps),
                final=event.final,
            )
        )

    # -- for the connection ------------------------------------------------------------------

    def line(self, turn_id: str, place: int) -> Line | None:
        """Return a line of one of the last turns."""
        return next((line for line in self.turns.get(turn_id, ()) if line.place == place), None)

    def floor(self) -> int:
        """Return the generation up to which audio is stale."""
        live = self.bus.live_turn(self.conversation)
        return live.number - 1 if live else self.bus.turn(self.conversation).number

    def pong(self, t: float) -> wire.Pong:
        """Answer a ping."""
        return wire.Pong(t=t, server_time=time())
