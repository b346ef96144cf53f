"""Spoken turns: where utterances begin and end, what interrupts, what happens when audio stops."""

from __future__ import annotations

from collections.abc import Iterator

import anyio
import pytest
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st

from aichat.core import Pause, Utterance
from aichat.core.bus.virtual_time import run_virtual
from aichat.core.events import (
    AudioReady,
    AudioReceived,
    HandlerFailed,
    InterimAudio,
    Interrupted,
    TalkHeld,
    TalkReleased,
    TranscriptUpdated,
    UserPaused,
    UserResumed,
    UserSaid,
    UserStartedSpeaking,
    UtteranceHeard,
)
from aichat.core.registry.selection import Candidate, State
from aichat.core.testing.fakes import FakeStt, FakeTts, FakeTurn, FakeVad
from support.chat import a_chat
from support.microphone import QUIET, SPEECH, hear

pytestmark = pytest.mark.anyio


@define
class PreparesStt(FakeStt):
    """A recogniser that takes the likely languages."""

    prepared: list[tuple[str, ...]] = field(factory=list)

    def prepare(self, languages: tuple[str, ...]) -> None:
        self.prepared.append(languages)


async def test_speech_and_a_pause_make_a_turn() -> None:
    async with a_chat(stt=FakeStt("hello Mark"), turn=FakeTurn(end_ms=300)) as chat:
        await hear(chat, *[QUIET] * 50, *[SPEECH] * 20, *[QUIET] * 30)
        await chat.bus.settled()
        said = chat.heard.of(UserSaid)
        assert [(s.text, s.source) for s in said] == [("hello Mark", "voice")]
        utterance = chat.heard.of(UtteranceHeard)[0]
        # 320 ms before the first frame, 400 ms of speech, 300 ms of silence
        assert len(utterance.pcm) // 32 == pytest.approx(320 + 400 + 300, abs=20)
        assert chat.heard.of(AudioReady)


async def test_the_recogniser_is_told_whose_names_it_may_hear() -> None:
    recogniser = FakeStt("hello Mark")
    async with a_chat(stt=recogniser, turn=FakeTurn(end_ms=300)) as chat:
        await hear(chat, *[SPEECH] * 20, *[QUIET] * 30)
        await chat.bus.settled()
    assert {utterance.hotwords for utterance in recogniser.asked} == {("Olivia", "Mark", "Rosa")}
    assert [utterance.final for utterance in recogniser.asked][-1]


async def test_a_recogniser_prepares_for_the_languages_of_each_client() -> None:
    recogniser = PreparesStt("hello")
    async with a_chat(stt=recogniser, turn=FakeTurn(end_ms=300)) as chat:
        for languages in [("de", "en"), ("de", "en"), ("fr",)]:
            for frame in [*[SPEECH] * 20, *[QUIET] * 30]:
                await chat.bus.publish(AudioReceived(chat.bus.turn("c"), frame, languages))
            await chat.bus.settled()
    assert recogniser.prepared == [("de", "en"), ("fr",)]
    finals = [utterance.languages for utterance in recogniser.asked if utterance.final]
    assert list(dict.fromkeys(finals)) == [("de", "en"), ("fr",)]


async def test_a_short_pause_does_not_end_the_turn() -> None:
    async with a_chat(turn=FakeTurn(end_ms=300)) as chat:
        await hear(chat, *[SPEECH] * 10, *[QUIET] * 10, *[SPEECH] * 10, *[QUIET] * 20)
        await chat.bus.settled()
        assert len(chat.heard.of(UtteranceHeard)) == 1
        assert len(chat.heard.of(UserPaused)) == 2
        assert len(chat.heard.of(UserResumed)) == 1


@settings(deadline=None)
@given(cuts=st.lists(st.integers(1, 1500), max_size=20))
def test_frames_of_any_size_are_heard_alike(cuts: list[int]) -> None:
    pcm = QUIET * 5 + SPEECH * 8 + QUIET * 5
    pieces, at = [], 0
    for cut in cuts:
        pieces.append(pcm[2 * at : 2 * (at + cut)])
        at += cut
    pieces.append(pcm[2 * at :])

    async def main() -> int:
        async with a_chat(turn=FakeTurn(end_ms=40)) as chat:
            for piece in filter(None, pieces):
                await chat.bus.publish(AudioReceived(chat.bus.turn("c"), piece))
            return len(chat.heard.of(UtteranceHeard)[0].pcm)

    assert run_virtual(main) == (5 + 8 + 2) * 640


