"""Stage: clauses become speech, every character in a lane of its own, at most so many at once.

Audio leaves here at 24 kHz whatever the engine's rate: it is resampled once, on the way.
"""

from __future__ import annotations

import anyio
import numpy as np
import soxr
from attrs import Factory, define, field

from aichat.core import (
    BackendFailed,
    Breath,
    Bus,
    NotReady,
    Parts,
    Tts,
    Voice,
    WordMark,
    closing,
    hookimpl,
    introduce,
    patience,
)
from aichat.core.events import (
    SPEAKER_RATE,
    ConversationClosed,
    Interrupted,
    Line,
    LineEvent,
    LineFinished,
    LineInterrupted,
    ReplyClause,
    ReplyWithdrawn,
    SpeakersChosen,
    SpeechSynthesized,
    SpokenWord,
    Turn,
)

from .speaking_slots import Need, Slots
from .speaking_takes import Piece, Takes, key_of

CHUNK_SECONDS = 20.0
"""A voice that says nothing for so long has failed."""
PIECE_SECONDS = 0.3
"""Audio that is well ahead of the loudspeaker is passed on in pieces of this length."""
LETTER_SECONDS = 1 / 15
"""About how long a letter takes to say. Only conversations that share an engine depend on it."""
WAITING_CLAUSES = 8
"""So many clauses of a line may wait to be spoken; then the language model is held back."""


class Rate:
    """Brings one clause's audio to 24 kHz."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._stream = (
            None
            if rate == SPEAKER_RATE
            else soxr.ResampleStream(rate, SPEAKER_RATE, 1, dtype="int16", quality="MQ")
        )

    def convert(self, pcm: bytes, last: bool = False) -> bytes:
        """Return the audio that *pcm* makes available; *last* flushes the filter."""
        if self._stream is None:
            return pcm
        samples = np.frombuffer(pcm, np.int16)
        return bytes(self._stream.resample_chunk(samples, last=last).tobytes())

    def position(self, sample: int) -> int:
        """Say where the engine's *sample* is at 24 kHz."""
        return sample * SPEAKER_RATE // self._rate


@define
class Engine:
    """The voice synthesiser that serves now, and how many clauses it may speak at once.

    An engine may lower that when it finds that it cannot do so much.
    """

    tts: Tts
    count: int
    slots: Slots


@define
class Plan:
    """When each clause of a turn is needed, in seconds of the bus clock, as far as one can tell."""

    turn: Turn
    next: float
    """All that was written so far will have been heard by then."""
    needed: dict[tuple[int, int], float] = field(factory=dict)

    def note(self, event: ReplyClause) -> None:
        """Take in a clause; clauses come in the order in which they will be heard."""
        self.needed[event.line.place, event.index] = self.next
        self.next += len(event.text) * LETTER_SECONDS

    def need(self, event: ReplyClause) -> Need:
        """Say how soon a clause is needed."""
        at = (event.line.place, event.index)
        return self.needed.pop(at, self.next), *at


@define
class Clause:
    """One clause on its way out; word marks wait for the next audio."""

    bus: Bus
    event: ReplyClause
    breath: Breath = field(default=Factory(lambda self: Breath(self.bus.clock), takes_self=True))
    words: list[SpokenWord] = field(factory=list)
    samples: int = 0
    """How much was published,"""
    began: float = 0.0
    """and when the first of it was, on the bus clock."""
    held: bytearray = field(factory=bytearray)
    pieces: list[Piece] = field(factory=list)
    """What was published."""

    async def add(self, pcm: bytes) -> None:
        """Publish audio at once; gather it while the loudspeaker has enough to play meanwhile."""
        self.held += pcm
        if self.held and len(self.held) >= self._ahead():
            await self.flush()
            await self.breath.take()  # a fast voice must not hold up its own audio

    def _ahead(self) -> float:
        """Half of what was published and cannot have been played, up to one piece: bytes."""
        if not self.samples:
            return 0
        ahead = self.samples / SPEAKER_RATE - (self.bus.clock.now() - self.began)
        return 2 * SPEAKER_RATE * min(ahead / 2, PIECE_SECONDS)

    async def flush(self) -> None:
        """Publish what is held, with the marks that came before it."""
        if self.held:
            pcm, self.held = bytes(self.held), bytearray()
            words, self.words = tuple(self.words), []
            if not self.samples:
                self.began = self.bus.clock.now()
            self.samples += len(pcm) // 2
            self.pieces.append((pcm, words))
            line, index = self.event.line, self.event.index
            await self.bus.publish(SpeechSynthesized(line, index, pcm, False, words))


