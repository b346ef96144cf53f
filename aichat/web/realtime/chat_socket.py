"""The WebSocket ``/ws``: one client in one conversation's room.

A reader is always awaiting the socket, so that a close is noticed at once; while the outbox holds
frames, a writer sends them. An invalid frame is answered with an ``error`` and the connection stays
open. A client is disconnected only for a flood of invalid frames, for not keeping up, or when idle.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from math import inf
from time import monotonic
from typing import Any, cast

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup
from attrs import define, field
from litestar import WebSocket, websocket

from aichat.core import AichatError, Bus, Character, Parts, new_id
from aichat.core.events import (
    MIC_RATE,
    SPEAKER_RATE,
    AudioReceived,
    DraftWritten,
    Interrupted,
    Line,
    LineInterrupted,
    LinePlayed,
    ReplayWanted,
    RestWanted,
    RewriteWanted,
    SpeakersAsked,
    TalkHeld,
    TalkReleased,
    Turn,
    UserSaid,
)
from aichat.web.access.rate_limits import Bucket
from aichat.web.access.refusals import reason
from aichat.web.access.turn_limits import Allowance, RateLimited
from aichat.web.html.cast_view import speakers
from aichat.web.html.markdown import start_of_word
from aichat.web.schemas import client_frames, server_frames, settings
from aichat.web.schemas.parameters import Injected

from .errors import error_message
from .idle_timeout import IdleTimeout
from .join_request import Refused, enter, wanted_cast
from .languages import languages
from .microphone_format import Microphone
from .outbox import Connection
from .room import Room
from .rooms import Rooms
from .sessions import Session
from .speaker_preview import draft_previews
from .writer import Writer

AUDIO_RATE = 2.0
"""Seconds of audio that a client may send per second, on average."""
AUDIO_BURST = 30.0
"""Seconds of audio that a client may send at once: what it buffered while offline, for example."""
MISTAKES = 50
"""Most invalid frames within ten seconds; more are abuse, and end the connection."""
LEFT = 1001
"""Close code of a browser that leaves the page; after any other, the client may reconnect."""
CLOSED_WELL = (1000, LEFT)
"""Close codes of a finished handshake; servers make up 1005 and 1006."""
TOO_SLOW = "Too slow; connect again to get what you missed."
LIMIT_ERRORS_PER_S, LIMIT_ERRORS_AT_ONCE = 5.0, 20.0
"""Rate-limit errors sent to a client: per second on average, and at once; the rest are dropped."""
TURNS = (
    client_frames.TextMessage,
    client_frames.EndOfSpeech,
    client_frames.Ask,
    client_frames.SayRest,
    client_frames.PlayAgain,
    client_frames.Regenerate,
)
"""Frames that begin a turn; they share one rate limit."""
WISHES = (
    client_frames.Interrupt,
    client_frames.SettingsIn,
    client_frames.StartOfSpeech,
    client_frames.Draft,
)
"""Frames that ask for other work; they share another rate limit."""


class TooFast(AichatError):
    """A client sends audio faster than anybody can speak."""

    code = "too_fast"


@websocket("/ws")
async def chat(
    socket: WebSocket[Any, Any, Any],
    rooms: Injected[Rooms],
    idle_timeout: Injected[IdleTimeout],
) -> None:
    """Serve one client's connection to a conversation."""
    query, is_binary = socket.query_params, await _accept(socket)
    id = query.get("conversation_id")
    # a client that reconnects chose the cast before, and it may have been changed since
    wanted = None if rooms.knows(id, query.get("session_id")) else wanted_cast(query)
    try:
        conversation, characters = await enter(rooms.parts, id, wanted)
    except Refused as refused:
        await _say(socket, refused.error)
        await socket.close(refused.code, reason(refused.error))
        return
    room = rooms.room(conversation, characters)
    if id and wanted is not None:
        await rooms.conversation_changed(id)
    async with anyio.create_task_group() as tasks:
        client, writer, resumed_from = _client(socket, rooms, room, tasks, is_binary=is_binary)
        here = rooms.joined(room, client.connection, client.session)
        with here, idle_timeout.watched(client), writer.at_work():
            await _converse(client, rooms, characters, resumed_from)
            tasks.cancel_scope.cancel()


async def _accept(socket: WebSocket[Any, Any, Any]) -> bool:
    """Accept a connection; return whether audio is sent in binary frames."""
    is_offered = server_frames.SUBPROTOCOL in socket.scope["subprotocols"]
    await socket.accept(subprotocols=server_frames.SUBPROTOCOL if is_offered else None)
    # clients that cannot offer a subprotocol may name it in the address
    return is_offered or socket.query_params.get("protocol") == server_frames.SUBPROTOCOL


