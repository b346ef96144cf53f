"""A conversation may sound from several loudspeakers: the furthest counts, in whatever order."""

from __future__ import annotations

from itertools import permutations

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aichat.core import Message
from aichat.core.bus.virtual_time import run_virtual
from aichat.core.events import (
    AudioReady,
    Interrupted,
    Line,
    LineFinished,
    LinePlayed,
    LoudspeakerLeft,
    MessageAdded,
    PlaybackPaused,
    PlaybackResumed,
)
from aichat.core.testing.fakes import FakeLlm, FakeTts
from support.chat import Chat, a_chat

pytestmark = pytest.mark.anyio
WORD_MS = 200
WORDS = 30
TEXT = " ".join(f"word{n}" for n in range(WORDS))


def heard(message: Message) -> int:
    return len(message.said.split())


async def begun(chat: Chat, seconds: float) -> Line:
    """Let Olivia speak for some seconds."""
    await chat.begin("@Olivia hi")
    line = (await chat.until(AudioReady)).line
    await anyio.sleep(seconds)
    return line


def a_talk(text: str = TEXT):  # type: ignore[no-untyped-def]
    return a_chat(llm=FakeLlm(text), tts=FakeTts(ms_per_word=WORD_MS))


@pytest.mark.parametrize("order", list(permutations([("near", 6), ("far", 11), ("muted", 0)])))
async def test_the_furthest_counts_when_the_user_breaks_in(
    order: list[tuple[str, int]],
) -> None:
    async with a_talk() as chat:
        line = await begun(chat, 2.2)
        for name, words in order:
            chat.bus.post(LinePlayed(line, words * WORD_MS - 1, "playing", name))
        chat.bus.interrupt(Interrupted(line.turn))
        await chat.bus.settled()
        assert abs(heard(await chat.last_message()) - 11) <= 1
        for name, words in order:
            chat.bus.post(LinePlayed(line, words * WORD_MS - 1, "flushed", name))
        await chat.bus.settled()
        assert heard(await chat.last_message()) == 11


@settings(max_examples=60)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from(["playing", "left", "wait"])),
        max_size=12,
    ),
    lag=st.dictionaries(st.sampled_from("abc"), st.floats(0, 1.0), min_size=1),
    order=st.permutations("abc"),
)
def test_what_was_heard_is_the_furthest_position_of_any_loudspeaker(
    steps: list[tuple[str, str]], lag: dict[str, float], order: list[str]
) -> None:
    async def program() -> None:
        async with a_talk() as chat:
            line = await begun(chat, 1.0)
            began, here = chat.bus.clock.now() - 1.0, set(lag)
            left: dict[str, float] = {}

            def position(name: str) -> float:
                return max(0.0, 1000 * (chat.bus.clock.now() - began - lag[name]))

            for name, what in steps:
                if what == "wait":
                    await anyio.sleep(0.3)
                elif name in here and what == "playing":
                    chat.bus.post(LinePlayed(line, position(name), "playing", name))
                elif name in here and len(here) > 1:
                    chat.bus.post(LinePlayed(line, position(name), "playing", name))
                    chat.bus.post(LoudspeakerLeft(line.turn, name))
                    here.discard(name)
                    left[name] = position(name)
            chat.bus.interrupt(Interrupted(line.turn))
            ends = {name: position(name) for name in here}
            for name in order:
                if name in here:
                    chat.bus.post(LinePlayed(line, ends[name], "flushed", name))
            await chat.bus.settled()
            furthest = max([*ends.values(), *left.values()])
            message = [m for m in await chat.store.recent_messages("c") if m.role != "user"]
            found = heard(message[0]) if message else 0
            assert abs(found - furthest / WORD_MS) <= 1.01, (ends, left)

    run_virtual(program)


async def test_one_that_left_holds_nobody_back_and_pushes_nobody_on() -> None:
    async with a_talk() as chat:
        line = await begun(chat, 1.0)
        chat.bus.post(LinePlayed(line, 1000, "playing", "gone"))
        chat.bus.post(LinePlayed(line, 200, "playing", "here"))
        chat.bus.post(LoudspeakerLeft(line.turn, "gone"))
        await anyio.sleep(1.0)
        chat.bus.post(LinePlayed(line, 1200, "playing", "here"))
        chat.bus.interrupt(Interrupted(line.turn))
        chat.bus.post(LinePlayed(line, 1200, "flushed", "here"))
        await chat.bus.settled()
        assert heard(await chat.last_message()) == 6
    async with a_talk() as chat:
        line = await begun(chat, 2.0)
        chat.bus.post(LinePlayed(line, 2000, "playing", "gone"))
        chat.bus.post(LoudspeakerLeft(line.turn, "gone"))
        chat.bus.post(LinePlayed(line, 400, "flushed", "here"))
        chat.bus.interrupt(Interrupted(line.turn))
        await chat.bus.settled()
        assert heard(await chat.last_message()) == 10, "it was heard there"


async def test_a_line_that_one_has_finished_is_whole_whatever_the_others_say() -> None:
    async with a_talk("One two three four five.") as chat:
        await chat.begin("@Olivia @Mark hi")
        line = (await chat.until(AudioReady)).line
        await anyio.sleep(0.9)
        chat.bus.post(LinePlayed(line, 1000, "done", "fast"))
        chat.bus.post(LinePlayed(line, 400, "playing", "slow"))
        chat.bus.interrupt(Interrupted(line.turn))
        chat.bus.post(LinePlayed(line, 400, "flushed", "slow"))
        await chat.bus.settled()
        assert (await chat.last_message()).said == "One two three four five."


async def test_a_message_is_not_published_again_when_nothing_has_changed() -> None:
    async with a_talk() as chat:
        line = await begun(chat, 2.0)
        chat.bus.interrupt(Interrupted(line.turn))
        for name in "abc":
            chat.bus.post(LinePlayed(line, 1600, "flushed", name))
        await chat.bus.settled()
        own = [e for e in chat.heard.of(MessageAdded) if e.message.role == "assistant"]
        assert len(own) <= 2


@pytest.mark.parametrize("order", list(permutations([("near", 800.0), ("far", 1400.0)])))
async def test_the_player_goes_on_from_the_furthest_that_holds(
    order: list[tuple[str, float]],
) -> None:
    async with a_talk("one two three four five six seven eight nine ten") as chat:
        line = await begun(chat, 1.5)
        chat.bus.post(PlaybackPaused(line.turn, "away"))
        for name, ms in order:
            chat.bus.post(LinePlayed(line, ms, "paused", name))
        await anyio.sleep(3)
        chat.bus.post(PlaybackResumed(line.turn, "away"))
        resumed = chat.bus.clock.now()
        await chat.until(LineFinished)
        assert chat.bus.clock.now() - resumed == pytest.approx(0.6, abs=0.05)
