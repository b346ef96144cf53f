"""Answers that are begun before the end is certain, and leave no trace when it was none."""

from __future__ import annotations

import random
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aichat.core import Prompt, Utterance
from aichat.core.bus.virtual_time import run_virtual
from aichat.core.events import (
    AudioReady,
    ConversationClosed,
    Event,
    HandlerFailed,
    Interrupted,
    LineEvent,
    MessageAdded,
    SpeakersChosen,
    Speculated,
    TalkHeld,
    TalkReleased,
    TranscriptUpdated,
    TurnFinished,
    UserSaid,
    UtteranceHeard,
)
from aichat.core.memory_storage import MemoryStorage
from aichat.core.testing.fakes import FakeLlm, FakeTts, FakeTurn
from aichat.stages.hearing.endpoint_probability import (
    REVOKED_ALLOWANCE,
    REVOKED_SHARE,
    EndpointEstimator,
    SeenSigns,
    Sign,
)
from aichat.stages.hearing.local_agreement import words
from support.chat import Chat, a_chat, a_store
from support.microphone import QUIET, SPEECH, hear
from support.spoken_chat import Engines, a_spoken_chat, eager

pytestmark = pytest.mark.anyio


async def test_the_answer_is_ready_when_the_end_is_decided() -> None:
    engines = Engines()
    async with a_spoken_chat(engines, eager(700)) as chat:
        await hear(chat, *[SPEECH] * 30, *[QUIET] * 34)
        assert engines.spoken == ["Well, I see what you mean."]
        assert not chat.heard.of(AudioReady)
        assert not chat.heard.of(UserSaid)
        await hear(chat, QUIET)
        await anyio.lowlevel.checkpoint()
        ended = chat.heard.of(UtteranceHeard)[0].ended
        await chat.until(AudioReady)
        assert chat.bus.clock.now() - ended <= 0.7 + 0.02
        assert engines.finals == 1
        await chat.bus.settled()
        assert [(s.kept, s.turn) for s in chat.heard.of(Speculated)] == [
            (True, chat.heard.of(UserSaid)[0].turn)
        ]
        assert [name for name, _ in await chat.said()] == ["user", "Mark"]


def traces(events: list[Event]) -> list[Event]:
    """What anybody could have heard of an answer or of final words."""
    kinds = (UserSaid, SpeakersChosen, LineEvent, MessageAdded, TurnFinished, HandlerFailed)
    finals = [e for e in events if isinstance(e, TranscriptUpdated) and e.final]
    return [e for e in events if isinstance(e, kinds)] + finals


