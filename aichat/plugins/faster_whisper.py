"""Speech to text by Whisper, on this machine, through faster-whisper.

The weights come from a folder, from the Hugging Face cache, or are downloaded while another
recogniser serves. CTranslate2 releases the GIL, so it runs in a few worker threads that all
sessions share; it cannot be interrupted, so a cancelled call leaves at once and its thread ends on
its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import anyio
import numpy as np
from anyio import from_thread, to_thread
from anyio.abc import TaskGroup
from anyio.lowlevel import EventLoopToken, current_token
from attrs import define, field

from aichat.core import Backend, BackendFailed, CannotStart, NotReady, Utterance, hookimpl

from .faster_whisper_gates import is_imagined

SHORTEST = 3_200
"""Bytes of the shortest audio worth writing down: 0.1 s at 16 kHz."""

FILES = ["config.json", "preprocessor_config.json", "model.bin", "tokenizer.json", "vocabulary.*"]
SET_A_FOLDER = "set [stt.faster_whisper] model to a folder."


@hookimpl
def stt_backend() -> Backend[FasterWhisper]:
    """Offer faster-whisper."""
    return Backend("faster_whisper", FasterWhisper)


@define(eq=False)
class _Call:
    utterance: Utterance
    done: anyio.Event = field(factory=anyio.Event)
    text: str = ""
    failure: Exception | None = None
    left: bool = False
    """The caller was cancelled: nobody wants the text any more."""


class FasterWhisper:
    """Writes utterances down; *beam_size* is for final ones, guesses on the way use 1.

    *workers* utterances at once, each on so many CPU *threads*; the workers share the weights.
    """

    def __init__(
        self,
        model: str = "base.en",
        device: str = "auto",
        compute_type: str = "default",
        language: str | None = None,
        beam_size: int = 1,
        download: bool = True,
        threads: int = 2,
        workers: int = 2,
    ) -> None:
        self.model, self.device, self.compute_type = model, device, compute_type
        self.language, self.beam_size = language, beam_size
        self.download, self.threads = download, threads
        self.max_concurrent = max(1, workers)
        self.report: Callable[[str], None] = lambda line: None
        self._whisper: Any = None
        self._tasks: TaskGroup | None = None

    async def __aenter__(self) -> FasterWhisper:
        folder = await self._weights()
        self._whisper = await to_thread.run_sync(self._load, folder, abandon_on_cancel=True)
        self._workers = anyio.CapacityLimiter(self.max_concurrent)
        self._free = anyio.Semaphore(self.max_concurrent, max_value=self.max_concurrent)
        self._tasks = await anyio.create_task_group().__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        tasks, self._tasks = self._tasks, None
        if tasks is not None:
            await tasks.__aexit__(None, None, None)
        self._whisper = None

    async def transcribe(self, utterance: Utterance) -> str:
        if len(utterance.pcm) < SHORTEST:
            return ""
        call = await self._begin(utterance)
        try:
            await call.done.wait()
        finally:
            call.left = True
        if call.failure is not None:
            raise BackendFailed(
                f"Whisper failed ({call.failure}).", "Speak again, or choose another recogniser."
            ) from call.failure
        return call.text

    async def _begin(self, utterance: Utterance) -> _Call:
        if self._tasks is None:
            raise NotReady("Whisper is not loaded.", "Start it first.")
        await self._free.acquire()
        call = _Call(utterance)
        self._tasks.start_soon(self._work, call)
        return call

    async def _work(self, call: _Call) -> None:
        """Outlives a cancelled caller: the next call's turn comes when the thread has ended."""
        try:
            call.text = await to_thread.run_sync(self._write_down, call, limiter=self._workers)
        except Exception as error:
            call.failure = error  # raised where the text is waited for
        finally:
            self._free.release()
            call.done.set()

    def _write_down(self, call: _Call) -> str:
        beam = self.beam_size if call.utterance.final else 1
        texts = []
        for segment in self._segments(samples(call.utterance.pcm), beam):
            if call.left:
                break
            if not is_imagined(segment.text, segment.no_speech_prob, segment.avg_logprob):
                texts.append(segment.text)
        return "".join(texts).strip()

    def _segments(self, audio: Any, beam: int) -> Any:
        language = self.language or (None if self._whisper.model.is_multilingual else "en")
        segments, _ = self._whisper.transcribe(
            audio,
            language=language,
            beam_size=beam,
            temperature=0.0,
            condition_on_previous_text=False,
            without_timestamps=True,
            vad_filter=False,
        )
        return segments

    # -- the start ---------------------------------------------------------------------------

    async def _weights(self) -> Path:
        stop = threading.Event()
        find = _Weights(self.model, self.download, self.report, stop, current_token()).find
        try:
            return await to_thread.run_sync(find, abandon_on_cancel=True)
        finally:
            stop.set()  # a thread that was left behind stops at its next piece

    def _load(self, folder: Path) -> Any:
        """Load onto the GPU, else the CPU. The first transcription shows whether it works."""
        import ctranslate2  # type: ignore[import-untyped, unused-ignore]

        on_gpu = self.device != "cpu" and ctranslate2.get_cuda_device_count() > 0
        devices = [self.device] if self.device != "auto" else ["cuda", "cpu"][not on_gpu :]
        for device in devices:
            try:
                return self._loaded(folder, device)
            except (RuntimeError, ValueError, OSError) as error:
                reason = error
        raise CannotStart(
            f"Whisper cannot be loaded from {folder} ({reason}).", f"Mend it, or {SET_A_FOLDER}"
        ) from reason

    def _loaded(self, folder: Path, device: str) -> Any:
        from faster_whisper import WhisperModel

        smaller = "int8" if device == "cpu" and self.compute_type == "default" else None
        self._whisper = WhisperModel(
            str(folder),
            device=device,
            compute_type=smaller or self.compute_type,
            cpu_threads=self.threads,
            num_workers=self.max_concurrent,
        )
        list(self._segments(np.zeros(16_000, np.float32), 1))
        return self._whisper


