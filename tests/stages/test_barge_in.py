"""Barge-in in two stages: everybody holds at once; words cancel, or the next sample is played."""

from __future__ import annotations

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aichat.core.bus.virtual_time import run_virtual
from aichat.core.events import (
    SPEAKER_RATE,
    AudioReady,
    Interrupted,
    LineFinished,
    LineInterrupted,
    LinePlayed,
    PlaybackPaused,
    PlaybackResumed,
    SpeakersChosen,
    TranscriptUpdated,
    TurnFinished,
    UserSaid,
)
from aichat.core.testing.fakes import FakeLlm, FakeStt, FakeTts, FakeTurn
from support.barge_in import PATIENT, SLOW, Hears, speaking
from support.chat import Chat, a_chat
from support.microphone import QUIET, SPEECH, hear

pytestmark = pytest.mark.anyio
LEAD, FRAME = 0.6, 0.3


def length(chat: Chat) -> float:
    return sum(len(frame.pcm) for frame in chat.heard.of(AudioReady)) / 2 / SPEAKER_RATE


async def test_the_first_speech_frame_makes_them_hold() -> None:
    async with a_chat(stt=Hears("no"), tts=SLOW, turn=PATIENT) as chat:
        await speaking(chat)
        await hear(chat, SPEECH)
        assert chat.heard.of(PlaybackPaused) == [PlaybackPaused(chat.bus.turn("c"))]
        sent = length(chat)
        await hear(chat, *[SPEECH] * 25)
        assert length(chat) == sent
        assert not chat.heard.of(Interrupted)


@pytest.mark.parametrize("said", ["Mhm.", "uh-huh, yeah", ""])
async def test_a_back_channel_lets_them_go_on_and_nothing_is_lost(said: str) -> None:
    async with a_chat(stt=Hears(said or " "), tts=SLOW, turn=PATIENT) as chat:
        began = chat.bus.clock.now()
        await speaking(chat)
        await hear(chat, *[SPEECH] * 20, *[QUIET] * 20)
        await chat.until(PlaybackResumed)
        pause = 35 * 0.02  # 400 ms of speech, 300 ms of silence: then there are words, or none
        await chat.bus.settled()
        assert not chat.heard.of(Interrupted)
        assert len(chat.heard.of(UserSaid)) == 1
        assert chat.heard.of(TranscriptUpdated)[-1].final
        assert length(chat) == pytest.approx(8 * 0.5)
        position: dict[int, int] = {}
        for frame in chat.heard.of(AudioReady):
            if frame.pcm:
                assert frame.at == position.get(frame.index, 0)
                position[frame.index] = frame.at + len(frame.pcm) // 2
        assert chat.bus.clock.now() - began == pytest.approx(8 * 0.5 + pause, abs=0.05)
        assert (await chat.said())[1] == ("Olivia", "Olivia here. I agree, of course. What else?")


async def test_words_confirm_before_the_length_does() -> None:
    async with a_chat(stt=FakeStt("No, that is wrong"), tts=SLOW, turn=PATIENT) as chat:
        await speaking(chat)
        await hear(chat, *[SPEECH] * 40)  # a guess is made after 600 ms
        assert [i.reason for i in chat.heard.of(Interrupted)] == ["barge_in"]
        assert not chat.heard.of(PlaybackResumed)
        await hear(chat, *[QUIET] * 20)
        await chat.until(UserSaid, 2)


@pytest.mark.parametrize(("said", "frames"), [("", 51), ("Yeah.", 151)])
async def test_length_confirms_and_waits_longer_for_what_may_be_an_aside(
    said: str, frames: int
) -> None:
    stt = FakeStt(said) if said else Hears("x")
    async with a_chat(stt=stt, tts=SLOW, turn=PATIENT) as chat:
        await speaking(chat)
        await hear(chat, *[SPEECH] * (frames - 1))
        assert not chat.heard.of(Interrupted)
        await hear(chat, SPEECH)
        assert [i.reason for i in chat.heard.of(Interrupted)] == ["barge_in"]


