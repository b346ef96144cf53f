"""What was heard is what is remembered; what was not can be said after all."""

from __future__ import annotations

import anyio
import pytest
from attrs import define, field
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aichat.core import NotFound
from aichat.core.bus.virtual_time import run_virtual
from aichat.core.events import (
    SPEAKER_RATE,
    AudioReady,
    HandlerFailed,
    Interrupted,
    Line,
    LineInterrupted,
    LinePlayed,
    PlaybackPaused,
    PlaybackResumed,
    ReplyFinished,
    RestWanted,
    SpeakersChosen,
    TurnFinished,
)
from aichat.core.testing.fakes import FakeLlm, FakeTts
from support.chat import Chat, a_chat

pytestmark = pytest.mark.anyio
WORD_SECONDS = 0.2
TEXT = " ".join(f"word{n}" for n in range(20))
LONG = "{name} says one two three four five six seven eight nine ten. And then some more words."
SLOW = FakeTts(ms_per_word=200)


@define
class Loudspeaker:
    """Plays what it gets as soon as it can, *late* seconds after it was sent; may hold."""

    chat: Chat
    late: float
    lines: dict[Line, list[tuple[float, int]]] = field(factory=dict)
    """For each line: when its frames were there, and their samples."""
    held: list[tuple[float, float]] = field(factory=list)

    def hear(self, event: AudioReady) -> None:
        there = self.chat.bus.clock.now() + self.late
        self.lines.setdefault(event.line, []).append((there, len(event.pcm) // 2))

    def own(self, moment: float) -> float:
        """The loudspeaker's own time, which stands still while it holds."""
        return moment - sum(min(end, moment) - begin for begin, end in self.held if begin < moment)

    def played(self, now: float) -> dict[Line, int]:
        """Samples of each line that have sounded by *now*."""
        at, played, now = 0.0, {}, self.own(now)
        for line, frames in self.lines.items():
            for there, samples in frames:
                at = max(at, self.own(there))
                sounded = min(samples, max(0, int((now - at) * SPEAKER_RATE)))
                played[line] = played.get(line, 0) + sounded
                at += samples / SPEAKER_RATE
        return played

    def report(self, state: str) -> None:
        for line, samples in self.played(self.chat.bus.clock.now()).items():
            ms = samples * 1000 / SPEAKER_RATE
            self.chat.bus.post(LinePlayed(line, ms, state))  # type: ignore[arg-type]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.floats(0.01, 1.2)),
        st.tuples(st.just("report"), st.just(0.0)),
        st.tuples(st.just("hold"), st.floats(0.0, 1.0)),
    ),
    max_size=12,
)


@settings(max_examples=120)
@given(
    steps=STEPS,
    late=st.floats(0, 0.15),
    chunk=st.sampled_from([0.0, 0.005, 0.018]),
    last_word=st.booleans(),
)
# the report comes while the second speaker's first audio is there but not yet due
@example([("wait", 3.625), ("report", 0.0), ("wait", 1.0)], 0.0, 0.0, False)
def test_the_history_is_the_prefix_that_was_played_within_one_word(
    steps: list[tuple[str, float]], late: float, chunk: float, last_word: bool
) -> None:
    """Chunks, reports, holds and the interruption in any order; the last report may never come."""

    async def main() -> None:
        tts = FakeTts(ms_per_word=200, seconds=chunk)
        async with a_chat(llm=FakeLlm(TEXT), tts=tts) as chat:
            speaker = Loudspeaker(chat, late)
            chat.bus.tap(speaker.hear)
            await chat.begin("@Olivia @Mark hi")
            await chat.until(AudioReady)
            turn = chat.bus.turn("c")
            for what, seconds in steps:
                if what == "report":
                    speaker.report("playing")
                elif what == "wait":
                    await anyio.sleep(seconds)
                else:
                    now = chat.bus.clock.now()
                    chat.bus.post(PlaybackPaused(turn))
                    speaker.held.append((now, now + seconds))
                    await anyio.sleep(seconds)
                    chat.bus.post(PlaybackResumed(turn))
            played = speaker.played(chat.bus.clock.now())
            chat.bus.interrupt(Interrupted(turn))
            if last_word:
                speaker.report("flushed")
            await chat.bus.settled()
            said = dict((await chat.said())[1:])
            for line, samples in played.items():
                heard = len(said.get(line.name, "").split())
                words = samples / SPEAKER_RATE / WORD_SECONDS
                # without the last report the server cannot know how late its audio arrived
                slack = 1 if last_word else 1 + late / WORD_SECONDS
                assert abs(heard - words) <= slack, (line.name, heard, words, steps, late, chunk)
                assert TEXT.startswith(said.get(line.name, ""))
            assert len(said) <= len(played)

    run_virtual(main)


