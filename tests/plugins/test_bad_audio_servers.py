"""Audio servers that never end, drip, send odd bytes or zeros: heard through the whole product."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream
from attrs import define, field

from aichat.core.events import AudioReady, HandlerFailed, Interrupted, ReplyFinished, TurnFinished
from aichat.core.testing.fakes import FakeLlm
from aichat.core.testing.leak_checks import assert_it_leaves_nothing
from aichat.plugins.openai import OpenAiTts
from support.chat import a_chat
from support.fake_openrouter import Wire

pytestmark = pytest.mark.anyio

LONG = "All of these words are one clause without any pause in it " * 8  # it may last for minutes
SECOND = b"\x10\x03\xf0\xfc" * 12_000


@define
class Speaker:
    """A server for speech; *pour* sends the sound."""

    pour: Callable[[Speaker, Wire], Awaitable[None]]
    url: str = ""
    sent: int = 0
    begun: anyio.Event = field(factory=anyio.Event)
    left: anyio.Event = field(factory=anyio.Event)

    async def answer(self, stream: SocketStream) -> None:
        try:
            async with stream:
                wire = Wire(stream)
                await wire.request()
                await wire.begin(b"audio/pcm")
                await self.pour(self, wire)
                await stream.send(b"0\r\n\r\n")
        except (anyio.BrokenResourceError, anyio.EndOfStream):
            return  # the client has left
        finally:
            self.left.set()

    async def send(self, wire: Wire, data: bytes) -> None:
        await wire.raw(data)
        self.sent += len(data)
        self.begun.set()


@asynccontextmanager
async def served(speaker: Speaker) -> AsyncIterator[OpenAiTts]:
    """A voice; it waits long for its next sound, unless that is known not to come."""
    patience = 0.5 if speaker.pour is stops else 60
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    speaker.url = f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}/v1"
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, speaker.answer)
        async with OpenAiTts(api_key="k", base_url=speaker.url, between_seconds=patience) as tts:
            yield tts
        tasks.cancel_scope.cancel()


async def endless(speaker: Speaker, wire: Wire) -> None:
    while True:
        await speaker.send(wire, SECOND)


async def zeros(speaker: Speaker, wire: Wire) -> None:
    while True:
        await speaker.send(wire, bytes(48_000))


async def stops(speaker: Speaker, wire: Wire) -> None:
    await speaker.send(wire, SECOND)
    await anyio.sleep_forever()


async def in_odd_pieces(speaker: Speaker, wire: Wire) -> None:
    for at in range(0, 9_600, 7):
        await speaker.send(wire, SECOND[:9_600][at : at + 7])


async def test_an_endless_stream_is_read_from_the_socket_no_faster_than_it_is_played() -> None:
    speaker = Speaker(endless)
    async with (
        served(speaker) as tts,
        a_chat(tts=tts, llm=FakeLlm(LONG), failures=True) as chat,
    ):
        await chat.begin("@Olivia hi")
        await chat.until(AudioReady, 3)
        sent = -1
        while sent != speaker.sent:  # until the server is held back
            sent = speaker.sent
            await anyio.sleep(0.2)
        # 30 s wait to be played; the rest is in the buffers of sockets and of the library
        assert speaker.sent < 48_000 * 40 + 12_000_000
        chat.bus.interrupt(Interrupted(chat.bus.turn("c")))
        await chat.bus.settled()
        await speaker.left.wait()  # the connection is closed, not read to its end
        assert not chat.heard.of(HandlerFailed)


@pytest.mark.parametrize(
    ("pour", "problem"),
    [
        (zeros, "The voice sent silence for over 10 seconds."),
        (stops, "The voice's next sound did not come within 0.5 seconds."),
    ],
)
async def test_a_server_that_sends_no_speech_costs_the_clause_not_the_turn(
    pour: Callable[[Speaker, Wire], Awaitable[None]], problem: str
) -> None:
    async with (
        served(Speaker(pour)) as tts,
        a_chat(tts=tts, llm=FakeLlm("Hi there."), failures=True) as chat,
    ):
        await chat.begin("@Olivia hi")
        failed = await chat.until(HandlerFailed)
        assert str(failed.error).partition("\n")[0] == problem
        assert (await chat.until(ReplyFinished)).text == "Hi there. "
        chat.bus.interrupt(Interrupted(chat.bus.turn("c")))  # nobody waits for the sound
        await chat.bus.settled()


async def test_sound_in_odd_pieces_is_put_together() -> None:
    async with (
        served(Speaker(in_odd_pieces)) as tts,
        a_chat(tts=tts, llm=FakeLlm("Hi.")) as chat,
    ):
        await chat.begin("@Olivia hi")
        await chat.until(TurnFinished)
        played = b"".join(event.pcm for event in chat.heard.of(AudioReady))
        assert played == SECOND[:9_600]


async def test_bad_servers_leave_no_task_no_thread_and_no_socket() -> None:
    async def work() -> None:
        for pour in (endless, zeros, stops):
            speaker = Speaker(pour)
            async with (
                served(speaker) as tts,
                a_chat(tts=tts, llm=FakeLlm(LONG), failures=True) as chat,
            ):
                await chat.begin("@Olivia hi")
                await speaker.begun.wait()
                chat.bus.interrupt(Interrupted(chat.bus.turn("c")))
                await chat.bus.settled()

    await assert_it_leaves_nothing(work)
