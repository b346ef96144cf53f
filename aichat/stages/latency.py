"""Stage: each turn's waterfall, from the end of the user's speech to the first sound heard.

It is published while the turn goes on (``TurnTimed``): once the first audio is out, when the
loudspeaker reports that it plays, with each next speaker, and at the end. Only moments are kept,
never what was said, and only those of each conversation's latest turn.
"""

from __future__ import annotations

from attrs import Factory, define, field

from aichat.core import Bus, Parts, PerConversation, hookimpl
from aichat.core.events import (
    MARKS,
    SPEAKER_RATE,
    AudioReady,
    Event,
    Interrupted,
    LinePlayed,
    ReplyClause,
    ReplyRetried,
    ReplyText,
    SpeechSynthesized,
    Turn,
    TurnFinished,
    TurnTimed,
    UserSaid,
    UtteranceHeard,
)

MARK: dict[type[Event], str] = {
    ReplyText: "first_text",
    ReplyClause: "first_clause",
    SpeechSynthesized: "first_speech",
}


@define
class Waterfall:
    """When a turn's marks were reached, in seconds of the bus clock."""

    turn: Turn | None = None
    """Not known before the user's words are."""
    marks: dict[str, float] = field(factory=dict)
    gaps: list[float] = field(factory=list)
    """Seconds between one speaker's last sample and the next one's first."""
    place: int = 0
    """Who is being played,"""
    audible_until: float = 0.0
    """and when all that was sent of it will have been heard."""
    has_news: bool = False
    over: bool = False
    interrupted: bool = False

    def reach(self, mark: str, moment: float) -> None:
        """Note the first time only."""
        if mark not in self.marks:
            self.marks[mark], self.has_news = moment, True

    def play(self, event: AudioReady, now: float) -> None:
        """Note audio that goes out, and the silence before a next speaker."""
        if "first_audio" not in self.marks:
            self.reach("first_audio", now)
        elif event.line.place != self.place:
            self.gaps.append(event.due - self.audible_until)
            self.has_news = True
        self.place = event.line.place
        self.audible_until = event.due + len(event.pcm) / 2 / SPEAKER_RATE

    def timing(self, turn: Turn) -> TurnTimed:
        """Return what is known by now."""
        self.has_news = False
        began = min(self.marks.values())
        reached = [(mark, self.marks[mark]) for mark in MARKS if mark in self.marks]
        marks = tuple((mark, (moment - began) * 1000) for mark, moment in reached)
        gaps = tuple(gap * 1000 for gap in self.gaps)
        return TurnTimed(turn, marks, gaps, self.over, self.interrupted, began)


@define
class Latency:
    """Measures the turn that each conversation is in."""

    bus: Bus
    turns: PerConversation[Waterfall] = field(
        default=Factory(lambda self: self.bus.per_conversation(), takes_self=True)
    )

    def decide(self, event: UtteranceHeard) -> None:
        """The turn's end was decided: a waterfall begins, at the end of the voice."""
        if event.pcm:
            waterfall = self.turns.set(event.turn.conversation, Waterfall())
            waterfall.reach("speech_ended", event.ended)
            waterfall.reach("turn_decided", self.bus.clock.now())

    def open(self, event: UserSaid) -> None:
        """The user's words are known; typed, they are the beginning."""
        conversation = event.turn.conversation
        waterfall = self.turns.get(conversation)
        if waterfall is None or waterfall.turn is not None or event.source == "text":
            waterfall = self.turns.set(conversation, Waterfall())
        waterfall.turn = event.turn
        waterfall.reach("transcribed", self.bus.clock.now())

    def ask_again(self, event: ReplyRetried) -> None:
        """Note that the first speaker's model was asked again, before it wrote anything."""
        waterfall = self.turns.get(event.turn.conversation)
        if waterfall and waterfall.turn == event.turn and "first_text" not in waterfall.marks:
            waterfall.reach("asked_again", self.bus.clock.now())

    def reach(self, event: ReplyText | ReplyClause | SpeechSynthesized) -> None:
        """Note a mark."""
        waterfall = self.turns.get(event.turn.conversation)
        mark = MARK[type(event)]
        if waterfall is None or mark in waterfall.marks or waterfall.turn != event.turn:
            return
        if getattr(event, "pcm", True):
            waterfall.reach(mark, self.bus.clock.now())

    def play(self, event: AudioReady) -> None:
        """Note audio that goes out. News is published with the next, so as not to delay it."""
        waterfall = self.turns.get(event.turn.conversation)
        if waterfall is None or waterfall.turn != event.turn:
            return
        if waterfall.has_news and "first_audio" in waterfall.marks:
            self.bus.post(waterfall.timing(event.turn))
        if event.pcm:
            waterfall.play(event, self.bus.clock.now())

    def hear(self, event: LinePlayed) -> None:
        """The loudspeaker has begun; its report may come after the turn is over."""
        waterfall = self.turns.get(event.turn.conversation)
        if waterfall is None or waterfall.turn != event.turn or event.played_ms <= 0:
            return
        if "first_audio" in waterfall.marks and "first_heard" not in waterfall.marks:
            began = self.bus.clock.now() - event.played_ms / 1000
            waterfall.reach("first_heard", max(began, waterfall.marks["first_audio"]))
            self.bus.post(waterfall.timing(event.turn))

    def end(self, event: TurnFinished | Interrupted) -> None:
        """The turn is over."""
        waterfall = self.turns.get(event.turn.conversation)
        if waterfall is None or waterfall.turn is None or waterfall.over:
            return
        if waterfall.turn.number <= event.turn.number:
            waterfall.over, waterfall.interrupted = True, isinstance(event, Interrupted)
            self.bus.post(waterfall.timing(waterfall.turn))


@hookimpl
def connect(bus: Bus, parts: Parts) -> None:
    """Measure every turn."""
    latency = Latency(bus)
    bus.tap(latency.decide)
    bus.tap(latency.open, interruptible=True)
    bus.tap(latency.ask_again, interruptible=True)
    bus.tap(latency.reach, interruptible=True)
    bus.tap(latency.play, interruptible=True)
    bus.tap(latency.hear)
    bus.tap(latency.end)
