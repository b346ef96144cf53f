"""What every voice activity detector, recogniser and voice must do, as tests to inherit.

Give the fixture that is named in the class, entered; override the others as you need. Limits are
generous (0.5 s to close, 50 ms for the event loop): they find blocking calls, not slow machines.
"""

from __future__ import annotations

import threading

import anyio
import numpy as np
import pytest

from ..backends import Stt, Tts, Utterance, Vad, VadStream
from ..events import MIC_RATE
from ..models import Voice
from ..streams import closing
from .probes import Said, assert_no_stall, assert_prompt, assert_threads_settle, first_audio, say

SENTENCE = "Hello there, my name is Olivia, and I would love to hear what you think."
LONG_TEXT = ("The quick brown fox jumps over the lazy dog, and it does so again. " * 150)[:10_000]
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


class TtsContract:
    """Give a fixture ``tts``."""

    pytestmark = pytest.mark.anyio

    @pytest.fixture
    def voice(self) -> Voice:
        """Return the voice to speak with."""
        return Voice("Contract", speaker_desc="A calm woman")

    async def test_it_declares_a_usable_rate_and_concurrency(self, tts: Tts) -> None:
        assert 8_000 <= tts.sample_rate <= 192_000
        assert tts.max_concurrent >= 1

    async def test_a_sentence_becomes_sound_in_whole_samples(self, tts: Tts, voice: Voice) -> None:
        said = await say(tts, SENTENCE, voice)
        assert 0.5 < len(said.pcm) / 2 / tts.sample_rate < 60
        assert np.abs(np.frombuffer(said.pcm, "<i2")).max() > 100, "it is silence"

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

    async def test_empty_text_is_no_sound(self, tts: Tts, voice: Voice) -> None:
        for text in ("", "  ", "\n"):
            assert (await say(tts, text, voice)).pcm == b""

    @pytest.mark.parametrize("text", ODD_TEXTS, ids=range(len(ODD_TEXTS)))
    async def test_odd_text_breaks_nothing(self, tts: Tts, voice: Voice, text: str) -> None:
        said = await say(tts, text, voice)
        assert all(0 <= mark.start < mark.end <= len(text) for mark in said.marks)
        assert (await say(tts, "Still here.", voice)).pcm

    async def test_a_long_text_begins_at_once_and_closes_promptly(
        self, tts: Tts, voice: Voice
    ) -> None:
        with anyio.fail_after(20):
            stream = tts.speak(LONG_TEXT, voice)
            assert await first_audio(stream)

        async def close() -> None:
            async with closing(stream):
                pass

        await assert_prompt(close)
        assert (await say(tts, "Still here.", voice)).pcm

    async def test_a_cancelled_listener_leaves_promptly_and_the_voice_speaks_again(
        self, tts: Tts, voice: Voice
    ) -> None:
        for _ in range(2 * tts.max_concurrent):
            await assert_prompt(lambda: _listen_and_leave(tts, voice))
        with anyio.fail_after(20):
            assert (await say(tts, "Still here.", voice)).pcm

    async def test_two_speak_at_once(self, tts: Tts, voice: Voice) -> None:
        texts = ("The first of two voices.", "And another one, at the same time.")
        alone = [await say(tts, text, voice) for text in texts]
        together: dict[str, Said] = {}

        async def speak(text: str) -> None:
            together[text] = await say(tts, text, voice)

        async with anyio.create_task_group() as tasks:
            for text in texts:
                tasks.start_soon(speak, text)
        for text, before in zip(texts, alone, strict=True):
            ratio = len(together[text].pcm) / len(before.pcm)
            assert 0.3 < ratio < 3, "voices that speak at once disturb each other"

    async def test_the_event_loop_goes_on(self, tts: Tts, voice: Voice) -> None:
        await say(tts, SENTENCE, voice)
        await assert_no_stall(lambda: say(tts, SENTENCE, voice))

    async def test_no_thread_is_left_behind(self, tts: Tts, voice: Voice) -> None:
        for _ in range(tts.max_concurrent):
            await say(tts, "One.", voice)
            await _listen_and_leave(tts, voice)
        await anyio.sleep(0.1)
        before = threading.active_count()
        for _ in range(5):
            await say(tts, "Two.", voice)
            await _listen_and_leave(tts, voice)
        await assert_threads_settle(before + 1)


async def _listen_and_leave(tts: Tts, voice: Voice) -> None:
    """Hear a little of a long text, then be cancelled."""
    async with anyio.create_task_group() as tasks:

        async def listen() -> None:
            async with closing(tts.speak(LONG_TEXT, voice)) as stream:
                await first_audio(stream)
                tasks.cancel_scope.cancel()
                await anyio.sleep_forever()

        tasks.start_soon(listen)


