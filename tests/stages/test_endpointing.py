"""When a turn is over: the words, the user's own pauses, the sound; and what is waited for."""

from __future__ import annotations

import anyio
import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from aichat.core import Pause, Utterance
from aichat.core.events import HandlerFailed, TalkHeld, UtteranceHeard, UtterancePaused
from aichat.core.testing.fakes import FakeStt
from aichat.plugins.silence import Silence
from aichat.stages.hearing.completeness import finished, fused, has_words
from aichat.stages.hearing.pause_stats import LONGEST_MS, MARGIN, SHORTEST_MS, PauseStats
from support.chat import Chat, a_chat
from support.microphone import QUIET, SPEECH, hear

pytestmark = pytest.mark.anyio

# -- the words -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "I would like a pizza with cheese and", "I was there, but", "So, um", "I like tea,",
        "My number is five five five", "it is 0 4 7", "She said “I never", 'He asked "why',
        "There are two (the red", "I think that...", "and then he went to the", "Ich komme, aber",
        "parce que", "y", "и", "Well –", "And.", "你好，", "「これは",
    ],
)  # fmt: skip
def test_what_is_unfinished_looks_so(text: str) -> None:
    assert finished(text) < 0.2


@pytest.mark.parametrize(
    "text",
    [
        "What is the weather like in London?", "Yes.", "I am 25.", "She said “never.”", "And?",
        "你好吗？", "Ça va !", "Call me at 555-0123.", "هل أنت هنا؟", "He asked (twice).",
    ],
)  # fmt: skip
def test_what_is_finished_looks_so(text: str) -> None:
    assert finished(text) > 0.6


@pytest.mark.parametrize("text", ["where are you from", "rufst du mich an", "hello there", "", "…"])
def test_what_does_not_show_is_left_open(text: str) -> None:
    assert finished(text) == 0.5


@given(st.text())
def test_any_text_gets_a_likelihood_and_case_and_blanks_do_not_matter(text: str) -> None:
    assert 0 <= finished(text) <= 1
    assert finished(f"  {text}\n") == finished(text.strip())
    if text.isascii():
        assert finished(text.upper()) == finished(text.lower())


@given(st.text(), st.sampled_from([" and", ", but", " und", " et", " um", " five six", " and,"]))
def test_whatever_came_before_more_follows_a_joining_word(text: str, joining: str) -> None:
    assert finished(text + joining) < 0.2


@given(st.text(st.characters(categories=["L", "Zs"]), min_size=1), st.sampled_from("?？؟"))
def test_a_question_is_finished_if_there_is_a_word_in_it(text: str, mark: str) -> None:
    if has_words(text) and finished(text) != 0.05:
        assert finished(text + mark) > 0.8


@pytest.mark.parametrize("text", ["", "um", "Uh, um…", "Hmm.", "!?"])
def test_sounds_of_thought_are_no_words(text: str) -> None:
    assert not has_words(text)


@given(st.floats(0, 1), st.floats(0, 1))
def test_two_judgements_that_agree_are_surer_and_none_leaves_the_other(
    words: float, sound: float
) -> None:
    both = fused(words, sound)
    assert 0 <= both <= 1
    assert fused(words, None) == words
    assert fused(0.5, sound) == pytest.approx(min(max(sound, 0.05), 0.95))
    if words >= 0.5 and sound >= 0.5:
        assert both >= max(min(words, 0.99), min(sound, 0.95)) - 1e-9


# -- the stats ------------------------------------------------------------------------------


@given(st.lists(st.integers(-1000, 100_000), max_size=60))
def test_what_is_usual_is_bounded_by_the_users_own_pauses(pauses: list[int]) -> None:
    stats = PauseStats()
    for pause in pauses:
        stats.add(pause)
    counted = [pause for pause in pauses if SHORTEST_MS <= pause <= LONGEST_MS][-20:]
    if len(counted) < 4:
        assert stats.usual_ms == 0
    else:
        assert MARGIN * min(counted) - 1 <= stats.usual_ms <= MARGIN * max(counted) + 1
        within = sum(pause <= stats.usual_ms for pause in counted)
        assert within >= 0.9 * len(counted) - 1


# -- in a conversation -----------------------------------------------------------------------


async def ended_after(chat: Chat, *before: bytes) -> int:
    """Say something, be quiet, and return the silence, in ms, that ended the turn."""
    await hear(chat, *before, *[QUIET] * 150)
    await chat.bus.settled()
    pcm = chat.heard.of(UtteranceHeard)[-1].pcm
    return (len(pcm) - len(pcm.rstrip(b"\0"))) // 32