async def cut_off(chat: Chat, text: str = "@Olivia @Mark hi", seconds: float = 1.1) -> str:
    """Interrupt the first speaker; return the message that is left."""
    await chat.begin(text)
    await chat.until(AudioReady)
    await anyio.sleep(seconds)
    chat.bus.interrupt(Interrupted(chat.bus.turn("c")))
    await chat.bus.settled()
    return str((await chat.store.recent_messages("c"))[-1].message_id)


async def say_rest(chat: Chat, message_id: str) -> None:
    await chat.bus.publish(RestWanted(chat.bus.new_turn("c"), message_id))
    await chat.bus.settled()


async def test_the_rest_is_said_and_so_are_those_who_had_not_begun() -> None:
    llm = FakeLlm(LONG)
    async with a_chat(llm=llm, tts=SLOW) as chat:
        message = await cut_off(chat)
        assert len(llm.asked) == 2
        await say_rest(chat, message)
        assert await chat.said() == [
            ("user", "@Olivia @Mark hi"),
            ("Olivia", "Olivia says one two three four"),
            ("Olivia", "five six seven eight nine ten. And then some more words."),
            ("Mark", LONG.format(name="Mark")),
        ]
        assert len(llm.asked) == 2, "what was written is said as it was"
        ids = [line.message_id for line in chat.heard.of(SpeakersChosen)[1].lines]
        assert len({*ids, message}) == 3
        assert len(chat.heard.of(TurnFinished)) == 1


async def test_who_had_written_nothing_writes_now() -> None:
    llm = FakeLlm(LONG, seconds=0.2)
    async with a_chat(llm=llm, tts=SLOW) as chat:
        message = await cut_off(chat, seconds=0.5)
        assert len(llm.asked) == 1
        await say_rest(chat, message)
        said = await chat.said()
        assert [name for name, _ in said] == ["user", "Olivia", "Olivia", "Mark"]
        assert said[-1][1] == LONG.format(name="Mark")
        assert said[2][1].startswith(llm.text.format(name="Olivia")[len(said[1][1]) :][:3].strip())


async def test_a_rest_that_is_cut_off_as_well_has_a_rest() -> None:
    async with a_chat(llm=FakeLlm(LONG), tts=SLOW) as chat:
        first = await cut_off(chat, "@Olivia hi")
        await chat.bus.publish(RestWanted(chat.bus.new_turn("c"), first))
        await chat.until(SpeakersChosen, 2)
        await anyio.sleep(1.1)
        chat.bus.interrupt(Interrupted(chat.bus.turn("c")))
        await chat.bus.settled()
        second = (await chat.store.recent_messages("c"))[-1]
        assert second.interrupted
        await say_rest(chat, second.message_id)
        said = [text for name, text in await chat.said() if name == "Olivia"]
        assert " ".join(said) == LONG.format(name="Olivia")


async def test_after_one_speaker_was_stopped_only_that_one_has_a_rest() -> None:
    async with a_chat(llm=FakeLlm(LONG), tts=SLOW) as chat:
        await chat.begin("@Olivia @Mark hi")
        line = (await chat.until(AudioReady)).line
        await anyio.sleep(1.1)
        chat.bus.interrupt(LineInterrupted(line))
        await chat.bus.settled()
        await say_rest(chat, line.message_id)
        assert [name for name, _ in await chat.said()] == ["user", "Olivia", "Mark", "Olivia"]


async def test_an_old_message_is_found_in_the_store() -> None:
    async with a_chat(llm=FakeLlm(LONG), tts=SLOW) as chat:
        message = await cut_off(chat, "@Olivia hi")
    async with a_chat(llm=FakeLlm(LONG), tts=SLOW, storage=chat.store) as later:
        await say_rest(later, message)
        assert (await later.said())[-1] == (
            "Olivia",
            "five six seven eight nine ten. And then some more words.",
        )


@pytest.mark.parametrize("which", ["unknown", "whole"])
async def test_a_message_without_a_rest_is_told_and_ends_the_turn(which: str) -> None:
    async with a_chat(failures=True) as chat:
        await chat.say("@Olivia hi")
        whole = (await chat.store.recent_messages("c"))[-1].message_id
        await say_rest(chat, whole if which == "whole" else "nobody")
        assert isinstance(chat.heard.of(HandlerFailed)[0].error, NotFound)
        assert chat.bus.live_turn("c") is None
        await chat.say("@Olivia hi")
        assert len(chat.heard.of(ReplyFinished)) == 2
