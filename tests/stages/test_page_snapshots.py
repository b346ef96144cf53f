"""A page that comes at any event of a turn shows what one shows that was there all the time."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from attrs import define, field
from markupsafe import escape

from aichat.core import Prompt
from aichat.core.events import (
    Event,
    HandlerFailed,
    Interrupted,
    LineInterrupted,
    PlaybackPaused,
    ReplyText,
    ReplyWithdrawn,
    RewriteWanted,
    SpeakersChosen,
    ToolUsed,
    TurnFinished,
)
from aichat.core.testing.fakes import FakeLlm, FakeStt, FakeTts, FakeTurn
from aichat.web.html.fragments import Painter
from aichat.web.html.templates import environment
from aichat.web.realtime.outbox import Connection
from aichat.web.realtime.room import Room
from aichat.web.schemas import server_frames
from support.chat import CAST, Chat, a_chat
from support.microphone import QUIET, SPEECH, hear

pytestmark = pytest.mark.anyio

PARTIAL = re.compile(
    r'<hx-partial hx-target="([^"]*)" hx-swap="(\w+)">(.*?)</hx-partial>', re.DOTALL
)
BUBBLE = re.compile(r'<article id="m-([^"]+)".*?</article>', re.DOTALL)
TEXT = re.compile(r'<div class="message-text">(.*?)</div>', re.DOTALL)
CHUNKS = re.compile(r'data-chunks="(\d+)"')
TOOL = re.compile(r'<p class="used-tool.*?</p>', re.DOTALL)


@define
class Shown:
    """A page, as its scripts would draw it: of each message its text, and the tools it used."""

    texts: dict[str, str] = field(factory=dict)
    chunks: dict[str, int] = field(factory=dict)
    """How many are in a bubble."""
    tools: dict[str, list[str]] = field(factory=dict)
    audio: list[tuple[str, int, int]] = field(factory=list)
    turn: dict[str, Any] | None = None
    lines: dict[str, str] = field(factory=dict)
    """Of each line the text as a client without fragments has it."""
    next_chunk: dict[str, int] = field(factory=dict)
    is_held: bool = False

    def take(self, frame: dict[str, Any]) -> None:
        if take := getattr(self, f"take_{frame['type']}", None):
            take(frame)

    def take_ready(self, frame: dict[str, Any]) -> None:
        self.turn = frame["turn"]
        self.is_held = bool(self.turn and self.turn["held"])
        for line in (self.turn or {"lines": ()})["lines"]:
            self.lines[line["message_id"]] = line["text"]
            self.next_chunk[line["message_id"]] = line["chunk_index"]

    def take_turn_started(self, frame: dict[str, Any]) -> None:
        for line in frame["lines"]:
            self.lines[line["message_id"]], self.next_chunk[line["message_id"]] = "", 0

    def take_html(self, frame: dict[str, Any]) -> None:
        for target, swap, content in PARTIAL.findall(frame["html"]):
            id = target.removeprefix("#m-").split(" ")[0]
            if swap in ("beforeend", "outerHTML") and target.startswith(("#log", "#m-")):
                for found in BUBBLE.finditer(content):
                    if swap == "beforeend" or found[1] in self.texts:
                        self.draw(found[1], found[0])
            elif target.endswith(".message-text") and id in self.texts:
                if swap == "innerHTML":
                    self.texts[id] = content
                else:
                    self.tools[id] += TOOL.findall(content)
            elif swap == "delete":
                for kept in (self.texts, self.tools, self.chunks):
                    kept.pop(id, None)  # type: ignore[attr-defined]

    def draw(self, id: str, bubble: str) -> None:
        self.texts[id] = TEXT.search(bubble)[1]  # type: ignore[index]
        self.tools[id] = TOOL.findall(bubble)
        self.chunks[id] = int(chunks[1]) if (chunks := CHUNKS.search(bubble)) else 0

    def take_text_chunk(self, frame: dict[str, Any]) -> None:
        id, chunk = frame["message_id"], frame["chunk_index"]
        assert chunk == self.next_chunk[id]
        restarts = frame.get("restarts", False)
        self.lines[id] = ("" if restarts else self.lines[id]) + frame["text"]
        self.next_chunk[id] = chunk + 1
        if id in self.texts and chunk >= self.chunks[id]:
            self.chunks[id] = chunk + 1
            self.texts[id] = ("" if restarts else self.texts[id]) + str(escape(frame["text"]))

    def take_audio_chunk(self, frame: dict[str, Any]) -> None:
        self.audio.append((frame["turn_id"], frame["sequence_number"], frame["chunk_index"]))

    def take_duck(self, frame: dict[str, Any]) -> None:
        self.is_held = True

    def take_resume(self, frame: dict[str, Any]) -> None:
        self.is_held = False

    def take_interrupted(self, frame: dict[str, Any]) -> None:
        self.is_held = False


@define
class Pages:
    """The first page, and one that came after each event."""

    room: Room
    connections: list[Connection] = field(factory=list)
    first: Shown = field(factory=Shown)
    late: list[tuple[Event, Shown, int]] = field(factory=list)
    """After what it came, what it shows, and how much audio the first had by then."""

    def join(self) -> server_frames.Ready:
        connection = Connection(False, True, on_overflow=lambda: pytest.fail("too much"))
        greeting = server_frames.Ready(
            conversation_id="c", session_id="s", characters=[], sample_rate=24_000,
            resumed=False, generation=0, notices=[],
        )  # fmt: skip
        self.room.welcome(connection, greeting)
        self.room.connections.add(connection)
        self.connections.append(connection)
        return greeting

    def catch_up(self) -> None:
        shown = [self.first, *(late for _, late, _ in self.late)]
        for connection, page in zip(self.connections, shown, strict=True):
            while connection.frames:
                page.take(json.loads(connection.take()))  # type: ignore[arg-type]

    def come(self, event: Event) -> None:
        """Another page comes, right after an event; it shows at once what the first one shows."""
        if isinstance(event, HandlerFailed):
            return
        self.catch_up()
        self.join()
        self.late.append((event, late := Shown(), len(self.first.audio)))
        self.catch_up()
        assert late.texts == self.first.texts, event
        assert late.tools == self.first.tools, event
        assert late.is_held == self.first.is_held, event
        for id, text in late.lines.items():
            assert text == self.first.lines.get(id, ""), event

    def assert_alike(self) -> None:
        self.catch_up()
        for event, late, before in self.late:
            assert list(late.texts.items()) == list(self.first.texts.items()), event
            assert late.audio == self.first.audio[before:], event
            for id, text in late.lines.items():
                assert text == self.first.lines[id], event
        assert len(set(self.first.audio)) == len(self.first.audio)


@asynccontextmanager
async def watched(**backends: Any) -> AsyncIterator[tuple[Chat, Pages]]:
    async with a_chat(**backends) as chat:
        room = Room("c", chat.bus, chat.parts, Painter(environment([])), has_pages=True)
        _, room.cast = await chat.store.cast("c")
        room.listen()
        pages = Pages(room)
        pages.join()
        chat.bus.tap(pages.come, interruptible=True, conversation="c")  # after all others
        yield chat, pages
        await chat.bus.settled()
        pages.assert_alike()


TEXT_OF_ALL = '*{name}* here, & <b>you</b>? I "agree". What\'s `x`?'


async def test_at_every_event_of_a_turn() -> None:
    llm = FakeLlm(TEXT_OF_ALL, seconds=0.05)
    async with watched(llm=llm, tts=FakeTts(ms_per_word=300, seconds=0.01)) as (chat, pages):
        await chat.say("hello")
        assert len(pages.late) > 40
        assert len(pages.first.texts) == 1 + len(CAST)
        states = {
            line["state"]
            for _, late, _ in pages.late
            for line in (late.turn or {"lines": []})["lines"]
        }
        assert states == {"waiting", "writing", "written", "over"}
        await chat.say("@Mark, and again")


async def test_at_every_event_of_a_turn_that_is_interrupted() -> None:
    llm = FakeLlm(TEXT_OF_ALL, seconds=0.05)
    for pieces in (1, 3, 9, 14, 20):
        async with watched(llm=llm, tts=FakeTts(ms_per_word=300)) as (chat, pages):
            await chat.begin("hello")
            await chat.until(ReplyText, pieces)
            await anyio.sleep(0.4)
            chat.bus.interrupt(Interrupted(chat.bus.turn("c")))
            await chat.say("and now?")
            assert len(pages.first.texts) >= 2 + len(CAST)


async def test_at_every_event_when_one_line_is_stopped() -> None:
    async with watched(tts=FakeTts(ms_per_word=300)) as (chat, _):
        await chat.begin("hello")
        await chat.until(ReplyText, 5)
        await anyio.sleep(0.5)
        lines = chat.heard.of(SpeakersChosen)[0].lines
        chat.bus.interrupt(LineInterrupted(lines[1]))
        await chat.until(TurnFinished)


async def test_at_every_event_while_the_user_speaks_over_them() -> None:
    stt = FakeStt("mhm")
    turn = FakeTurn(end_ms=300, barge_in_ms=2_000)
    async with watched(stt=stt, turn=turn, tts=FakeTts(ms_per_word=500)) as (chat, pages):
        await chat.begin("@Olivia hi")
        await chat.until(ReplyText)
        await anyio.sleep(1)
        await hear(chat, *[SPEECH] * 30, *[QUIET] * 30)
        assert chat.heard.of(PlaybackPaused)
        assert any(late.turn and late.turn["held"] for _, late, _ in pages.late)
        await chat.until(TurnFinished)


async def test_at_every_event_of_another_version() -> None:
    async with watched(tts=FakeTts(ms_per_word=100)) as (chat, pages):
        await chat.say("@Olivia hi")
        said = next(m for m in await chat.store.recent_messages("c") if m.role == "assistant")
        await chat.bus.publish(RewriteWanted(chat.bus.new_turn("c"), said.message_id))
        await chat.until(TurnFinished, 2)
        assert len(pages.first.texts) == 2


async def test_what_a_line_has_used_is_there_as_well() -> None:
    async with watched(llm=FakeLlm(seconds=0.05)) as (chat, pages):
        await chat.begin("@Olivia hi")
        await chat.until(ReplyText, 2)
        line = chat.heard.of(SpeakersChosen)[0].lines[0]
        await chat.bus.publish(ToolUsed(line, "dice", {}, "it fell on 6"))
        assert any("it fell on 6" in str(late.tools) for _, late, _ in pages.late)


async def test_what_is_heard_of_the_user_is_there_as_well() -> None:
    async with watched(stt=FakeStt("so far"), turn=FakeTurn(end_ms=300)) as (chat, pages):
        await hear(chat, *[SPEECH] * 60)
        ready = pages.join()
        pages.connections.pop()
        assert (ready.listening, ready.transcript) == (True, "so far")
        await hear(chat, *[QUIET] * 20)
        await chat.bus.settled()
        ready = pages.join()
        pages.connections.pop()
        assert (ready.listening, ready.transcript) == (False, "")


async def test_at_every_event_of_utterances_that_become_one_message() -> None:
    stt = FakeStt("and so on")
    turn = FakeTurn(end_ms=300, barge_in_ms=250)
    llm = FakeLlm(seconds=0.4)
    async with watched(stt=stt, turn=turn, llm=llm, tts=FakeTts(ms_per_word=100)) as (chat, pages):
        for _ in range(2):
            await hear(chat, *[SPEECH] * 30, *[QUIET] * 30)
        await chat.bus.settled()
        pages.catch_up()
        texts = list(pages.first.texts.values())
        assert texts[0] == "<p>and so on and so on</p>\n"
        assert len(texts) == 1 + len(CAST)


@define
class Thinks(FakeLlm):
    """Writes what turns out to have been a thought, and then the reply."""

    async def reply(self, prompt: Prompt) -> AsyncIterator[str]:
        for piece in ("I should greet. ", "Or not? ", "</think>", "Hello ", "to you."):
            await anyio.sleep(0.1)
            yield piece


async def test_at_every_event_of_a_reply_that_begins_again() -> None:
    async with watched(llm=Thinks(), tts=FakeTts(ms_per_word=100)) as (chat, pages):
        await chat.say("@Olivia hi")
        assert chat.heard.of(ReplyWithdrawn)
        assert list(pages.first.texts.values())[-1] == "<p>Hello to you.</p>\n"
