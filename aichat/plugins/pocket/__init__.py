"""Speech by Kyutai's pocket-tts: natural voices on a CPU, streamed, also cloned.

The small models are fetched when the package is there (some 100 MB, in the background). torch is
imported only when they are. Cloning needs weights for which one has to ask at
huggingface.co/kyutai/pocket-tts; set `clone = true` then.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from importlib import import_module
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

from . import files
from .catalogue import TAGS

AHEAD = 4
"""Chunks that may wait for the listener before the speech pauses."""
BY_HAND = "set [tts.pocket] model to a YAML file with paths of weights."
_RUN = re.compile(r"(\w)\1{4,}")
"""A letter too often in a row, as in "noooooooo": it would be read as often."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ufffe\uffff]")


@hookimpl
def tts_backend() -> Backend[Pocket]:
    """Offer pocket-tts."""
    return Backend("pocket", Pocket)


class Pocket:
    """Speaks in the voices of *model*, or in those of a folder *voices* (.wav, .safetensors).

    *model* is a name of the package's, or a YAML file. Each of *max_concurrent* has its own copy.
    """

    sample_rate = 24_000

    def __init__(
        self,
        model: str = "english_18m_2026-10",
        voices: str = "",
        clone: bool = False,
        max_concurrent: int = 2,
        temperature: float | None = None,
        download: bool = True,
    ) -> None:
        self.model, self.voices, self.clone = model, voices, clone
        self.max_concurrent = max(1, max_concurrent)
        self.temperature, self.download = temperature, download
        self.report: Callable[[str], None] = lambda line: None
        self._workers = Workers(self.max_concurrent, "pocket-tts")
        self._engine: Any = None

    @property
    def abilities(self) -> frozenset[Ability]:
        """Whether it can clone depends on its weights."""
        return frozenset({"clone"}) if self.clone else frozenset()

    @property
    def languages(self) -> tuple[str, ...]:
        """The language is that of the model."""
        tag = TAGS.get(self.model.split("_")[0])
        return (tag,) if tag else ()

    @property
    def weights(self) -> tuple[Weights, ...]:
        """What is needed; nothing while the package is missing, which is told at the start."""
        try:
            return files.read(self.model).weights(self.clone)
        except CannotStart:
            return ()

    async def __aenter__(self) -> Pocket:
        recipe = await to_thread.run_sync(files.read, self.model)
        hub = await to_thread.run_sync(import_module, "huggingface_hub")
        folders = {
            one.name: await fetched(one, hub, self.report, allowed=self.download, otherwise=BY_HAND)
            for one in recipe.weights(self.clone)
        }
        self.report("loading the model")
        self._engine = await to_thread.run_sync(self._start, recipe, folders)
        await self._workers.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        try:
            await self._workers.__aexit__(*error)
        finally:
            self._engine = None

    async def speak(self, text: str, voice: Voice) -> AsyncIterator[bytes]:
        text = _RUN.sub(r"\1\1\1\1", " ".join(_CONTROL.sub(" ", text).split()))
        if not any(letter.isalnum() for letter in text):
            return
        engine = self._running()

        def say(listener: Listener[bytes]) -> None:
            engine.say(text, voice, listener)

        try:
            async with closing(self._workers.stream(say, AHEAD)) as chunks:
                async for chunk in chunks:
                    yield chunk
        except Exception as error:
            raise _told(error) from error

    def knows(self, voice: Voice) -> bool:
        is_cloned = self.clone and voice.method == "clone" and voice.audio_path is not None
        return not is_cloned or voice.audio_path in self._running().clones

    async def learn(self, voice: Voice, reference: Reference | None) -> Codes | None:
        """Keep how the clip sounds; in memory only, since it is no row of numbers."""
        engine, key = self._running(), voice.audio_path
        if reference is not None and key is not None:
            try:
                await self._workers.run(lambda: engine.learn(key, reference))
            except Exception as error:
                raise _told(error) from error
        return None

    def _start(self, recipe: files.Recipe, folders: Any) -> Any:
        from .engine import start  # which imports torch

        return start(
            recipe,
            self.clone,
            folders,
            self.voices,
            self.max_concurrent,
            self.temperature,
            self.download,
        )

    def _running(self) -> Any:
        if self._engine is None:
            raise NotReady("pocket-tts is not loaded.", "Start it first.")
        return self._engine


def _told(error: Exception) -> AichatError:
    if isinstance(error, AichatError):
        return error
    return BackendFailed(
        f"pocket-tts failed ({type(error).__name__}).",
        "Try again, or choose another [tts] backend.",
    )