@define
class Speaking:
    """Speaks what characters write."""

    bus: Bus
    parts: Parts
    engine: Engine | None = None
    voices: dict[str, dict[str, Voice]] = field(factory=dict)
    """The voices of each conversation's characters, read once a turn."""
    looking: dict[str, anyio.Lock] = field(factory=dict)
    """Who holds a conversation's lock looks for its voices."""
    plans: dict[str, Plan] = field(factory=dict)
    """The plan of each conversation's latest turn."""
    takes: Takes = field(factory=Takes)
    void: dict[Line, int] = field(factory=dict)
    """Of lines whose first words were withdrawn: up to which clause nothing is spoken."""

    def withdraw(self, event: ReplyWithdrawn) -> None:
        """Speak nothing more of what was no part of the reply."""
        self.void[event.line] = event.until

    def drop(self, event: LineFinished | LineInterrupted | Interrupted) -> None:
        """A line is over, or all of a turn."""
        if isinstance(event, LineEvent):
            self.void.pop(event.line, None)
        else:
            self.void = {line: end for line, end in self.void.items() if line.turn != event.turn}

    def plan(self, event: ReplyClause) -> None:
        """Note when the clause will be needed."""
        self._plan(event.turn).note(event)

    def _plan(self, turn: Turn) -> Plan:
        plan = self.plans.get(turn.conversation)
        if plan is None or plan.turn != turn:
            plan = self.plans[turn.conversation] = Plan(turn, self.bus.clock.now())
        return plan

    async def prepare(self, event: SpeakersChosen) -> None:
        """Look up the voices while the first words are written."""
        self.voices[event.turn.conversation] = {}
        for line in event.lines:
            await self._voice(line)

    async def speak(self, event: ReplyClause) -> None:
        """Speak one clause; close it even after a failure, so that the rest is heard."""
        if event.index or event.line.place:  # of a turn that may not be, only the first clause
            await self.bus.committed(event.turn)
        failure: Exception | None = None
        try:
            if event.text and event.index >= self.void.get(event.line, 0):
                await self._speak(event)
        except Exception as error:
            failure = error
        await self.bus.publish(SpeechSynthesized(event.line, event.index, b"", last=True))
        if failure:
            raise failure

    async def _speak(self, event: ReplyClause) -> None:
        voice, engine = await self._voice(event.line), self._engine()
        key = key_of(event, voice)
        if speech := self.takes.of(event, key):
            for piece in speech:
                await self.bus.publish(piece)
            return
        rate, clause = Rate(engine.tts.sample_rate), Clause(self.bus, event)
        need = self._plan(event.turn).need(event)
        async with engine.slots.taken(need), closing(engine.tts.speak(event.text, voice)) as chunks:
            with patience(self.bus.clock, CHUNK_SECONDS, "The voice made no sound") as waiting:
                async for chunk in chunks:
                    if event.index < self.void.get(event.line, 0):
                        return
                    if isinstance(chunk, WordMark):
                        at = rate.position(chunk.at)
                        clause.words.append(SpokenWord(chunk.start, chunk.end, at))
                    else:
                        await clause.add(rate.convert(chunk))
                    waiting.renew()
        await clause.add(rate.convert(b"", last=True))
        await clause.flush()
        if not clause.samples:
            raise BackendFailed(
                "The voice made no sound.", "Choose another voice, or another [tts] backend."
            )
        self.takes.keep(key, clause.pieces)

    def _engine(self) -> Engine:
        tts = self.parts.tts
        engine, count = self.engine, tts.max_concurrent
        if engine is None or engine.tts is not tts or engine.count != count:
            engine = self.engine = Engine(tts, count, Slots(count))
        return engine

    async def _voice(self, line: Line) -> Voice:
        """Return a line's voice, which the engine knows; who asks meanwhile waits for that."""
        known = self.voices.setdefault(line.turn.conversation, {})
        lock = self.looking.setdefault(line.turn.conversation, anyio.Lock(fast_acquire=True))
        async with lock:
            if line.character not in known:
                character = await self.parts.storage.character(line.character)
                if not character.voice:  # its name will do
                    return known.setdefault(line.character, Voice(character.name))
                voice = await self.parts.storage.voice(character.voice)
                try:
                    known[line.character] = await self._introduced(voice)
                except Exception:
                    known[line.character] = voice  # told once; it speaks as well as it can
                    raise
        return known[line.character]

    async def _introduced(self, voice: Voice) -> Voice:
        try:
            tts = self.parts.tts
        except NotReady:
            return voice  # which is told when there is something to speak
        return await introduce(voice, tts, self.parts.storage)

    def forget(self, event: ConversationClosed) -> None:
        """Drop what is kept of a conversation."""
        self.voices.pop(event.turn.conversation, None)
        self.looking.pop(event.turn.conversation, None)
        self.plans.pop(event.turn.conversation, None)


@hookimpl
def connect(bus: Bus, parts: Parts) -> None:
    """Speak what characters write."""
    speaking = Speaking(bus, parts)
    bus.tap(speaking.plan, interruptible=True)
    bus.tap(speaking.forget)
    bus.tap(speaking.withdraw)
    bus.tap(speaking.drop)
    bus.tap(speaking.takes.forget)
    bus.subscribe(speaking.prepare, interruptible=True, ahead=True)
    bus.subscribe(
        speaking.speak,
        interruptible=True,
        ahead=True,
        lane_by=lambda event: event.line.place,
        limit=WAITING_CLAUSES,
    )
