"""The contracts hold for what answers at once, and find what does not keep them."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator
from time import perf_counter
from types import SimpleNamespace

import anyio
import pytest

from aichat.core import Pause, Prompt, Utterance, Voice, WordMark
from aichat.core.testing import (
    AuthContract,
    LlmContract,
    SoundTurnContract,
    StorageContract,
    SttContract,
    TtsContract,
    TurnContract,
    VadContract,
    leak_checks,
)
from aichat.core.testing.fakes import FakeLlm, FakeTts, FakeTurn
from aichat.core.testing.leak_checks import assert_it_leaves_nothing, assert_no_stall, assert_prompt

CONTRACTS = (
    AuthContract,
    LlmContract,
    SoundTurnContract,
    StorageContract,
    SttContract,
    TtsContract,
    VadContract,
)
VOICE = Voice("Contract")


class TestFakeTurn(TurnContract):
    @pytest.fixture
    def turn(self) -> FakeTurn:
        return FakeTurn(end_ms=300, barge_in_ms=250)


class TestFakeLlm(LlmContract):
    @pytest.fixture
    def llm(self) -> FakeLlm:
        return FakeLlm(seconds=0.001)


class TestFakeTts(TtsContract):
    @pytest.fixture
    def tts(self) -> FakeTts:
        return FakeTts()


def checks(contract: type) -> int:
    """Count a contract's tests, each with its parameters."""
    count = 0
    for name in dir(contract):
        if name.startswith("test_"):
            times = 1
            for mark in getattr(getattr(contract, name), "pytestmark", []):
                if mark.name == "parametrize":
                    times *= len(list(mark.args[1]))
            count += times
    return count


def test_there_are_enough_of_them() -> None:
    counts = {contract.__name__: checks(contract) for contract in CONTRACTS}
    assert sum(counts.values()) > 150, counts
    assert min(counts.values()) >= 15, counts


# -- what is wrong is found ------------------------------------------------------------------

pytestmark = pytest.mark.anyio


async def test_a_blocked_event_loop_is_found() -> None:
    async def sleeping() -> None:
        time.sleep(0.08)  # noqa: ASYNC251

    async def computing() -> None:
        begun = time.thread_time()
        while time.thread_time() < begun + 0.015:
            pass

    for blocking in (sleeping, computing):
        with pytest.raises(AssertionError, match="waited for the event loop"):
            await assert_no_stall(blocking)


async def test_who_leaves_slowly_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leak_checks, "ATTEMPTS", 1)
    monkeypatch.setattr(leak_checks, "queued", lambda task: 0.0)  # on a busy machine it is seconds
    with pytest.raises(AssertionError, match=r"it took \d\.\d+ s or longer"):
        await assert_prompt(lambda: anyio.sleep(0.6))


async def test_the_wait_for_a_processor_is_not_held_against_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(leak_checks, "ATTEMPTS", 1)
    main = f"self/task/{threading.get_native_id()}"
    monkeypatch.setattr(leak_checks, "queued", lambda task: perf_counter() if task == main else 0.0)
    await assert_prompt(lambda: anyio.sleep(0.6))


async def test_a_task_that_is_left_behind_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leak_checks, "SETTLE_SECONDS", 0.1)
    async with anyio.create_task_group() as tasks:

        async def leak() -> None:
            tasks.start_soon(anyio.sleep_forever)

        with pytest.raises(AssertionError):
            await assert_it_leaves_nothing(leak)
        tasks.cancel_scope.cancel()


async def test_a_voice_that_is_silent_or_cuts_a_sample_is_found() -> None:
    class Silent(FakeTts):
        async def speak(self, text: str, voice: Voice) -> AsyncIterator[bytes | WordMark]:
            yield bytes(48_000)

    class Halved(FakeTts):
        async def speak(self, text: str, voice: Voice) -> AsyncIterator[bytes | WordMark]:
            yield b"\x10\x03\x10" * 24_001

    for voice in (Silent(), Halved()):
        with pytest.raises(AssertionError, match=r"silence|within a sample"):
            await TtsContract().test_a_sentence_becomes_sound_in_whole_samples(voice, VOICE)


async def test_an_ability_that_is_only_claimed_is_found() -> None:
    boaster = FakeTts(abilities=frozenset({"describe", "fly"}))  # type: ignore[arg-type]
    contract = TtsContract()
    for check in (
        contract.test_it_declares_abilities_that_there_are(boaster),
        contract.test_it_marks_words_if_it_says_so_and_only_then(boaster, VOICE),
        contract.test_a_description_shapes_the_sound_if_it_says_so(boaster),
    ):
        with pytest.raises(AssertionError):
            await check


async def test_a_recogniser_that_hears_words_in_silence_is_found() -> None:
    class Dreamer:
        async def transcribe(self, utterance: Utterance) -> str:
            return "Thanks for watching!"

    with pytest.raises(AssertionError):
        await SttContract().test_silence_has_no_words(Dreamer())


async def test_a_turn_that_never_ends_is_found() -> None:
    class Patient(FakeTurn):
        def is_over(self, pause: Pause) -> bool:
            return False

    with pytest.raises(AssertionError, match="the turn goes on"):
        await TurnContract().test_a_long_silence_ends_every_turn(Patient(), 0.5)


async def test_a_model_that_cannot_be_stopped_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leak_checks, "ATTEMPTS", 1)

    class Stubborn(FakeLlm):
        async def reply(self, prompt: Prompt) -> AsyncIterator[str]:
            try:
                yield "One "
                yield "two "
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(3)

    with pytest.raises(AssertionError, match="to close"):
        await LlmContract().test_it_stops_when_it_is_closed(Stubborn())


def test_a_microphone_that_hears_the_other_is_found() -> None:
    class Shared:
        frame_samples = 320

        def stream(self) -> SimpleNamespace:
            return SimpleNamespace(is_speech=lambda pcm: True)

    with pytest.raises(AssertionError):
        anyio.run(VadContract().test_two_microphones_do_not_hear_each_other, Shared(), bytes(6_400))