def _client(
    socket: WebSocket[Any, Any, Any],
    rooms: Rooms,
    room: Room,
    tasks: TaskGroup,
    *,
    is_binary: bool,
) -> tuple[Client, Writer, int | None]:
    """Make a client, what writes to it, and the last event that it has if its session resumes."""
    query, address = socket.query_params, socket.scope["client"]
    peer, last_event_id = address[0] if address else None, query.get("last_event_id", "")
    session, resumed = room.session(query.get("session_id"), last_event_id)
    connection = Connection(
        is_binary,
        query.get("view") == "html",
        on_overflow=lambda: client.disconnect(1013, TOO_SLOW),
        on_frames=lambda: writer.begin(),
    )
    writer = Writer(socket, connection, rooms.crew)
    client = Client(
        socket, room, connection, session, rooms.bus, rooms.parts, rooms.change_settings, tasks,
        languages=_languages(socket),
        turns=rooms.paces.turns.connection(room.conversation, peer),
        wishes=rooms.paces.wishes.connection(room.conversation, peer),
    )  # fmt: skip
    return client, writer, int(last_event_id) if resumed else None


def _languages(socket: WebSocket[Any, Any, Any]) -> tuple[str, ...]:
    """Return the languages that a client names in its address, else those of its browser."""
    browsers: str = socket.headers.get("accept-language", "")
    return languages(socket.query_params.get("languages") or browsers)


async def _converse(
    client: Client, rooms: Rooms, characters: Sequence[Character], resumed_from: int | None
) -> None:
    """Send a client what it lacks, then handle its frames until it leaves."""
    room = client.room
    if resumed_from is None:
        rooms.wake(room, resumed=False)
        client.greet(characters, None)
    else:
        client.greet(characters, resumed_from)
        client.catch_up(resumed_from, client.socket.query_params)
        rooms.wake(room, resumed=True)
    with draft_previews(rooms.bus, room, client.session.id, client.connection):
        await client.read()


async def _say(socket: WebSocket[Any, Any, Any], error: Exception) -> None:
    await socket.send_text(server_frames.encode(error_message(error)))


