"""Speech by Higgs Audio v2, on this machine's GPU, through transformers.

Voices are described or cloned. The first sound of a clause is there after nine steps of the model;
`streaming_decode.py` says how the chunks grow. Each clause that is spoken has a thread of its own,
at most `max_concurrent` of them; a stream that is closed ends within a step.

torch and transformers are imported only when the weights are there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

from anyio import to_thread

from aichat.core import (
    Ability,
    AichatError,
    AudioTokens,
    Backend,
    BackendFailed,
    ReferenceClip,
    Voice,
    closing,
    hookimpl,
)
from aichat.toolkit.local_model import LocalModel, weights_at
from aichat.toolkit.thread_streams import Listener
from aichat.toolkit.weights import Weights

from .out_of_memory import OutOfMemory, watched
from .reference_codes import LONGEST
from .text_normalisation import SAMPLE, SOUNDS, normal

MODEL = "eustlb/higgs-audio-v2-generation-3B-base"
CODEC = "eustlb/higgs-audio-v2-tokenizer"
FILES, MAIN = ("*.json", "*.safetensors", "*.jinja"), "config.json"
AHEAD = 4
"""Chunks that may wait for the listener before the speech pauses."""


@hookimpl
def tts_backend() -> Backend[Higgs]:
    """Offer Higgs Audio."""
    return Backend("higgs", Higgs)


class Higgs(LocalModel):
    """Speaks in described and cloned voices.

    *model_path* and *tokenizer_path* are folders, or repositories of the Hugging Face hub whose
    files are in its cache; with *download* they are brought. *lookahead* is how many frames (40 ms)
    each chunk waits for; None: none at first, then more. With 10 all sound is exact, with None
    that from 0.76 s of a clause on.
    """

    part, name, what = "tts", "higgs", "Higgs Audio"
    packages = ("torch", "transformers", "huggingface_hub")
    by_hand = "set HIGGS_MODEL_PATH and HIGGS_TOKENIZER_PATH to folders."

    sample_rate = 24_000
    abilities: frozenset[Ability] = frozenset({"clone", "describe", "seed"})
    sounds = frozenset(SOUNDS)

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
        super().__init__(max_concurrent, download)  # which is halved when memory is short
        self.model_path, self.tokenizer_path = model_path, tokenizer_path
        self.device, self.dtype, self.lookahead = device, dtype, lookahead
        self.sampling = {
            "temperature": temperature,
            "top_p": top_p,
            "top_k": top_k,
            "ras_window": ras_window,
            "ras_repeats": ras_repeats,
        }
        self._transcripts: dict[str, str] = {}
        """By the key of the clip that holds it."""

    @property
    def weights(self) -> Sequence[Weights]:
        return (
            weights_at("higgs-audio-v2", self.model_path, FILES, MAIN),
            weights_at("higgs-audio-v2-tokenizer", self.tokenizer_path, FILES, MAIN),
        )

    async def speak(self, text: str, voice: Voice) -> AsyncIterator[bytes]:
        if not normal(text):
            return
        engine = self._running()

        def say(listener: Listener[bytes]) -> None:
            with watched(self.max_concurrent):
                engine.say(text, voice, self._transcript(voice), listener)

        async with closing(self._streamed(say, AHEAD)) as chunks:
            async for chunk in chunks:
                yield chunk

    # -- getting to know voices ----------------------------------------------------------------

    def knows(self, voice: Voice) -> bool:
        is_written = voice.text_path is None or voice.text_path in self._transcripts
        return bool(self._running().fits(voice.audio_tokens)) and (
            is_written or not _is_cloned(voice)
        )

    async def learn(self, voice: Voice, reference: ReferenceClip | None) -> AudioTokens | None:
        engine = self._running()
        codes = voice.audio_tokens if engine.fits(voice.audio_tokens) else None
        if reference is not None:
            return await self._written_down(voice, reference, codes)

        def make_up(left: Callable[[], bool]) -> AudioTokens:
            with watched(self.max_concurrent):
                made: AudioTokens = engine.make_up(voice, left)
                return made

        return codes or await self._done(make_up)

    async def _written_down(
        self, voice: Voice, reference: ReferenceClip, codes: AudioTokens | None
    ) -> AudioTokens:
        """Note the words, and return the codes: those that there are, else new ones."""
        engine = self._running()

        def write_down(_: object) -> tuple[AudioTokens, bool]:
            with watched(self.max_concurrent):
                written: tuple[AudioTokens, bool] = engine.written_down(reference)
                return written

        known, was_cut = (codes, False) if codes else await self._done(write_down)
        if voice.text_path is not None:
            is_whole = not was_cut and len(known[0]) < LONGEST
            # the words of a clip that was cut are not those that are heard
            self._transcripts[voice.text_path] = normal(reference.transcript) if is_whole else ""
        return known

    def _transcript(self, voice: Voice) -> str:
        """Return the words of the voice's codes, as far as they are known."""
        return self._transcripts.get(voice.text_path or "", "") if _is_cloned(voice) else SAMPLE

    # -- the engine ----------------------------------------------------------------------------

    def _load(self, folders: Sequence[Path]) -> Any:
        from .engine import start  # which imports torch

        model, codec = folders
        return start((model, codec), self.device, self.dtype, self.sampling, self.lookahead)

    async def _explained(self, error: Exception) -> AichatError:
        """Turn what went wrong into a sentence; halve the voices if it was for want of memory."""
        if not isinstance(error, OutOfMemory):
            return await super()._explained(error)
        # several may fail at once for want of the same memory: that halves once
        self._workers.limit(min(self.max_concurrent, max(1, error.voices // 2)))
        await to_thread.run_sync(self._running().free)
        return BackendFailed(
            f"The memory did not suffice for {error.voices} voices at once; from now on it is "
            f"{self.max_concurrent}.",
            "Free some of the GPU's memory, or lower [tts.higgs] max_concurrent.",
        )


def _is_cloned(voice: Voice) -> bool:
    return voice.method == "clone" and voice.audio_path is not None
