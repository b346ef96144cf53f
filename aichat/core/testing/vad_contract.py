"""Contract of voice activity detectors, as tests to inherit."""

from __future__ import annotations

import anyio
import numpy as np
import pytest

from aichat.core.backends import Vad, VadStream
from aichat.core.events import MIC_RATE

from .leak_checks import assert_no_stall

SOUNDS = {
    "as loud as can be": (b"\xff\x7f" * 40 + b"\x00\x80" * 40) * 200,
    "any bytes": np.random.default_rng(3).bytes(2 * MIC_RATE),
    "a constant": b"\x00\x40" * MIC_RATE,
    "a click": bytes(16_000) + b"\xff\x7f" + bytes(16_000),
}


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

    @pytest.mark.parametrize("name", SOUNDS)
    async def test_any_sound_is_judged(self, vad: Vad, name: str) -> None:
        judged = judge(vad, SOUNDS[name])
        assert judged
        assert all(isinstance(verdict, bool) for verdict in judged)

    async def test_the_same_sound_is_judged_alike(self, vad: Vad, speech_pcm: bytes) -> None:
        assert judge(vad, speech_pcm) == judge(vad, speech_pcm)

    async def test_speech_is_found_after_a_long_silence(self, vad: Vad, speech_pcm: bytes) -> None:
        stream = vad.stream()
        for frame in frames(vad, bytes(60 * 2 * MIC_RATE)):
            stream.is_speech(frame)
        assert any(stream.is_speech(frame) for frame in frames(vad, speech_pcm))

    async def test_quiet_speech_is_speech(self, vad: Vad, speech_pcm: bytes) -> None:
        quiet = np.frombuffer(speech_pcm, "<i2") // 4
        assert any(judge(vad, quiet.astype("<i2").tobytes()))

    async def test_many_microphones_may_be_open(self, vad: Vad, speech_pcm: bytes) -> None:
        few = frames(vad, speech_pcm)[: 2 * MIC_RATE // vad.frame_samples]
        streams = [vad.stream() for _ in range(20)]
        verdicts = [[stream.is_speech(frame) for stream in streams] for frame in few]
        assert all(len(set(row)) == 1 for row in verdicts)


def frames(vad: Vad, pcm: bytes) -> list[bytes]:
    """Cut *pcm* into whole frames."""
    size = 2 * vad.frame_samples
    return [pcm[at : at + size] for at in range(0, len(pcm) - size + 1, size)]


def judge(vad: Vad, pcm: bytes) -> list[bool]:
    """Return the verdict for each frame of *pcm*, with a new stream."""
    stream: VadStream = vad.stream()
    return [stream.is_speech(frame) for frame in frames(vad, pcm)]


def _loud(vad: Vad, pcm: bytes) -> list[bool]:
    """Return which frames are louder than a third of the loudest."""
    levels = [
        float(np.sqrt(np.mean(np.frombuffer(frame, "<i2").astype(float) ** 2)))
        for frame in frames(vad, pcm)
    ]
    return [level > max(levels) / 3 for level in levels]