async def test_words_appear_while_they_are_said() -> None:
    stt = FakeStt("so far")
    async with a_chat(stt=stt, turn=FakeTurn(end_ms=300)) as chat:
        await hear(chat, *[SPEECH] * 100, *[QUIET] * 20)
        await chat.bus.settled()
        updates = chat.heard.of(TranscriptUpdated)
        assert [u.final for u in updates] == [False] * (len(updates) - 1) + [True]
        assert len(updates) >= 3
        assert len({asked.key for asked in stt.asked}) == 1


class Slow(FakeStt):
    """Takes ten seconds for a guess, none for the final answer."""

    async def transcribe(self, utterance: Utterance) -> str:
        if not utterance.final:
            await anyio.sleep(10)
        return "final words"


async def test_a_guess_that_is_still_made_never_delays_the_final_transcript() -> None:
    async with a_chat(stt=Slow(), turn=FakeTurn(end_ms=300)) as chat:
        began = chat.bus.clock.now()
        await hear(chat, *[SPEECH] * 60, *[QUIET] * 16)
        await chat.until(UserSaid)
        assert chat.bus.clock.now() - began < 1.6
        assert len(chat.heard.of(InterimAudio)) >= 1


class Deaf(FakeStt):
    """Hears no words."""

    async def transcribe(self, utterance: Utterance) -> str:
        return ""


async def test_speaking_interrupts_after_the_set_time_whatever_the_words() -> None:
    slow = FakeTts(ms_per_word=1000)
    async with a_chat(stt=Deaf(), tts=slow, turn=FakeTurn(end_ms=200, barge_in_ms=250)) as chat:
        await chat.begin("@Olivia hi")
        await chat.until(AudioReady)
        await hear(chat, *[SPEECH] * 12)
        assert not chat.heard.of(Interrupted)
        await hear(chat, SPEECH, SPEECH)
        assert [i.reason for i in chat.heard.of(Interrupted)] == ["barge_in"]
        frames = len(chat.heard.of(AudioReady))
        await hear(chat, *[SPEECH] * 20)
        assert len(chat.heard.of(AudioReady)) == frames


async def test_a_cough_without_words_interrupts_nobody() -> None:
    slow = FakeTts(ms_per_word=1000)
    async with a_chat(stt=Deaf(), tts=slow, turn=FakeTurn(end_ms=200, barge_in_ms=250)) as chat:
        await chat.begin("@Olivia hi")
        await chat.until(AudioReady)
        await hear(chat, *[SPEECH] * 5, *[QUIET] * 20)
        await anyio.sleep(1)
        assert not chat.heard.of(Interrupted)
        assert chat.heard.of(TranscriptUpdated)[-1] == TranscriptUpdated(
            chat.bus.turn("c"), "", final=True
        )
        chat.bus.interrupt(Interrupted(chat.bus.turn("c")))


async def test_push_to_talk_ignores_pauses_and_ends_at_once() -> None:
    async with a_chat(turn=FakeTurn(end_ms=100)) as chat:
        chat.bus.post(TalkHeld(chat.bus.turn("c")))
        await hear(chat, *[SPEECH] * 10, *[QUIET] * 100, *[SPEECH] * 10)
        assert not chat.heard.of(UtteranceHeard)
        chat.bus.post(TalkReleased(chat.bus.turn("c")))
        assert len(chat.heard.of(UtteranceHeard)) == 1
        await chat.bus.settled()
        assert len(chat.heard.of(UserSaid)) == 1


async def test_push_to_talk_without_a_word_tells_the_page_so() -> None:
    async with a_chat() as chat:
        chat.bus.post(TalkHeld(chat.bus.turn("c")))
        chat.bus.post(TalkReleased(chat.bus.turn("c")))
        await chat.bus.settled()
        assert [(t.text, t.final) for t in chat.heard.of(TranscriptUpdated)] == [("", True)]
        assert not chat.heard.of(UserSaid)


async def test_audio_that_stops_coming_ends_the_utterance() -> None:
    async with a_chat(turn=FakeTurn(end_ms=300)) as chat:
        await hear(chat, *[SPEECH] * 10)
        await anyio.sleep(3)
        await chat.bus.settled()
        assert len(chat.heard.of(UtteranceHeard)) == 1
        await hear(chat, *[SPEECH] * 10, *[QUIET] * 30)
        await chat.bus.settled()
        assert len(chat.heard.of(UserStartedSpeaking)) == 2
        assert len(chat.heard.of(UserSaid)) == 2


