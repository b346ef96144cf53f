"""Spans for OpenTelemetry: one for each turn, with one below it for each stage on the way to sound.

Needs the extra ``otel``; does nothing without it, and costs next to nothing while the
program sets up no tracer provider (``opentelemetry-instrument litestar run`` does). A span carries
ids and moments, never what was said.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attrs import Factory, field, frozen

from aichat.core import Bus, Parts, PerConversation, hookimpl
from aichat.core.events import TurnTimed

STAGES = {
    "turn_decided": "endpointing",
    "transcribed": "stt",
    "asked_again": "llm retry",
    "first_text": "llm",
    "first_clause": "clause",
    "first_speech": "tts",
    "first_audio": "sequencing",
    "first_heard": "playout",
}
"""The stage that ends with each mark; it begins with the mark before."""


def stages(marks: tuple[tuple[str, float], ...]) -> Iterator[tuple[str, float, float]]:
    """Yield each stage with its begin and end, in ms as the marks."""
    before = 0.0
    for mark, at in marks:
        if mark in STAGES and at > 0:  # the first mark of all ends nothing that was measured
            yield STAGES[mark], min(before, at), at
        before = at


@frozen
class Spans:
    """Makes a turn's spans when it is over."""

    bus: Bus
    tracing: Any
    tracer: Any
    done: PerConversation[int] = field(
        default=Factory(lambda self: self.bus.per_conversation(), takes_self=True)
    )
    """The number of each conversation's last turn that was exported."""

    def trace(self, event: TurnTimed) -> None:
        """Export a turn; what is heard after its end is left out."""
        conversation, number = event.turn.conversation, event.turn.number
        if not event.final or self.done.get(conversation) == number:
            return
        self.done.set(conversation, number)
        clock = self.bus.clock
        zero = clock.wall().timestamp() - clock.now()
        turn = self.tracer.start_span(
            "turn",
            start_time=_ns(zero + event.began),
            attributes={
                "aichat.conversation_id": conversation,
                "aichat.turn_id": event.turn.id,
                "aichat.interrupted": event.interrupted,
                "aichat.speaker_gaps_ms": event.gaps,
            },
        )
        below = self.tracing.set_span_in_context(turn)
        for name, begin, end in stages(event.marks):
            start = _ns(zero + event.began + begin / 1000)
            span = self.tracer.start_span(name, below, start_time=start)
            span.end(_ns(zero + event.began + end / 1000))
        turn.end(_ns(zero + clock.now()))


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)


@hookimpl
def connect(bus: Bus, parts: Parts) -> None:
    """Trace every turn, if OpenTelemetry is installed."""
    try:
        from opentelemetry import trace
    except ModuleNotFoundError:
        return
    spans = Spans(bus, trace, trace.get_tracer("aichat"))
    bus.tap(spans.trace)
