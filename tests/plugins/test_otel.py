"""OpenTelemetry: what is exported of a turn, and what is not."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import anyio
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from aichat.core.bus.virtual_time import VirtualTimeLoop
from aichat.core.events import AudioReady, ConversationClosed, Interrupted, LinePlayed, TurnTimed
from aichat.core.testing.fakes import FakeLlm, FakeStt, FakeTts
from aichat.plugins.otel import Spans, stages
from support.chat import a_chat

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"loop_factory": VirtualTimeLoop}


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracer(exporter: InMemorySpanExporter) -> Any:
    """Of a provider of its own: the global one can be set only once."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider.get_tracer("test")


def follow(chat: Any, tracer: Any) -> Spans:
    from opentelemetry import trace

    spans = Spans(chat.bus, trace, tracer)
    chat.bus.tap(spans.trace)
    return spans


async def test_a_turn_is_one_span_with_a_child_for_each_stage(
    exporter: InMemorySpanExporter, tracer: Any
) -> None:
    slow = {"llm": FakeLlm("Secret words, of course.", seconds=0.2), "tts": FakeTts(seconds=0.01)}
    async with a_chat(**slow) as chat:
        follow(chat, tracer)
        await chat.begin("@Olivia whisper")
        line = (await chat.until(AudioReady)).line
        await anyio.sleep(0.1)
        chat.bus.post(LinePlayed(line, 50))
        await chat.bus.settled()
    spans = {span.name: span for span in exporter.get_finished_spans()}
    assert set(spans) == {"turn", "llm", "clause", "tts", "sequencing", "playout"}
    root = spans.pop("turn")
    assert all(span.parent.span_id == root.context.span_id for span in spans.values())
    assert all(root.start_time <= span.start_time <= span.end_time for span in spans.values())
    assert (spans["llm"].end_time - spans["llm"].start_time) / 1e6 == pytest.approx(200, abs=1)
    assert root.attributes["aichat.turn_id"] == line.turn.id
    assert root.attributes["aichat.interrupted"] is False
    told = "".join(span.to_json() for span in exporter.get_finished_spans())
    assert "Secret" not in told
    assert "whisper" not in told


async def test_a_turn_is_exported_once_and_an_interrupted_one_says_so(
    exporter: InMemorySpanExporter, tracer: Any
) -> None:
    async with a_chat(tts=FakeTts(ms_per_word=500)) as chat:
        spans = follow(chat, tracer)
        await chat.begin("@Olivia hi")
        line = (await chat.until(AudioReady)).line
        chat.bus.interrupt(Interrupted(chat.bus.turn("c")))
        chat.bus.post(LinePlayed(line, 1, "flushed"))
        await chat.bus.settled()
        turns = [span for span in exporter.get_finished_spans() if span.name == "turn"]
        assert [turn.attributes["aichat.interrupted"] for turn in turns] == [True]
        chat.bus.post(ConversationClosed(chat.bus.turn("c")))
        assert not len(spans.done)


async def test_stages_that_were_speculative_end_where_they_were_reached() -> None:
    marks = (("speech_ended", 0.0), ("turn_decided", 500.0), ("first_text", 400.0))
    assert list(stages(marks)) == [("endpointing", 0.0, 500.0), ("llm", 400.0, 400.0)]


async def test_connecting_the_plugin_hurts_nobody_while_no_tracer_is_set_up() -> None:
    async with a_chat(stt=FakeStt("hi")) as chat:  # the plug-in is installed and connected
        await chat.say("@Olivia hi")
        assert chat.heard.of(TurnTimed)[-1].final


def test_without_the_package_the_plugin_does_nothing() -> None:
    program = """
import sys
sys.modules["opentelemetry"] = None
from aichat.plugins import otel
class NoBus:
    pass
otel.connect(NoBus(), None)
print("fine")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "fine\n", done.stderr