class Diary(MemoryStorage):
    """Notes whatever is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[str] = []

    async def add_message(self, message) -> None:  # type: ignore[no-untyped-def]
        self.written.append(message.content)
        await super().add_message(message)


async def a_diary() -> Diary:
    plain, diary = await a_store(), Diary()
    diary.__dict__.update(plain.__dict__)
    return diary


async def test_going_on_talking_revokes_it_without_a_trace() -> None:
    engines, store = Engines(["hello Mark", "how are you"]), await a_diary()
    async with a_spoken_chat(engines, eager(700), storage=store) as chat:
        await hear(chat, *[SPEECH] * 30, *[QUIET] * 34, *[SPEECH] * 10)
        assert engines.asked, "nothing was begun ahead"
        assert traces(chat.heard.events) == []
        assert store.written == []
        assert [s.kept for s in chat.heard.of(Speculated)] == [False]
        await hear(chat, *[QUIET] * 36)
        await chat.bus.settled()
        assert [said.text for said in chat.heard.of(UserSaid)] == ["hello Mark how are you"]
        assert [s.kept for s in chat.heard.of(Speculated)] == [False, True]
        assert [m.content for m in engines.asked[-1].messages[1:]] == ["hello Mark how are you"]
        assert [name for name, _ in await chat.said()] == ["user", "Mark"]
        assert not chat.heard.of(Interrupted)


async def test_only_the_first_clause_of_the_first_speaker_is_spoken_ahead() -> None:
    engines = Engines(["hello everybody"])
    async with a_spoken_chat(engines, eager(3000)) as chat:
        await hear(chat, *[SPEECH] * 30, *[QUIET] * 140)
        assert len(engines.spoken) == 1
        assert len(engines.asked) == 1
        await hear(chat, *[QUIET] * 20)
        await chat.bus.settled()
        assert len(engines.asked) == 3
        assert [line.name for line in chat.heard.of(SpeakersChosen)[0].lines] == [
            "Olivia", "Mark", "Rosa",
        ]  # fmt: skip
        places = [event.line.place for event in chat.heard.of(AudioReady)]
        assert places == sorted(places)


async def test_other_final_words_than_supposed_are_answered_instead() -> None:
    class Corrected(Engines):
        async def transcribe(self, utterance: Utterance) -> str:
            await anyio.sleep(0.15)
            return "Hello, Rosa!" if utterance.final else "Hello, Mark."

    engines = Corrected()
    async with a_spoken_chat(engines, eager(700)) as chat:
        await hear(chat, *[SPEECH] * 30, *[QUIET] * 40)
        await chat.bus.settled()
        assert [said.text for said in chat.heard.of(UserSaid)] == ["Hello, Rosa!"]
        assert [prompt.character.name for prompt in engines.asked] == ["Mark", "Rosa"]
        assert [s.kept for s in chat.heard.of(Speculated)] == [False, True]
        assert [name for name, _ in await chat.said()] == ["user", "Rosa"]


@pytest.mark.parametrize(("speculate", "charges", "ahead"), [
    ("auto", False, True), ("auto", True, False), ("on", True, True), ("off", False, False),
])  # fmt: skip
async def test_what_costs_money_is_not_asked_in_vain_unless_it_is_wanted(
    speculate: str, charges: bool, ahead: bool
) -> None:
    engines = Engines(charges=charges)
    async with a_spoken_chat(engines, eager(700, speculate)) as chat:
        await hear(chat, *[SPEECH] * 30, *[QUIET] * 34)
        assert bool(engines.asked) == ahead
        assert bool(engines.finals) == ahead
        await hear(chat, *[QUIET] * 6)
        await chat.bus.settled()
        assert len(chat.heard.of(UserSaid)) == 1
        assert engines.finals == 1


async def test_a_local_recogniser_works_ahead_of_a_model_that_charges() -> None:
    class Paid(FakeLlm):
        charges = True

    engines, llm = Engines(), Paid()
    async with a_chat(stt=engines, llm=llm, tts=engines, turn=eager(700)) as chat:
        await hear(chat, *[SPEECH] * 30, *[QUIET] * 34)
        assert engines.finals == 1
        assert not llm.asked
        await hear(chat, *[QUIET] * 6)
        await chat.bus.settled()
        assert engines.finals == 1
        assert len(llm.asked) == 1


@pytest.mark.parametrize("text", ["I would like a pizza and", "um", ""])
async def test_nothing_is_answered_ahead_that_is_unfinished_or_no_words(text: str) -> None:
    engines = Engines([text])
    async with a_spoken_chat(engines, eager(700)) as chat:
        await hear(chat, *[SPEECH] * 30, *[QUIET] * 30)
        assert not engines.asked
        await hear(chat, *[QUIET] * 10)
        await chat.bus.settled()


async def test_nothing_is_answered_ahead_while_characters_speak() -> None:
    engines = Engines(["mhm"])
    async with a_spoken_chat(engines, FakeTurn(end_ms=700, barge_in_ms=5000)) as chat:
        turn = chat.bus.new_turn("c")
        await chat.bus.publish(UserSaid(turn, "@Olivia hi"))
        await hear(chat, *[SPEECH] * 20, *[QUIET] * 20)
        assert not chat.heard.of(Interrupted)
        assert len(engines.asked) == 1
        await hear(chat, *[QUIET] * 20)
        await chat.bus.settled()


async def test_after_a_barge_in_the_answer_is_begun_ahead_as_well() -> None:
    engines = Engines()
    async with a_chat(
        stt=engines, llm=engines, tts=FakeTts(ms_per_word=1000), turn=eager(700)
    ) as chat:
        await chat.begin("@Olivia hi")
        await chat.until(AudioReady)
        await hear(chat, *[SPEECH] * 30, *[QUIET] * 30)
        assert len(chat.heard.of(Interrupted)) == 1
        assert len(engines.asked) == 2
        await hear(chat, *[QUIET] * 10)
        await chat.bus.settled()
        assert [i.reason for i in chat.heard.of(Interrupted)] == ["barge_in"]
        assert [s.kept for s in chat.heard.of(Speculated)] == [True]


async def test_typing_meanwhile_wins_over_what_was_supposed() -> None:
    engines = Engines()
    async with a_spoken_chat(engines, eager(700)) as chat:
        await hear(chat, *[SPEECH] * 30, *[QUIET] * 30)
        await chat.begin("@Rosa typed")
        await hear(chat, *[QUIET] * 10)
        await chat.bus.settled()
        assert [said.text for said in chat.heard.of(UserSaid)] == ["@Rosa typed", "hello Mark"]
        assert [s.kept for s in chat.heard.of(Speculated)] == [False]


async def test_a_failure_ahead_is_told_once_it_is_the_users_turn_or_never() -> None:
    class Broken(FakeLlm):
        async def reply(self, prompt: Prompt) -> AsyncIterator[str]:
            raise RuntimeError("no model")
            yield ""

    engines = Engines(["hello Mark", "again"])
    async with a_chat(
        stt=engines, llm=Broken(), tts=engines, turn=eager(700), failures=True
    ) as chat:
        await hear(chat, *[SPEECH] * 30, *[QUIET] * 30, *[SPEECH] * 10)
        assert traces(chat.heard.events) == []
        await hear(chat, *[QUIET] * 40)
        await chat.bus.settled()
        assert [str(f.error) for f in chat.heard.of(HandlerFailed)] == ["no model"]
        assert len(chat.heard.of(TurnFinished)) == 1


async def test_a_recogniser_that_fails_ahead_is_told_once_the_text_is_needed() -> None:
    class Broken(Engines):
        async def transcribe(self, utterance: Utterance) -> str:
            if utterance.final:
                raise RuntimeError("model fell over")
            return await super().transcribe(utterance)

    engines = Broken(["Hello, Mark."])
    async with a_spoken_chat(engines, eager(700), failures=True) as chat:
        await hear(chat, *[SPEECH] * 30, *[QUIET] * 30)
        assert not chat.heard.of(HandlerFailed)
        await hear(chat, *[QUIET] * 10)
        await chat.bus.settled()
        assert [str(f.error) for f in chat.heard.of(HandlerFailed)] == ["model fell over"]
        assert not chat.heard.of(UserSaid)
        assert [s.kept for s in chat.heard.of(Speculated)] == [False]


async def test_push_to_talk_and_leaving_suppose_nothing() -> None:
    engines = Engines()
    async with a_spoken_chat(engines, eager(700)) as chat:
        chat.bus.post(TalkHeld(chat.bus.turn("c")))
        await hear(chat, *[SPEECH] * 30, *[QUIET] * 60)
        assert not engines.asked
        chat.bus.post(TalkReleased(chat.bus.turn("c")))
        await chat.bus.settled()
        assert len(engines.asked) == 1
        await hear(chat, *[SPEECH] * 30, *[QUIET] * 30)
        before = len(traces(chat.heard.events))
        chat.bus.post(ConversationClosed(chat.bus.turn("c")))
        chat.bus.forget("c")
        await chat.bus.settled()
        assert len(traces(chat.heard.events)) == before


STRETCHES = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 60)), min_size=1, max_size=6)


@settings(deadline=None)
@given(STRETCHES)
def test_however_the_user_pauses_turns_are_the_same_with_and_without_speculation(
    stretches: list[tuple[int, int]],
) -> None:
    async def talk(speculate: str) -> list[str]:
        engines, store = Engines([f"word{n}" for n in range(9)]), await a_diary()
        async with a_spoken_chat(engines, eager(500, speculate), storage=store) as chat:
            for speech, quiet in stretches:
                await hear(chat, *[SPEECH] * speech, *[QUIET] * quiet)
            await hear(chat, *[QUIET] * 30)
            await chat.bus.settled()
            said = [event.text for event in chat.heard.of(UserSaid)]
            assert sorted(text for text in store.written if text.startswith("word")) == sorted(said)
            assert [text for name, text in await chat.said() if name == "user"] == messages(chat)
            return chat.spoken()  # which of them join depends on when the answers are heard

    with_it, without = run_virtual(talk, "on"), run_virtual(talk, "off")
    assert with_it == without


def messages(chat: Chat) -> list[str]:
    """The user's messages, each as it was said last."""
    return list({said.message_id: said.text for said in chat.heard.of(UserSaid)}.values())


