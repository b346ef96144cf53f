"""The benchmark's stub backends as one plug-in: the same work that every contender does."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator

import anyio

sys.path.insert(0, os.environ["BENCH_HARNESS"])  # the folder of workload.py

from workload import TRANSCRIPT, Workload, is_speech  # noqa: E402

from aichat.core import Backend, Character, Conversation, Pause, Prompt, Utterance, Voice, hookimpl  # noqa: E402
from aichat.core.memory_storage import MemoryStorage  # noqa: E402

WORK = Workload.from_env()
TOKENS = WORK.token_list()
SESSIONS = 500


class StubVad:
    """A frame with any sound in it is speech."""

    frame_samples = WORK.in_rate // 50

    def stream(self) -> StubVad:
        return self

    def is_speech(self, pcm: bytes) -> bool:
        return is_speech(pcm)


class StubTurn:
    """The first silent frame ends the turn, the first speech frame interrupts."""

    barge_in_ms = 0

    def is_over(self, pause: Pause) -> bool:
        return True


class StubStt:
    async def transcribe(self, utterance: Utterance) -> str:
        return TRANSCRIPT if utterance.final else ""


class StubLlm:
    async def reply(self, prompt: Prompt) -> AsyncIterator[str]:
        for token in TOKENS:
            if WORK.token_delay_ms:
                await anyio.sleep(WORK.token_delay_ms / 1000)
            yield token


class StubTts:
    sample_rate = WORK.out_rate
    max_concurrent = 8

    async def speak(self, text: str, voice: Voice) -> AsyncIterator[bytes]:
        delay = WORK.tts_first_ms
        for chunk in WORK.pcm_chunks(text):
            if delay:
                await anyio.sleep(delay / 1000)
            delay = WORK.tts_chunk_delay_ms
            yield chunk


class StubStorage(MemoryStorage):
    """One character, and a conversation for each session."""

    async def __aenter__(self) -> StubStorage:
        await self.add_character(Character("olivia", "Olivia", "You are Olivia."))
        for session in range(SESSIONS):
            await self.add_conversation(
                Conversation(f"bench-{session}", active_characters=["olivia"])
            )
        return self

    async def __aexit__(self, *error: object) -> None: ...


@hookimpl
def vad_backend() -> Backend[StubVad]:
    return Backend("stub", StubVad)


@hookimpl
def turn_backend() -> Backend[StubTurn]:
    return Backend("stub", StubTurn)


@hookimpl
def stt_backend() -> Backend[StubStt]:
    return Backend("stub", StubStt)


@hookimpl
def llm_backend() -> Backend[StubLlm]:
    return Backend("stub", StubLlm)


@hookimpl
def tts_backend() -> Backend[StubTts]:
    return Backend("stub", StubTts)


@hookimpl
def storage_backend() -> Backend[StubStorage]:
    return Backend("stub", StubStorage)