async def test_a_watchdog_lets_them_go_on_when_the_recogniser_is_late() -> None:
    late = FakeStt("mhm", seconds=4.0)
    async with a_chat(stt=late, tts=SLOW, turn=PATIENT) as chat:
        await speaking(chat)
        await hear(chat, *[SPEECH] * 20, *[QUIET] * 20)
        told = chat.bus.clock.now()
        await chat.until(PlaybackResumed)
        # the voice ended 400 ms before the last frame of silence was sent
        assert chat.bus.clock.now() - told == pytest.approx(1.0 - 0.4, abs=0.05)


async def test_speech_that_never_ends_anywhere_does_not_hold_them_for_ever() -> None:
    async with a_chat(stt=Hears("mhm"), tts=SLOW, turn=PATIENT) as chat:
        await speaking(chat)
        await hear(chat, *[SPEECH] * 20)  # and no audio follows
        await chat.until(PlaybackResumed)
        await chat.until(TurnFinished)


async def test_a_browser_may_hold_first_and_a_false_alarm_is_short() -> None:
    async with a_chat(tts=SLOW, turn=PATIENT) as chat:
        await speaking(chat)
        line = chat.heard.of(AudioReady)[0].line
        held = chat.bus.clock.now()
        chat.bus.post(LinePlayed(line, 900, "paused"))
        assert chat.heard.of(PlaybackPaused) == [PlaybackPaused(line.turn)]
        await chat.until(PlaybackResumed)
        assert chat.bus.clock.now() - held == pytest.approx(0.5)


async def test_a_browser_that_holds_when_the_turn_is_over_is_told_to_go_on() -> None:
    async with a_chat() as chat:
        await chat.say("@Olivia hi")
        line = chat.heard.of(SpeakersChosen)[0].lines[0]
        chat.bus.post(LinePlayed(line, 700, "paused"))
        assert chat.heard.of(PlaybackResumed) == [PlaybackResumed(line.turn)]
        assert not chat.heard.of(PlaybackPaused)


@pytest.mark.parametrize("said", ["Stop!", "Okay, hold on."])
async def test_a_stop_phrase_stops_all_and_opens_no_turn(said: str) -> None:
    async with a_chat(stt=Hears(said), tts=SLOW, turn=PATIENT) as chat:
        await speaking(chat, "hi everybody")
        await hear(chat, *[SPEECH] * 20, *[QUIET] * 20)
        await chat.bus.settled()
        assert [i.reason for i in chat.heard.of(Interrupted)] == ["asked"]
        assert len(chat.heard.of(UserSaid)) == 1
        assert [name for name, _ in await chat.said()] == ["user", "Olivia"]


async def test_stop_has_had_its_effect_when_its_length_interrupted_already() -> None:
    async with a_chat(stt=Hears("stop"), tts=SLOW, turn=FakeTurn(end_ms=300)) as chat:
        await speaking(chat)
        await hear(chat, *[SPEECH] * 20, *[QUIET] * 20)
        await chat.bus.settled()
        assert [i.reason for i in chat.heard.of(Interrupted)] == ["barge_in"]
        assert len(chat.heard.of(UserSaid)) == 1


async def test_one_speaker_is_stopped_by_name_and_the_next_goes_on() -> None:
    async with a_chat(stt=Hears("Hold on, Mark."), tts=SLOW, turn=PATIENT) as chat:
        await chat.begin("@Mark @Rosa hi")
        await chat.until(AudioReady)
        await anyio.sleep(1.2)
        await hear(chat, *[SPEECH] * 20, *[QUIET] * 20)
        await chat.bus.settled()
        assert [i.line.name for i in chat.heard.of(LineInterrupted)] == ["Mark"]
        assert not chat.heard.of(Interrupted)
        assert len(chat.heard.of(UserSaid)) == 1
        assert [e.line.name for e in chat.heard.of(LineFinished)] == ["Rosa"]
        said = await chat.said()
        assert said[1:] == [
            ("Mark", "Mark here. I"),
            ("Rosa", "Rosa here. I agree, of course. What else?"),
        ]


