"""Transcripts that a recogniser made up are no turn, and undo what the voice seemed to begin."""

from __future__ import annotations

import pytest

from aichat.core import Utterance
from aichat.core.events import (
    Interrupted,
    PlaybackResumed,
    Speculated,
    TranscriptUpdated,
    TurnFinished,
    UserSaid,
)
from aichat.core.testing.fakes import FakeLlm, FakeStt, FakeTurn
from support.barge_in import PATIENT, SLOW, Hears, speaking
from support.chat import a_chat
from support.microphone import QUIET, SPEECH, hear
from support.spoken_chat import Engines, a_spoken_chat, eager

pytestmark = pytest.mark.anyio

MADE_UP = ["♪♪♪", ".", "[BLANK_AUDIO]", "(upbeat music)", "Thanks for watching!", "Abonnez-vous !"]


@pytest.mark.parametrize("text", MADE_UP)
async def test_no_recogniser_opens_a_turn_with_what_nobody_said(text: str) -> None:
    model = FakeLlm()
    async with a_chat(stt=FakeStt(text), llm=model, turn=FakeTurn(end_ms=300)) as chat:
        await hear(chat, *[SPEECH] * 60, *[QUIET] * 20)
        await chat.bus.settled()
        assert not chat.heard.of(UserSaid)
        updates = chat.heard.of(TranscriptUpdated)
        assert len(updates) > 2  # while it was "said" as well
        assert {update.text + update.tail for update in updates} == {""}
        assert updates[-1].final
    assert not model.asked


async def test_typed_text_is_a_turn_whatever_it_is() -> None:
    async with a_chat() as chat:
        for text in MADE_UP:
            await chat.say(text)
        assert [said.text for said in chat.heard.of(UserSaid)] == MADE_UP


@pytest.mark.parametrize("text", ["Thank you.", "Thanks for watching my kids yesterday."])
async def test_what_somebody_may_have_said_is_a_turn(text: str) -> None:
    async with a_chat(stt=FakeStt(text), turn=FakeTurn(end_ms=300)) as chat:
        await hear(chat, *[SPEECH] * 20, *[QUIET] * 20)
        await chat.bus.settled()
        assert [said.text for said in chat.heard.of(UserSaid)] == [text]


@pytest.mark.parametrize("made_up", [FakeStt("[Music]"), Hears("Thank you for watching.")])
async def test_characters_that_held_go_on(made_up: FakeStt) -> None:
    async with a_chat(stt=made_up, tts=SLOW, turn=PATIENT) as chat:
        await speaking(chat)
        await hear(chat, *[SPEECH] * 20, *[QUIET] * 20)
        await chat.until(PlaybackResumed)
        await chat.until(TurnFinished)
        assert not chat.heard.of(Interrupted)
        assert len(chat.heard.of(UserSaid)) == 1


class Corrects(Engines):
    """Hears words while the voice sounds, and a credit in the end."""

    async def transcribe(self, utterance: Utterance) -> str:
        await super().transcribe(utterance)
        return "Subtitles by the Amara.org community" if utterance.final else "thanks Mark."


async def test_an_answer_to_words_that_nobody_said_is_given_up() -> None:
    engines = Corrects()
    async with a_spoken_chat(engines, eager(700, "on")) as chat:
        for _ in range(3):
            await hear(chat, *[SPEECH] * 60, *[QUIET] * 50)
        await chat.bus.settled()
        assert engines.asked  # it had been begun
        assert chat.heard.of(Speculated)
        assert not any(answer.kept for answer in chat.heard.of(Speculated))
        assert not chat.heard.of(UserSaid)
        assert not await chat.said()
