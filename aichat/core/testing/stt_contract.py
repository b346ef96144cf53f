"""Contract of speech recognisers, as tests to inherit."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import anyio
import numpy as np
import pytest

from aichat.core.backends import Stt, Utterance, charges
from aichat.core.events import MIC_RATE
from aichat.core.validators import is_storable

from .leak_checks import assert_it_leaves_nothing, assert_no_stall, assert_prompt, at_once, cut_off


def _pcm(samples: np.ndarray[tuple[int], np.dtype[np.float64]]) -> bytes:
    return samples.clip(-32768, 32767).astype("<i2").tobytes()


NOISES: Mapping[str, Callable[[], bytes]] = {
    "hiss": lambda: _pcm(3_000 * np.random.default_rng(1).standard_normal(MIC_RATE)),
    "as loud as can be": lambda: _pcm(
        32_767 * np.sign(np.random.default_rng(2).standard_normal(MIC_RATE))
    ),
    "a hum": lambda: _pcm(5_000 * np.sin(np.arange(MIC_RATE) * 2 * np.pi * 50 / MIC_RATE)),
    "a constant": lambda: _pcm(np.full(MIC_RATE, 12_000.0)),
    "a click": lambda: _pcm(np.where(np.arange(MIC_RATE) == 8_000, 32_000.0, 0.0)),
}


class SttContract:
    """Give fixtures ``stt`` and ``speech_pcm``: a few seconds of speech, PCM16 16 kHz mono."""

    pytestmark = pytest.mark.anyio

    async def test_speech_becomes_words(self, stt: Stt, speech_pcm: bytes) -> None:
        text = await stt.transcribe(Utterance("words", speech_pcm, final=True))
        assert text == text.strip()
        assert any(character.isalpha() for character in text)

    async def test_silence_has_no_words(self, stt: Stt) -> None:
        assert await stt.transcribe(Utterance("silence", bytes(2 * MIC_RATE), final=True)) == ""

    @pytest.mark.parametrize("final", [True, False], ids=["final", "interim"])
    @pytest.mark.parametrize("length", [0, 2, 64], ids=["nothing", "a sample", "2 ms"])
    async def test_nothing_at_all_has_no_words(self, stt: Stt, length: int, final: bool) -> None:
        assert await stt.transcribe(Utterance(f"none {length}", bytes(length), final)) == ""

    @pytest.mark.parametrize("name", NOISES)
    async def test_noise_breaks_nothing(self, stt: Stt, name: str, speech_pcm: bytes) -> None:
        text = await stt.transcribe(Utterance(name, NOISES[name](), final=True))
        assert is_storable(text)
        assert await stt.transcribe(Utterance(f"after {name}", speech_pcm, final=True))

    async def test_it_writes_what_can_be_kept(self, stt: Stt, speech_pcm: bytes) -> None:
        text = await stt.transcribe(Utterance("clean", speech_pcm, final=True))
        assert is_storable(text)
        assert text.isprintable()

    async def test_it_declares_a_usable_concurrency(self, stt: Stt) -> None:
        assert getattr(stt, "max_concurrent", None) is None or stt.max_concurrent >= 1  # type: ignore[attr-defined]
        assert isinstance(charges(stt), bool)

    async def test_an_utterance_may_grow(self, stt: Stt, speech_pcm: bytes) -> None:
        for part in (1, 2, 3):
            so_far = speech_pcm[: len(speech_pcm) * part // 4 // 2 * 2]
            assert isinstance(await stt.transcribe(Utterance("grows", so_far, False)), str)
        assert await stt.transcribe(Utterance("grows", speech_pcm, final=True))
        assert await stt.transcribe(Utterance("another", speech_pcm, final=True))

    async def test_an_utterance_may_go_on_after_its_probable_end(
        self, stt: Stt, speech_pcm: bytes
    ) -> None:
        half = speech_pcm[: len(speech_pcm) // 4 * 2]
        alone = await stt.transcribe(Utterance("alone", speech_pcm, final=True))
        await stt.transcribe(Utterance("goes on", half, final=True))
        await stt.transcribe(Utterance("goes on", speech_pcm, final=False))
        whole = await stt.transcribe(Utterance("goes on", speech_pcm, final=True))
        assert whole
        assert 0.5 < len(whole) / len(alone) < 2, "the beginning was lost, or written twice"

    async def test_names_to_expect_do_no_harm(self, stt: Stt, speech_pcm: bytes) -> None:
        for names in (
            ("Olivia", "Mark"),
            ("Zoë", "李小龙", "\U0001f600 Bot", ""),
            ("x" * 500,) * 40,
        ):
            utterance = Utterance(f"names {len(names)}", speech_pcm, True, hotwords=names)
            assert isinstance(await stt.transcribe(utterance), str)
        assert await stt.transcribe(Utterance("without", speech_pcm, final=True))

    async def test_the_same_again_is_written_again(self, stt: Stt, speech_pcm: bytes) -> None:
        for _ in range(3):
            assert await stt.transcribe(Utterance("again", speech_pcm, final=True))

    async def test_two_that_grow_in_turns_are_not_mixed_up(
        self, stt: Stt, speech_pcm: bytes
    ) -> None:
        half = len(speech_pcm) // 4 * 2
        await stt.transcribe(Utterance("talks", speech_pcm[:half], final=False))
        assert await stt.transcribe(Utterance("is silent", bytes(half), final=True)) == ""
        assert await stt.transcribe(Utterance("talks", speech_pcm, final=True))

    async def test_a_cancelled_caller_leaves_promptly_and_the_next_is_served(
        self, stt: Stt, speech_pcm: bytes
    ) -> None:
        async def leave() -> None:
            with anyio.move_on_after(0.01):
                await stt.transcribe(Utterance("left", 4 * speech_pcm, final=True))

        await assert_prompt(leave)
        with anyio.fail_after(60):
            assert await stt.transcribe(Utterance("next", speech_pcm, final=True))

    async def test_many_who_leave_are_forgotten(self, stt: Stt, speech_pcm: bytes) -> None:
        async def leave(number: int) -> None:
            long = Utterance(f"leaves {number}", 4 * speech_pcm, final=number % 2 == 0)
            await cut_off(lambda: stt.transcribe(long))

        await assert_prompt(lambda: at_once(8, leave))
        with anyio.fail_after(60):
            assert await stt.transcribe(Utterance("stays", speech_pcm, final=True))

    @pytest.mark.parametrize("count", [2, 5])
    async def test_all_at_once_get_their_words(
        self, stt: Stt, speech_pcm: bytes, count: int
    ) -> None:
        texts: dict[int, str] = {}

        async def listen(number: int) -> None:
            utterance = Utterance(f"{count} at once, {number}", speech_pcm, final=True)
            texts[number] = await stt.transcribe(utterance)

        await at_once(count, listen)
        assert all(texts[number] for number in range(count))

    async def test_the_event_loop_goes_on(self, stt: Stt, speech_pcm: bytes) -> None:
        utterance = Utterance("loop", speech_pcm, final=True)
        await stt.transcribe(utterance)
        await assert_no_stall(lambda: stt.transcribe(utterance))

    async def test_no_thread_and_no_task_is_left_behind(self, stt: Stt, speech_pcm: bytes) -> None:
        async def work() -> None:
            cut = Utterance("cut", speech_pcm, final=True)
            await cut_off(lambda: stt.transcribe(cut))
            await stt.transcribe(Utterance("after", speech_pcm, final=True))

        await assert_it_leaves_nothing(work)
