"""A conversation's room: its connections, and what they are sent.

The room listens to the bus with taps, encodes each event once, and puts it into every
connection's outbox. It keeps the last text frames for clients that reconnect.
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
    LanguageDoubted,
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
from aichat.toolkit.bounded_dict import BoundedDict
from aichat.web.html.cast_view import CastView, speakers
from aichat.web.html.fragment_updates import Showing, Shown
from aichat.web.html.fragments import Painter
from aichat.web.html.snapshot import Snapshot
from aichat.web.schemas import server_frames

from .audio_frames import audio_chunk, audio_frame
from .errors import error_message, stage_of
from .outbox import Connection, Goodbye
from .replay_buffer import Piece, ReplayBuffer, place_of
from .sessions import Session, Sessions

HURRIED = (
    server_frames.InterruptedOut,
    server_frames.ErrorOut,
    server_frames.TurnComplete,
    server_frames.Duck,
    server_frames.Resume,
)
KEPT = 1_000
"""Most text frames kept for clients that reconnect."""
TURNS = 4
"""Turns whose lines are remembered, for playback reports that arrive late."""


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
    """Some client has asked for HTML fragments."""
    connections: set[Connection] = field(factory=set)
    last_event_id: int = 0
    log: deque[tuple[int, bool, str]] = field(factory=lambda: deque(maxlen=KEPT))
    """Text frames already sent: event id, whether for pages only, the frame."""
    forgotten: int = 0
    """Event id of the last text frame that the log has dropped."""
    replay_buffer: ReplayBuffer = field(factory=ReplayBuffer)
    waits_in: Turn | None = None
    """The turn whose playback is paused until the last client, which was cut off, reconnects."""
    looks: int = 0
    """Number of times the cast was read, so that a slow read does not overwrite a newer one."""
    cut: int = -1
    """The generation up to which everything was interrupted."""
    turns: BoundedDict[str, tuple[Line, ...]] = field(factory=lambda: BoundedDict(TURNS))
    text_chunks: Counter[Line] = field(factory=Counter)
    reported_errors: set[tuple[int, str, str]] = field(factory=set)
    """Errors already reported in this turn (generation, stage, code); each is sent once."""
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
            self.advise,
            self.time,
            self.page,
        ):
            self.bus.tap(other, conversation=self.conversation)

    # -- sending -----------------------------------------------------------------------------

    def send(self, message: server_frames.Outgoing, *, pages_only: bool = False) -> None:
        """Send a text frame to every connection, and keep it for clients that reconnect."""
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
        """Send a text frame to one client; *event_id* is the last event that it has."""
        message.event_id = self.last_event_id if event_id is None else event_id
        connection.put(server_frames.encode(message))

    def welcome(self, connection: Connection, ready: server_frames.Ready) -> None:
        """Send a new client the current state, and a page the fragments that it may lack."""
        present = self.present
        ready.turn, ready.listening = present.turn(), present.is_listening
        ready.transcript = present.transcript
        self.send_to(connection, ready)
        if not connection.wants_html:
            return
        html = self.painter.present(present.lately(), self.cast)
        if html := html + self.painter.fetchable(self.parts):
            self.send_to(connection, server_frames.Html(html=html))

    def missed(self, connection: Connection, last: int, audio: Iterable[Piece]) -> None:
        """Send a reconnecting client what it missed: text after event *last*, and *audio*."""
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
        """Send the conversation's cast, settings and title as they are now."""
        self.cast = view.characters
        title, settings = conversation.title, dict(conversation.settings)
        self.send(
            server_frames.CastOut(
                characters=speakers(view.characters), title=title, settings=settings
            )
        )
        self.send(server_frames.Html(html=self.painter.cast(view)), pages_only=True)

    def dismiss(self, code: str, line: str) -> None:
        """Send every client an error, then close its connection."""
        self.send(server_frames.ErrorOut(message=line, code=code))
        self.part(Goodbye(4404, line))

    def part(self, goodbye: Goodbye) -> None:
        """Close every connection after the frames already queued."""
        for connection in self.connections:
            connection.put(goodbye)

    # -- events ------------------------------------------------------------------------------

    def page(self, event: Shown) -> None:
        """Send pages the HTML fragments for an event."""
        self.showing.note(event)
        if self.has_pages and (html := self.showing.html(event, self.cast)):
            self.send(server_frames.Html(html=html), pages_only=True)

    def transcribe(self, event: TranscriptUpdated) -> None:
        """Send the transcript of what the user is saying."""
        at = self.bus.clock.wall().timestamp()
        self.send(
            server_frames.TranscriptionChunk(is_final=event.final, text=event.text, timestamp=at)
        )

    def hear(self, event: UserStartedSpeaking) -> None:
        """Report that the user has started to speak."""
        self.reported_errors.clear()
        self.send(server_frames.Listening(speaking=True))

    def choose(self, event: SpeakersChosen) -> None:
        """Send the start of a turn and its speakers."""
        self.turns[event.turn.id] = event.lines
        self.replay_buffer.begin()
        self.text_chunks.clear()
        self.reported_errors.clear()
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
        """Send a reply's text; clients have the text of a replayed line already."""
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
        """Send which tool a character used, and its result."""
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
        """Send synthesised speech."""
        self._audio(event.line, event.pcm, event.last)

    def caption(self, event: ClauseTimed) -> None:
        """Send pages the times of a clause's words; it is not kept if no page is open."""
        if not self.has_pages:
            return
        line = event.line
        words = [server_frames.WordOut(text, round(event.at + ms, 1)) for text, ms in event.words]
        captions = server_frames.CaptionsOut(
            turn_id=line.turn.id,
            message_id=line.message_id,
            sequence_number=line.place,
            clause=event.index,
            words=words,
        )
        self.send(captions, pages_only=True)

    def finish_line(self, event: LineFinished) -> None:
        """Send that a speaker has finished."""
        line = event.line
        self.send(
            server_frames.TurnComplete(
                character_id=line.character, sequence_number=line.place, turn_id=line.turn.id
            )
        )

    def _audio(self, line: Line, pcm: bytes, last: bool) -> None:
        self.last_event_id += 1
        piece = self.replay_buffer.add(self.last_event_id, line, pcm, last)
        frames: dict[bool, str | bytes] = {}
        for connection in self.connections:
            how = connection.is_binary
            if how not in frames:
                frames[how] = self._frame(piece, how)
            connection.put(frames[how], line.turn.number)

    def _frame(self, piece: Piece, is_binary: bool) -> str | bytes:
        return audio_frame(piece) if is_binary else server_frames.encode(audio_chunk(piece))

    def duck(self, event: PlaybackPaused | PlaybackResumed) -> None:
        """Send that playback pauses or resumes for a barge-in; other causes send nothing."""
        if event.cause == "voice":
            kind = server_frames.Duck if isinstance(event, PlaybackPaused) else server_frames.Resume
            self.send(kind(turn_id=event.turn.id, generation=event.turn.number))

    def interrupt(self, event: Interrupted) -> None:
        """Send that a turn was interrupted, and drop its queued audio."""
        turn = event.turn
        for connection in self.connections:
            connection.drop_audio(turn.number)
        self.replay_buffer.cut(turn.number)
        self.cut = max(self.cut, turn.number)
        self.send(
            server_frames.InterruptedOut(
                turn_id=turn.id, reason=event.reason, generation=turn.number
            )
        )

    def interrupt_line(self, event: LineInterrupted) -> None:
        """Send that one speaker was interrupted, and drop its kept audio."""
        line = event.line
        self.replay_buffer.cut(self.cut, line)
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
        """Report a failure, each kind once per turn."""
        stage, error = stage_of(event.handler), event.error
        code = error.code if isinstance(error, AichatError) else "internal"
        key = (event.turn.number, stage, code)
        if key in self.reported_errors:
            return
        self.reported_errors.add(key)
        self.send(error_message(error, stage))

    def advise(self, event: LanguageDoubted) -> None:
        """Send that the user seems to speak another language than is transcribed."""
        self.send(server_frames.HintOut(message=event.advice, code="other_language"))

    def time(self, event: TurnTimed) -> None:
        """Send the latency waterfall of a turn."""
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
        """Return a client's session, and whether it resumes an earlier one."""
        kept = range(self.forgotten, self.last_event_id + 1)
        return self.sessions.enter(id, last_event_id, kept, self.bus.clock.now())

    def leave(self, session: Session, connection: Connection) -> None:
        """Note that a client has disconnected; it may reconnect."""
        has_all = connection.closed_well and not connection.frames
        session.leave(self.bus.clock.now(), self.last_event_id if has_all else 0)

    def played(self, session: Session, line: Line, played_ms: float) -> None:
        """Note a client's playback position (ms), and drop audio that all clients have played."""
        place = place_of(line, round(played_ms * SPEAKER_RATE / 1000))
        session.played = max(session.played or place, place)
        if (by_all := self.sessions.played_by_all()) is not None:
            self.replay_buffer.let_go(by_all)

    def floor(self, *, resumed: bool) -> int:
        """Return the generation up to which audio is stale.

        A client that reconnects may still play the rest of a turn that ended without interruption.
        """
        if resumed:
            return self.cut
        live = self.bus.live_turn(self.conversation)
        return live.number - 1 if live else self.bus.turn(self.conversation).number

    def pong(self, t: float) -> server_frames.Pong:
        """Answer a ping."""
        return server_frames.Pong(t=t, server_time=time())