@define(eq=False)
class Client:
    """One connection: publishes what the client sends as events, and sends what the room has."""

    socket: WebSocket[Any, Any, Any]
    room: Room
    connection: Connection
    session: Session
    bus: Bus
    parts: Parts
    change_settings: Callable[[str, dict[str, Any]], Awaitable[object]]
    tasks: TaskGroup
    languages: tuple[str, ...] = ()
    microphone: Microphone = field(factory=Microphone)
    mistakes: list[float] = field(factory=list)
    received_at: float = 0.0
    """When the last frame was handled, in seconds of the bus's clock; infinite during handling."""
    is_let_go: bool = False
    turns: Allowance = field(factory=Allowance)
    wishes: Allowance = field(factory=Allowance)
    audio: Bucket = field(init=False)
    limit_errors: Bucket = field(init=False)

    def __attrs_post_init__(self) -> None:
        now = self.bus.clock.now
        self.received_at, self.audio = now(), Bucket(AUDIO_RATE, AUDIO_BURST, now)
        self.limit_errors = Bucket(LIMIT_ERRORS_PER_S, LIMIT_ERRORS_AT_ONCE, now)

    def greet(self, characters: Sequence[Character], last_event_id: int | None) -> None:
        """Send ``ready``; *last_event_id* is given when the client reconnects."""
        resumed = last_event_id is not None
        ready = server_frames.Ready(
            conversation_id=self.room.conversation,
            session_id=self.session.id,
            characters=speakers(characters),
            sample_rate=SPEAKER_RATE,
            resumed=resumed,
            generation=self.room.floor(resumed=resumed),
            notices=self.parts.notices(),
        )
        if resumed:
            self.room.send_to(self.connection, ready, last_event_id)
        else:
            self.room.welcome(self.connection, ready)

    def catch_up(self, last_event_id: int, query: Any) -> None:
        """Send what the client missed while away, and note how far its loudspeaker got."""
        line, played_ms = self._playback(query)
        if line:
            self.room.played(self.session, line, played_ms)
        audio = self.room.replay_buffer.after(max(last_event_id, self.session.received))
        if query.get("audio") == "lost":
            audio = self.room.replay_buffer.beyond(self.session.played or (-1, 0, 0))
        self.room.missed(self.connection, last_event_id, audio)
        if line and self.room.waits_in == line.turn:
            self.bus.post(LinePlayed(line, played_ms, "back", self.session.id))

    def _playback(self, query: Any) -> tuple[Line | None, float]:
        """Return the line and position (ms) that a reconnecting client reports, if it does."""
        try:
            played_ms, place = float(query["played_ms"]), int(query["sequence_number"])
        except (KeyError, ValueError):
            return None, 0.0
        if not 0 <= played_ms <= settings.LONGEST_MS:
            return None, 0.0
        return self.room.line(query.get("turn_id", ""), place), played_ms

    def disconnect(self, code: int, reason: str) -> None:
        """Close the connection, even while the writer waits for a client that does not read."""
        if not self.is_let_go:
            self.is_let_go = True
            self.tasks.start_soon(self.socket.close, code, reason)

    async def read(self) -> None:
        """Read and handle frames until the client disconnects."""
        while True:
            message = await self.socket.receive()
            if message["type"] == "websocket.disconnect":
                self.connection.said_farewell = message.get("code") == LEFT
                self.connection.closed_well = message.get("code") in CLOSED_WELL
                return
            self.received_at = inf  # while its frame is handled, the client is not idle
            try:
                await self._take(cast(dict[str, Any], message))
            except RateLimited as error:
                if not self.limit_errors.take():
                    self.room.send_to(self.connection, error_message(error))
                await anyio.lowlevel.checkpoint()  # so that a flood does not starve other clients
            except AichatError as error:
                self.room.send_to(self.connection, error_message(error))
                if abuse := self._abuse(error):
                    self.connection.said_farewell = True
                    await self.socket.close(1008, abuse)
                    return
            self.received_at = self.bus.clock.now()

    def _abuse(self, error: AichatError) -> str | None:
        if isinstance(error, TooFast):
            return error.problem
        if isinstance(error, client_frames.BadFrame):
            now = monotonic()
            self.mistakes = [at for at in self.mistakes if at > now - 10] + [now]
        return "Too many invalid frames." if len(self.mistakes) > MISTAKES else None

    async def _take(self, message: dict[str, Any]) -> None:
        data, text = message.get("bytes"), message.get("text")
        if data is not None:
            if len(data) > settings.FRAME_LIMIT:
                problem = f"A frame is over {settings.FRAME_LIMIT} bytes."
                raise client_frames.BadFrame(problem, "Send less.")
            await self._audio(self.microphone.raw(data))
        elif text is not None:
            await self._message(client_frames.decode(text))

    async def _audio(self, pcm: bytes) -> None:
        if self.audio.take(len(pcm) / (2 * MIC_RATE)):
            raise TooFast(
                f"Audio comes at over {AUDIO_RATE:g} times the speed of speech.",
                "Send it as it is recorded.",
            )
        turn = self.bus.turn(self.room.conversation)
        await self.bus.publish(AudioReceived(turn, pcm, self.languages))

    async def _message(self, message: client_frames.Incoming) -> None:
        self._count(message)
        turn = self.bus.turn(self.room.conversation)
        match message:
            case client_frames.AudioChunkIn():
                await self._audio(self.microphone.chunk(message))
            case client_frames.TextMessage():
                await self.bus.publish(UserSaid(self._new_turn(), message.text, "text", new_id()))
            case client_frames.Interrupt():
                self._interrupt(message.character_id)
            case client_frames.Ask():
                await self._ask(message.character_ids)
            case client_frames.SettingsIn():
                await self._settings(settings.sent(message))
            case client_frames.StartOfSpeech():
                self.bus.post(TalkHeld(turn))
            case client_frames.EndOfSpeech():
                self.bus.post(TalkReleased(turn))
            case client_frames.PlaybackIn():
                self._played(message)
            case client_frames.Draft():
                self.bus.post(DraftWritten(turn, message.text, self.session.id, message.number))
            case client_frames.SayRest():
                await self.bus.publish(RestWanted(self._new_turn(), message.message_id))
            case client_frames.PlayAgain():
                await self._play_again(message)
            case client_frames.Regenerate():
                await self.bus.publish(RewriteWanted(self._new_turn(), message.message_id))
            case client_frames.Ping():
                self.room.send_to(self.connection, self.room.pong(message.t))

    def _count(self, message: client_frames.Incoming) -> None:
        """Count a frame against the client's limits. Raises RateLimited."""
        if isinstance(message, TURNS):
            self.turns.take()
        elif isinstance(message, WISHES):
            self.wishes.take()

    def _new_turn(self) -> Turn:
        return self.bus.new_turn(self.room.conversation)

    def _played(self, message: client_frames.PlaybackIn) -> None:
        if line := self.room.line(message.turn_id, message.sequence_number):
            self.room.played(self.session, line, message.played_ms)
            self.bus.post(LinePlayed(line, message.played_ms, message.state, self.session.id))

    async def _ask(self, character_ids: Sequence[str]) -> None:
        here = {who.id for who in self.room.cast}
        for id in character_ids:
            if id not in here:
                raise client_frames.BadFrame(f"{id} is not in this conversation.", "Name who is.")
        await self.bus.publish(SpeakersAsked(self._new_turn(), tuple(character_ids)))

    async def _play_again(self, message: client_frames.PlayAgain) -> None:
        start = 0
        if message.word:
            said = await self.parts.storage.message(message.message_id)
            start = start_of_word(said.content, message.word)
        wanted = ReplayWanted(self._new_turn(), message.message_id, start, message.new_take)
        await self.bus.publish(wanted)

    def _interrupt(self, character_id: str | None) -> None:
        live = self.bus.live_turn(self.room.conversation)
        if live is None:
            return  # the turn is already over
        if character_id is None:
            self.bus.interrupt(Interrupted(live))
            return
        lines = self.room.turns.get(live.id, ())
        line = next((line for line in lines if line.character == character_id), None)
        if line is None:
            raise client_frames.BadFrame(
                f"{character_id} is not speaking in this turn.", "Name who is."
            )
        self.bus.interrupt(LineInterrupted(line))

    async def _settings(self, settings: dict[str, Any]) -> None:
        await self.change_settings(self.room.conversation, settings)
