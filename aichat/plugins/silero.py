"""Voice activity detection by silero v6: the small model that the faster-whisper wheel carries.

A frame of 32 ms costs about 0.15 ms, so it runs on the event loop: a thread would cost more.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from anyio import to_thread
from attrs import define, field

from aichat.core import Backend, BadValue, CannotStart, Live, NotReady, hookimpl
from aichat.toolkit.packages import installs

FRAME = 512
"""Samples of one frame: 32 ms at 16 kHz."""

FRAME_MS = 32
CONTEXT = 64
"""Samples of the frame before that the model sees again."""

FORGETS_AFTER = 2_000 // FRAME_MS
"""Frames without speech after which the model's state is reset: music and noise that it remembers
make it detect the next voice late, or not at all."""

EXTRA = "whisper"
THRESHOLD = Live(
    0.05,
    0.95,
    label="Threshold for speech to begin",
    help="How sure it must be that somebody speaks, from 0 to 1. Raise it in a noisy room.",
)
END_THRESHOLD = Live(
    0.01,
    0.95,
    at_most="threshold",
    label="Threshold for speech to end",
    help="Speech ends when the detector is less sure than this.",
)
MIN_SPEECH_MS = Live(
    0,
    1_000,
    label="Shortest speech",
    help="Shorter sounds, such as a key or a cup, are ignored.",
)


@hookimpl
def vad_backend() -> Backend[Silero]:
    """Offer silero."""
    return Backend("silero", Silero)


class Silero:
    """Speech begins when *threshold* holds for *min_speech_ms*, and ends below *end_threshold*."""

    frame_samples = FRAME

    def __init__(
        self,
        threshold: Annotated[float, THRESHOLD] = 0.5,
        end_threshold: Annotated[float, END_THRESHOLD] = 0.35,
        min_speech_ms: Annotated[int, MIN_SPEECH_MS] = 64,
    ) -> None:
        self.threshold, self.end_threshold = threshold, min(threshold, end_threshold)
        self.min_speech_ms = min_speech_ms
        self._session: Any = None

    async def __aenter__(self) -> Silero:
        self._session = await to_thread.run_sync(_load)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._session = None

    def stream(self) -> SileroStream:
        if self._session is None:
            raise NotReady("The voice activity model is not loaded.", "Start it first.")
        return SileroStream(self._session, self)

    @property
    def needed(self) -> int:
        """Consecutive speech frames from which speech begins."""
        return max(1, round(self.min_speech_ms / FRAME_MS))


def _state() -> Any:
    return np.zeros((1, 1, 128), np.float32)


@define(eq=False)
class SileroStream:
    """One microphone: the model is shared, its state is not."""

    session: Any
    settings: Silero
    speaking: bool = False
    run: int = 0
    """Frames in a row above the threshold."""
    quiet: int = 0
    """Frames without speech since the model's state was reset."""
    h: Any = field(factory=_state)
    c: Any = field(factory=_state)
    heard: Any = field(factory=lambda: np.zeros((1, CONTEXT + FRAME), np.float32))

    def is_speech(self, pcm: bytes) -> bool:
        if len(pcm) != 2 * FRAME:
            raise BadValue(
                f"A frame has {len(pcm)} bytes.", f"Hand over frames of {FRAME} samples.", "pcm"
            )
        self._forget()
        probability = self._judge(pcm)
        self.run = self.run + 1 if probability >= self.settings.threshold else 0
        if self.speaking:
            self.speaking = probability >= self.settings.end_threshold
        else:
            self.speaking = self.run >= self.settings.needed
        return self.speaking

    def _forget(self) -> None:
        self.quiet = 0 if self.speaking or self.run else self.quiet + 1
        if self.quiet > FORGETS_AFTER:
            self.h, self.c, self.quiet = _state(), _state(), 0

    def _judge(self, pcm: bytes) -> float:
        self.heard[0, :CONTEXT] = self.heard[0, FRAME:]
        np.multiply(np.frombuffer(pcm, "<i2"), np.float32(1 / 32768), out=self.heard[0, CONTEXT:])
        inputs = {"input": self.heard, "h": self.h, "c": self.c}
        probability, self.h, self.c = self.session.run(None, inputs)
        return float(probability.flat[0])


def _load() -> Any:
    """Open the model, without importing faster_whisper: that costs a second."""
    home = find_spec("faster_whisper")
    if home is None or home.origin is None:
        raise CannotStart("The package faster-whisper is missing.", installs(EXTRA))
    model = Path(home.origin).parent / "assets" / "silero_vad_v6.onnx"
    try:
        import onnxruntime
    except ImportError as error:
        raise CannotStart("The package onnxruntime is missing.", installs(EXTRA)) from error
    if not model.is_file():
        raise CannotStart("This faster-whisper does not carry silero v6.", installs(EXTRA))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # fatal
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