async def test_an_endless_utterance_is_cut() -> None:
    async with a_chat(turn=FakeTurn(end_ms=300)) as chat:
        await hear(chat, *[SPEECH] * 3100)
        heard = chat.heard.of(UtteranceHeard)
        assert len(heard) == 1
        assert len(heard[0].pcm) == 60_000 * 32
        await hear(chat, *[QUIET] * 20)


class BrokenStt(FakeStt):
    async def transcribe(self, utterance: Utterance) -> str:
        if utterance.final and not self.asked:
            self.asked.append(utterance)
            raise RuntimeError("model fell over")
        return "now it works"


async def test_a_recogniser_that_fails_is_told_and_the_next_utterance_works() -> None:
    async with a_chat(stt=BrokenStt(), turn=FakeTurn(end_ms=100), failures=True) as chat:
        await hear(chat, *[SPEECH] * 10, *[QUIET] * 10)
        await chat.bus.settled()
        assert str(chat.heard.of(HandlerFailed)[0].error) == "model fell over"
        assert chat.heard.of(TranscriptUpdated)[-1].final
        await hear(chat, *[SPEECH] * 10, *[QUIET] * 10)
        await chat.bus.settled()
        assert [s.text for s in chat.heard.of(UserSaid)] == ["now it works"]


async def test_a_guess_that_fails_is_told_once_and_the_final_transcript_comes() -> None:
    class NoGuesses(FakeStt):
        async def transcribe(self, utterance: Utterance) -> str:
            if not utterance.final:
                raise RuntimeError("no guesses today")
            return "the final words"

    async with a_chat(stt=NoGuesses(), turn=FakeTurn(end_ms=100), failures=True) as chat:
        await hear(chat, *[SPEECH] * 100, *[QUIET] * 10)
        await chat.bus.settled()
        assert len(chat.heard.of(HandlerFailed)) == 1
        assert [s.text for s in chat.heard.of(UserSaid)] == ["the final words"]


async def test_a_recogniser_that_wants_no_guesses_hears_each_utterance_once() -> None:
    class Dear(FakeStt):
        charges = True
        guesses = False

    recogniser = Dear("hello Mark")
    async with a_chat(stt=recogniser, turn=FakeTurn(end_ms=300)) as chat:
        for _ in range(2):
            await hear(chat, *[SPEECH] * 100, *[QUIET] * 30)
            await chat.bus.settled()
    assert [utterance.final for utterance in recogniser.asked] == [True, True]
    assert [s.text for s in chat.heard.of(UserSaid)] == ["hello Mark"] * 2


class Unsteady(FakeStt):
    """Changes its mind about the last word until it has heard the next one."""

    def guesses(self) -> Iterator[str]:
        yield from ("I", "I scream", "ice cream", "ice cream, please", "Ice cream please now")

    async def transcribe(self, utterance: Utterance) -> str:
        self.asked.append(utterance)
        if utterance.final:
            return "Ice cream, please, now."
        guesses = list(self.guesses())
        return guesses[min(len(self.asked), len(guesses)) - 1]


async def test_words_that_were_shown_as_certain_never_flicker_back() -> None:
    async with a_chat(stt=Unsteady(), turn=FakeTurn(end_ms=300)) as chat:
        await hear(chat, *[SPEECH] * 30, *[QUIET] * 20)
        await chat.bus.settled()
        shown = [(u.text, u.tail) for u in chat.heard.of(TranscriptUpdated)]
        assert shown == [
            ("", "I"),
            ("I", "scream"),
            ("I", "cream"),
            ("I cream,", "please"),
            ("I cream, please", "now"),
            ("Ice cream, please, now.", ""),
        ]


