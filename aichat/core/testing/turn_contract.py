"""Contract of turn detectors, as tests to inherit."""

from __future__ import annotations

from collections.abc import Mapping

import anyio
import pytest

from aichat.core.backends import Pause, SoundJudge, TurnDetector
from aichat.core.events import MIC_RATE

from .leak_checks import assert_it_leaves_nothing, assert_no_stall, assert_prompt, at_once, cut_off

LONGEST_MS = 10_000
"""Longest silence after speech that does not end a turn."""
TEXTS = {
    "nothing": "",
    "a sentence": "What do you think?",
    "half of one": "I would like to",
    "marks": "\u2026?!",
    "other scripts": "你今天好吗？ שלום",
    "all planes": "".join(chr((plane << 16) + 0x0041) for plane in range(17)),
    "10,000 characters": "and then " * 1_111,
}
SOUNDS: Mapping[str, bytes] = {
    "nothing": b"",
    "a sample": bytes(2),
    "silence": bytes(2 * MIC_RATE),
    "a minute": bytes(60 * 2 * MIC_RATE),
    "as loud as can be": b"\xff\x7f\x00\x80" * MIC_RATE,
}


def ends_at(turn: TurnDetector, **known: object) -> int:
    """Return the silence (ms) that ends the turn, in steps of 10."""
    for silence_ms in range(0, LONGEST_MS + 1, 10):
        if turn.is_over(Pause(silence_ms, 1_500, **known)):  # type: ignore[arg-type]
            return silence_ms
    raise AssertionError(f"the turn goes on after {LONGEST_MS} ms of silence")


class TurnContract:
    """Give a fixture ``turn``. One that judges the sound keeps :class:`SoundTurnContract`."""

    pytestmark = pytest.mark.anyio

    async def test_one_that_judges_the_sound_is_tested_for_it(self, turn: TurnDetector) -> None:
        assert isinstance(turn, SoundJudge) == isinstance(self, SoundTurnContract)

    # -- what it declares --------------------------------------------------------------------

    async def test_speech_interrupts_after_some_time(self, turn: TurnDetector) -> None:
        assert isinstance(turn.barge_in_ms, int)
        assert 0 <= turn.barge_in_ms <= LONGEST_MS

    async def test_what_it_declares_beside_can_be_used(self, turn: TurnDetector) -> None:
        assert getattr(turn, "speculate", "auto") in ("auto", "on", "off")
        assert 0 <= getattr(turn, "resume_ms", 0) <= LONGEST_MS
        for name in ("back_channels", "stop_phrases"):
            phrases = getattr(turn, name, None)
            assert phrases is None or all(isinstance(phrase, str) for phrase in phrases)

    # -- when it is over ---------------------------------------------------------------------

    @pytest.mark.parametrize("finished", [0.0, 0.5, 1.0])
    async def test_a_long_silence_ends_every_turn(
        self, turn: TurnDetector, finished: float
    ) -> None:
        assert ends_at(turn, finished=finished) <= LONGEST_MS

    async def test_it_ends_also_for_who_has_said_no_word(self, turn: TurnDetector) -> None:
        assert ends_at(turn, has_words=False) <= LONGEST_MS

    @pytest.mark.parametrize("usual_ms", [0, 1, 400, 60_000])
    async def test_it_ends_for_users_of_any_rhythm(self, turn: TurnDetector, usual_ms: int) -> None:
        assert ends_at(turn, usual_ms=usual_ms) <= LONGEST_MS

    @pytest.mark.parametrize("finished", [0.0, 0.3, 0.5, 0.7, 1.0])
    async def test_what_is_over_stays_over(self, turn: TurnDetector, finished: float) -> None:
        end = ends_at(turn, finished=finished)
        later = range(end, LONGEST_MS, 100)
        assert all(turn.is_over(Pause(ms, 1_500, finished=finished)) for ms in later)

    async def test_the_surer_the_end_the_sooner_it_comes(self, turn: TurnDetector) -> None:
        ends = [ends_at(turn, finished=finished) for finished in (1.0, 0.8, 0.5, 0.2, 0.0)]
        assert ends == sorted(ends)

    async def test_the_same_pause_is_judged_alike(self, turn: TurnDetector) -> None:
        for silence_ms in range(0, 3_000, 50):
            pause = Pause(silence_ms, 1_500)
            assert turn.is_over(pause) == turn.is_over(pause)

    @pytest.mark.parametrize("name", TEXTS)
    async def test_any_words_are_taken(self, turn: TurnDetector, name: str) -> None:
        verdict = turn.is_over(Pause(200, 1_500, TEXTS[name], has_words=bool(TEXTS[name])))
        assert isinstance(verdict, bool)
        assert turn.is_over(Pause(LONGEST_MS, 1_500, TEXTS[name]))

    async def test_a_verdict_does_not_hold_up_the_event_loop(self, turn: TurnDetector) -> None:
        async def judge() -> None:
            for silence_ms in range(0, 3_000, 30):
                turn.is_over(Pause(silence_ms, 1_500, TEXTS["10,000 characters"]))
                await anyio.sleep(0)

        await assert_no_stall(judge)


class SoundTurnContract(TurnContract):
    """As :class:`TurnContract`, for a detector that judges the sound as well.

    Give fixtures ``turn`` and ``speech_pcm``: a few seconds of speech, PCM16 16 kHz mono.
    """

    @pytest.fixture
    def judge(self, turn: TurnDetector) -> SoundJudge:
        """Return the detector in its other role."""
        assert isinstance(turn, SoundJudge)
        return turn

    @pytest.mark.parametrize("name", SOUNDS)
    async def test_a_sound_is_judged_between_0_and_1(self, judge: SoundJudge, name: str) -> None:
        assert 0 <= await judge.finished(SOUNDS[name]) <= 1

    async def test_who_leaves_is_let_go_promptly_and_the_next_is_served(
        self, judge: SoundJudge, speech_pcm: bytes
    ) -> None:
        for _ in range(4):
            await assert_prompt(lambda: cut_off(lambda: judge.finished(speech_pcm)))
        with anyio.fail_after(60):
            assert 0 <= await judge.finished(speech_pcm) <= 1

    async def test_several_at_once_are_judged_as_one_alone(
        self, judge: SoundJudge, speech_pcm: bytes
    ) -> None:
        alone, together = await judge.finished(speech_pcm), list[float]()

        async def ask(number: int) -> None:
            together.append(await judge.finished(speech_pcm))

        await at_once(4, ask)
        assert together == pytest.approx([alone] * 4, abs=1e-3)

    async def test_the_event_loop_goes_on_meanwhile(
        self, judge: SoundJudge, speech_pcm: bytes
    ) -> None:
        await judge.finished(speech_pcm)
        await assert_no_stall(lambda: judge.finished(speech_pcm))

    async def test_no_thread_and_no_task_is_left_behind(
        self, judge: SoundJudge, speech_pcm: bytes
    ) -> None:
        async def work() -> None:
            await cut_off(lambda: judge.finished(speech_pcm))
            await judge.finished(speech_pcm)

        await assert_it_leaves_nothing(work)
