"""Each turn's waterfall: what it holds, when it is told, and that nothing said is in it."""

from __future__ import annotations

import anyio
import pytest

from aichat.core.events import (
    MARKS,
    AudioReady,
    Interrupted,
    LinePlayed,
    TurnFinished,
    TurnTimed,
    UserSaid,
)
from aichat.core.testing.fakes import FakeLlm, FakeStt, FakeTts, FakeTurn
from support.chat import a_chat
from support.microphone import QUIET, SPEECH, hear

pytestmark = pytest.mark.anyio


async def test_a_spoken_turn_has_every_mark_at_its_moment() -> None:
    slow = {
        "turn": FakeTurn(end_ms=300),
        "stt": FakeStt("@Olivia hi", seconds=0.15),
        "llm": FakeLlm("Well, yes, of course I do.", seconds=0.1),
        "tts": FakeTts(seconds=0.02),
    }
    async with a_chat(**slow) as chat:
        await hear(chat, *[SPEECH] * 10, *[QUIET] * 20)
        line = (await chat.until(AudioReady)).line
        await anyio.sleep(0.05)
        chat.bus.post(LinePlayed(line, 20))
        await chat.bus.settled()
        told = chat.heard.of(TurnTimed)
        marks = dict(told[-1].marks)
        assert tuple(marks) == tuple(mark for mark in MARKS if mark != "asked_again")
        # the frame that completes 300 ms of silence is the 15th; it began with the first one
        expected = {"speech_ended": 0, "turn_decided": 280, "transcribed": 430, "first_text": 530}
        assert {mark: marks[mark] for mark in expected} == pytest.approx(expected, abs=1)
        assert marks["first_audio"] == pytest.approx(marks["first_clause"] + 20, abs=1)
        assert marks["first_heard"] == pytest.approx(marks["first_audio"] + 30, abs=1)


async def test_it_is_told_while_the_turn_goes_on_and_at_its_end() -> None:
    async with a_chat(tts=FakeTts(ms_per_word=300)) as chat:
        await chat.begin("@Olivia hi")
        line = (await chat.until(AudioReady, 2)).line
        first = await chat.until(TurnTimed)
        assert not first.final
        assert "first_audio" in dict(first.marks)
        chat.bus.post(LinePlayed(line, 1))
        assert "first_heard" in dict(chat.heard.of(TurnTimed)[-1].marks)
        await chat.bus.settled()
        told = chat.heard.of(TurnTimed)
        assert [one.final for one in told] == [False, False, True]
        assert not told[-1].interrupted


async def test_the_silence_between_speakers_is_measured() -> None:
    async with a_chat(llm=FakeLlm(seconds=0.5), tts=FakeTts(ms_per_word=100)) as chat:
        await chat.say("hello")
        gaps = chat.heard.of(TurnTimed)[-1].gaps
        frames = [frame for frame in chat.heard.of(AudioReady) if frame.pcm]
        by_place = [[f for f in frames if f.line.place == place] for place in range(3)]
        ends = [lines[-1].due + len(lines[-1].pcm) / 48_000 for lines in by_place]
        silences = [by_place[n + 1][0].due - ends[n] for n in range(2)]
        assert gaps == pytest.approx([1000 * silence for silence in silences])
        assert min(gaps) > 0


async def test_speakers_who_are_ready_in_time_leave_no_gap() -> None:
    async with a_chat(tts=FakeTts(ms_per_word=300)) as chat:
        await chat.say("hello")
        assert chat.heard.of(TurnTimed)[-1].gaps == pytest.approx((0, 0))


async def test_an_interrupted_turn_is_told_once_and_says_so() -> None:
    async with a_chat(tts=FakeTts(ms_per_word=500)) as chat:
        await chat.begin("@Olivia hi")
        line = (await chat.until(AudioReady)).line
        await anyio.sleep(0.5)
        for _ in range(2):
            chat.bus.interrupt(Interrupted(chat.bus.turn("c")))
        over = [one for one in chat.heard.of(TurnTimed) if one.final]
        assert [one.interrupted for one in over] == [True]
        chat.bus.post(LinePlayed(line, 480, "flushed"))  # its last report comes late
        late = chat.heard.of(TurnTimed)[-1]
        assert (late.final, "first_heard" in dict(late.marks)) == (True, True)


async def test_a_turn_that_nobody_answers_is_told_too() -> None:
    async with a_chat(failures=True) as chat:
        await chat.say("hi", "nowhere")
        assert dict(chat.heard.of(TurnTimed)[-1].marks) == {"transcribed": 0}
        assert chat.heard.of(TurnFinished)


async def test_noise_without_words_leaves_no_waterfall_behind_for_the_next_turn() -> None:
    async with a_chat(turn=FakeTurn(end_ms=100), stt=FakeStt(" ")) as chat:
        await hear(chat, *[SPEECH] * 10, *[QUIET] * 20)
        await chat.bus.settled()
        assert not chat.heard.of(UserSaid)
        await anyio.sleep(60)
        await chat.say("@Olivia hi")
        marks = dict(chat.heard.of(TurnTimed)[-1].marks)
        assert "speech_ended" not in marks
        assert marks["first_audio"] < 1000


async def test_a_late_report_of_an_older_turn_changes_nothing() -> None:
    async with a_chat() as chat:
        await chat.say("@Olivia hi")
        old = chat.heard.of(AudioReady)[0].line
        await chat.begin("@Mark hi")
        await chat.until(AudioReady, 10)
        count = len(chat.heard.of(TurnTimed))
        chat.bus.post(LinePlayed(old, 100, "done"))
        assert len(chat.heard.of(TurnTimed)) == count
