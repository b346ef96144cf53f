"""Stage: each turn's waterfall, from the end of the user's speech to the first audio.

Only moments are kept, never what was said.
"""

from __future__ import annotations

from attrs import define, field

from aichat.core import Bus, Parts, hookimpl
from aichat.core.events import (
    AudioReady,
    ConversationClosed,
    Event,
    Interrupted,
    ReplyClause,
    ReplyText,
    SpeechSynthesized,
    TurnFinished,
    TurnTimed,
    UserSaid,
    UtteranceHeard,
)

MARKS: dict[type[Event], str] = {
    UserSaid: "transcribed",
    ReplyText: "first_text",
    ReplyClause: "first_clause",
    SpeechSynthesized: "first_speech",
    AudioReady: "first_audio",
}


@define
class Waterfall:
    """When a turn's marks were reached, in seconds of the bus clock."""

    marks: dict[str, float] = field(factory=dict)

    def reach(self, mark: str, now: float) -> None:
        """Note the first time only."""
        self.marks.setdefault(mark, now)

    def told(self) -> tuple[tuple[str, float], ...]:
        """Return the marks in ms after the first one."""
        begin = min(self.marks.values())
        return tuple((mark, (at - begin) * 1000) for mark, at in self.marks.items())


@define
class Latency:
    """Measures the turn that each conversation is in."""

    bus: Bus
    turns: dict[str, Waterfall] = field(factory=dict)

    def decide(self, event: UtteranceHeard) -> None:
        """The turn's end was decided: a waterfall begins, at the end of the voice."""
        if event.pcm:
            waterfall = self.turns[event.turn.conversation] = Waterfall()
            waterfall.reach("speech_ended", event.ended)
            waterfall.reach("turn_decided", self.bus.clock.now())

    def reach(
        self, event: UserSaid | ReplyText | ReplyClause | SpeechSynthesized | AudioReady
    ) -> None:
        """Note a mark."""
        conversation = event.turn.conversation
        if isinstance(event, UserSaid) and event.source == "text":
            self.turns[conversation] = Waterfall()
        if waterfall := self.turns.get(conversation):
            mark = MARKS[type(event)]
            if mark not in waterfall.marks and getattr(event, "pcm", True):
                waterfall.reach(mark, self.bus.clock.now())

    def tell(self, event: TurnFinished | Interrupted) -> None:
        """The turn is over: publish what was measured."""
        waterfall = self.turns.get(event.turn.conversation)
        if waterfall and "transcribed" in waterfall.marks:
            del self.turns[event.turn.conversation]
            self.bus.post(TurnTimed(event.turn, waterfall.told()))

    def forget(self, event: ConversationClosed) -> None:
        """Drop what is kept of a conversation."""
        self.turns.pop(event.turn.conversation, None)


@hookimpl
def connect(bus: Bus, parts: Parts) -> None:
    """Measure every turn."""
    latency = Latency(bus)
    bus.tap(latency.decide)
    bus.tap(latency.reach, interruptible=True)
    bus.tap(latency.tell)
    bus.tap(latency.forget)
