"""Prometheus metrics, and the latency waterfall of each turn.

``GET /metrics`` follows the same rules of access as every other page; one turn's waterfall is in
``api/turn_inspection.py``. No figure holds speech, text, or the name of a person, character or
conversation.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import define, field
from litestar import Response, get
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from aichat.core import AichatError, Bus
from aichat.core.events import MARKS, HandlerFailed, Interrupted, ReplyUsage, ToolUsed, TurnTimed
from aichat.toolkit.bounded_dict import BoundedDict
from aichat.web.realtime.errors import stage_of
from aichat.web.realtime.rooms import Rooms
from aichat.web.schemas.parameters import Injected

TURNS = 1_000
"""Most turns whose waterfalls are kept; older ones are dropped."""
SECONDS = (0.001, 0.003, 0.01, 0.03, 0.05, 0.1, 0.15, 0.25, 0.35, 0.5, 0.75, 1, 1.5, 2.5, 5, 10)
REASONS = ("barge_in", "interrupt", "left", "new_turn")
"""Why a turn is interrupted; whatever else a plug-in says counts as ``other``."""


class Live(Collector):
    """Reads the counters of the bus and the rooms at each scrape."""

    def __init__(self, bus: Bus, rooms: Rooms) -> None:
        self._bus, self._rooms = bus, rooms

    def collect(self) -> Iterator[Metric]:
        """Yield the current figures."""
        dropped = CounterMetricFamily(
            "aichat_events_dropped",
            "Events that a handler's full lane gave up or refused.",
            labels=["handler"],
        )
        for handler, count in self._bus.dropped.items():
            dropped.add_metric([handler], count)
        yield dropped
        stuck = GaugeMetricFamily(
            "aichat_stuck_calls",
            "Calls of engines that heeded no timeout, were left behind and still run.",
            labels=["engine"],
        )
        for engine, count in self._bus.engine_calls.by_engine().items():
            stuck.add_metric([engine], count)
        yield stuck
        rooms = self._rooms.open.values()
        sessions = sum(len(room.connections) for room in rooms)
        yield GaugeMetricFamily("aichat_sessions", "Clients that are connected.", sessions)
        yield GaugeMetricFamily(
            "aichat_conversations", "Conversations that are kept in memory.", len(rooms)
        )


@define(eq=False)
class Metrics:
    """Counts what happens on a bus, in a registry of its own."""

    registry: CollectorRegistry = field(factory=CollectorRegistry)
    turns: BoundedDict[str, TurnTimed] = field(factory=lambda: BoundedDict(TURNS))
    """The last waterfall of each turn, by its id; oldest first."""
    marks: Histogram = field(init=False)
    gaps: Histogram = field(init=False)
    ended: Counter = field(init=False)
    interrupted: Counter = field(init=False)
    failed: Counter = field(init=False)
    tokens: Counter = field(init=False)
    cost: Counter = field(init=False)
    tools: Counter = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.marks = Histogram(
            "aichat_turn_mark_seconds",
            "When a turn reached a mark, after its first one.",
            ["mark"],
            registry=self.registry,
            buckets=SECONDS,
        )
        self.gaps = Histogram(
            "aichat_speaker_gap_seconds",
            "Silence between one character and the next.",
            registry=self.registry,
            buckets=SECONDS,
        )
        self.ended = self._count("aichat_turns", "Turns that are over.")
        self.interrupted = self._count("aichat_interruptions", "Turns cut off.", "reason")
        self.failed = self._count("aichat_errors", "What went wrong.", "stage", "code")
        self.tokens = self._count("aichat_tokens", "Read and written by language models.", "kind")
        self.cost = self._count(
            "aichat_cost_usd", "What replies cost, as far as servers report it."
        )
        self.tools = self._count("aichat_tool_calls", "Tools that characters used.", "outcome")

    def _count(self, name: str, says: str, *labels: str) -> Counter:
        return Counter(name, says, labels, registry=self.registry)

    def listen(self, bus: Bus, rooms: Rooms) -> None:
        """Count from now on."""
        self.registry.register(Live(bus, rooms))
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        bus.tap(self.time)
        bus.tap(self.interrupt)
        bus.tap(self.fail)
        bus.tap(self.spend)
        bus.tap(self.use)

    def time(self, event: TurnTimed) -> None:
        """Observe the new marks and gaps of a turn's waterfall."""
        before = self.turns.get(event.turn.id)
        known = dict(before.marks) if before else {}
        for mark, ms in event.marks:
            if mark in MARKS and mark not in known:
                self.marks.labels(mark).observe(ms / 1000)
        for gap in event.gaps[len(before.gaps) if before else 0 :]:
            self.gaps.observe(gap / 1000)
        if event.final and not (before and before.final):
            self.ended.inc()
        self._keep(event)

    def _keep(self, event: TurnTimed) -> None:
        self.turns[event.turn.id] = event

    def interrupt(self, event: Interrupted) -> None:
        """Count an interruption."""
        reason = event.reason if event.reason in REASONS else "other"
        self.interrupted.labels(reason).inc()

    def fail(self, event: HandlerFailed) -> None:
        """Count a failure: which stage, and the stable code of our own errors."""
        error = event.error
        code = type(error).code if isinstance(error, AichatError) else "internal"
        self.failed.labels(stage_of(event.handler), code).inc()

    def spend(self, event: ReplyUsage) -> None:
        """Count the tokens and cost of a reply, where known."""
        self.tokens.labels("prompt").inc(event.prompt_tokens or 0)
        self.tokens.labels("reply").inc(event.reply_tokens or 0)
        self.cost.inc(event.cost or 0)

    def use(self, event: ToolUsed) -> None:
        """Count a tool call."""
        self.tools.labels("failed" if event.failed else "done").inc()


@get("/metrics", sync_to_thread=False, include_in_schema=False)
def metrics(metrics: Injected[Metrics]) -> Response[bytes]:
    """Answer in Prometheus' text format."""
    return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)
