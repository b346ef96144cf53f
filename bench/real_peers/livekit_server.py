"""A LiveKit Agents session on a WebSocket, without a LiveKit server: its own console works so too.

    python livekit_server.py PORT LLM_URL WHISPER_FOLDER VOICE_FILE

All of its settings are as they come: silero, its turn detector on this machine, and replies that
are begun before the turn is over. It has no Whisper on this machine, so a class here does what
Pipecat's service does; the framework joins it and the voice to its stream.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from faster_whisper import WhisperModel
from livekit import rtc
from livekit.agents import Agent, AgentSession, stt, tts, utils
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions
from livekit.agents.voice import io
from livekit.plugins import openai
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

sys.path.insert(0, str(Path(__file__).parents[1]))

from real_peers.peer_voice import PeerVoice
from real_peers.prompt import PROMPT

logging.basicConfig(level=logging.WARNING)

PORT, LLM_URL, WHISPER, VOICE = sys.argv[1:]
RATE_IN, RATE_OUT = 16_000, 24_000
FRAME_SECONDS, LEAD_SECONDS = 0.02, 0.04
FRAME = int(2 * RATE_OUT * FRAME_SECONDS)


class Whisper(stt.STT):
    """faster-whisper as its documentation calls it."""

    def __init__(self) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=False, interim_results=False))
        self._engine = WhisperModel(WHISPER, device="cpu", compute_type="int8")

    async def _recognize_impl(
        self, buffer: utils.AudioBuffer, *, language: Any = None, conn_options: Any = None
    ) -> stt.SpeechEvent:
        frame = rtc.combine_audio_frames(buffer)
        samples = np.frombuffer(frame.data, np.int16).astype(np.float32) / 32768
        text = await asyncio.to_thread(self._transcribe, samples)
        return stt.SpeechEvent(
            type=stt.SpeechEventType.FINAL_TRANSCRIPT,
            alternatives=[stt.SpeechData(language="en", text=text)],
        )

    def _transcribe(self, samples: np.ndarray) -> str:
        segments, _ = self._engine.transcribe(samples, language="en")
        return "".join(segment.text for segment in segments).strip()


class Piper(tts.TTS):
    """The voice, clause by clause; the framework cuts the text."""

    def __init__(self, voice: PeerVoice) -> None:
        super().__init__(
            capabilities=tts.TTSCapabilities(streaming=False),
            sample_rate=voice.sample_rate,
            num_channels=1,
        )
        self.voice = voice

    def synthesize(
        self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> PiperStream:
        return PiperStream(tts=self, input_text=text, conn_options=conn_options)


class PiperStream(tts.ChunkedStream):
    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        assert isinstance(self._tts, Piper)
        output_emitter.initialize(
            request_id=utils.shortuuid(),
            sample_rate=self._tts.sample_rate,
            num_channels=1,
            mime_type="audio/pcm",
        )
        async for pcm in self._tts.voice.speak(self._input_text):
            output_emitter.push(pcm)
        output_emitter.flush()


class Microphone(io.AudioInput):
    def __init__(self) -> None:
        super().__init__(label="websocket")
        self.queue: asyncio.Queue[rtc.AudioFrame | None] = asyncio.Queue()

    async def __anext__(self) -> rtc.AudioFrame:
        frame = await self.queue.get()
        if frame is None:
            raise StopAsyncIteration
        return frame


class Loudspeaker(io.AudioOutput):
    """Sends sound at the speed at which it is played, two frames ahead."""

    def __init__(self, socket: WebSocket) -> None:
        super().__init__(
            label="websocket",
            capabilities=io.AudioOutputCapabilities(pause=False),
            sample_rate=RATE_OUT,
        )
        self.socket = socket
        self.waiting = bytearray()
        self.changed = asyncio.Event()
        self.sent = 0
        self.due = 0.0
        self.is_complete = False
        self.sender = asyncio.create_task(self.send())

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        self.waiting += frame.data.cast("B")
        self.is_complete = False
        self.changed.set()

    def flush(self) -> None:
        super().flush()
        if self.waiting or self.sent:
            self.is_complete = True
            self.changed.set()

    def clear_buffer(self) -> None:
        if self.waiting or self.sent:
            self.waiting.clear()
            self.finished(interrupted=True)

    def finished(self, *, interrupted: bool) -> None:
        played, self.sent, self.is_complete = self.sent / 2 / RATE_OUT, 0, False
        self.on_playback_finished(playback_position=played, interrupted=interrupted)
        if interrupted:
            self.interruption = asyncio.create_task(say(self.socket, "interrupted"))

    async def send(self) -> None:
        while True:
            if len(self.waiting) >= FRAME or (self.is_complete and self.waiting):
                await self.send_frame()
            elif self.is_complete:
                self.finished(interrupted=False)
            else:
                self.changed.clear()
                await self.changed.wait()

    async def send_frame(self) -> None:
        now = time.monotonic()
        self.due = max(self.due, now)
        if self.due > now + LEAD_SECONDS:
            await asyncio.sleep(self.due - now - LEAD_SECONDS)
        frame = bytes(self.waiting[:FRAME])
        if not frame:
            return  # it was interrupted meanwhile
        del self.waiting[:FRAME]
        self.due += len(frame) / 2 / RATE_OUT
        if not self.sent:
            self.on_playback_started(created_at=time.time())
        self.sent += len(frame)
        await self.socket.send_bytes(frame)


async def say(socket: WebSocket, kind: str) -> None:
    await socket.send_text(json.dumps({"type": kind}))


async def talk(socket: WebSocket) -> None:
    await socket.accept()
    session: AgentSession[None] = AgentSession(
        stt=Whisper(),
        llm=openai.LLM(model="bench", base_url=LLM_URL, api_key="none"),
        tts=Piper(socket.app.state.voice),
    )
    microphone, loudspeaker = Microphone(), Loudspeaker(socket)
    session.input.audio, session.output.audio = microphone, loudspeaker
    notes: set[asyncio.Task[None]] = set()

    @session.on("conversation_item_added")
    def added(event: Any) -> None:
        if event.item.type == "message" and event.item.role == "user":
            notes.add(asyncio.create_task(say(socket, "turn_over")))

    await session.start(Agent(instructions=PROMPT))
    try:
        while True:
            pcm = await socket.receive_bytes()
            microphone.queue.put_nowait(rtc.AudioFrame(pcm, RATE_IN, 1, len(pcm) // 2))
    except WebSocketDisconnect:
        loudspeaker.sender.cancel()
        microphone.queue.put_nowait(None)
        await session.aclose()


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    async with PeerVoice(VOICE) as voice:
        app.state.voice = voice
        yield


app = Starlette(
    routes=[
        WebSocketRoute("/ws", talk),
        Route("/health", lambda request: PlainTextResponse("ok")),
    ],
    lifespan=lifespan,
)

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(PORT), log_level="warning")