def samples(pcm: bytes) -> Any:
    """PCM16 as floats from -1 to 1."""
    return np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(32768)


# -- the weights -----------------------------------------------------------------------------


@define
class _Weights:
    """Finds the folder of a model. All of it runs in a worker thread."""

    model: str
    download: bool
    report: Callable[[str], None]
    stop: threading.Event
    loop: EventLoopToken
    told: int = -1

    def find(self) -> Path:
        path = Path(self.model).expanduser()
        if path.is_dir():
            return path
        repository = _repository(self.model)
        try:
            return self._fetched(repository, local_files_only=True)
        except (OSError, ValueError) as error:
            missing: Exception = error
        if self.download:
            try:
                return self._fetched(repository, tqdm_class=self._progress())
            except Exception as error:  # the hub client raises many kinds
                missing = error
        reason = str(missing.__cause__ or missing).strip().split("\n")[0]
        tried = f"could not be downloaded ({reason})" if self.download else "may not be downloaded"
        raise CannotStart(
            f"The weights of {self.model} are not here and {tried}.",
            f"Connect once, or {SET_A_FOLDER}",
        ) from missing

    def _fetched(self, repository: str, **options: Any) -> Path:
        import huggingface_hub
        from huggingface_hub.utils import logging

        logging.set_verbosity_error()  # type: ignore[no-untyped-call, unused-ignore]  # we tell
        folder = huggingface_hub.snapshot_download(repository, allow_patterns=FILES, **options)
        if not (Path(folder) / "model.bin").is_file():
            raise FileNotFoundError(f"{repository} holds no model.bin")
        return Path(folder)

    def _progress(self) -> type:
        """Make a tqdm class that draws nothing and reports bytes."""
        from tqdm.auto import tqdm  # type: ignore[import-untyped, unused-ignore]

        tell = self._tell

        class Progress(tqdm):  # type: ignore[type-arg, misc, unused-ignore]
            def __init__(self, *args: Any, **options: Any) -> None:
                self.counts_bytes = options.get("unit") == "B"
                options.pop("name", None)
                super().__init__(*args, **{**options, "disable": True})

            def update(self, n: float | None = 1) -> bool | None:
                self.n += n or 0
                if self.counts_bytes:
                    tell(self.n, self.total or 0)
                return None

        Progress.set_lock(threading.RLock())  # tqdm's own would start a process
        return Progress

    def _tell(self, done: float, total: float) -> None:
        if self.stop.is_set():
            raise InterruptedError("the download was cancelled")
        if int(done / 1e6) != self.told:
            self.told = int(done / 1e6)
            line = f"weights: {self.told} of {total / 1e6:.0f} MB"
            from_thread.run_sync(self.report, line, token=self.loop)


def _repository(model: str) -> str:
    if model.count("/") == 1 and not model.startswith(("/", ".", "~")):
        return model
    try:
        from faster_whisper.utils import _MODELS
    except ImportError as error:
        raise CannotStart(
            "The package faster-whisper is missing.", "Run `pip install 'aichat[whisper]'`."
        ) from error
    if model not in _MODELS:
        close = get_close_matches(model, _MODELS, n=1)
        raise CannotStart(
            f"There is no Whisper model and no folder {model!r}.",
            f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(_MODELS)}.",
        )
    return str(_MODELS[model])
