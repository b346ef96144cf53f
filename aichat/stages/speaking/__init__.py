"""Stage: clauses become speech, every character in a lane of its own, within the engine's limit.

Audio leaves here at 24 kHz whatever the engine's rate: it is resampled once, on the way.
"""

from __future__ import annotations

from contextlib import nullcontext

import anyio
from attrs import Factory, define, field

from aichat.core import (
    AichatError,
    BadAudio,
    Bus,
    CannotRead,
    NotReady,
    Parts,
    PerConversation,
    TimedOut,
    Tts,
    Voice,
    WordMark,
    closing,
    hookimpl,
    idle_timeout,
)
from aichat.core.bus.streams import IdleTimeout, stalled
from aichat.core.events import (
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
from aichat.core.registry.standby import Standby
from aichat.toolkit.voices.cloning import introduce
from aichat.toolkit.voices.sound_tags import performable
from aichat.toolkit.voices.speech_check import LETTER_SECONDS, Sound

from .clause_audio import ClauseAudio, Resampler
from .speech_cache import Key, SpeechCache, key_of
from .tts_scheduler import Deadline, TtsScheduler

CHUNK_SECONDS = 20.0
"""Timeout (s) of a voice from which no audio comes."""
LEARN_SECONDS = 60.0
"""Timeout (s) for an engine to learn a voice; after it, the engine speaks as it can."""
WAITING_CLAUSES = 8
"""Most clauses of a line that wait to be spoken; then back-pressure stops the language model."""


@define
class Engine:
    """The voice synthesiser that serves now, and how many clauses it may speak at once.

    An engine may lower that limit while it runs.
    """

    tts: Tts
    count: int
    scheduler: TtsScheduler


Scope = tuple[()] | tuple[int] | tuple[int, int]
"""A turn, the line at a place in it, or a clause of that."""
GIVE_UP_ON = (TimedOut, BadAudio, CannotRead)
"""What an engine is given up for; it may stumble over anything else and be asked again."""


def scope_of(error: Exception, event: ReplyClause) -> Scope:
    """Return the scope for which an engine is given up."""
    if isinstance(error, TimedOut):
        return ()
    place = event.line.place
    return (place, event.index) if isinstance(error, CannotRead) else (place,)


@define
class SpeechPlan:
    """Who speaks a turn, and when each clause is needed, in seconds of the bus clock."""

    turn: Turn
    next: float = 0.0
    """All that was written so far will have been heard by then."""
    needed: dict[tuple[int, int], float] = field(factory=dict)
    used: list[Tts] = field(factory=list)
    """Engines that speak in this turn: they go on, even if a better one has become ready."""
    given_up: list[tuple[Tts, Scope]] = field(factory=list)
    """Engines that are not asked again, and for what."""

    def note(self, event: ReplyClause, now: float) -> None:
        """Take in a clause; clauses come in the order in which they will be heard."""
        self.next = self.next or now
        self.needed[event.line.place, event.index] = self.next
        self.next += len(event.text) * LETTER_SECONDS

    def use(self, tts: Tts) -> Tts:
        """Note that an engine speaks in this turn."""
        if not any(tts is one for one in self.used):
            self.used.append(tts)
        return tts

    def without(self, event: ReplyClause) -> list[Tts]:
        """Return the engines that are not to be asked for a clause."""
        scopes = ((), (event.line.place,), (event.line.place, event.index))
        return [tts for tts, scope in self.given_up if scope in scopes]

    def deadline(self, event: ReplyClause) -> Deadline:
        """Return the deadline of a clause."""
        at = (event.line.place, event.index)
        return self.needed.pop(at, self.next), *at


@define
class ConversationVoices:
    """What is spoken in one conversation, and with which voices."""

    known: dict[str, Voice] = field(factory=dict)
    """The voices of its characters, read once a turn."""
    looking: anyio.Lock = field(factory=lambda: anyio.Lock(fast_acquire=True))
    """Held while a voice is looked up."""
    plan: SpeechPlan | None = None
    """The plan of its latest turn."""
    unread: set[str] = field(factory=set)
    """Problems already reported of what a voice cannot read."""
    void: dict[Line, int] = field(factory=dict)
    """Of lines whose first words were withdrawn: up to which clause nothing is spoken."""


@define
class Speaking:
    """Speaks what characters write."""

    bus: Bus
    parts: Parts
    standby: Standby = field(
        default=Factory(
            lambda self: Standby(self.bus.clock, self.parts, "tts", self.bus.engine_calls.stuck),
            takes_self=True,
        )
    )
    engines: list[Engine] = field(factory=list)
    """Engines that were asked and are still ready."""
    voices: PerConversation[ConversationVoices] = field(
        default=Factory(lambda self: self.bus.per_conversation(ConversationVoices), takes_self=True)
    )
    cache: SpeechCache = field(factory=SpeechCache)

    def withdraw(self, event: ReplyWithdrawn) -> None:
        """Speak nothing more of what was no part of the reply."""
        self.voices.of(event.turn.conversation).void[event.line] = event.until

    def end_lines(self, event: LineFinished | LineInterrupted | Interrupted) -> None:
        """A line is over, or all of a turn."""
        voices = self.voices.of(event.turn.conversation)
        if isinstance(event, LineEvent):
            voices.void.pop(event.line, None)
        else:
            voices.void = {line: n for line, n in voices.void.items() if line.turn != event.turn}

    def plan(self, event: ReplyClause) -> None:
        """Note when the clause will be needed."""
        self._plan(event.turn).note(event, self.bus.clock.now())

    def _plan(self, turn: Turn) -> SpeechPlan:
        voices = self.voices.of(turn.conversation)
        if voices.plan is None or voices.plan.turn != turn:
            voices.plan = SpeechPlan(turn)
        return voices.plan

    async def prepare(self, event: SpeakersChosen) -> None:
        """Look up the voices while the first words are written."""
        self.voices.of(event.turn.conversation).known = {}
        for line in event.lines:
            await self._voice(line)

    async def speak(self, event: ReplyClause) -> None:
        """Speak one clause; close it even after a failure, so that the rest is heard."""
        if event.index or event.line.place:  # of a turn that may not be, only the first clause
            await self.bus.committed(event.turn)
        failure: Exception | None = None
        try:
            if event.text and not self._is_void(event):
                await self._speak(event)
        except Exception as error:
            failure = error
        await self.bus.publish(SpeechSynthesized(event.line, event.index, b"", last=True))
        if failure:
            raise failure

    def _is_void(self, event: ReplyClause) -> bool:
        return event.index < self.voices.of(event.turn.conversation).void.get(event.line, 0)

    async def _speak(self, event: ReplyClause) -> None:
        voice, plan = await self._voice(event.line), self._plan(event.turn)
        key = key_of(event, voice, self._first(plan))
        if speech := self.cache.of(event, key):
            for piece in speech:
                await self.bus.publish(piece)
            return
        deadline = plan.deadline(event)
        while engine := self._engine(plan, event):  # none is left: that was reported
            async with engine.scheduler.slot(deadline):
                if engine is not self._engine(plan, event):
                    continue  # it failed while this clause waited for it
                clause = ClauseAudio(self.bus, event)
                try:
                    await self._stream(engine.tts, clause, voice, key)
                except GIVE_UP_ON as error:
                    self._give_up(engine.tts, plan, event, error)
                    if not clause.samples:  # what was heard is not said twice
                        continue
                return

    def _give_up(self, tts: Tts, plan: SpeechPlan, event: ReplyClause, error: AichatError) -> None:
        """Do without an engine that stalls for the turn, that sends no speech for the line.

        That is reported once; which script it cannot read, once a conversation. An engine that
        stalled rests for a while: the next turn begins with another.
        """
        known = self.voices.of(event.turn.conversation).unread
        is_news = not any(tts is one for one in plan.without(event)) and error.problem not in known
        plan.given_up.append((tts, scope_of(error, event)))
        if isinstance(error, CannotRead):
            known.add(error.problem)
        if isinstance(error, TimedOut):
            self.standby.rest(tts)
        if is_news:
            self.bus.report(event, error)

    async def _stream(self, tts: Tts, clause: ClauseAudio, voice: Voice, key: Key) -> None:
        """Publish a clause as it is spoken; also what was spoken before it failed."""
        text = performable(clause.event.text, tts)
        if not text or text.isspace():
            return  # a sound that this voice does not perform
        sound = Sound(text, tts.sample_rate)
        rate, failure = Resampler(tts.sample_rate), None
        try:
            await self._read(tts, voice, clause, sound, rate)
        except GIVE_UP_ON as error:
            failure = error
        if self._is_void(clause.event):
            return
        clause.add(rate.convert(b"", last=True))
        await clause.flush()
        if failure:
            raise failure
        sound.end()
        self.cache.keep(key, clause.pieces)

    async def _read(
        self, tts: Tts, voice: Voice, clause: ClauseAudio, sound: Sound, rate: Resampler
    ) -> None:
        async def work(waiting: IdleTimeout) -> None:
            async with closing(tts.speak(sound.text, voice)) as chunks:
                async for chunk in chunks:
                    if waiting.is_over or self._is_void(clause.event):
                        return
                    if isinstance(chunk, WordMark):
                        sound.mark()
                        at = rate.position(chunk.at)
                        clause.words.append(SpokenWord(chunk.start, chunk.end, at))
                        continue
                    pcm = sound.take(chunk)
                    if sound.lives():
                        waiting.renew()
                    if clause.add(rate.convert(pcm)):
                        with waiting.paused() if clause.is_long else nullcontext():
                            await clause.flush()  # which may wait for the loudspeaker
                    if not pcm or not clause.held:  # a fast voice must not hold up its own audio
                        await clause.breath.checkpoint()

        await self.bus.engine_calls.run(tts, CHUNK_SECONDS, _late, work)

    def _first(self, plan: SpeechPlan) -> Tts | None:
        """Return the engine that speaks a turn unless it fails; None while none is ready."""
        try:
            return plan.use(self.standby.choose(used=plan.used))
        except NotReady:
            return None  # reported when there is something to speak

    def _engine(self, plan: SpeechPlan, event: ReplyClause) -> Engine | None:
        """Return the best engine that has not been given up."""
        tts = self.standby.choose(plan.without(event), plan.used)
        if tts is None:
            return None
        plan.use(tts)
        count = max(1, tts.max_concurrent)
        for engine in self.engines:
            if engine.tts is tts and engine.count == count:
                return engine
        ready = self.parts.roles["tts"].ready()
        self.engines = [
            e for e in self.engines if e.tts is not tts and any(e.tts is one for one in ready)
        ]
        self.engines.append(engine := Engine(tts, count, TtsScheduler(count)))
        return engine

    async def _voice(self, line: Line) -> Voice:
        """Return a line's voice, introduced to the engine; concurrent calls wait for that."""
        voices = self.voices.of(line.turn.conversation)
        known = voices.known
        async with voices.looking:
            if line.character not in known:
                character = await self.parts.storage.character(line.character)
                if not character.voice:  # its name will do
                    return known.setdefault(line.character, Voice(character.name))
                voice = await self.parts.storage.voice(character.voice)
                try:
                    plan = self._plan(line.turn)
                    known[line.character] = await self._prepared_voice(voice, plan)
                except Exception:
                    known[line.character] = voice  # reported once; it speaks as well as it can
                    raise
        return known[line.character]

    async def _prepared_voice(self, voice: Voice, plan: SpeechPlan) -> Voice:
        tts = self._first(plan)
        if tts is None or self.standby.is_resting(tts):
            return voice
        try:
            with idle_timeout(self.bus.clock, LEARN_SECONDS, "The voice was not learnt"):
                return await introduce(voice, tts, self.parts.storage)
        except TimedOut:
            self.standby.rest(tts)
            raise
        raise AssertionError  # one of them was reached


def _late() -> TimedOut:
    return stalled("The voice made no sound", CHUNK_SECONDS)


@hookimpl
def connect(bus: Bus, parts: Parts) -> None:
    """Speak what characters write."""
    speaking = Speaking(bus, parts)
    bus.tap(speaking.plan, interruptible=True)
    bus.tap(speaking.withdraw)
    bus.tap(speaking.end_lines)
    bus.tap(speaking.cache.forget)
    bus.subscribe(speaking.prepare, interruptible=True, speculative=True)
    bus.subscribe(
        speaking.speak,
        interruptible=True,
        speculative=True,
        lane_by=lambda event: event.line.place,
        limit=WAITING_CLAUSES,
    )
