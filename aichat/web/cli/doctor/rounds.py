"""Tries each part once: does its backend work, and how long does it take?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from statistics import median
from time import perf_counter
from typing import TypeVar

import anyio
import numpy as np
import soxr
from attrs import frozen

from aichat.core import (
    AichatError,
    Character,
    Conversation,
    Llm,
    Message,
    Parts,
    Pause,
    Prompt,
    PromptMessage,
    SoundJudge,
    Stt,
    Tts,
    Utterance,
    Vad,
    Voice,
    WordMark,
    charges,
    closing,
    new_id,
)
from aichat.core.events import MIC_RATE, SpeakersChosen, Turn
from aichat.toolkit.transcripts.plausibility import transcript
from aichat.toolkit.voices.speech_check import Sound

SENTENCE = "Hello, can you hear me? I would like to know what you think."
PATIENCE_SECONDS = 30.0
FREE_ONLY = "not tried, because that costs money; --paid tries it"


@frozen
class Result:
    """How a round went: *ms* until the first result, what that is, or why there is none.

    *is_broken*: the part failed; False as well if it was not tried.
    """

    ms: float | None = None
    what: str = ""
    problem: str = ""
    is_broken: bool = False


T = TypeVar("T")


class Untried(Exception):
    """A part was not tried; the message says why."""


async def try_parts(parts: Parts, *, paid: bool) -> dict[str, Result]:
    """Try each part that has a backend. The recogniser hears what the voice says."""
    speech: list[bytes] = []
    rounds: dict[str, Callable[[], Awaitable[Result]]] = {
        "vad": lambda: _vad(parts.vad),
        "turn": lambda: _turn(parts),
        "tts": lambda: _tts(_free(parts.tts, paid), speech),
        "stt": lambda: _stt(_free(parts.stt, paid), speech),
        "llm": lambda: _llm(_free(parts.llm, paid)),
        "sequencer": lambda: _sequencer(parts),
        "storage": lambda: _storage(parts),
    }
    return {
        part: await _tried(round_)
        for part, round_ in rounds.items()
        if parts.roles[part].serving is not None
    }


async def _tried(round_: Callable[[], Awaitable[Result]]) -> Result:
    try:
        with anyio.fail_after(PATIENCE_SECONDS):
            return await round_()
    except Untried as reason:
        return Result(problem=str(reason))
    except TimeoutError:
        return Result(problem=f"nothing came within {PATIENCE_SECONDS:g} s", is_broken=True)
    except AichatError as error:
        return Result(problem=error.line, is_broken=True)
    except Exception as error:  # a backend may raise anything; it is reported
        return Result(problem=f"{type(error).__name__}: {error}", is_broken=True)


def _free(backend: T, paid: bool) -> T:
    if charges(backend) and not paid:
        raise Untried(FREE_ONLY)
    return backend


def _since(began: float) -> float:
    return round(1000 * (perf_counter() - began), 3)


async def _vad(vad: Vad) -> Result:
    stream, times = vad.stream(), []
    noise = np.random.default_rng(0).integers(-300, 300, (50, vad.frame_samples)).astype("<i2")
    for frame in noise:
        began = perf_counter()
        stream.is_speech(frame.tobytes())
        times.append(_since(began))
    return Result(median(times), f"a frame of {1000 * vad.frame_samples // MIC_RATE} ms")


async def _turn(parts: Parts) -> Result:
    detector = parts.turn
    began = perf_counter()
    if isinstance(detector, SoundJudge):
        await detector.finished(bytes(2 * MIC_RATE))
        return Result(_since(began), "a judgement of the sound")
    detector.is_over(Pause(500, 1500))
    return Result(_since(began), "a judgement")


async def _tts(tts: Tts, speech: list[bytes]) -> Result:
    began, first, pcm = perf_counter(), None, bytearray()
    sound = Sound(SENTENCE, tts.sample_rate)
    async with closing(tts.speak(SENTENCE, Voice("doctor", speaker_desc="A calm voice"))) as stream:
        async for piece in stream:
            if isinstance(piece, WordMark):
                sound.mark()
            else:
                pcm += sound.take(piece)
                first = _since(began) if first is None else first
    took = _since(began)
    if first is None:
        raise ValueError("it said nothing")
    length = 1000 * len(pcm) / 2 / tts.sample_rate
    speech_made = np.frombuffer(pcm, "<i2").astype(np.float32)
    heard = soxr.resample(speech_made, tts.sample_rate, MIC_RATE).clip(-32768, 32767)
    speech.append(heard.astype("<i2").tobytes())
    return Result(first, f"first sound; {took / length:.2f} s of work for a second of it")


async def _stt(stt: Stt, speech: list[bytes]) -> Result:
    if not speech:
        raise Untried("not tried, because no voice spoke for it")
    began = perf_counter()
    utterance = Utterance(new_id(), speech[0], final=True)
    text = transcript(await stt.transcribe(utterance), utterance)
    took = _since(began)
    return Result(took, f"{len(speech[0]) / 2 / MIC_RATE:.1f} s of speech, heard as {text!r}")


async def _llm(llm: Llm) -> Result:
    somebody = Character("doctor-001", "Somebody", "You answer with one word.")
    messages = [
        PromptMessage("system", somebody.system_prompt),
        PromptMessage("user", "Say hello."),
    ]
    began = perf_counter()
    async with closing(llm.reply(Prompt(somebody, [somebody], messages))) as stream:
        async for piece in stream:
            if isinstance(piece, str) and piece.strip():
                return Result(_since(began), "first words")
    raise ValueError("it wrote nothing")


async def _sequencer(parts: Parts) -> Result:
    began = perf_counter()
    list(parts.sequencer.accept(SpeakersChosen(Turn(new_id(), 1), ())))
    return Result(_since(began), "a decision")


async def _storage(parts: Parts) -> Result:
    store, id = parts.storage, new_id()
    await store.add_conversation(Conversation(id, title="doctor"))
    try:
        began = perf_counter()
        await store.add_message(Message(new_id(), id, "user", "Hello."))
        return Result(_since(began), "a message kept")
    finally:
        with anyio.CancelScope(shield=True):
            await store.delete_conversation(id)
