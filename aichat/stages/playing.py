"""Stage: the sequencer decides what is heard next; it leaves here no faster than it is played.

Audio runs ahead of the loudspeaker by a fixed lead, enough for a network's jitter and little
enough that an interruption wastes nothing. Beyond that, back-pressure stops its producer. While the
loudspeakers hold their position, time stands still here: nothing is sent and nothing falls due.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable
from functools import partial

import anyio
from attrs import Factory, define, field

from aichat.core import Bus, Parts, PerConversation, SequencerOutput, hookimpl
from aichat.core.bus.change_signal import ChangeSignal
from aichat.core.events import (
    SPEAKER_RATE,
    AudioReady,
    Event,
    Interrupted,
    Line,
    LineFinished,
    LineInterrupted,
    LinePlayed,
    PlaybackPaused,
    PlaybackResumed,
    ReplyFinished,
    ReplyWithdrawn,
    SpeakersChosen,
    SpeechSynthesized,
    Turn,
    TurnFinished,
)

LEAD_SECONDS = 0.6
"""Seconds before it is due at which audio is sent."""
FRAME_SECONDS = 0.3
FRAME_BYTES = int(2 * SPEAKER_RATE * FRAME_SECONDS)
"""Audio that waits is sent in frames of 300 ms: fewer cost less, and there is time."""
LINE_AHEAD_BYTES = 2 * SPEAKER_RATE * 12
"""Bytes of waiting audio (12 s) at which a line gets no further clause."""
CLAUSE_AHEAD_BYTES = 2 * SPEAKER_RATE * 30
"""Bytes that only wait for their time (30 s) at which back-pressure acts within a clause as
well. A usual clause is made to its end: its engine is free for others before it is heard."""

BackPressure = Callable[[], Awaitable[None]]


@define
class Playhead:
    """The playback position of one turn, and the audio that waits."""

    turn: Turn
    queue: deque[SequencerOutput] = field(factory=deque)
    waiting: Counter[Line] = field(factory=Counter)
    """Bytes of each line in the queue: nothing but time is between them and the loudspeaker."""
    backlog: Counter[Line] = field(factory=Counter)
    finishing: deque[tuple[float, SequencerOutput]] = field(factory=deque)
    played_until: float = 0.0
    """When, on the bus clock, all audio sent so far will have been heard."""
    moved: ChangeSignal = field(factory=ChangeSignal)
    """Notified when audio came, or there is room."""
    sent: Counter[Line] = field(factory=Counter)
    """Samples sent of each line."""
    causes: set[str] = field(factory=set)
    """Why the loudspeakers hold their position; empty while they play."""
    paused_at: float = 0.0
    held_at: tuple[int, int] = (-1, 0)
    """The furthest place, line and sample, at which a loudspeaker holds now."""
    void: dict[Line, int] = field(factory=dict)
    """Of lines whose first words were withdrawn: up to which clause nothing is sent."""

    def add(self, items: Iterable[SequencerOutput]) -> None:
        """Let items wait for their time, but for audio that is void."""
        for item in items:
            if isinstance(item, AudioReady) and item.index < self.void.get(item.line, 0):
                self.backlog[item.line] -= len(item.pcm)
            else:
                self.queue.append(item)
                if isinstance(item, AudioReady):
                    self.waiting[item.line] += len(item.pcm)

    def _requeue(self, items: Iterable[SequencerOutput]) -> None:
        self.queue = deque()
        self.waiting.clear()
        self.add(items)

    def withdraw(self, line: Line, until: int) -> None:
        """Send nothing more of the clauses before *until*."""
        self.void[line] = until
        self._requeue(self.queue)
        self.moved.notify_all()

    def stop(self) -> None:
        """The turn is over: a producer that waits for room goes on, into the fence."""
        self.backlog.clear()
        self.waiting.clear()
        self.moved.notify_all()

    def drop(self, line: Line, now: float) -> None:
        """Give up what waits of a line, here and at the loudspeaker."""
        self._requeue([item for item in self.queue if getattr(item, "line", None) != line])
        self.backlog.pop(line, None)
        if line in self.sent:
            self._correct_unplayed(self._sent_after(line), now)
        self.moved.notify_all()

    def pause(self, cause: str, now: float) -> None:
        """Let time stand still."""
        if not self.causes:
            self.paused_at = now
        self.causes.add(cause)

    def resume(self, cause: str, now: float) -> None:
        """Let time go on once no cause is left: all that is due is due later by the pause."""
        if cause in self.causes:
            self.causes.discard(cause)
            if not self.causes:
                self.held_at = (-1, 0)
                self._postpone(now - self.paused_at)
                self.moved.notify_all()

    def hold_at(self, line: Line, samples: int, now: float) -> None:
        """Take in where exactly a loudspeaker stopped to hold its position; the furthest counts."""
        if line in self.sent and (line.place, samples) > self.held_at:
            self.held_at = (line.place, samples)
            self._correct_unplayed(max(0, self.sent[line] - samples) + self._sent_after(line), now)

    def _sent_after(self, line: Line) -> int:
        return sum(n for other, n in self.sent.items() if other.place > line.place)

    def _correct_unplayed(self, samples: int, now: float) -> None:
        """Correct how much of what was sent is still to be played, by a loudspeaker's report."""
        now = self.paused_at if self.causes else now
        self._postpone(now + samples / SPEAKER_RATE - max(self.played_until, now))

    def _postpone(self, seconds: float) -> None:
        self.played_until += seconds
        self.finishing = deque((due + seconds, item) for due, item in self.finishing)

    def is_due(self, now: float) -> bool:
        """Something that waits should be sent now."""
        return self.played_until - now < LEAD_SECONDS and bool(self.queue) and not self.causes

    def next_frame(self, now: float) -> AudioReady | None:
        """Take the next audio if it is due; chunks of one clause that wait are joined."""
        if not self.is_due(now):
            return None
        queue = self.queue
        first = queue[0]
        if not isinstance(first, AudioReady):
            return None
        queue.popleft()
        line, index, pcm = first.line, first.index, first.pcm
        while len(pcm) < FRAME_BYTES and queue:
            chunk = queue[0]
            if not isinstance(chunk, AudioReady) or chunk.index != index or chunk.line != line:
                break
            pcm += chunk.pcm
            queue.popleft()
        if len(pcm) > FRAME_BYTES:
            rest, at = pcm[FRAME_BYTES:], first.at + FRAME_BYTES // 2
            queue.appendleft(AudioReady(line, index, rest, at))
            pcm = pcm[:FRAME_BYTES]
        due = max(self.played_until, now)
        self.played_until = due + len(pcm) / 2 / SPEAKER_RATE
        self.waiting[line] -= len(pcm)
        self.backlog[line] -= len(pcm)
        self.sent[line] += len(pcm) // 2
        return AudioReady(line, index, pcm, first.at, due)