class SttContract:
    """Give fixtures ``stt`` and ``speech_pcm``: a few seconds of speech, PCM16 16 kHz mono."""

    pytestmark = pytest.mark.anyio

    async def test_speech_becomes_words(self, stt: Stt, speech_pcm: bytes) -> None:
        text = await stt.transcribe(Utterance("words", speech_pcm, final=True))
        assert text == text.strip()
        assert any(character.isalpha() for character in text)

    async def test_silence_has_no_words(self, stt: Stt) -> None:
        assert await stt.transcribe(Utterance("silence", bytes(2 * MIC_RATE), final=True)) == ""

    async def test_nothing_at_all_has_no_words(self, stt: Stt) -> None:
        assert await stt.transcribe(Utterance("nothing", b"", final=True)) == ""
        assert await stt.transcribe(Utterance("hardly", bytes(64), final=False)) == ""

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

    async def test_a_cancelled_caller_leaves_promptly_and_the_next_is_served(
        self, stt: Stt, speech_pcm: bytes
    ) -> None:
        async def leave() -> None:
            with anyio.move_on_after(0.01):
                await stt.transcribe(Utterance("left", 4 * speech_pcm, final=True))

        await assert_prompt(leave)
        with anyio.fail_after(60):
            assert await stt.transcribe(Utterance("next", speech_pcm, final=True))

    async def test_two_at_once_both_get_their_words(self, stt: Stt, speech_pcm: bytes) -> None:
        texts: dict[str, str] = {}

        async def listen(key: str) -> None:
            texts[key] = await stt.transcribe(Utterance(key, speech_pcm, final=True))

        async with anyio.create_task_group() as tasks:
            for key in ("one", "two"):
                tasks.start_soon(listen, key)
        assert all(texts[key] for key in ("one", "two"))

    async def test_the_event_loop_goes_on(self, stt: Stt, speech_pcm: bytes) -> None:
        utterance = Utterance("loop", speech_pcm, final=True)
        await assert_no_stall(lambda: stt.transcribe(utterance))

    async def test_no_thread_is_left_behind(self, stt: Stt, speech_pcm: bytes) -> None:
        await stt.transcribe(Utterance("before", speech_pcm, final=True))
        before = threading.active_count()
        for number in range(4):
            with anyio.move_on_after(0.01):
                await stt.transcribe(Utterance(f"cut {number}", speech_pcm, final=True))
        await stt.transcribe(Utterance("after", speech_pcm, final=True))
        await assert_threads_settle(before + 1)


class VadContract:
    """Give fixtures ``vad`` and ``speech_pcm``: a few seconds of speech, PCM16 16 kHz mono."""

    pytestmark = pytest.mark.anyio

    async def test_a_frame_is_10_to_100_ms(self, vad: Vad) -> None:
        assert MIC_RATE // 100 <= vad.frame_samples <= MIC_RATE // 10

    async def test_silence_is_no_speech(self, vad: Vad) -> None:
        assert not any(judge(vad, bytes(4 * MIC_RATE)))

    async def test_faint_noise_is_no_speech(self, vad: Vad) -> None:
        noise = 60 * np.random.default_rng(7).standard_normal(4 * MIC_RATE)
        judged = judge(vad, noise.astype("<i2").tobytes())
        assert sum(judged) < 0.1 * len(judged)

    async def test_most_loud_frames_of_speech_are_speech(self, vad: Vad, speech_pcm: bytes) -> None:
        judged = judge(vad, speech_pcm)
        loud = [
            verdict
            for verdict, is_loud in zip(judged, _loud(vad, speech_pcm), strict=True)
            if is_loud
        ]
        assert sum(loud) > len(loud) / 2
        assert all(isinstance(verdict, bool) for verdict in judged)

    async def test_speech_ends_within_a_second_of_silence(
        self, vad: Vad, speech_pcm: bytes
    ) -> None:
        assert not judge(vad, speech_pcm + bytes(2 * MIC_RATE))[-1]

    async def test_two_microphones_do_not_hear_each_other(
        self, vad: Vad, speech_pcm: bytes
    ) -> None:
        talking, silent = vad.stream(), vad.stream()
        verdicts = [
            (talking.is_speech(frame), silent.is_speech(bytes(len(frame))))
            for frame in frames(vad, speech_pcm)
        ]
        assert any(first for first, _ in verdicts)
        assert not any(second for _, second in verdicts)
        assert [first for first, _ in verdicts] == judge(vad, speech_pcm)

    async def test_a_frame_does_not_hold_up_the_event_loop(
        self, vad: Vad, speech_pcm: bytes
    ) -> None:
        stream = vad.stream()

        async def listen() -> None:
            for frame in frames(vad, speech_pcm):
                stream.is_speech(frame)
                await anyio.sleep(0)

        await assert_no_stall(listen)


def frames(vad: Vad, pcm: bytes) -> list[bytes]:
    """Cut *pcm* into whole frames."""
    size = 2 * vad.frame_samples
    return [pcm[at : at + size] for at in range(0, len(pcm) - size + 1, size)]


def judge(vad: Vad, pcm: bytes) -> list[bool]:
    """Let one new microphone hear *pcm*."""
    stream: VadStream = vad.stream()
    return [stream.is_speech(frame) for frame in frames(vad, pcm)]


def _loud(vad: Vad, pcm: bytes) -> list[bool]:
    """Tell which frames are louder than a third of the whole."""
    levels = [
        float(np.sqrt(np.mean(np.frombuffer(frame, "<i2").astype(float) ** 2)))
        for frame in frames(vad, pcm)
    ]
    return [level > max(levels) / 3 for level in levels]