async def test_of_one_session_one_guess_waits_at_most_and_it_hears_the_newest_audio() -> None:
    stt = FakeStt("words", seconds=0.7)
    async with a_chat(stt=stt, turn=FakeTurn(end_ms=300)) as chat:
        await hear(chat, *[SPEECH] * 100, *[QUIET] * 20)
        await chat.bus.settled()
    guesses = [len(asked.pcm) // 32 for asked in stt.asked if not asked.final]
    assert guesses == [120, 820, 1520, 2220]  # as soon as the last one has come, of all there is


async def test_a_guess_is_made_of_voice_not_of_silence() -> None:
    stt = FakeStt("words")
    async with a_chat(stt=stt, turn=FakeTurn(end_ms=5000)) as chat:
        await hear(chat, *[SPEECH] * 12, *[QUIET] * 240, *[QUIET] * 20)
        await chat.bus.settled()
    assert len([asked for asked in stt.asked if not asked.final]) <= 2


async def test_a_guess_that_takes_too_long_is_given_up_and_counted() -> None:
    async with a_chat(stt=Slow(), turn=FakeTurn(end_ms=300)) as chat:
        await hear(chat, *[SPEECH] * 300, *[QUIET] * 16)
        await chat.until(UserSaid)
        assert (
            chat.bus.dropped["aichat.stages.hearing.transcription.Transcription.transcribe_interim"]
            == 2
        )  # late; at the end


class LateVad(FakeVad):
    """Notices speech 200 ms after it began, as a detector that wants to be sure."""

    def stream(self) -> LateVad:
        return LateVad()

    def __init__(self) -> None:
        object.__setattr__(self, "frame_samples", 320)
        object.__setattr__(self, "run", 0)

    def is_speech(self, pcm: bytes) -> bool:
        object.__setattr__(self, "run", self.run + 1 if pcm.strip(b"\0") else 0)  # type: ignore[attr-defined]
        return bool(self.run > 10)  # type: ignore[attr-defined]


async def test_the_first_syllable_is_not_lost_though_the_detector_is_late() -> None:
    syllable = [bytes([n, 0]) * 320 for n in range(1, 21)]
    async with a_chat(vad=LateVad(), turn=FakeTurn(end_ms=100)) as chat:
        await hear(chat, *[QUIET] * 40, *syllable, *[QUIET] * 10)
        await chat.bus.settled()
        heard = chat.heard.of(UtteranceHeard)[0].pcm
        assert heard.lstrip(b"\0")[: 20 * 640].startswith(b"".join(syllable)[:-1])
        assert heard.index(syllable[0]) == (16 - 10) * 640  # some quiet before it as well


class BrokenVad(FakeVad):
    def stream(self) -> FakeVad:
        return self

    def is_speech(self, pcm: bytes) -> bool:
        raise RuntimeError("no such session")


class VadWithoutStreams(FakeVad):
    def stream(self) -> FakeVad:
        raise OSError("no such device")


class FallsOver(FakeVad):
    """Judges a second, then fails at each frame."""

    def stream(self) -> FakeVad:
        return self

    def is_speech(self, pcm: bytes) -> bool:
        judged.append(pcm)
        if len(judged) > 50:
            raise RuntimeError("out of memory")
        return True


judged: list[bytes] = []


@pytest.mark.parametrize("vad", [BrokenVad(), VadWithoutStreams()])
async def test_a_detector_that_fails_at_every_frame_is_told_once(vad: FakeVad) -> None:
    async with a_chat(vad=vad, failures=True) as chat:
        await hear(chat, *[SPEECH] * 1_000)  # 20 s
        assert len(chat.heard.of(HandlerFailed)) == 1
        await anyio.sleep(61)
        await hear(chat, *[SPEECH] * 100)
        assert len(chat.heard.of(HandlerFailed)) == 2


async def test_what_was_said_before_a_detector_fell_over_is_answered() -> None:
    judged.clear()
    async with a_chat(vad=FallsOver(), stt=FakeStt("hello Mark"), failures=True) as chat:
        await hear(chat, *[SPEECH] * 200)
        await chat.bus.settled()
        assert [said.text for said in chat.heard.of(UserSaid)] == ["hello Mark"]
        assert len(chat.heard.of(HandlerFailed)) == 1


class NeverSure(FakeTurn):
    def is_over(self, pause: Pause) -> bool:
        raise ZeroDivisionError("no pauses yet")


class NoBool(FakeTurn):
    def is_over(self, pause: Pause) -> bool:
        return Unsure()  # type: ignore[return-value]


class Unsure:
    def __bool__(self) -> bool:
        raise ValueError("ambiguous")


@pytest.mark.parametrize("turn", [NeverSure(), NoBool()])
async def test_a_turn_detector_that_fails_is_told_once_and_silence_ends_the_turn(
    turn: FakeTurn,
) -> None:
    async with a_chat(turn=turn, stt=FakeStt("hello Mark"), failures=True) as chat:
        for _ in range(2):
            await hear(chat, *[SPEECH] * 20, *[QUIET] * 100)
            await chat.bus.settled()
        assert [said.text for said in chat.heard.of(UserSaid)] == ["hello Mark"] * 2
        assert len(chat.heard.of(HandlerFailed)) == 1


class BadJudge(FakeTurn):
    """Says how the end sounded by *answer*, or not at all."""

    def __init__(self, answer: object) -> None:
        super().__init__(end_ms=300)
        object.__setattr__(self, "answer", answer)

    async def finished(self, pcm: bytes) -> float:
        if self.answer is None:  # type: ignore[attr-defined]
            await anyio.sleep_forever()
        if isinstance(self.answer, Exception):  # type: ignore[attr-defined]
            raise self.answer  # type: ignore[attr-defined]
        return self.answer  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize("answer", [None, "maybe", RuntimeError("no model"), [0.5]])
async def test_a_judge_of_sound_that_fails_is_told_once_and_silence_decides(
    answer: object,
) -> None:
    turn = BadJudge(answer)
    async with a_chat(turn=turn, stt=FakeStt("hello Mark"), failures=True) as chat:
        for _ in range(3):
            await hear(chat, *[SPEECH] * 20, *[QUIET] * 30)
            await chat.bus.settled()
        assert [said.text for said in chat.heard.of(UserSaid)] == ["hello Mark"] * 3
        assert len(chat.heard.of(HandlerFailed)) == 1


class OddStt(FakeStt):
    def __init__(self, answer: object) -> None:
        super().__init__()
        self.answer = answer

    async def transcribe(self, utterance: Utterance) -> str:
        return self.answer if utterance.final else ""  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ("spam " * 1_000_000, "The speech recogniser wrote 5,000,000 letters for 0.8 s of speech."),
        ("x" * 2_000, "The speech recogniser wrote 2,000 letters for 0.8 s of speech."),
        (None, "The speech recogniser gave NoneType, not a text."),
        (b"hello", "The speech recogniser gave bytes, not a text."),
        (["hello"], "The speech recogniser gave list, not a text."),
    ],
)
async def test_what_is_no_transcript_is_refused_in_words_and_opens_no_turn(
    answer: object, problem: str
) -> None:
    stt = OddStt(answer)
    async with a_chat(stt=stt, turn=FakeTurn(end_ms=100), failures=True) as chat:
        await hear(chat, *[QUIET] * 50, *[SPEECH] * 20, *[QUIET] * 10)
        await chat.bus.settled()
        assert [str(e.error).partition("\n")[0] for e in chat.heard.of(HandlerFailed)] == [problem]
        assert chat.heard.of(UserSaid) == []
        assert chat.heard.of(TranscriptUpdated)[-1] == TranscriptUpdated(
            chat.bus.turn("c"), "", final=True
        )
        stt.answer = "half an emoji \ud83d and a zero \0"
        await hear(chat, *[SPEECH] * 20, *[QUIET] * 10)
        await chat.bus.settled()
        assert chat.heard.of(UserSaid)[0].text == "half an emoji \ufffd and a zero \ufffd"


