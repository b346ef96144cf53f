"""Contract of speech synthesisers, as tests to inherit.

Give the fixture that is named in the class, entered; override the others as you need. Limits are
generous (0.5 s to close): they find blocking calls, not slow machines.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import get_args

import anyio
import numpy as np
import pytest
from attrs import evolve

from aichat.core.backends import Ability, Clones, ReferenceClip, Tts, WordMark, abilities
from aichat.core.bus.streams import closing
from aichat.core.models import Voice

from .leak_checks import (
    Said,
    assert_it_leaves_nothing,
    assert_no_stall,
    assert_prompt,
    assert_prompt_close,
    at_once,
    first_audio,
    say,
    sound_alike,
)

SENTENCE = "Hello there, my name is Olivia, and I would love to hear what you think."
LONG_TEXT = ("The quick brown fox jumps over the lazy dog, and it does so again. " * 150)[:10_000]
SHORT_TEXTS = ("Hi.", "No", "7", "Dr. Jones?", "It's 5:30 p.m.")
ODD_TEXTS = (
    "...",
    "\u2026 \u2014 !?",
    "\U0001f389\U0001f469\u200d\U0001f680",
    "na\u00efve caf\u00e9 \u4f60\u597d \u0645\u0631\u062d\u0628\u0627 \U0001d4d7\U00020000",
    "".join(chr((plane << 16) + 0x0041) for plane in range(17)),
    "tab\tnew\nline \x01\x07\x1b control \ufffe\uffff",
    "<b>&amp;[[x]] 100% $5.20 12,345 e.g.",
    "a" * 3_000,
)
OTHERS_VOICES = (
    Voice("unknown settings", settings={"an engine of tomorrow": {"pitch": "blue"}, "seed": 7}),
    Voice("a clone, its clip lost", "clone", audio_path="no-such-clip.wav"),
    Voice("codes of another engine", "clone", audio_path="x.wav", audio_tokens=[[1, 2], [3, 4]]),
    Voice("long words", speaker_desc="Female, warm. " * 300, scene_prompt="A quiet room. " * 300),
    Voice("你好 \U0001f389", speaker_desc="\u202e<b>[[voice]]</b>"),
)
"""Voices that were made for other engines; each must be spoken in."""
ABILITIES = set(get_args(Ability))


class TtsContract:
    """Give a fixture ``tts``."""

    pytestmark = pytest.mark.anyio

    @pytest.fixture
    def voice(self) -> Voice:
        """Return the voice to speak with."""
        return Voice("Contract", speaker_desc="A calm woman")

    @pytest.fixture
    def reference(self) -> ReferenceClip:
        """Return a reference to clone a voice from: two seconds of a vowel-like sound."""
        time = np.arange(2 * 24_000) / 24_000
        tone = sum(np.sin(2 * np.pi * 140 * n * time) / n for n in range(1, 12))
        sound = 6_000 * tone * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * time))
        return ReferenceClip(sound.astype("<i2").tobytes(), 24_000, "Ah, ah, ah, ah, ah, ah.")

    # -- what it declares --------------------------------------------------------------------

    async def test_it_declares_a_usable_rate_and_concurrency(self, tts: Tts) -> None:
        assert 8_000 <= tts.sample_rate <= 192_000
        assert tts.max_concurrent >= 1

    async def test_it_declares_abilities_that_there_are(self, tts: Tts) -> None:
        assert abilities(tts) <= ABILITIES

    async def test_it_marks_words_if_it_says_so_and_only_then(self, tts: Tts, voice: Voice) -> None:
        said = await say(tts, SENTENCE, voice)
        assert bool(said.marks) == ("word_times" in abilities(tts))

    async def test_a_description_shapes_the_sound_if_it_says_so(self, tts: Tts) -> None:
        woman = Voice("same", speaker_desc="A young woman, high-pitched, speaking fast")
        man = Voice("same", speaker_desc="An old man, very deep, speaking slowly")
        differs = (await say(tts, SENTENCE, woman)).pcm != (await say(tts, SENTENCE, man)).pcm
        assert differs or "describe" not in abilities(tts)

    async def test_a_seed_makes_another_take_if_it_says_so(self, tts: Tts) -> None:
        takes = [Voice("same", settings={"seed": seed}) for seed in (1, 1, 2)]
        first, again, other = [(await say(tts, SENTENCE, take)).pcm for take in takes]
        is_exact = first == again and first != other
        is_close = sound_alike(first, again) and not sound_alike(first, other)
        assert is_exact or is_close or "seed" not in abilities(tts)

    async def test_it_speaks_in_a_cloned_voice_if_it_says_so(
        self, tts: Tts, reference: ReferenceClip
    ) -> None:
        assert isinstance(tts, Clones) or "clone" not in abilities(tts)
        if isinstance(tts, Clones):
            cloned = Voice("a contract's clone", "clone", audio_path="clip", text_path="words")
            codes = await tts.learn(cloned, reference)
            cloned = evolve(cloned, audio_tokens=codes)
            assert tts.knows(cloned)
            assert (await say(tts, SENTENCE, cloned)).pcm

    async def test_it_gets_to_know_a_described_voice_if_it_has_to(self, tts: Tts) -> None:
        if isinstance(tts, Clones):
            described = Voice("a contract's description", speaker_desc="An old man, slow")
            described = evolve(described, audio_tokens=await tts.learn(described, None))
            assert tts.knows(described)
            assert (await say(tts, SENTENCE, described)).pcm
        else:
            assert "clone" not in abilities(tts)

    # -- what it says ------------------------------------------------------------------------

    async def test_a_sentence_becomes_sound_in_whole_samples(self, tts: Tts, voice: Voice) -> None:
        said = await say(tts, SENTENCE, voice)
        assert 0.5 < len(said.pcm) / 2 / tts.sample_rate < 60
        assert np.abs(np.frombuffer(said.pcm, "<i2")).max() > 100, "it is silence"

    @pytest.mark.parametrize("text", SHORT_TEXTS)
    async def test_the_shortest_texts_are_heard(self, tts: Tts, voice: Voice, text: str) -> None:
        pcm = np.frombuffer((await say(tts, text, voice)).pcm, "<i2")
        assert pcm.size
        assert np.abs(pcm).max() > 100, "it is silence"

    async def test_word_marks_are_in_order_and_within_the_text(
        self, tts: Tts, voice: Voice
    ) -> None:
        said = await say(tts, SENTENCE, voice)
        starts = [mark.start for mark in said.marks]
        assert starts == sorted(set(starts))
        assert all(0 <= mark.start < mark.end <= len(SENTENCE) for mark in said.marks)
        moments = [mark.at for mark in said.marks]
        assert moments == sorted(moments)
        assert all(0 <= moment <= len(said.pcm) // 2 for moment in moments)

    @pytest.mark.parametrize("text", ["", "  ", "\n"], ids=["nothing", "spaces", "a line end"])
    async def test_empty_text_is_no_sound(self, tts: Tts, voice: Voice, text: str) -> None:
        assert (await say(tts, text, voice)).pcm == b""

    @pytest.mark.parametrize("text", ODD_TEXTS, ids=range(len(ODD_TEXTS)))
    async def test_odd_text_breaks_nothing(self, tts: Tts, voice: Voice, text: str) -> None:
        said = await say(tts, text, voice)
        assert all(0 <= mark.start < mark.end <= len(text) for mark in said.marks)
        assert (await say(tts, "Still here.", voice)).pcm

    @pytest.mark.parametrize("stranger", OTHERS_VOICES, ids=lambda voice: voice.voice)
    async def test_a_voice_made_for_another_engine_speaks(self, tts: Tts, stranger: Voice) -> None:
        assert (await say(tts, "Hello there.", stranger)).pcm

    # -- beginning and ending ----------------------------------------------------------------

    async def test_a_long_text_begins_at_once_and_closes_promptly(
        self, tts: Tts, voice: Voice
    ) -> None:
        async def begin() -> AsyncIterator[bytes | WordMark]:
            with anyio.fail_after(60):
                stream = tts.speak(LONG_TEXT, voice)
                assert await first_audio(stream)
            return stream

        await assert_prompt_close(begin)
        assert (await say(tts, "Still here.", voice)).pcm

    async def test_a_stream_that_is_never_read_does_no_harm(self, tts: Tts, voice: Voice) -> None:
        for _ in range(2 * tts.max_concurrent):
            async with closing(tts.speak(SENTENCE, voice)):
                pass
        with anyio.fail_after(60):
            assert (await say(tts, "Still here.", voice)).pcm

    async def test_a_cancelled_listener_leaves_promptly_and_the_voice_speaks_again(
        self, tts: Tts, voice: Voice
    ) -> None:
        for _ in range(2 * tts.max_concurrent):
            await assert_prompt(lambda: _listen_and_leave(tts, voice))
        with anyio.fail_after(60):
            assert (await say(tts, "Still here.", voice)).pcm

    async def test_who_waits_for_a_free_voice_may_leave(self, tts: Tts, voice: Voice) -> None:
        streams = [tts.speak(LONG_TEXT, voice) for _ in range(tts.max_concurrent)]
        try:
            for stream in streams:
                await first_audio(stream)
            with anyio.move_on_after(0.05):
                await say(tts, "No place for me.", voice)
        finally:
            for stream in streams:
                async with closing(stream):
                    pass
        with anyio.fail_after(60):
            assert (await say(tts, "Still here.", voice)).pcm

    # -- several at once ---------------------------------------------------------------------

    async def test_two_speak_at_once(self, tts: Tts, voice: Voice) -> None:
        texts = ("The first of two voices.", "And another one, at the same time.")
        alone = [await say(tts, text, voice) for text in texts]
        together: dict[int, Said] = {}

        async def speak(number: int) -> None:
            together[number] = await say(tts, texts[number], voice)

        await at_once(2, speak)
        for number, before in enumerate(alone):
            ratio = len(together[number].pcm) / len(before.pcm)
            assert 0.3 < ratio < 3, "voices that speak at once disturb each other"

    async def test_so_many_voices_as_it_says_have_begun_before_one_has_ended(
        self, tts: Tts, voice: Voice
    ) -> None:
        streams = [tts.speak(LONG_TEXT, voice) for _ in range(tts.max_concurrent)]
        try:
            with anyio.fail_after(60):
                for stream in streams:
                    assert await first_audio(stream)
        finally:
            for stream in streams:
                async with closing(stream):
                    pass

    async def test_more_than_it_says_wait_for_their_turn(self, tts: Tts, voice: Voice) -> None:
        heard: list[int] = []

        async def speak(number: int) -> None:
            heard.append(len((await say(tts, "One after the other.", voice)).pcm))

        with anyio.fail_after(60):
            await at_once(tts.max_concurrent + 2, speak)
        assert len(heard) == tts.max_concurrent + 2
        assert all(heard)

    # -- manners -----------------------------------------------------------------------------

    async def test_the_event_loop_goes_on(self, tts: Tts, voice: Voice) -> None:
        await say(tts, SENTENCE, voice)
        await assert_no_stall(lambda: say(tts, SENTENCE, voice))

    async def test_no_thread_and_no_task_is_left_behind(self, tts: Tts, voice: Voice) -> None:
        async def work() -> None:
            async def speak(number: int) -> None:
                await say(tts, "One.", voice)

            await at_once(tts.max_concurrent, speak)
            await _listen_and_leave(tts, voice)

        await assert_it_leaves_nothing(work)


async def _listen_and_leave(tts: Tts, voice: Voice) -> None:
    """Read the first audio of a long text, then be cancelled."""
    async with anyio.create_task_group() as tasks:

        async def listen() -> None:
            async with closing(tts.speak(LONG_TEXT, voice)) as stream:
                await first_audio(stream)
                tasks.cancel_scope.cancel()
                await anyio.sleep_forever()

        tasks.start_soon(listen)
