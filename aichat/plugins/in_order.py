"""Sequencer backend: each character after the one before, no overlap, nothing left out.

A clause is played when all before it are; a line is over when its text is finished and all its
clauses are closed. A line that failed or was stopped never holds up those behind it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from attrs import Factory, define, field

from aichat.core import Backend, Sequencer, SequencerInput, SequencerOutput, hookimpl
from aichat.core.events import (
    AudioReady,
    Interrupted,
    Line,
    LineFinished,
    LineInterrupted,
    ReplyFinished,
    SpeakersChosen,
    SpeechSynthesized,
    Turn,
    TurnFinished,
)


@define
class Playback:
    """One turn's audio, and how far it was handed out."""

    turn: Turn
    lines: tuple[Line, ...]
    place: int = 0
    index: int = 0
    sample: int = 0
    waiting: dict[tuple[int, int], list[SpeechSynthesized]] = Factory(lambda: defaultdict(list))
    closed: set[tuple[int, int]] = Factory(set)
    clauses: dict[int, int] = Factory(dict)
    stopped: set[int] = Factory(set)

    def take(self, event: SequencerInput) -> None:
        """Note what happened."""
        if isinstance(event, ReplyFinished):
            self.clauses[event.line.place] = event.clauses
        elif isinstance(event, LineInterrupted):
            self.stopped.add(event.line.place)
        elif isinstance(event, SpeechSynthesized) and event.line.place not in self.stopped:
            at = (event.line.place, event.index)
            if event.pcm:
                self.waiting[at].append(event)
            if event.last:
                self.closed.add(at)

    def advance(self) -> Iterator[SequencerOutput]:
        """Hand out what can be played now."""
        while self.place < len(self.lines):
            if self.place in self.stopped:
                self._next_line()
                continue
            at = (self.place, self.index)
            for chunk in self.waiting.pop(at, ()):
                yield AudioReady(chunk.line, chunk.index, chunk.pcm, self.sample)
                self.sample += len(chunk.pcm) // 2
            if self.clauses.get(self.place) == self.index:
                yield LineFinished(self.lines[self.place])
                self._next_line()
            elif at in self.closed:
                self.index, self.sample = self.index + 1, 0
            else:
                return
        yield TurnFinished(self.turn)

    def _next_line(self) -> None:
        for at in [at for at in self.waiting if at[0] == self.place]:
            del self.waiting[at]
        self.place, self.index, self.sample = self.place + 1, 0, 0


@define
class InOrder:
    """Keeps one :class:`Playback` for each conversation whose turn goes on."""

    playing: dict[str, Playback] = field(init=False, factory=dict)

    def accept(self, event: SequencerInput) -> Iterator[SequencerOutput]:
        conversation = event.turn.conversation
        if isinstance(event, SpeakersChosen):
            self.playing[conversation] = Playback(event.turn, event.lines)
        playback = self.playing.get(conversation)
        if isinstance(event, Interrupted):
            if playback and playback.turn.number <= event.turn.number:
                del self.playing[conversation]
            return
        if playback is None or playback.turn != event.turn:
            return
        playback.take(event)
        for item in playback.advance():
            if isinstance(item, TurnFinished):
                del self.playing[conversation]
            yield item


@hookimpl
def sequencer_backend() -> Backend[Sequencer]:
    """Offer ``use = "in_order"``."""
    return Backend("in_order", InOrder)
