"""Utterances that overlap: one is still being transcribed while the next is spoken.

Every utterance has frames of its own value, so that a transcript shows whose audio it is made of.
"""

from __future__ import annotations

from collections.abc import Iterator

import anyio
import pytest
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st

from aichat.core import Utterance
from aichat.core.bus.virtual_time import run_virtual
from aichat.core.events import (
    AudioReceived,
    ConversationClosed,
    Event,
    HandlerFailed,
    InterimAudio,
    Interrupted,
    Speculated,
    TalkHeld,
    TalkReleased,
    TranscriptUpdated,
    UserStartedSpeaking,
    UtteranceHeard,
    UtterancePaused,
)
from aichat.core.testing.fakes import FakeTurn
from aichat.stages.hearing.microphone_state import Microphones
from aichat.stages.hearing.utterance_detector import UtteranceDetector
from support.chat import Chat, a_chat
from support.microphone import QUIET

pytestmark = pytest.mark.anyio


def numbers(pcm: bytes) -> set[int]:
    """Whose voice is in this audio."""
    return set(pcm) - {0}


@define
class NumberedStt:
    """Transcribes the third utterance as "Number 3."; those in *wordless* have no words."""

    final_seconds: list[float]
    """For the final transcript of each utterance, in turn; the last one also for all others."""
    interim_seconds: float = 0.1
    wordless: set[int] = field(factory=set)
    cancelled: int = 0

    async def transcribe(self, utterance: Utterance) -> str:
        spoken = sorted(numbers(utterance.pcm))
        of = min(max(spoken, default=1), len(self.final_seconds))
        seconds = self.final_seconds[of - 1] if utterance.final else self.interim_seconds
        try:
            await anyio.sleep(seconds)
        except anyio.get_cancelled_exc_class():
            self.cancelled += 1
            raise
        return " ".join(f"Number {n}." for n in spoken if n not in self.wordless)


def eager(end_ms: int = 300) -> FakeTurn:
    return FakeTurn(end_ms=end_ms, barge_in_ms=250, speculate="on")


def number_now(chat: Chat) -> int:
    """The number of the utterance that is being spoken, or comes next."""
    return 1 + sum(1 for event in chat.heard.of(UtteranceHeard) if event.key)


async def speak(chat: Chat, frames: int) -> None:
    for _ in range(frames):
        frame = bytes([number_now(chat), 0]) * 320
        await chat.bus.publish(AudioReceived(chat.bus.turn("c"), frame))
        await anyio.sleep(0.02)


async def be_quiet(chat: Chat, frames: int) -> None:
    for _ in range(frames):
        await chat.bus.publish(AudioReceived(chat.bus.turn("c"), QUIET))
        await anyio.sleep(0.02)


def microphones(chat: Chat) -> Microphones:
    """What the stage keeps of its microphones."""
    handlers = [getattr(s.handler, "__self__", None) for s in chat.bus._conversations.subscribers]
    return next(one.microphones for one in handlers if isinstance(one, UtteranceDetector))


async def test_an_answer_begun_ahead_is_kept_though_the_user_speaks_again_before_the_words_come(
) -> None:  # fmt: skip
    async with a_chat(stt=NumberedStt([1.0, 0.1]), turn=eager()) as chat:
        await speak(chat, 20)
        await be_quiet(chat, 16)
        assert len(chat.heard.of(UtteranceHeard)) == 1
        await speak(chat, 20)  # its interim transcripts come before the first one's final
        assert any("2" in t.tail for t in chat.heard.of(TranscriptUpdated))
        assert not chat.heard.of(Speculated)
        await be_quiet(chat, 60)
        await chat.bus.settled()
        assert chat.spoken() == ["Number 1.", "Number 2."]
        assert chat.heard.of(Speculated)[0].kept


async def test_a_noise_without_words_takes_nothing_from_the_utterance_after_it() -> None:
    stt = NumberedStt([1.0, 0.1], wordless={1})
    async with a_chat(stt=stt, turn=eager(500)) as chat:
        await speak(chat, 10)
        await be_quiet(chat, 26)
        await speak(chat, 40)
        assert [t.text for t in chat.heard.of(TranscriptUpdated) if t.final] == [""]
        await be_quiet(chat, 30)
        await chat.bus.settled()
        assert chat.spoken() == ["Number 2."]
        assert [s.kept for s in chat.heard.of(Speculated)] == [True]


async def test_the_words_of_two_utterances_come_in_the_order_in_which_they_were_spoken() -> None:
    async with a_chat(stt=NumberedStt([2.0, 0.0]), turn=eager()) as chat:
        for _ in range(2):
            await speak(chat, 10)
            await be_quiet(chat, 20)
        assert chat.spoken() == []
        await chat.bus.settled()
        assert chat.spoken() == ["Number 1.", "Number 2."]


async def test_closing_gives_up_an_utterance_that_is_transcribed_and_one_that_is_spoken() -> None:
    stt = NumberedStt([5.0], interim_seconds=1.0)
    async with a_chat(stt=stt, turn=eager()) as chat:
        await speak(chat, 10)
        await be_quiet(chat, 20)
        await speak(chat, 10)
        before, stt.cancelled = len(chat.heard.events) + 1, 0
        close(chat)
        await chat.bus.settled()
        assert stt.cancelled == 2
        assert not [e for e in chat.heard.events[before:] if not isinstance(e, Speculated)]
        assert not microphones(chat).by_conversation
        assert "c" not in chat.bus._conversations.by_id