def _is_far_ahead(head: Playhead, event: SpeechSynthesized) -> bool:
    """Return whether a line is far enough ahead for back-pressure.

    Within a clause that keeps its engine from others. So only audio counts there that needs no
    engine to be reached: what a later line has waiting does not, as the line before may need the
    very engine that would be held.
    """
    if event.last:
        return head.backlog[event.line] > LINE_AHEAD_BYTES
    return head.waiting[event.line] > CLAUSE_AHEAD_BYTES


@define
class Playing:
    """Keeps one playhead for each conversation whose turn goes on."""

    bus: Bus
    parts: Parts
    heads: PerConversation[Playhead] = field(
        default=Factory(
            lambda self: self.bus.per_conversation(close=Playhead.stop), takes_self=True
        )
    )

    def sequence(
        self,
        event: SpeakersChosen | SpeechSynthesized | ReplyFinished | LineInterrupted | Interrupted,
    ) -> BackPressure | None:
        """Put in order; return back-pressure for a line that is far ahead of the loudspeaker.

        What is due now is sent by its producer, which saves waking the player up.
        """
        conversation = event.turn.conversation
        if isinstance(event, SpeakersChosen):
            self._new_head(event.turn)
        head = self.heads.get(conversation)
        items = list(self.parts.sequencer.accept(event))
        if isinstance(event, Interrupted):
            if head is not None and head.turn.number <= event.turn.number:
                self.heads.free(conversation)
            return None
        if head is None or head.turn != event.turn:
            return None
        if isinstance(event, LineInterrupted):
            head.drop(event.line, self.bus.clock.now())
        head.add(items)
        if isinstance(event, SpeechSynthesized):
            head.backlog[event.line] += len(event.pcm)
            if head.is_due(self.bus.clock.now()) or _is_far_ahead(head, event):
                return partial(self._send_due, head, event)
        if head.queue:
            head.moved.notify_all()
        return None

    def withdraw(self, event: ReplyWithdrawn) -> None:
        """Send nothing more of what was no part of the reply."""
        if head := self._head(event):
            head.withdraw(event.line, event.until)

    def pause(self, event: PlaybackPaused) -> None:
        """Send nothing more for now; a turn may be paused before anybody is to speak."""
        self._new_head(event.turn).pause(event.cause, self.bus.clock.now())

    def resume(self, event: PlaybackResumed) -> None:
        """Go on as if no time had passed."""
        if head := self._head(event):
            head.resume(event.cause, self.bus.clock.now())

    def note_position(self, event: LinePlayed) -> None:
        """Note where a loudspeaker stopped."""
        if event.state in ("paused", "back") and (head := self._head(event)):
            samples = round(event.played_ms * SPEAKER_RATE / 1000)
            head.hold_at(event.line, samples, self.bus.clock.now())

    def _new_head(self, turn: Turn) -> Playhead:
        head = self.heads.get(turn.conversation)
        if head is None or head.turn.number < turn.number:
            head = self.heads.set(turn.conversation, Playhead(turn))
        return head

    def _head(self, event: Event) -> Playhead | None:
        head = self.heads.get(event.turn.conversation)
        return head if head and head.turn == event.turn else None

    async def _send_due(self, head: Playhead, event: SpeechSynthesized) -> None:
        """Send what is due; then wait while the line is far ahead of the loudspeaker."""
        while frame := head.next_frame(self.bus.clock.now()):
            await self.bus.publish(frame)
        if head.queue:
            head.moved.notify_all()  # the player sends the rest when it is due
        while _is_far_ahead(head, event):
            await head.moved.wait()

    async def play(self, event: SpeakersChosen) -> None:
        """Publish the turn's audio as it falls due, until the turn is over."""
        head = self.heads.get(event.turn.conversation)
        while head and head.turn == event.turn and self.heads.get(head.turn.conversation) is head:
            now = self.bus.clock.now()
            if head.causes:
                await head.moved.wait()
            elif frame := head.next_frame(now):
                await self.bus.publish(frame)
                head.moved.notify_all()
            elif head.queue and not isinstance(head.queue[0], AudioReady):
                await self._close_line(head, head.queue.popleft(), max(head.played_until, now))
            elif head.finishing and head.finishing[0][0] <= now:
                if await self._finish(head, head.finishing.popleft()[1]):
                    return
            else:
                await self._wait(head, now)

    async def _close_line(self, head: Playhead, item: SequencerOutput, due: float) -> None:
        """Close a line's audio now; its end is published once it should have been heard."""
        head.finishing.append((due, item))
        if isinstance(item, LineFinished):
            await self.bus.publish(AudioReady(item.line, 0, b"", due=due, last=True))

    async def _finish(self, head: Playhead, item: SequencerOutput) -> bool:
        """Publish that a line or the turn is over; return whether it was the turn."""
        over = isinstance(item, TurnFinished)
        if over and self.heads.get(head.turn.conversation) is head:
            self.heads.pop(head.turn.conversation)
        await self.bus.publish(item)
        return over

    async def _wait(self, head: Playhead, now: float) -> None:
        """Sleep until something happens or falls due.

        While audio waits nothing can be due before it, so this needs no waking up: a plain sleep
        costs a fraction of a wait with a deadline.
        """
        if head.queue:
            await anyio.sleep(head.played_until - LEAD_SECONDS + FRAME_SECONDS / 2 - now)
        else:
            with anyio.move_on_after(head.finishing[0][0] - now if head.finishing else None):
                await head.moved.wait()


@hookimpl
def connect(bus: Bus, parts: Parts) -> None:
    """Publish audio in playing order."""
    playing = Playing(bus, parts)
    bus.tap(playing.sequence, interruptible=True)
    bus.tap(playing.withdraw)
    bus.tap(playing.pause)
    bus.tap(playing.resume)
    bus.tap(playing.note_position)
    bus.subscribe(playing.play, interruptible=True)
