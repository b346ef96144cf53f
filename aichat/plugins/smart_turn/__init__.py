"""Turn detection by sound: smart-turn v3 hears from the melody whether the user has finished.

The model (8.7 MB, BSD-2, by pipecat) is not part of aichat: name its file, or let it be downloaded
once. It takes some 50 ms in a worker thread, once in each pause; while it has not answered, or if
it fails, silence alone decides.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import anyio
from anyio import to_thread
from attrs import define, field

from aichat.core import Backend, CannotStart, NotReady, Pause, TurnDetector, hookimpl
from aichat.toolkit.packages import installs
from aichat.toolkit.turn_detector_settings import ShortestMs, TurnDetectorSettings
from aichat.toolkit.weights import Weights, fetched

from .features import features

FILE = "smart-turn-v3.2-cpu.onnx"
SMART_TURN = Weights("smart-turn-v3", "pipecat-ai/smart-turn-v3", (FILE,), FILE)
AHEAD = bytes(2 * 16 * 240)
"""Silence (240 ms) that is put behind the audio. The model is asked as soon as the voice ends, and
is not sure before some 300 ms of silence; with this it says at once what it would say then."""
CERTAIN = 0.8
"""Endpoint probability from which the shortest silence ends the turn: what recorded ends have."""
EXTRA = "whisper"
NAME_A_FILE = f"set [turn.smart_turn] model to the path of {FILE}."


@define(eq=False)
class SmartTurn(TurnDetectorSettings):
    """As ``silence``, with what the model hears joined to what the words say.

    The surer an end, the shorter the silence that ends the turn: *shortest_ms* where it is certain,
    halfway to *longest_ms* where it is as likely as not.

    *model* is the path of the ONNX file; empty: the Hugging Face cache, or a download.
    """

    model: str = ""
    download: bool = True
    shortest_ms: ShortestMs = field(default=190, kw_only=True)
    report: Callable[[str], None] = field(init=False, default=lambda line: None)
    _session: Any = field(init=False, default=None)
    _thread: anyio.CapacityLimiter = field(init=False)

    @property
    def weights(self) -> Sequence[Weights]:
        return (Weights(self.model) if self.model else SMART_TURN,)

    async def __aenter__(self) -> SmartTurn:
        self._thread = anyio.CapacityLimiter(1)
        file = await self._file()
        self._session = await to_thread.run_sync(self._load, file, abandon_on_cancel=True)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._session = None

    def is_over(self, pause: Pause) -> bool:
        if pause.sound is None or not pause.has_words:
            return super().is_over(pause)
        return pause.silence_ms >= self.wait_ms(pause.finished, pause.usual_ms)

    def wait_ms(self, likely: float, usual_ms: int = 0) -> int:
        """Return the silence (ms) that ends a turn whose end is so *likely*.

        Below certainty it grows as a root does, so steeply: pauses after ends that are likelier
        than not are mostly within what somebody says.
        """
        usual = min(max(usual_ms or self.end_ms, self.shortest_ms), self.longest_ms)
        doubtful = (usual + self.longest_ms) / 2
        if likely < 0.5:
            return round(doubtful + (self.longest_ms - doubtful) * (1 - 2 * likely))
        doubt = max(0.0, (CERTAIN - likely) / (CERTAIN - 0.5))
        return round(self.shortest_ms + (doubtful - self.shortest_ms) * math.sqrt(doubt))

    async def finished(self, pcm: bytes) -> float:
        if (session := self._session) is None:
            raise NotReady("The turn detection model is not loaded.", "Start it first.")
        left = threading.Event()
        try:
            return await to_thread.run_sync(
                _judge, session, pcm + AHEAD, left, abandon_on_cancel=True, limiter=self._thread
            )
        finally:
            left.set()

    # -- the start ---------------------------------------------------------------------------

    def _load(self, file: Path) -> Any:
        """Open the model and try it. Runs in a worker thread."""
        try:
            import onnxruntime
        except ImportError as error:
            raise CannotStart("The package onnxruntime is missing.", installs(EXTRA)) from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4  # fatal
        try:
            session = onnxruntime.InferenceSession(
                str(file), options, providers=["CPUExecutionProvider"]
            )
            _judge(session, b"", threading.Event())
        except Exception as error:  # onnxruntime raises kinds of its own
            reason = str(error).strip().split("\n")[0]
            raise CannotStart(
                f"{file} is no smart-turn model ({reason}).", f"Mend it, or {NAME_A_FILE}"
            ) from error
        return session

    async def _file(self) -> Path:
        if self.model:
            path = await anyio.Path(self.model).expanduser()
            if await path.is_file():
                return Path(path)
            raise CannotStart(f"There is no file {path}.", f"Mend the path: {NAME_A_FILE}")
        if find_spec("huggingface_hub") is None:
            raise CannotStart("The package huggingface_hub is missing.", installs(EXTRA))
        hub = await to_thread.run_sync(import_module, "huggingface_hub")
        folder = await fetched(
            SMART_TURN, hub, self.report, allowed=self.download, otherwise=NAME_A_FILE
        )
        return folder / FILE


def _judge(session: Any, pcm: bytes, left: threading.Event) -> float:
    """Run the model, unless the caller has left meanwhile."""
    heard = features(pcm)
    if left.is_set():
        return 0.5
    (likelihood,) = session.run(None, {session.get_inputs()[0].name: heard})
    return float(likelihood.flat[0])


@hookimpl
def turn_backend() -> Backend[TurnDetector]:
    """Offer ``use = "smart_turn"``."""
    return Backend("smart_turn", SmartTurn)
