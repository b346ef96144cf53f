"""A conversation's room: everybody who is connected to it, and what they are sent.

The room listens to the bus with taps, encodes each event once, and puts it into every
connection's outbox. It keeps the last text frames for a client that comes back.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from time import time

from attrs import define, field

from aichat.core import AichatError, Bus, Character, Conversation, Parts
from aichat.core.events import (
    SPEAKER_RATE,
    AudioReady,
    ClauseTimed,
    HandlerFailed,
    Interrupted,
    Line,
    LineFinished,
    LineInterrupted,
    PlaybackPaused,
    PlaybackResumed,
    ReplyFinished,
    ReplyText,
    ReplyWithdrawn,
    SpeakersChosen,
    ToolUsed,
    TranscriptUpdated,
    Turn,
    TurnTimed,
    UserStartedSpeaking,
)
from aichat.web.html.cast_view import CastView, speakers
from aichat.web.html.fragment_updates import Showing, Shown
from aichat.web.html.fragments import Painter
from aichat.web.html.snapshot import Snapshot
from aichat.web.schemas import server_frames

from .audio_frames import audio_chunk, audio_frame
from .errors import error_message, stage_of
from .outbox import Connection, Goodbye
from .replay_buffer import Piece, Tape, place_of
from .sessions import Session, Sessions

HURRIED = (
    server_frames.InterruptedOut,
    server_frames.ErrorOut,
    server_frames.TurnComplete,
    server_frames.Duck,
    server_frames.Resume,
)
KEPT = 1_000
"""Text frames kept for a client that comes back."""
TURNS = 4
"""The lines of so many turns are known, for playback reports that come late."""


@define(eq=False)
class Room:
    """One conversation's connections. *painter* turns an event into fragments for the page."""

    conversation: str
    bus: Bus
    parts: Parts
    painter: Painter
    cast: Sequence[Character] = ()
    sessions: Sessions = field(factory=Sessions)
    has_pages: bool = False
    """Some client has asked for fragments."""
    connections: set[Connection] = field(factory=set)
    last_event_id: int = 0
    log: deque[tuple[int, bool, str]] = field(factory=lambda: deque(maxlen=KEPT))
    """Text frames already sent: event id, whether for pages only, the frame."""
    forgotten: int = 0
    """The last text frame that the log holds no more."""
    tape: Tape = field(factory=Tape)
    waits_in: Turn | None = None
    """The turn in which the characters hold for whoever was cut off last."""
    looks: int = 0
    """How often somebody looked who is in the conversation, to show it."""
    cut: int = -1
    """The generation up to which everything was interrupted."""
    turns: dict[str, tuple[Line, ...]] = field(factory=dict)
    text_chunks: Counter[Line] = field(factory=Counter)
    told: set[tuple[int, str, str]] = field(factory=set)
    """Errors told in this turn: a voice that fails at every clause is told once."""
    showing: Showing = field(init=False)
    present: Snapshot = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.present = Snapshot(self.bus.clock.now)
        self.showing = Showing(self.painter, self.turns)

    def listen(self) -> None:
        """Subscribe to the conversation."""
        for handler in (
            self.present.grow,
            self.show_text,
            self.show_tool,
            self.play,
            self.caption,
            self.finish_line,
        ):
            self.bus.tap(handler, interruptible=True, conversation=self.conversation)
        for other in (
            self.present.note,
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

    def send(self, message: server_frames.Outgoing, *, pages_only: bool = False) -> None:
        """Send a text frame to everybody, and keep it for who comes back."""
        patient = not isinstance(message, HURRIED)
        self.last_event_id += 1
        message.event_id = self.last_event_id
        frame = server_frames.encode(message)
        if len(self.log) == KEPT:
            self.forgotten = self.log[0][0]
        self.log.append((message.event_id, pages_only, frame))
        for connection in self.connections:
            if connection.wants_html or not pages_only:
                connection.put(frame, patient=patient)

    def send_to(
        self, connection: Connection, message: server_frames.Outgoing, event_id: int | None = None
    ) -> None:
        """Send a text frame to one client only; it has seen what was sent up to *event_id*."""
        message.event_id = self.last_event_id if event_id is None else event_id
        connection.put(server_frames.encode(message))

    def welcome(self, connection: Connection, ready: server_frames.Ready) -> None:
        """Greet a client that comes anew: it learns what goes on, and a page what it may lack."""
        present = self.present
        ready.turn, ready.listening = present.turn(), present.is_listening
        ready.transcript = present.transcript
        self.send_to(connection, ready)
        if connection.wants_html and (html := self.painter.present(present.lately(), self.cast)):
            self.send_to(connection, server_frames.Html(html=html))

    def missed(self, connection: Connection, last: int, audio: Iterable[Piece]) -> None:
        """Send what a client that comes back has missed: text after event *last*, and *audio*."""
        missed: list[tuple[int, Piece | str]] = [(piece.event_id, piece) for piece in audio]
        for event_id, pages_only, frame in self.log:
            if event_id > last and (connection.wants_html or not pages_only):
                missed.append((event_id, frame))
        for _, item in sorted(missed, key=lambda pair: pair[0]):
            if isinstance(item, Piece):
                connection.put(self._frame(item, connection.is_binary), item.line.turn.number)
            else:
                connection.put(item)

    def change(self, conversation: Conversation, view: CastView) -> None:
        """Show who is in the conversation now, by which rules, and what it is called."""
        self.cast = view.characters
        title, settings = conversation.title, dict(conversation.settings)
        self.send(
            server_frames.CastOut(
                characters=speakers(view.characters), title=title, settings=settings
            )
        )
        self.send(server_frames.Html(html=self.painter.cast(view)), pages_only=True)

    def dismiss(self, code: str, line: str) -> None:
        """Tell everybody why this is the end, and let them go."""
        self.send(server_frames.ErrorOut(message=line, code=code))
        self.part(Goodbye(4404, line))

    def part(self, goodbye: Goodbye) -> None:
        """Let everybody go, behind what waits to be sent."""
        for connection in self.connections:
            connection.put(goodbye)

    # -- events ------------------------------------------------------------------------------

    def page(self, event: Shown) -> None:
        """Send pages their fragments."""
        self.showing.note(event)
        if self.has_pages and (html := self.showing.html(event, self.cast)):
            self.send(server_frames.Html(html=html), pages_only=True)

    def transcribe(self, event: TranscriptUpdated) -> None:
        """Show what is being said."""
        at = self.bus.clock.wall().timestamp()
        self.send(
            server_frames.TranscriptionChunk(is_final=event.final, text=event.text, timestamp=at)
        )

    def hear(self, event: UserStartedSpeaking) -> None:
        """Show that the user is heard."""
        self.told.clear()
        self.send(server_frames.Listening(speaking=True))

    def choose(self, event: SpeakersChosen) -> None:
        """Announce the turn."""
        self.turns[event.turn.id] = event.lines
        while len(self.turns) > TURNS:
            del self.turns[next(iter(self.turns))]
        self.tape.begin()
        self.text_chunks.clear()
        self.told.clear()
        lines = [
            server_frames.LineOut(line.message_id, line.character, line.place, line.says)
            for line in event.lines
        ]
        speakers = [line.character for line in event.lines]
        turn = event.turn
        self.send(
            server_frames.TurnStarted(
                turn_id=turn.id,
                speakers=speakers,
                generation=turn.number,
                lines=lines,
                note=event.note,
                auto=server_frames.AutoOut(event.count, event.cap) if event.cap else None,
            )
        )

    def show_text(self, event: ReplyText | ReplyWithdrawn | ReplyFinished) -> None:
        """Stream a reply's text; what is said again is there already."""
        if event.line.is_again:
            return
        line, is_final = event.line, isinstance(event, ReplyFinished)
        index = self.text_chunks[line]
        self.text_chunks[line] += 1
        self.send(
            server_frames.TextChunk(
                character_id=line.character,
                character_name=line.name,
                text="" if is_final else event.text,
                sequence_number=line.place,
                chunk_index=index,
                turn_id=line.turn.id,
                message_id=line.message_id,
                is_final=is_final,
                restarts=isinstance(event, ReplyWithdrawn),
            )
        )

    def show_tool(self, event: ToolUsed) -> None:
        """Tell which tool a character used, and what came of it."""
        line = event.line
        self.send(
            server_frames.ToolOut(
                character_id=line.character,
                sequence_number=line.place,
                turn_id=line.turn.id,
                message_id=line.message_id,
                name=event.name,
                arguments=dict(event.arguments),
                result=event.result,
                failed=event.failed,
            )
        )
        if self.has_pages:
            self.send(server_frames.Html(html=self.painter(event, self.cast)), pages_only=True)

    def play(self, event: AudioReady) -> None:
        """Send speech."""
        self._audio(event.line, event.pcm, event.last)

    def caption(self, event: ClauseTimed) -> None:
        """Tell pages when words are heard; nobody who comes later needs it."""
        if not self.has_pages:
            return
        line = event.line
        words = [server_frames.WordOut(text, round(event.at + ms, 1)) for text, ms in event.words]
        told = server_frames.CaptionsOut(
            turn_id=line.turn.id,
            message_id=line.message_id,
            sequence_number=line.place,
            clause=event.index,
            words=words,
        )
        self.send(told, pages_only=True)

    def finish_line(self, event: LineFinished) -> None:
        """Tell that a speaker has finished."""
        line = event.line
        self.send(
            server_frames.TurnComplete(
                character_id=line.character, sequence_number=line.place, turn_id=line.turn.id
            )
        )

    def _audio(self, line: Line, pcm: bytes, last: bool) -> None:
        self.last_event_id += 1
        piece = self.tape.add(self.last_event_id, line, pcm, last)
        frames: dict[bool, str | bytes] = {}
        for connection in self.connections:
            how = connection.is_binary
            if how not in frames:
                frames[how] = self._frame(piece, how)
            connection.put(frames[how], line.turn.number)

    def _frame(self, piece: Piece, is_binary: bool) -> str | bytes:
        return audio_frame(piece) if is_binary else server_frames.encode(audio_chunk(piece))

    def duck(self, event: PlaybackPaused | PlaybackResumed) -> None:
        """Loudspeakers hold their position, or go on; nobody is told that nobody is there."""
        if event.cause == "voice":
            kind = server_frames.Duck if isinstance(event, PlaybackPaused) else server_frames.Resume
            self.send(kind(turn_id=event.turn.id, generation=event.turn.number))

    def interrupt(self, event: Interrupted) -> None:
        """Everybody stops: audio that waits here is given up too."""
        turn = event.turn
        for connection in self.connections:
            connection.drop_audio(turn.number)
        self.tape.cut(turn.number)
        self.cut = max(self.cut, turn.number)
        self.send(
            server_frames.InterruptedOut(
                turn_id=turn.id, reason=event.reason, generation=turn.number
            )
        )

    def interrupt_line(self, event: LineInterrupted) -> None:
        """One speaker stops."""
        line = event.line
        self.tape.cut(self.cut, line)
        self.send(
            server_frames.InterruptedOut(
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
            server_frames.LatencyOut(
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

    def session(self, id: str | None, last_event_id: str) -> tuple[Session, bool]:
        """Return a client's session, and whether it goes on with one of before."""
        kept = range(self.forgotten, self.last_event_id + 1)
        return self.sessions.enter(id, last_event_id, kept, self.bus.clock.now())

    def leave(self, session: Session, connection: Connection) -> None:
        """A client is gone, and may come back."""
        has_all = connection.closed_well and not connection.frames
        session.leave(self.bus.clock.now(), self.last_event_id if has_all else 0)

    def played(self, session: Session, line: Line, played_ms: float) -> None:
        """A client's loudspeaker got so far; what all have played is not kept for anybody."""
        place = place_of(line, round(played_ms * SPEAKER_RATE / 1000))
        session.played = max(session.played or place, place)
        if (by_all := self.sessions.played_by_all()) is not None:
            self.tape.let_go(by_all)

    def floor(self, *, resumed: bool) -> int:
        """Return the generation up to which audio is stale.

        Who comes back may still play what is left of a turn that has ended well meanwhile.
        """
        if resumed:
            return self.cut
        live = self.bus.live_turn(self.conversation)
        return live.number - 1 if live else self.bus.turn(self.conversation).number

    def pong(self, t: float) -> server_frames.Pong:
        """Answer a ping."""
        return server_frames.Pong(t=t, server_time=time())
