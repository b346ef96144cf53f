"""A simulated user with microphone and loudspeaker, for conversations in tests and benches.

user = SimulatedUser(bus, "conversation", seed=7)
await user.talk(minutes=100)
"""

from __future__ import annotations

from collections import deque
from random import Random

import anyio
from attrs import Factory, define, field

from aichat.core.bus.bus import Bus
from aichat.core.events import (
    MIC_RATE,
    SPEAKER_RATE,
    AudioReady,
    AudioReceived,
    Interrupted,
    Line,
    LineFinished,
    LinePlayed,
    TurnFinished,
    UserSaid,
)
from aichat.core.ids import new_id

SPEECH, QUIET = b"\x01\x00", b"\x00\x00"
PATIENCE_SECONDS = 90.0
"""Timeout of a turn, after which the user goes on."""


REPORT_MS = 100
"""Interval, in ms of a line, at which the loudspeaker reports its position."""


@define
class Sounding:
    """One line in the loudspeaker: when each frame begins and how long it is, in seconds."""

    frames: deque[tuple[float, float]] = field(factory=deque)
    past: float = 0.0
    reported_ms: float = 0.0

    def played_ms(self, now: float) -> float:
        """Return the ms that have been played by now."""
        while self.frames:
            begins, length = self.frames[0]
            if begins + length > now:
                return 1000 * (self.past + max(0.0, now - begins))
            self.frames.popleft()
            self.past += length
        return 1000 * self.past


@define(eq=False)
class Loudspeaker:
    """Plays each frame when it is due, and reports as the browser does."""

    bus: Bus
    lines: dict[Line, Sounding] = field(factory=dict)
    ended: list[LinePlayed] = field(factory=list)
    """Final reports of lines that are still to be sent."""

    def play(self, event: AudioReady) -> None:
        """Queue a frame."""
        sounding = self.lines.setdefault(event.line, Sounding())
        if event.pcm:
            sounding.frames.append((event.due, len(event.pcm) / 2 / SPEAKER_RATE))

    def finish(self, event: LineFinished) -> None:
        """Note that a line was played to its end."""
        if sounds := self.lines.pop(event.line, None):
            played = sounds.played_ms(self.bus.clock.now())
            self.ended.append(LinePlayed(event.line, played, "done"))

    def flush(self, event: Interrupted) -> None:
        """Stop playback, and note the positions."""
        lines, self.lines = self.lines, {}
        for line, sounds in lines.items():
            played = sounds.played_ms(self.bus.clock.now())
            self.ended.append(LinePlayed(line, played, "flushed"))

    def report(self) -> None:
        """Report the positions of the lines. Reports are delayed: they leave with a packet."""
        if self.ended:
            ended, self.ended = self.ended, []
            for last in ended:
                self.bus.post(last)
        if not self.lines:
            return
        now = self.bus.clock.now()
        for line, sounds in self.lines.items():
            if (ms := sounds.played_ms(now)) >= sounds.reported_ms + REPORT_MS:
                sounds.reported_ms = ms
                self.bus.post(LinePlayed(line, ms))


@define(eq=False)
class SimulatedUser:
    """Says something, listens until it is over, thinks, goes on; now and then breaks in or types.

    The microphone is always on, as in the browser: a packet every *packet_seconds*.
    """

    bus: Bus
    conversation: str
    breaks_in: float = 0.2
    """Share of the turns in which the user barges in."""
    types: float = 0.1
    """Share of the turns that are typed."""
    packet_seconds: float = 0.02
    seed: int = 0
    random: Random = field(
        init=False,
        repr=False,
        default=Factory(lambda self: Random(self.seed), takes_self=True),  # noqa: S311
    )
    turns: int = field(init=False, default=0)
    """Turns that are over, finished or interrupted."""
    loudspeaker: Loudspeaker = field(
        init=False, default=Factory(lambda self: Loudspeaker(self.bus), takes_self=True)
    )
    _over: anyio.Event = field(init=False, factory=anyio.Event)

    async def talk(self, minutes: float) -> None:
        """Hold a conversation of *minutes*."""
        loud, end = self.loudspeaker, self.bus.clock.now() + 60 * minutes
        handlers = (loud.play, loud.finish, loud.flush, self._end)
        taps = [self.bus.tap(one, conversation=self.conversation) for one in handlers]
        try:
            while self.bus.clock.now() < end:
                await self._exchange()
        finally:
            for tap in taps:
                self.bus.unsubscribe(tap)

    async def _exchange(self) -> None:
        if self.random.random() < self.types:
            turn = self.bus.new_turn(self.conversation)
            await self.bus.publish(UserSaid(turn, "a typed question", "text", new_id()))
        else:
            await self._send(SPEECH, self.random.uniform(0.6, 3.0))
        self._over = over = anyio.Event()  # the interrupted turn is over by now
        is_patient = self.random.random() >= self.breaks_in
        await self._listen(over, PATIENCE_SECONDS if is_patient else self.random.uniform(3, 6))
        await self._send(QUIET, self.random.uniform(0.2, 2.0))

    async def _listen(self, over: anyio.Event, seconds: float) -> None:
        """Be silent until the turn is over, or the timeout."""
        end = self.bus.clock.now() + seconds
        while not over.is_set() and self.bus.clock.now() < end:
            await self._send(QUIET, self.packet_seconds)

    async def _send(self, sample: bytes, seconds: float) -> None:
        """Send whole packets, each at the time of its last sample."""
        packet = sample * round(self.packet_seconds * MIC_RATE)
        bus, loud = self.bus, self.loudspeaker
        for _ in range(round(seconds / self.packet_seconds)):
            await anyio.sleep(self.packet_seconds)
            loud.report()
            await bus.publish(AudioReceived(bus.turn(self.conversation), packet))

    def _end(self, event: TurnFinished | Interrupted) -> None:
        self.turns += 1
        self._over.set()