class Growing(Engines):
    """Hears a word of *texts* in each 160 ms of voice, its end as soon as its beginning."""

    async def transcribe(self, utterance: Utterance) -> str:
        frames = [utterance.pcm[at : at + 640] for at in range(0, len(utterance.pcm), 640)]
        voiced = sum(frame.strip(b"\0") != b"" for frame in frames)
        await anyio.sleep(0.15)
        return " ".join(self.texts[: -(-voiced // 8)])


async def test_an_end_that_shows_in_the_words_is_answered_before_the_voice_stops() -> None:
    engines = Growing(["Mark,", "are", "you?"])
    async with a_spoken_chat(engines, eager(300)) as chat:
        await hear(chat, *[SPEECH] * 32)
        assert [prompt.messages[-1].content for prompt in engines.asked] == ["Mark, are you?"]
        assert traces(chat.heard.events) == []
        await hear(chat, *[QUIET] * 20)
        await chat.bus.settled()
        assert [said.text for said in chat.heard.of(UserSaid)] == ["Mark, are you?"]
        assert len(engines.asked) == 1
        assert [s.kept for s in chat.heard.of(Speculated)] == [True]


async def test_words_that_follow_revoke_what_was_begun_in_the_voice() -> None:
    engines, store = Growing(["Is", "it?", "I", "ask", "you,", "Mark."]), await a_diary()
    async with a_spoken_chat(engines, eager(300), storage=store) as chat:
        await hear(chat, *[SPEECH] * 60)
        assert [prompt.messages[-1].content for prompt in engines.asked] == [
            "Is it?", "Is it? I ask you, Mark.",
        ]  # fmt: skip
        assert traces(chat.heard.events) == []
        assert store.written == []
        await hear(chat, *[QUIET] * 20)
        await chat.bus.settled()
        assert [s.kept for s in chat.heard.of(Speculated)] == [False, True]
        assert [name for name, _ in await chat.said()] == ["user", "Mark"]


async def test_a_gap_within_a_word_does_not_revoke_what_was_begun() -> None:
    engines = Growing(["Mark,", "are", "you?"])
    async with a_spoken_chat(engines, eager(300)) as chat:
        await hear(chat, *[SPEECH] * 32)
        assert len(engines.asked) == 1
        await hear(chat, QUIET, *[SPEECH] * 5, *[QUIET] * 20)
        await chat.bus.settled()
        assert len(engines.asked) == 1
        assert [s.kept for s in chat.heard.of(Speculated)] == [True]


async def test_a_recogniser_that_ends_every_guess_with_a_full_stop_is_soon_not_believed() -> None:
    class Stopping(Growing):
        async def transcribe(self, utterance: Utterance) -> str:
            text = await super().transcribe(utterance)
            return text if utterance.final else f"{text}."

    engines = Stopping([f"word{n}" for n in range(20)])
    async with a_spoken_chat(engines, eager(300)) as chat:
        vain = []
        for _ in range(12):
            await hear(chat, *[SPEECH] * 80, *[QUIET] * 20)
            await chat.until(TurnFinished, len(chat.heard.of(UserSaid)))
            vain.append(sum(not s.kept for s in chat.heard.of(Speculated)))
        assert len(chat.heard.of(UserSaid)) == 12
        assert 0 < vain[0] <= 4, vain
        assert vain[-1] - vain[-5] <= 1, f"it is still believed: {vain}"


WORDS = st.lists(
    st.sampled_from(["so", "so.", "who?", "and", "the,", "um", "Mark", '"he']), min_size=9
)


@settings(deadline=None, max_examples=25)
@given(STRETCHES, WORDS)
def test_whatever_shows_in_the_words_turns_are_the_same_with_and_without_speculation(
    stretches: list[tuple[int, int]], texts: list[str]
) -> None:
    async def talk(speculate: str) -> list[list[str]]:
        engines, store = Growing(texts), await a_diary()
        async with a_spoken_chat(engines, eager(500, speculate), storage=store) as chat:
            for speech, quiet in stretches:
                await hear(chat, *[SPEECH] * speech, *[QUIET] * quiet)
            await hear(chat, *[QUIET] * 30)
            await chat.bus.settled()
            said = [words(event.text) for event in chat.heard.of(UserSaid)]
            kept = [words(text) for name, text in await chat.said() if name == "user"]
            assert kept == [words(text) for text in messages(chat)]
            assert sum(s.kept for s in chat.heard.of(Speculated)) <= len(said)
            written = [words(text) for text in store.written if not text.startswith("Well")]
            assert written == said
            return [words(text) for text in chat.spoken()]

    assert run_virtual(talk, "on") == run_virtual(talk, "off")


# -- what signs are worth --------------------------------------------------------------------

SIGNS = st.builds(
    Sign,
    st.sampled_from([0.05, 0.5, 0.7, 0.95]),
    st.sampled_from([0, 40, 400]),
    st.one_of(st.none(), st.floats(0, 1)),
    st.booleans(),
)


def seen_with(sign: Sign, *said: str) -> SeenSigns:
    """The sign of an utterance, seen when these words were known."""
    return {(sign.kind, said): None}


@given(st.lists(st.tuples(SIGNS, st.booleans())), SIGNS)
def test_what_is_thought_of_a_sign_is_a_likelihood_and_follows_what_was_seen(
    seen: list[tuple[Sign, bool]], sign: Sign
) -> None:
    estimator = EndpointEstimator()
    for one, is_right in seen:
        before = estimator.probability(one)
        estimator.learn(seen_with(one, "a"), ["a"] if is_right else ["a", "b"])
        assert (
            estimator.probability(one) >= before
            if is_right
            else estimator.probability(one) <= before
        )
    assert 0 <= estimator.probability(sign) <= 1


@given(SIGNS)
def test_a_sign_that_always_lies_is_believed_a_few_times_only(sign: Sign) -> None:
    estimator, begun = EndpointEstimator(), 0
    for _ in range(100):
        if estimator.should_speculate(sign):
            begun += 1
            estimator.speculated.add(False)
        estimator.learn(seen_with(sign, "a"), ["b"])
    assert begun <= 6


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(SIGNS, st.floats(0, 1)), min_size=20, max_size=80), st.randoms())
def test_of_doubtful_signs_no_more_are_tried_than_the_share_allows(
    stream: list[tuple[Sign, float]], chance: random.Random
) -> None:
    """Those that are right three times in four, as far as is known, are not doubtful."""
    estimator, begun, vain = EndpointEstimator(), 0, 0
    for sign, truth in stream:
        is_right = chance.random() < truth
        doubtful = estimator.probability(sign) < 1 - REVOKED_SHARE
        if estimator.should_speculate(sign) and doubtful:
            estimator.speculated.add(is_right)
            begun, vain = begun + 1, vain + (not is_right)
        estimator.learn(seen_with(sign, "a"), ["a"] if is_right else ["b"])
        in_vain = estimator.speculated.seen - estimator.speculated.right
        assert in_vain <= REVOKED_SHARE * (estimator.speculated.seen + 1) + REVOKED_ALLOWANCE + 1
    assert vain <= begun


def test_an_utterance_without_signs_teaches_nothing() -> None:
    estimator = EndpointEstimator()
    estimator.speculated.add(False)
    estimator.learn({}, ["x"])
    assert not estimator.tallies
    assert estimator.speculated.seen == 1


def test_working_ahead_saves_what_the_engines_take_and_wastes_little() -> None:
    """The measure of bench/speculation.py on a few turns: virtual time, so always the same."""
    sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
    try:
        from speculation import measure, percentile
    finally:
        del sys.path[0]
    ahead = run_virtual(measure, 50, 1, "smart_turn", "on")
    plain = run_virtual(measure, 50, 1, "smart_turn", "off")
    assert ahead.percentile(0.5) <= 520  # not even who knows all is below 400
    assert ahead.percentile(0.9) <= 600
    assert percentile(ahead.bounds, 0.5) >= 400
    assert ahead.in_vain <= 0.3 * ahead.begun
    assert ahead.percentile(0.5) <= plain.percentile(0.5) - 250
    assert ahead.percentile(0.95) <= plain.percentile(0.95)
    assert ahead.waste <= 0.25
    assert ahead.cut_off <= plain.cut_off + 1