@pytest.mark.parametrize(
    ("text", "silence_ms"),
    [
        ("where are you from", 600),
        ("What is your name?", 320),
        ("I like tea and", 1420),
        ("um", 1500),
    ],
)
async def test_the_words_decide_how_long_is_waited(text: str, silence_ms: int) -> None:
    async with a_chat(stt=FakeStt(text), turn=Silence(speculate="off")) as chat:
        assert await ended_after(chat, *[SPEECH] * 30) == silence_ms


async def test_a_cough_waits_for_the_first_word() -> None:
    class Slow(FakeStt):
        async def transcribe(self, utterance: Utterance) -> str:
            await anyio.sleep(0 if utterance.final else 10)
            return "Yes."

    async with a_chat(stt=Slow(), turn=Silence(speculate="off")) as chat:
        assert await ended_after(chat, *[SPEECH] * 5) == 1500
        assert await ended_after(chat, *[SPEECH] * 20) == 600


async def test_a_slow_speaker_is_given_time_and_a_quick_one_is_not_kept_waiting() -> None:
    slow, quick = [*[SPEECH] * 20, *[QUIET] * 25] * 6, [*[SPEECH] * 20, *[QUIET] * 6] * 6
    async with a_chat(stt=FakeStt("and so on it went"), turn=Silence(speculate="off")) as chat:
        assert await ended_after(chat, *slow, *[SPEECH] * 20) == 640  # 1.25 times 500 ms
    async with a_chat(stt=FakeStt("and so on it went"), turn=Silence(speculate="off")) as chat:
        assert await ended_after(chat, *quick, *[SPEECH] * 20) == 300


async def test_who_was_cut_off_and_goes_on_is_given_more_time() -> None:
    stt = FakeStt("and so on it went", seconds=0.0)
    async with a_chat(stt=stt, turn=Silence(speculate="off")) as chat:
        for _ in range(5):
            await hear(chat, *[SPEECH] * 20, *[QUIET] * 35)  # 700 ms: the turn has begun
        assert await ended_after(chat, *[SPEECH] * 20) > 800


@define
class Listening:
    """Hears that the user has finished, or has not."""

    likelihood: float
    asked: list[bytes] = field(factory=list)
    silence: Silence = field(factory=lambda: Silence(speculate="off"))
    barge_in_ms: int = 250
    speculate: str = "off"

    def is_over(self, pause: Pause) -> bool:
        return self.silence.is_over(pause)

    async def finished(self, pcm: bytes) -> float:
        self.asked.append(pcm)
        await anyio.sleep(0.05)
        return self.likelihood


@pytest.mark.parametrize(("likelihood", "silence_ms"), [(0.99, 320), (0.5, 600), (0.01, 1420)])
async def test_the_sound_is_judged_once_in_each_pause_and_joined_to_the_words(
    likelihood: float, silence_ms: int
) -> None:
    turn = Listening(likelihood)
    async with a_chat(stt=FakeStt("where are you from"), turn=turn) as chat:
        ended = await ended_after(chat, *[SPEECH] * 20, *[QUIET] * 10, *[SPEECH] * 20)
        assert abs(ended - silence_ms) <= 20
        assert len(turn.asked) == len(chat.heard.of(UtterancePaused)) == 2
        assert turn.asked[1].startswith(turn.asked[0][:-1])


async def test_a_judgement_that_comes_after_the_user_went_on_is_forgotten() -> None:
    turn = Listening(0.99)
    async with a_chat(stt=FakeStt("where are you from"), turn=turn) as chat:
        await hear(chat, *[SPEECH] * 20, *[QUIET] * 5, *[SPEECH] * 20, QUIET, QUIET)
        assert not chat.heard.of(UtteranceHeard)
        turn.likelihood = 0.5
        await hear(chat, *[QUIET] * 20)
        assert not chat.heard.of(UtteranceHeard), "the old judgement ended the turn"
        await hear(chat, *[QUIET] * 20)


@define
class Broken(Listening):
    async def finished(self, pcm: bytes) -> float:
        raise RuntimeError("no session")


async def test_a_model_that_fails_is_told_and_silence_decides() -> None:
    async with a_chat(stt=FakeStt("where are you from"), turn=Broken(0.99), failures=True) as chat:
        assert await ended_after(chat, *[SPEECH] * 20) == 600
        assert [str(f.error) for f in chat.heard.of(HandlerFailed)] == ["no session"]


async def test_push_to_talk_is_judged_by_nobody() -> None:
    turn = Listening(0.99)
    async with a_chat(turn=turn) as chat:
        chat.bus.post(TalkHeld(chat.bus.turn("c")))
        await hear(chat, *[SPEECH] * 20, *[QUIET] * 200)
        assert not chat.heard.of(UtteranceHeard)
        assert not chat.heard.of(UtterancePaused)
        assert not turn.asked