async def test_a_back_channel_while_nobody_speaks_is_an_answer() -> None:
    async with a_chat(stt=Hears("Yes."), turn=PATIENT) as chat:
        await hear(chat, *[SPEECH] * 20, *[QUIET] * 20)
        await chat.bus.settled()
        assert [said.text for said in chat.heard.of(UserSaid)] == ["Yes."]


async def test_who_thinks_when_the_user_speaks_does_not_begin_before_it_is_decided() -> None:
    slow = FakeLlm(seconds=0.2)
    async with a_chat(llm=slow, stt=Hears("mhm"), tts=SLOW, turn=PATIENT) as chat:
        await chat.begin("@Olivia hi")
        await hear(chat, *[SPEECH] * 45)
        assert not chat.heard.of(AudioReady)
        await hear(chat, *[QUIET] * 20)
        await chat.until(AudioReady)
        await chat.bus.settled()
        assert (await chat.said())[1][0] == "Olivia"


async def test_where_the_loudspeaker_stopped_sets_the_lead_right() -> None:
    async with a_chat(tts=SLOW, turn=PATIENT) as chat:
        await speaking(chat)
        line = chat.heard.of(AudioReady)[0].line
        sent = length(chat)
        # it is 300 ms behind what the server believes, so that much more is still with it
        chat.bus.post(LinePlayed(line, (sent - LEAD - 0.3) * 1000, "paused"))
        await chat.until(PlaybackResumed)
        await anyio.sleep(0.25)
        assert length(chat) == sent
        await anyio.sleep(0.3)
        assert length(chat) > sent


PAUSES = st.lists(st.tuples(st.floats(0, 1.5), st.floats(0, 2)), max_size=5)


@settings(max_examples=40, deadline=None)
@given(pauses=PAUSES, end=st.floats(0.05, 3))
def test_however_often_they_hold_the_server_knows_what_was_heard(
    pauses: list[tuple[float, float]], end: float
) -> None:
    """Without a single report: the clock alone, which stands still while they hold."""

    async def main() -> None:
        async with a_chat(llm=FakeLlm("word " * 40), tts=FakeTts(ms_per_word=200)) as chat:
            await chat.begin("@Olivia hi")
            await chat.until(AudioReady)
            turn, played = chat.bus.turn("c"), 0.0
            for before, pause in pauses:
                await anyio.sleep(before)
                played += before
                chat.bus.post(PlaybackPaused(turn))
                await anyio.sleep(pause)
                assert length(chat) <= played + LEAD + FRAME + 0.01  # a frame more
                chat.bus.post(PlaybackResumed(turn))
            await anyio.sleep(end)
            played += end
            chat.bus.interrupt(Interrupted(turn))
            await chat.bus.settled()
            heard = len((await chat.said())[1][1].split())
            assert abs(heard - min(40, played / 0.2)) <= 1

    run_virtual(main)


@given(st.permutations(["pause voice", "pause away", "resume voice", "resume away"]))
def test_they_go_on_when_no_cause_to_hold_is_left(order: list[str]) -> None:
    if order.index("pause voice") > order.index("resume voice"):
        return
    if order.index("pause away") > order.index("resume away"):
        return

    async def main() -> None:
        async with a_chat(tts=SLOW) as chat:
            await speaking(chat)
            turn = chat.bus.turn("c")
            for step in order:
                await anyio.sleep(0.7)
                what, cause = step.split()
                kind = PlaybackPaused if what == "pause" else PlaybackResumed
                before = length(chat)
                chat.bus.post(kind(turn, cause))
                assert length(chat) == before
            await chat.bus.settled()
            assert length(chat) == pytest.approx(8 * 0.5)

    run_virtual(main)
