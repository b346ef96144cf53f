"""A Pipecat pipeline as its documentation builds one, with its own Whisper service and turn model.

    python pipecat_server.py PORT LLM_URL WHISPER_FOLDER VOICE_FILE

Silero and smart-turn v3 decide when a turn is over, which is its default. The voice is a service of
its own class around the engine that aichat uses.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI, WebSocket
from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
    OutputTransportMessageFrame,
    OutputTransportMessageUrgentFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.serializers.base_serializer import FrameSerializer
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.services.settings import TTSSettings
from pipecat.services.tts_service import TTSService
from pipecat.services.whisper.stt import WhisperSTTService
from pipecat.transports.websocket.fastapi import (
    FastAPIWebsocketParams,
    FastAPIWebsocketTransport,
)
from pipecat.workers.runner import WorkerRunner

sys.path.insert(0, str(Path(__file__).parents[1]))

from real_peers.peer_voice import PeerVoice
from real_peers.prompt import PROMPT

logger.remove()
logger.add(sys.stderr, level="WARNING")

PORT, LLM_URL, WHISPER, VOICE = sys.argv[1:]
RATE_IN, RATE_OUT = 16_000, 24_000
MESSAGES = (OutputTransportMessageFrame, OutputTransportMessageUrgentFrame)


class Serializer(FrameSerializer):
    """Sound as binary frames; of the messages to the client, the end of the user's turn."""

    async def serialize(self, frame: Frame) -> str | bytes | None:
        if isinstance(frame, OutputAudioRawFrame):
            return frame.audio
        if isinstance(frame, InterruptionFrame):
            return '{"type":"interrupted"}'
        is_message = isinstance(frame, MESSAGES)
        if is_message and frame.message.get("type") == "user-stopped-speaking":
            return '{"type":"turn_over"}'
        return None

    async def deserialize(self, data: str | bytes) -> Frame | None:
        if isinstance(data, bytes):
            return InputAudioRawFrame(audio=data, sample_rate=RATE_IN, num_channels=1)
        return None


class PiperService(TTSService):
    """Piper as Pipecat's own service drives it, around aichat's engine."""

    def __init__(self, voice: PeerVoice) -> None:
        super().__init__(
            push_start_frame=True,
            push_stop_frames=True,
            settings=TTSSettings(model=None, voice="joe", language=None),
        )
        self._engine = voice

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        async for frame in self._stream_audio_frames_from_iterator(
            self._engine.speak(text),
            in_sample_rate=self._engine.sample_rate,
            context_id=context_id,
        ):
            yield frame


def whisper() -> WhisperSTTService:
    return WhisperSTTService(
        device="cpu", compute_type="int8", settings=WhisperSTTService.Settings(model=WHISPER)
    )


def pipeline(websocket: WebSocket, voice: PeerVoice) -> tuple[Pipeline, FastAPIWebsocketTransport]:
    params = FastAPIWebsocketParams(
        audio_in_enabled=True, audio_out_enabled=True, serializer=Serializer()
    )
    transport = FastAPIWebsocketTransport(websocket, params)
    pair = LLMContextAggregatorPair(
        LLMContext(),
        user_params=LLMUserAggregatorParams(vad_analyzer=SileroVADAnalyzer()),
    )
    model = OpenAILLMService.Settings(model="bench", system_instruction=PROMPT)
    stages = [
        transport.input(),
        whisper(),
        pair.user(),
        OpenAILLMService(api_key="none", base_url=LLM_URL, settings=model),
        PiperService(voice),
        transport.output(),
        pair.assistant(),
    ]
    return Pipeline(stages), transport


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with PeerVoice(VOICE) as voice:
        app.state.voice = voice
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/health")
async def health() -> dict[str, bool]:
    return {"ok": True}


@app.websocket("/ws")
async def talk(websocket: WebSocket) -> None:
    await websocket.accept()
    stages, transport = pipeline(websocket, app.state.voice)
    params = PipelineParams(audio_in_sample_rate=RATE_IN, audio_out_sample_rate=RATE_OUT)
    worker = PipelineWorker(stages, params=params, idle_timeout_secs=None)

    @transport.event_handler("on_client_disconnected")
    async def gone(*_: object) -> None:
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(PORT), log_level="warning")
