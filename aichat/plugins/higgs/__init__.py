"""Speech by Higgs Audio v2, on this machine's GPU, through transformers.

Voices are described or cloned. The first sound of a clause is there after nine steps of the model;
`sounding.py` says how the chunks grow. Each clause that is spoken has a thread of its own, at most
`max_concurrent` of them; a stream that is closed ends within a step.

torch and transformers are imported only when the weights are there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from anyio import to_thread

from aichat.core import (
    Ability,
    AichatError,
    Backend,
    BackendFailed,
    CannotStart,
    Codes,
    Listener,
    NotReady,
    Reference,
    Voice,
    Weights,
    Workers,
    closing,
    fetched,
    hookimpl,
)

from .codes import LONGEST
from .memory import OutOfMemory
from .words import SAMPLE, normal

MODEL = "eustlb/higgs-audio-v2-generation-3B-base"
CODEC = "eustlb/higgs-audio-v2-tokenizer"
FILES = ("*.json", "*.safetensors", "*.jinja")
BY_HAND = "set HIGGS_MODEL_PATH and HIGGS_TOKENIZER_PATH to folders."
AHEAD = 4
"""Chunks that may wait for the listener before the speech pauses."""


@hookimpl
def tts_backend() -> Backend[Higgs]:
    """Offer Higgs Audio."""
    return Backend("higgs", Higgs)


class Higgs:
    """Speaks in described and cloned voices.

    *model_path* and *tokenizer_path* are folders, or repositories of the Hugging Face hub whose
    files are in its cache; with *download* they are brought. *lookahead* is how many frames (40 ms)
    each chunk waits for; None: none at first, then more. With 10 all sound is exact, with None
    that from 0.76 s of a clause on.
    """

    sample_rate = 24_000
    abilities: frozenset[Ability] = frozenset({"clone", "describe", "emotions", "seed"})
    languages = ("en", "zh", "de", "ko")

    def __init__(
        self,
        model_path: str = MODEL,
        tokenizer_path: str = CODEC,
        device: str = "auto",
        dtype: str = "auto",
        max_concurrent: int = 3,
        temperature: float = 0.7,
        top_p: float = 0.95,
        top_k: int = 50,
        ras_window: int = 7,
        ras_repeats: int = 2,
        lookahead: int | None = None,
        download: bool = False,
    ) -> None:
        self.weights = (
            _weights("higgs-audio-v2", model_path),
            _weights("higgs-audio-v2-tokenizer", tokenizer_path),
        )
        self.device, self.dtype, self.download = device, dtype, download
        self.lookahead = lookahead
        self.sampling = {
            "temperature": temperature,
            "top_p": top_p,
            "top_k": top_k,
            "ras_window": ras_window,
            "ras_repeats": ras_repeats,
        }
        self.report: Callable[[str], None] = lambda line: None
        self._workers = Workers(max(1, max_concurrent), "Higgs Audio")
        self._engine: Any = None
        self._transcripts: dict[str, str] = {}
        """By the key of the clip that holds it."""

    @property
    def max_concurrent(self) -> int:
        """How many may speak at once; halved whenever the memory did not suffice."""
        return self._workers.count

    async def __aenter__(self) -> Higgs:
        await to_thread.run_sync(_require_packages)
        hub = await to_thread.run_sync(import_module, "huggingface_hub")
        model, codec = [
            await fetched(weights, hub, self.report, allowed=self.download, otherwise=BY_HAND)
            for weights in self.weights
        ]
        self.report("loading the weights")
        self._engine = await to_thread.run_sync(self._load, model, codec, abandon_on_cancel=True)
        await self._workers.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        try:
            await self._workers.__aexit__(*error)
        finally:
            self._engine = None

    async def speak(self, text: str, voice: Voice) -> AsyncIterator[bytes]:
        if not normal(text):
            return
        engine = self._running()

        def say(listener: Listener[bytes]) -> None:
            engine.say(text, voice, self._transcript(voice), listener)

        try:
            async with closing(self._workers.stream(say, AHEAD)) as chunks:
                async for chunk in chunks:
                    yield chunk
        except Exception as error:
            raise await self._told(error) from error

    # -- getting to know voices ----------------------------------------------------------------

    def knows(self, voice: Voice) -> bool:
        is_written = voice.text_path is None or voice.text_path in self._transcripts
        return bool(self._running().fits(voice.audio_tokens)) and (
            is_written or not _is_cloned(voice)
        )

    async def learn(self, voice: Voice, reference: Reference | None) -> Codes | None:
        codes = voice.audio_tokens if self._running().fits(voice.audio_tokens) else None
        try:
            if reference is not None:
                return await self._written_down(voice, reference, codes)
            return codes or await self._made_up(voice)
        except Exception as error:
            raise await self._told(error) from error

    async def _written_down(self, voice: Voice, reference: Reference, codes: Codes | None) -> Codes:
        """Note the words, and return the codes: those that there are, else new ones."""
        engine, was_cut = self._running(), False
        if codes is None:
            codes, was_cut = await self._workers.run(lambda: engine.written_down(reference))
        if voice.text_path is not None:
            is_whole = not was_cut and len(codes[0]) < LONGEST
            # the words of a clip that was cut are not those that are heard
            self._transcripts[voice.text_path] = normal(reference.transcript) if is_whole else ""
        return codes

    async def _made_up(self, voice: Voice) -> Codes:
        engine = self._running()

        def make_up(listener: Listener[Codes]) -> None:
            listener(engine.make_up(voice, lambda: listener.left))

        async with closing(self._workers.stream(make_up)) as made:
            return await anext(made)

    def _transcript(self, voice: Voice) -> str:
        """Return the words of the voice's codes, as far as they are known."""
        return self._transcripts.get(voice.text_path or "", "") if _is_cloned(voice) else SAMPLE

    # -- the engine ----------------------------------------------------------------------------

    def _load(self, model: Path, codec: Path) -> Any:
        from .engine import start  # which imports torch

        return start((model, codec), self.device, self.dtype, self.sampling, self.lookahead)

    def _running(self) -> Any:
        if self._engine is None:
            raise NotReady("Higgs Audio is not loaded.", "Start it first.")
        return self._engine

    async def _told(self, error: Exception) -> AichatError:
        """Turn what went wrong into a sentence; halve the voices if it was for want of memory."""
        if isinstance(error, AichatError):
            return error
        if not isinstance(error, OutOfMemory):
            return BackendFailed(
                f"Higgs Audio failed ({type(error).__name__}).",
                "Try again, or choose another [tts] backend.",
            )
        before = self.max_concurrent
        self._workers.limit(max(1, before // 2))
        await to_thread.run_sync(self._running().free)
        return BackendFailed(
            f"The memory did not suffice for {before} voices at once; from now on it is "
            f"{self.max_concurrent}.",
            "Free some of the GPU's memory, or lower [tts.higgs] max_concurrent.",
        )


def _is_cloned(voice: Voice) -> bool:
    return voice.method == "clone" and voice.audio_path is not None


def _weights(name: str, path: str) -> Weights:
    """Say what is needed: a folder, or a repository, which is written OWNER/NAME."""
    is_repository = path.count("/") == 1 and not path.startswith(("/", ".", "~"))
    if is_repository and not Path(path).is_dir():
        return Weights(name, path, FILES, "config.json")
    return Weights(path)


def _require_packages() -> None:
    for package in ("torch", "transformers", "huggingface_hub"):
        if find_spec(package) is None:
            raise CannotStart(
                f"The package {package} is missing.", "Run `pip install 'aichat[higgs]'`."
            )