async def test_a_conversation_that_is_opened_again_hears_nothing_of_its_past() -> None:
    async with a_chat(stt=NumberedStt([5.0, 5.0, 0.1]), turn=eager()) as chat:
        await speak(chat, 10)
        await be_quiet(chat, 20)
        await speak(chat, 10)  # the second is never heard to its end
        close(chat)
        await be_quiet(chat, 20)
        await speak(chat, 10)
        await be_quiet(chat, 20)
        await chat.bus.settled()
        assert chat.spoken() == ["Number 2."]
        assert numbers(chat.heard.of(UtteranceHeard)[-1].pcm) == {2}


async def test_audio_that_stops_ends_the_second_while_the_first_is_transcribed() -> None:
    async with a_chat(stt=NumberedStt([6.0, 0.1]), turn=eager()) as chat:
        await speak(chat, 10)
        await be_quiet(chat, 20)
        await speak(chat, 10)
        await anyio.sleep(3)
        assert len(chat.heard.of(UtteranceHeard)) == 2
        assert chat.spoken() == []
        await chat.bus.settled()
        assert chat.spoken() == ["Number 1.", "Number 2."]


async def test_push_to_talk_that_begins_while_the_first_is_transcribed() -> None:
    async with a_chat(stt=NumberedStt([2.0, 0.1]), turn=eager()) as chat:
        await speak(chat, 10)
        await be_quiet(chat, 20)
        chat.bus.post(TalkHeld(chat.bus.turn("c")))
        await speak(chat, 10)
        await be_quiet(chat, 50)
        assert len(chat.heard.of(UtteranceHeard)) == 1
        chat.bus.post(TalkReleased(chat.bus.turn("c")))
        await chat.bus.settled()
        assert chat.spoken() == ["Number 1.", "Number 2."]


def close(chat: Chat) -> None:
    """Everybody has left."""
    if live := chat.bus.live_turn("c"):
        chat.bus.interrupt(Interrupted(live, "left"))
    chat.bus.post(ConversationClosed(chat.bus.turn("c")))
    chat.bus.forget("c")


# -- any order -------------------------------------------------------------------------------

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("speak"), st.integers(1, 40)),
        st.tuples(st.just("quiet"), st.integers(1, 40)),
        st.tuples(st.just("no audio"), st.integers(1, 300)),
        st.tuples(st.sampled_from(["type", "interrupt", "hold", "release", "close"]), st.just(1)),
    ),
    min_size=2,
    max_size=14,
)


async def take(chat: Chat, step: str, frames: int) -> None:
    turn = chat.bus.turn("c")
    match step:
        case "speak":
            await speak(chat, frames)
        case "quiet":
            await be_quiet(chat, frames)
        case "no audio":
            await anyio.sleep(frames * 0.02)
        case "type":
            await chat.begin("typed")
        case "interrupt":
            chat.bus.interrupt(Interrupted(turn, "user"))
        case "hold":
            chat.bus.post(TalkHeld(turn))
        case "release":
            chat.bus.post(TalkReleased(turn))
        case "close":
            close(chat)


def strays(chat: Chat) -> Iterator[Event]:
    """Yield what was published of one utterance and holds audio or words of another."""
    number = 1
    for event in chat.heard.events:
        if isinstance(event, InterimAudio | UtterancePaused | UtteranceHeard):
            if event.key and numbers(event.pcm) != {number}:
                yield event
            number += isinstance(event, UtteranceHeard) and bool(event.key)
        elif isinstance(event, TranscriptUpdated) and not event.final:
            said = f"{event.text} {event.tail}"
            if said.strip() and {int(n.strip(".")) for n in said.split()[1::2]} != {number}:
                yield event


@settings(deadline=None)
@given(
    steps=STEPS,
    final_seconds=st.lists(st.floats(0, 4), min_size=1, max_size=4),
    interim_seconds=st.floats(0, 1),
    wordless=st.sets(st.integers(1, 4), max_size=2),
    end_ms=st.integers(40, 600),
)
def test_in_any_order_of_events_each_utterance_makes_one_turn_of_its_own_words(
    steps: list[tuple[str, int]],
    final_seconds: list[float],
    interim_seconds: float,
    wordless: set[int],
    end_ms: int,
) -> None:
    async def main() -> None:
        stt = NumberedStt(final_seconds, interim_seconds, wordless)
        async with a_chat(stt=stt, turn=eager(end_ms)) as chat:
            for step, frames in steps:
                await take(chat, step, frames)
            chat.bus.post(TalkReleased(chat.bus.turn("c")))
            await chat.bus.settled()
            check(chat, wordless, closed=any(step == "close" for step, _ in steps))

    run_virtual(main)


def check(chat: Chat, wordless: set[int], *, closed: bool) -> None:
    said = [int(text.split()[1].strip(".")) for text in chat.spoken()]
    assert all(text.count("Number") == 1 for text in chat.spoken())
    ended = [n for n in range(1, number_now(chat)) if n not in wordless]
    if closed:
        assert set(said) <= set(ended)
        assert said == sorted(set(said))
    else:
        assert said == ended
        assert list(strays(chat)) == []
    if mic := microphones(chat).get("c"):
        assert mic.utterance is None
        assert not mic.utterances
    assert not chat.heard.of(HandlerFailed)
    assert sum(s.kept for s in chat.heard.of(Speculated)) <= len(said)
    assert len(chat.heard.of(UserStartedSpeaking)) >= number_now(chat) - 1