class HangingStt(FakeStt):
    async def transcribe(self, utterance: Utterance) -> str:
        self.asked.append(utterance)
        await anyio.sleep_forever()
        raise AssertionError


async def test_after_a_stall_the_next_ready_recogniser_writes_down_what_was_said() -> None:
    first, other = HangingStt(), FakeStt("hello Mark")
    async with a_chat(stt=first, turn=FakeTurn(end_ms=100)) as chat:
        candidate = Candidate("stt", "next", lambda: other, state=State.READY, backend=other)
        role = chat.parts.roles["stt"]
        role.candidates = [*role.candidates, candidate]
        before = chat.bus.clock.now()
        await hear(chat, *[SPEECH] * 20, *[QUIET] * 10)
        await chat.bus.settled()
        assert len(chat.heard.of(UserSaid)) == 1
        assert 30 <= chat.bus.clock.now() - before < 40
        asked, before = len(first.asked), chat.bus.clock.now()
        await hear(chat, *[SPEECH] * 20, *[QUIET] * 10)
        await chat.bus.settled()
        assert len(chat.heard.of(UserSaid)) == 2
        assert len(first.asked) == asked
        assert chat.bus.clock.now() - before < 10


async def test_the_only_recogniser_that_hangs_is_given_up_in_words() -> None:
    async with a_chat(stt=HangingStt(), turn=FakeTurn(end_ms=100), failures=True) as chat:
        await hear(chat, *[SPEECH] * 20, *[QUIET] * 10)
        await chat.bus.settled()
        (failed,) = chat.heard.of(HandlerFailed)
        assert "not transcribed within 30 seconds" in str(failed.error)
