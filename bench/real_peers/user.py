"""The user of a system: a microphone in real time, and a loudspeaker that notes what is heard when.

Times are those of the monotonic clock, which all processes of the machine share.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import numpy as np
import websockets
from attrs import define, field

from support import recordings

from .clips import Clip
from .systems import Dialect, Received

FRAME_SECONDS, FRAME = 0.02, 640
"""A frame of the microphone, in seconds and in bytes."""
AUDIBLE = 300
"""The smallest sample that is heard."""
SPEAKER_RATE = 24_000
BEFORE_SECONDS, QUIET_SECONDS = 0.3, 1.0
"""The room before the clip; and silence after the reply, with which a turn is over."""
PATIENCE_SECONDS, ANSWER_SECONDS = 3.5, 12.0
"""How long a turn that was cut off may still go on; how long one waits for an answer."""
REPORT_SECONDS = 0.2
"""How often a loudspeaker reports how far it is."""


@define
class Loudspeaker:
    """Plays what arrives, in the order of its arrival and without a gap where there is none."""

    plays_until: float = 0.0
    audible: list[float] = field(factory=list)
    """When sound was first heard, once for each turn that the system took."""
    waits: bool = False
    held_at: float | None = None

    def turn(self) -> None:
        """Wait for the first sound of another turn."""
        self.waits = True

    def flush(self, now: float) -> None:
        self.plays_until = min(self.plays_until, now)
        if self.audible and self.audible[-1] > now:  # it was never heard
            self.audible.pop()
            self.waits = True

    def hold(self, held: bool, now: float) -> None:
        """Stand still, or go on where it stood."""
        if held:
            self.held_at = now
        elif self.held_at is not None:
            self.plays_until += now - self.held_at
            self.held_at = None

    def unplayed(self, now: float) -> float:
        """Return the seconds of sound that have not been played yet."""
        return max(0.0, self.plays_until - (self.held_at or now))

    def play(self, pcm: bytes, now: float) -> None:
        begins = max(now, self.plays_until)
        self.plays_until = begins + len(pcm) / 2 / SPEAKER_RATE
        if self.waits:
            (heard,) = np.nonzero(np.abs(np.frombuffer(pcm, "<i2").astype(int)) > AUDIBLE)
            if len(heard):
                self.audible.append(begins + float(heard[0]) / SPEAKER_RATE)
                self.waits = False


@define
class Exchange:
    """One clip and its answer. Each time is in seconds after the voice ended; before it: negative.

    *turns* are the moments at which the system took the user's turn to be over.
    """

    voice_end: float
    turns: list[float]
    answered: float | None

    @property
    def cut_off(self) -> int:
        """How often the turn was taken to be over while the voice went on."""
        return sum(turn < -FRAME_SECONDS for turn in self.turns)

    @property
    def waited_for(self) -> bool:
        """Whether it was answered to its end: not only a part of it, while the voice went on."""
        return self.answered is not None and self.turns[-1] >= -FRAME_SECONDS


@define
class User:
    """Somebody who talks with a system over its WebSocket."""

    socket: websockets.ClientConnection
    dialect: Dialect
    room: bytes = field(factory=lambda: recordings.room(1))
    speaker: Loudspeaker = field(factory=Loudspeaker)
    turns: list[float] = field(factory=list)

    async def say(self, clip: Clip) -> Exchange:
        """Say a clip, and listen until the answer is over."""
        self.turns, self.speaker = [], Loudspeaker(self.speaker.plays_until)
        begins = time.monotonic() + BEFORE_SECONDS
        voice_end = begins + clip.voice_end
        before = self.room[: int(BEFORE_SECONDS / FRAME_SECONDS) * FRAME]
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._speak, before + clip.pcm, begins - BEFORE_SECONDS)
            tasks.start_soon(self._report)
            await self._until_over(voice_end)
            tasks.cancel_scope.cancel()
        turns = [turn - voice_end for turn in self.turns]
        heard = self.speaker.audible[-1] - voice_end if self.speaker.audible else None
        is_answered = bool(turns) and not self.speaker.waits
        return Exchange(voice_end, turns, heard if is_answered else None)

    async def listen(self) -> None:
        """Read what the system sends."""
        async for message in self.socket:
            self._take(self.dialect.read(message), time.monotonic())

    def _take(self, received: Received, now: float) -> None:
        if received.turn_over:
            self.turns.append(now)
            self.speaker.turn()
        if received.flush:
            self.speaker.flush(now)
        if received.held is not None:
            self.speaker.hold(received.held, now)
        if received.pcm:
            self.speaker.play(received.pcm, now)

    async def _speak(self, pcm: bytes, begins: float) -> None:
        """Send frames when a microphone has recorded them, and the room for ever after."""
        sent = 0
        while True:
            frame = pcm[sent * FRAME : (sent + 1) * FRAME]
            sent += 1
            await anyio.sleep(max(0, begins + sent * FRAME_SECONDS - time.monotonic()))
            await self.socket.send(frame + self.room[len(frame) : FRAME])

    async def _report(self) -> None:
        while True:
            await anyio.sleep(REPORT_SECONDS)
            for frame in self.dialect.playback(self.speaker.unplayed(time.monotonic())):
                await self.socket.send(frame)

    async def _until_over(self, voice_end: float) -> None:
        """Wait until the answer is heard out, or none can be expected any more."""
        while (now := time.monotonic()) < voice_end + ANSWER_SECONDS:
            await anyio.sleep(0.05)
            is_answered = bool(self.turns) and not self.speaker.waits
            is_last = is_answered and self.turns[-1] > voice_end
            quiet_from = max(self.speaker.plays_until, voice_end)
            if is_answered and now > quiet_from + (QUIET_SECONDS if is_last else PATIENCE_SECONDS):
                return


@asynccontextmanager
async def connected(url: str, dialect: Dialect) -> AsyncIterator[User]:
    """Connect a user to a system."""
    protocols = [websockets.Subprotocol(name) for name in dialect.subprotocols] or None
    async with websockets.connect(url, subprotocols=protocols, proxy=None, compression=None) as it:
        user = User(it, dialect)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(user.listen)
            yield user
            tasks.cancel_scope.cancel()
